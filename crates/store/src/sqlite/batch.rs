//! What callers ask for, and how it is written inside one transaction.

use std::time::SystemTime;

use queue::spool::{Body, Done, Hold, Lease, Leased, SpoolError, Step};
use queue::{HoldKey, Message, MessageId, Progress};
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::read::{key, unsigned};
use super::{lease, row};

/// One caller's request.
pub(super) enum Job {
    Change(Prepared, Done<()>),
    Lease(Request, Vec<Leased>, Done<Vec<Leased>>),
}

/// What [`queue::spool::Spool::lease`] was asked.
pub(super) struct Request {
    pub(super) which: Lease,
    pub(super) now: SystemTime,
    pub(super) limit: usize,
    pub(super) step: Step,
}

/// A change, encoded on its caller's thread as far as can be.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) enqueue: Vec<NewMail>,
    pub(super) update: Vec<(MessageId, u32, Progress)>,
    pub(super) told: Vec<(MessageId, u32)>,
    pub(super) done: Vec<(MessageId, u32)>,
    pub(super) hold: Vec<Hold>,
    pub(super) unhold: Vec<HoldKey>,
}

/// Octets of a row with its index entries, about.
const ROW: usize = 256;

/// A new message.
pub(super) struct NewMail {
    id: MessageId,
    received: i64,
    envelope: String,
    body: Body,
    rows: Vec<Progress>,
}

impl NewMail {
    pub(super) fn encode(
        message: &Message,
        body: Body,
        rows: Vec<Progress>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: message.id,
            received: row::millis(message.received),
            envelope: row::envelope_text(message)?,
            body,
            rows,
        })
    }

    /// Octets it takes in the database.
    fn octets(&self) -> usize {
        let inline = match &self.body {
            Body::Inline(content) => content.len(),
            Body::File(_) => 0,
        };
        inline + self.envelope.len() + self.rows.len() * ROW
    }
}

impl Job {
    /// Octets that it brings into the database.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Change(change, _) => change.enqueue.iter().map(NewMail::octets).sum(),
            Self::Lease(..) => 0,
        }
    }

    /// It only brings mail, and takes none away. Such a job must leave the others their room on a full disk.
    pub(super) fn only_grows(&self) -> bool {
        matches!(self, Self::Change(change, _) if !change.enqueue.is_empty() && change.done.is_empty())
    }

    /// The new messages whose content is a file.
    pub(super) fn files(&self) -> impl Iterator<Item = MessageId> {
        let new = match self {
            Self::Change(change, _) => change.enqueue.as_slice(),
            Self::Lease(..) => &[],
        };
        new.iter()
            .filter(|new| matches!(new.body, Body::File(_)))
            .map(|new| new.id)
    }

    /// Tells the caller.
    pub(super) fn answer(self, result: Result<(), SpoolError>) {
        match self {
            Self::Change(_, done) => done(result),
            Self::Lease(_, leased, done) => done(result.map(|()| leased)),
        }
    }
}

/// The one row of the table `state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) last_id: u64,
    pub(super) messages: u64,
    pub(super) recipients: u64,
}

/// What one transaction changes beside the tables, once it is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) totals: Totals,
    /// Messages that are there now and have a file.
    pub(super) added_files: Vec<MessageId>,
    /// Messages that are gone and had one.
    pub(super) removed_files: Vec<MessageId>,
    /// Octets of the content of messages that are gone.
    pub(super) removed_octets: u64,
}

