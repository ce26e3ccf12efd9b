//! Taking rows that came up.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use queue::Progress;
use queue::spool::{Lease, Leased, Step};
use rusqlite::{Connection, Params, Statement};

use super::batch::{Request, Statements};
use super::{read, row};

/// So many rows beyond the limit are looked at when `step` leaves rows as they are, so that a lease always ends soon.
const PASSED_OVER_MAX: usize = 10_000;

/// The parks of a limit of our own end with the process that had the limit.
const BUSY: &str = "parked >= 'busy ' AND parked < 'busy!'";

/// How rows are found.
pub(super) struct Selects<'c> {
    due: Statement<'c>,
    parked: Statement<'c>,
    message: Statement<'c>,
    envelope: Statement<'c>,
    busy: Statement<'c>,
}

impl<'c> Selects<'c> {
    pub(super) fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        let select =
            |rest: &str| conn.prepare(&format!("SELECT {} FROM progress {rest}", row::PROGRESS));
        Ok(Self {
            due: select("WHERE wake <= ?1 ORDER BY wake, message, recipient")?,
            parked: select("WHERE parked = ?1 ORDER BY message, recipient")?,
            message: select("WHERE message = ?1 ORDER BY recipient")?,
            envelope: conn.prepare("SELECT id, received, envelope FROM message WHERE id = ?1")?,
            busy: select(&format!("WHERE {BUSY} ORDER BY parked LIMIT ?1"))?,
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
            &mut statements.lease.parked,
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

/// Ends up to `limit` parks that an earlier process left under limits of its own; whether there may be more.
pub(super) fn end_busy_parks(
    statements: &mut Statements<'_>,
    limit: usize,
) -> rusqlite::Result<bool> {
    let found: Vec<_> = {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statements
            .lease
            .busy
            .query_map([limit], row::read_progress)?
            .collect::<rusqlite::Result<_>>()?
    };
    for (message, recipient, progress) in &found {
        let progress = Progress {
            parked: None,
            ..progress.clone()
        };
        row::write_progress(
            &mut statements.update_progress,
            *message,
            *recipient,
            &progress,
        )?;
    }
    Ok(found.len() == limit)
}
