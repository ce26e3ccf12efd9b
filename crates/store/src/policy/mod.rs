//! All that the rules remember ([`policy::engine`]), in a file of its own, so that losing it never touches mail.
//!
//! Every event is judged in memory; a thread writes what changed behind it, a quarter of a second after the first
//! change, in one transaction. What was told more than a second before a crash is there after it; power loss may cost a
//! little more: a stranger of that time is asked to wait again. A file too slow for that holds the judging up, not the
//! promise: whoever judges asks [`Records::is_behind`] and [`Records::room`] first.

mod aside;
mod changes;
mod error;
mod file;
mod filter;
mod reader;
mod row;
mod tables;
mod writer;

pub use error::{Behind, FindError, OpenError, WriteError};
pub use filter::Filter;
pub use reader::Reader;
pub use row::Row;

use file::File;
use policy::Moment;
use policy::engine::{Engine, LastingKey, Rules};
use policy::greylist::Secret;
use policy::{domains, greylist, mailbox, returns, slots};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use writer::Writer;

/// The rules and their records; shared by the sessions of a server.
///
/// Dropping it writes what is left, as [`close`](Self::close) does.
#[derive(Debug)]
pub struct Records {
    writer: Writer,
    /// `None`: all is in memory.
    path: Option<PathBuf>,
    damage: Option<String>,
}

/// How much is remembered. What is over counts until events sweep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Triplets that wait for their second visit.
    pub pending: usize,
    /// Client networks and SPF domains that are let in without a wait.
    pub known: usize,
    /// Greylisting's appointments that ended since the start with nobody having come for them.
    pub unclaimed: u64,
    /// Places that limits and load keep for somebody.
    pub appointments: usize,
    /// Limits' counts that are not as good as new.
    pub calendars: usize,
    /// Mailboxes that are or were full.
    pub mailboxes: usize,
    /// Pairs of sender and recipient whose return is awaited, or came.
    pub awaited: usize,
    /// Pairs that count against a client that never came back.
    pub counted: usize,
    /// Clients that were accepted.
    pub accepted: usize,
    /// Entries of the operator's list.
    pub overrides: usize,
}

/// Rows that were forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Client networks and SPF domains that had come back.
    pub known: usize,
    /// Triplets.
    pub triplets: usize,
    /// Places that limits and load kept.
    pub appointments: usize,
    /// Limits' counts.
    pub calendars: usize,
    /// Mailboxes that are or were full.
    pub mailboxes: usize,
    /// Pairs whose return was awaited, came, or never came.
    pub told: usize,
    /// Sender domains that were seen.
    pub domains: usize,
}

impl Forgotten {
    /// All of them.
    pub fn total(self) -> usize {
        let Self {
            known,
            triplets,
            appointments,
            calendars,
            mailboxes,
            told,
            domains,
        } = self;
        known + triplets + appointments + calendars + mailboxes + told + domains
    }

    fn count(&mut self, row: &Row, rows: usize) {
        let counter = match row {
            Row::Greylist(greylist::Stored::Known { .. }) => &mut self.known,
            Row::Greylist(greylist::Stored::Record { .. }) => &mut self.triplets,
            Row::Slots(slots::Stored::Appointment { .. }) => &mut self.appointments,
            Row::Slots(slots::Stored::Calendar { .. }) => &mut self.calendars,
            Row::Mailbox(_) => &mut self.mailboxes,
            Row::Domain(_) => &mut self.domains,
            Row::Slots(slots::Stored::Clock { .. }) | Row::Returns(_) | Row::Override(_) => return,
        };
        *counter += rows;
    }
}

impl Records {
    /// Opens the records in the SQLite file at `path`, or makes it. What is over by `now` is not taken over.
    ///
    /// A damaged file is moved aside, and the records start empty: see [`damage`](Self::damage). Where there is no file
    /// yet, but an earlier release's `greylist.db` beside it, that becomes it.
    ///
    /// # Errors
    ///
    /// When the file is of a newer version, or can be neither read nor made.
    pub fn open(path: &Path, rules: Rules, now: SystemTime) -> Result<Self, OpenError> {
        let earlier = aside::take_over(path)?;
        let (engine, file, damage) = match load(path, rules.clone(), now) {
            Ok((engine, file)) => (engine, file, earlier),
            Err(error) if error.is_damage() => {
                let damage = aside::set_aside(path, &error)?;
                let (engine, file) = load(path, rules, now)?;
                (engine, file, Some(damage))
            }
            Err(error) => return Err(error),
        };
        let path = Some(file.path().to_owned());
        let writer = Writer::start(engine, file).map_err(OpenError::Thread)?;
        Ok(Self {
            writer,
            path,
            damage,
        })
    }

