//! Taking rows that came up.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use queue::spool::{Lease, Leased, Step};
use queue::{HoldKey, Progress};
use rusqlite::{Connection, Params, Statement};

use super::batch::{Request, Statements};
use super::{read, row};

/// So many rows beyond the limit are looked at when `step` leaves rows as they are, so that a lease always ends soon.
const PASSED_OVER_MAX: usize = 10_000;

/// The keys under which rows are parked and of which there is no hold; each found by one look into the index, however
/// many rows are parked.
const LOST: &str = "WITH RECURSIVE keys(key) AS ( \
       SELECT min(parked) FROM progress WHERE parked IS NOT NULL \
       UNION ALL \
       SELECT (SELECT min(parked) FROM progress WHERE parked > key) FROM keys WHERE key IS NOT NULL) \
     SELECT key FROM keys WHERE key IS NOT NULL AND key NOT IN (SELECT key FROM hold)";

/// How rows are found.
pub(super) struct Selects<'c> {
    due: Statement<'c>,
    parked: Statement<'c>,
    probe: Statement<'c>,
    message: Statement<'c>,
    envelope: Statement<'c>,
}

impl<'c> Selects<'c> {
    pub(super) fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        let select =
            |rest: &str| conn.prepare(&format!("SELECT {} FROM progress {rest}", row::PROGRESS));
        Ok(Self {
            due: select("WHERE wake <= ?1 ORDER BY wake, message, recipient")?,
            parked: select("WHERE parked = ?1 ORDER BY message, recipient")?,
            // By its turn; the second term is that of the index.
            probe: select(
                "WHERE parked = ?1 AND parked > 'host' ORDER BY attempts, message, recipient",
            )?,
            message: select("WHERE message = ?1 ORDER BY recipient")?,
            envelope: conn.prepare("SELECT id, received, envelope FROM message WHERE id = ?1")?,
        })
    }
}

/// A row that was taken: its key, as it was, as it will be.
type Taken = (i64, u32, Progress, Progress);

/// Takes the rows, and writes what they are while under way.
pub(super) fn lease(
    statements: &mut Statements<'_>,
    request: &Request,
) -> rusqlite::Result<Vec<Leased>> {
    let Request {
        which,
        now,
        limit,
        step,
    } = request;
    let mut taken = Vec::new();
    match which {
        Lease::Due => take(
            &mut statements.lease.due,
            [row::millis_now(*now)],
            *limit,
            step,
            &mut taken,
        )?,
        Lease::Parked(key) => take(
            match key {
                HoldKey::Busy(_) => &mut statements.lease.parked,
                HoldKey::Host(_) | HoldKey::Mailbox(_) => &mut statements.lease.probe,
            },
            [key.to_string()],
            *limit,
            step,
            &mut taken,
        )?,
        Lease::Messages(ids) => {
            let mut named = HashSet::new();
            for id in ids
                .iter()
                .filter(|id| named.insert(**id))
                .filter_map(|id| read::key(*id))
            {
                take(
                    &mut statements.lease.message,
                    [id],
                    *limit,
                    step,
                    &mut taken,
                )?;
            }
        }
    }
    let mut leased: Vec<Leased> = Vec::new();
    let mut places = HashMap::new();
    for (message, recipient, before, after) in taken {
        row::write_progress(&mut statements.update_progress, message, recipient, &after)?;
        let place = match places.entry(message) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                let message = Arc::new(
                    statements
                        .lease
                        .envelope
                        .query_row([message], row::read_message)?,
                );
                leased.push(Leased {
                    message,
                    rows: Vec::new(),
                });
                *place.insert(leased.len() - 1)
            }
        };
        leased[place].rows.push((recipient, before));
    }
    Ok(leased)
}

/// Adds rows until there are `limit` of them. Nothing is written while the statement still reads.
fn take(
    select: &mut Statement<'_>,
    which: impl Params,
    limit: usize,
    step: &Step,
    taken: &mut Vec<Taken>,
) -> rusqlite::Result<()> {
    let mut passed_over = 0;
    let mut rows = select.query(which)?;
    while taken.len() < limit && passed_over < PASSED_OVER_MAX {
        let Some(row) = rows.next()? else { break };
        let (message, recipient, before) = row::read_progress(row)?;
        match step(&before) {
            Some(after) => taken.push((message, recipient, before, after)),
            None => passed_over += 1,
        }
    }
    Ok(())
}

/// Finds the keys of parks that nobody will end: those of limits of our own, which end with the process that had the
/// limit, and those whose hold's record was lost.
pub(super) fn lost_parks(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut keys = conn.prepare(LOST)?;
    keys.query_map([], |row| row.get(0))?.collect()
}

/// Ends up to `limit` parks under these keys, and takes out the keys under which nothing is left.
pub(super) fn end_lost_parks(
    statements: &mut Statements<'_>,
    keys: &mut Vec<String>,
    limit: usize,
) -> rusqlite::Result<()> {
    let mut left = limit;
    while let Some(key) = keys.last() {
        let mut found = Vec::new();
        {
            let mut rows = statements.lease.parked.query([key])?;
            while found.len() < left
                && let Some(row) = rows.next()?
            {
                found.push(row::read_progress(row)?);
            }
        }
        for (message, recipient, progress) in &found {
            let progress = Progress {
                parked: None,
                ..progress.clone()
            };
            let update = &mut statements.update_progress;
            row::write_progress(update, *message, *recipient, &progress)?;
        }
        left -= found.len();
        if left == 0 {
            break;
        }
        keys.pop();
    }
    Ok(())
}