/// Prepared once: what the writer says all day.
pub(super) struct Statements<'c> {
    insert_message: Statement<'c>,
    insert_body: Statement<'c>,
    insert_progress: Statement<'c>,
    pub(super) update_progress: Statement<'c>,
    select_progress: Statement<'c>,
    delete_progress: Statement<'c>,
    has_progress: Statement<'c>,
    delete_message: Statement<'c>,
    delete_body: Statement<'c>,
    insert_hold: Statement<'c>,
    delete_hold: Statement<'c>,
    update_state: Statement<'c>,
    next_wake: Statement<'c>,
    spare_pages: Statement<'c>,
    pub(super) lease: lease::Selects<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            insert_message: conn.prepare(
                "INSERT INTO message (id, received, octets, envelope) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?,
            insert_body: conn.prepare("INSERT INTO body (message, content) VALUES (?1, ?2)")?,
            insert_progress: conn.prepare(row::INSERT_PROGRESS)?,
            update_progress: conn.prepare(row::UPDATE_PROGRESS)?,
            select_progress: conn.prepare(&format!(
                "SELECT {} FROM progress WHERE message = ?1 AND recipient = ?2",
                row::PROGRESS
            ))?,
            delete_progress: conn.prepare("DELETE FROM progress WHERE message = ?1 AND recipient = ?2")?,
            has_progress: conn.prepare("SELECT 1 FROM progress WHERE message = ?1")?,
            delete_message: conn.prepare("DELETE FROM message WHERE id = ?1 RETURNING octets")?,
            delete_body: conn.prepare("DELETE FROM body WHERE message = ?1")?,
            insert_hold: conn.prepare(
                "INSERT OR REPLACE INTO hold (key, until, failures, reason, relay) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            delete_hold: conn.prepare("DELETE FROM hold WHERE key = ?1")?,
            update_state: conn.prepare("UPDATE state SET last_id = ?1, messages = ?2, recipients = ?3")?,
            next_wake: conn.prepare("SELECT min(wake) FROM progress")?,
            spare_pages: conn.prepare("PRAGMA freelist_count")?,
            lease: lease::Selects::new(conn)?,
        })
    }

    /// Writes one job. What it did beside the tables goes into `effects`.
    pub(super) fn apply(&mut self, job: &mut Job, effects: &mut Effects) -> rusqlite::Result<()> {
        match job {
            Job::Change(change, _) => self.change(change, effects),
            Job::Lease(request, leased, _) => {
                *leased = lease::lease(self, request)?;
                Ok(())
            }
        }
    }

    fn change(&mut self, change: &Prepared, effects: &mut Effects) -> rusqlite::Result<()> {
        for new in &change.enqueue {
            self.enqueue(new, effects)?;
        }
        for (id, recipient, progress) in &change.update {
            if let Some(id) = key(*id) {
                row::write_progress(&mut self.update_progress, id, *recipient, progress)?;
            }
        }
        for (id, recipient) in &change.told {
            self.told(*id, *recipient)?;
        }
        for (id, recipient) in &change.done {
            self.done(*id, *recipient, effects)?;
        }
        for hold in &change.hold {
            let key = hold.key.to_string();
            self.insert_hold.execute(params![
                key,
                row::millis(hold.until),
                hold.failures,
                hold.reason,
                hold.relay
            ])?;
        }
        for key in &change.unhold {
            self.delete_hold.execute([key.to_string()])?;
        }
        Ok(())
    }

    fn enqueue(&mut self, new: &NewMail, effects: &mut Effects) -> rusqlite::Result<()> {
        let (Some(id), false) = (key(new.id), new.rows.is_empty()) else {
            return Ok(());
        };
        let octets = match &new.body {
            Body::Inline(content) => content.len() as u64,
            Body::File(file) => file.len(),
        };
        let octets = i64::try_from(octets).unwrap_or(i64::MAX);
        if self
            .insert_message
            .execute(params![id, new.received, octets, new.envelope])?
            == 0
        {
            return Ok(());
        }
        match &new.body {
            Body::Inline(content) => {
                self.insert_body.execute(params![id, &content[..]])?;
            }
            Body::File(_) => effects.added_files.push(new.id),
        }
        for (recipient, progress) in (0..).zip(&new.rows) {
            row::write_progress(&mut self.insert_progress, id, recipient, progress)?;
        }
        effects.totals.last_id = effects.totals.last_id.max(new.id.0);
        effects.totals.messages += 1;
        effects.totals.recipients += new.rows.len() as u64;
        Ok(())
    }

    /// By way of the row, since its wake time is not ours to compute.
    fn told(&mut self, id: MessageId, recipient: u32) -> rusqlite::Result<()> {
        let Some(id) = key(id) else { return Ok(()) };
        let found = self
            .select_progress
            .query_row(params![id, recipient], row::read_progress)
            .optional()?;
        if let Some((.., progress)) = found {
            let progress = Progress {
                delay_notice: None,
                ..progress
            };
            row::write_progress(&mut self.update_progress, id, recipient, &progress)?;
        }
        Ok(())
    }

    fn done(
        &mut self,
        id: MessageId,
        recipient: u32,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        let Some(row) = key(id) else { return Ok(()) };
        if self.delete_progress.execute(params![row, recipient])? == 0 {
            return Ok(());
        }
        effects.totals.recipients = effects.totals.recipients.saturating_sub(1);
        if self.has_progress.exists([row])? {
            return Ok(());
        }
        let octets = self
            .delete_message
            .query_row([row], |row| row.get::<_, i64>(0))
            .optional()?;
        if self.delete_body.execute([row])? == 0 {
            effects.removed_files.push(id);
        }
        effects.totals.messages = effects.totals.messages.saturating_sub(1);
        effects.removed_octets += octets.map_or(0, unsigned);
        Ok(())
    }

    /// Writes the totals.
    pub(super) fn write_totals(&mut self, totals: &Totals) -> rusqlite::Result<()> {
        let values = [totals.last_id, totals.messages, totals.recipients]
            .map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.update_state.execute(values).map(|_| ())
    }

    /// The earliest wake time, and how many pages of the database are free.
    pub(super) fn gauges(&mut self) -> rusqlite::Result<(Option<i64>, u64)> {
        let wake = self.next_wake.query_row([], |row| row.get(0))?;
        let spare: i64 = self.spare_pages.query_row([], |row| row.get(0))?;
        Ok((wake, unsigned(spare)))
    }
}