    /// Records that end with the process.
    pub fn in_memory(rules: Rules) -> Self {
        let [one, other] = random().map(u64::to_le_bytes);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&one);
        key[8..].copy_from_slice(&other);
        Self {
            writer: Writer::idle(Engine::new(rules, secret(), LastingKey(key))),
            path: None,
            damage: None,
        }
    }

    /// Lets one step happen, and has what it changed written. Takes microseconds: it waits for no file, so a step that
    /// judges comes behind [`is_behind`](Self::is_behind) and [`room`](Self::room).
    pub fn with<T>(&self, now: SystemTime, step: impl FnOnce(&mut Engine, Moment) -> T) -> T {
        self.writer.with(now, step)
    }

    /// Whether nobody may be told anything at `now`: something told more than a second before is not written yet, or
    /// very much is. The file is being written meanwhile: sleep for some milliseconds, and ask again with the time of
    /// then; or [`wait`](Self::wait). Takes no time.
    ///
    /// Where the file fails, or has kept others waiting for [`PATIENCE`](Self::PATIENCE), nobody waits: judging goes on
    /// in memory, and [`trouble`](Self::trouble) says so.
    pub fn is_behind(&self, now: SystemTime) -> bool {
        self.writer.is_behind(Some(now), Self::PATIENCE)
    }

    /// Blocks while [`is_behind`](Self::is_behind), for [`PATIENCE`](Self::PATIENCE) at most: not for a runtime's
    /// thread.
    ///
    /// # Errors
    ///
    /// As [`room`](Self::room).
    pub fn wait(&self, now: SystemTime) -> Result<(), Behind> {
        self.writer.wait(Some(now), Self::PATIENCE);
        self.writer.room()
    }

    /// Whether anybody can be judged. Takes no time.
    ///
    /// # Errors
    ///
    /// When the file has failed for so long that no more changes can be held for it (100,000). Whoever judges all the
    /// same lets memory grow.
    pub fn room(&self) -> Result<(), Behind> {
        self.writer.room()
    }

    /// After so long a wait for the file, judging goes on without it.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// Changes the rules. What was promised stands.
    pub fn configure(&self, rules: Rules) {
        self.writer.engine(|engine| engine.configure(rules));
    }

    /// Lets time pass; to be called every second.
    pub fn tick(&self, now: SystemTime) {
        self.with(now, Engine::tick);
    }

    /// The rows that match, at most `limit`: see [`Reader::find`].
    ///
    /// # Errors
    ///
    /// When the file can't be written or read, and for records that are in memory only: their addresses are not held.
    pub fn find(&self, filter: &Filter, limit: usize) -> Result<Vec<Row>, FindError> {
        self.reader()?.find(filter, limit)
    }

    /// The file as it is now.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn reader(&self) -> Result<Reader, FindError> {
        let path = self.path.as_ref().ok_or(FindError::InMemory)?;
        self.flush().map_err(FindError::Unwritten)?;
        Reader::open(path).map_err(FindError::Open)
    }

    /// Forgets what matches, in memory and in the file, and says how many rows. Who was told a time is a stranger again,
    /// and its place is free; recipients that share an appointment with one that is meant have it still.
    ///
    /// Entries of the operator's list stay, and so does who was accepted. What counts against a client that never came
    /// back goes as a whole, and only where the filter names no sender and no recipient. A sender domain goes where the
    /// filter names no single sender of it: the others' mail would have to wait.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find); what was forgotten before the error stays so.
    pub fn forget(&self, filter: &Filter, now: SystemTime) -> Result<usize, FindError> {
        self.forget_by_kind(filter, now).map(Forgotten::total)
    }

    /// The same, and says how many rows of each kind.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget).
    pub fn forget_by_kind(&self, filter: &Filter, now: SystemTime) -> Result<Forgotten, FindError> {
        let mut forgotten = Forgotten::default();
        let mut offenders = BTreeSet::new();
        let mut failed = Ok(());
        self.reader()?.scan(|row| {
            if filter.fits(&row) {
                self.writer.wait(None, Self::PATIENCE);
                failed = self.writer.room();
                let of_one = (filter.sender.as_deref()).is_some_and(|sender| sender.contains('@'));
                let of_client = filter.sender.is_none() && filter.recipient.is_none();
                match row {
                    Row::Returns(returns::Stored::Pair { client, .. }) if of_client => {
                        offenders.insert(client);
                    }
                    Row::Domain(_) if of_one => {}
                    row => {
                        let gone = self.with(now, |engine, now| forget(engine, &row, filter, now));
                        forgotten.count(&row, usize::from(gone));
                    }
                }
            }
            failed.is_ok()
        })?;
        for client in offenders {
            forgotten.told += self.with(now, |engine, _| engine.returns.forget(client));
        }
        failed.map_err(|Behind(why)| FindError::Unwritten(WriteError(why)))?;
        self.flush().map_err(FindError::Unwritten)?;
        Ok(forgotten)
    }

    /// How much is remembered.
    pub fn stats(&self) -> Stats {
        self.writer.engine(|engine| Stats {
            pending: engine.greylist.pending(),
            known: engine.greylist.known(),
            unclaimed: engine.greylist.unclaimed(),
            appointments: engine.book.appointments(),
            calendars: engine.book.calendars(),
            mailboxes: engine.mailboxes.rows().count(),
            awaited: engine.returns.pending(),
            counted: engine.returns.counted(),
            accepted: engine.returns.accepted_clients(),
            overrides: engine.lists.len(),
        })
    }

    /// What the file's last write failed with; `None` as soon as one succeeds. Judging goes on in memory meanwhile.
    pub fn trouble(&self) -> Option<String> {
        self.writer.trouble()
    }

    /// A damaged file was found at the start: what was wrong, and where it lies now.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Waits until everything that happened before this call is in the file, so that it survives the end of the process.
    ///
    /// # Errors
    ///
    /// When it can't be written; it is tried again each second all the same.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.writer.flush()
    }

    /// Writes what is left and ends.
    ///
    /// # Errors
    ///
    /// When it can't be written: then what changed since the last success is forgotten.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.writer.stop()
    }
}

fn load(path: &Path, rules: Rules, now: SystemTime) -> Result<(Engine, File), OpenError> {
    let file = File::open(path)?;
    let mut engine = Engine::new(rules, secret(), file.lasting_key()?);
    file.load(&mut engine, now)?;
    Ok((engine, file))
}

/// Says whether the row was there.
fn forget(engine: &mut Engine, row: &Row, filter: &Filter, now: Moment) -> bool {
    match row {
        Row::Greylist(stored @ greylist::Stored::Record { .. })
        | Row::Greylist(stored @ greylist::Stored::Known { .. }) => engine.greylist.forget(stored),
        Row::Slots(slots::Stored::Appointment {
            guests, recipients, ..
        }) => {
            let own = guests.iter().zip(recipients);
            let meant = own.filter(|(_, recipient)| filter.means(recipient));
            let names = meant.flat_map(|(guest, _)| &guest.0);
            let had = names.filter(|name| engine.book.forget_holder(**name, now));
            had.count() > 0
        }
        Row::Slots(slots::Stored::Calendar { rule, key, .. }) => {
            engine.book.forget_key(rule, key, now)
        }
        Row::Mailbox(mailbox::Stored { mailbox, .. }) => engine.mailboxes.forget(mailbox),
        Row::Domain(domains::Stored { domain, .. }) => engine.domains.forget(domain),
        Row::Slots(slots::Stored::Clock { .. }) | Row::Returns(_) | Row::Override(_) => false,
    }
}

/// From the standard library's random seed: nothing made of it outlives the process, so neither need it.
fn random() -> [u64; 2] {
    [(); 2].map(|()| RandomState::new().build_hasher().finish())
}

fn secret() -> Secret {
    Secret::new(random())
}
