//! Reading, beside the writer: connections of its own, so that nobody waits for anybody.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use queue::MessageId;
use queue::spool::{Count, Entry, Hold, SpoolError};
use rusqlite::{Connection, OptionalExtension, Row};

use super::health::Health;
use super::{row, schema};

/// Idle connections that are kept.
const POOL: usize = 4;

/// A small pool of reading connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    health: Arc<Health>,
    pool: Mutex<Vec<Connection>>,
    closed: AtomicBool,
}

/// A message's content as the database knows it.
pub(super) enum Content {
    Inline(Arc<[u8]>),
    File(u64),
}

impl Readers {
    pub(super) fn new(path: PathBuf, health: Arc<Health>) -> Self {
        Self {
            path,
            health,
            pool: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        self.health.check()?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(SpoolError::Closed);
        }
        let pooled = self
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let answer = pooled
            .map_or_else(|| schema::open_reader(&self.path), Ok)
            .and_then(|conn| {
                let answer = read(&conn)?;
                Ok((conn, answer))
            });
        let (conn, answer) = answer.map_err(|e| self.health.sqlite(&e))?;
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL && !self.closed.load(Ordering::Relaxed) {
            pool.push(conn);
        }
        Ok(answer)
    }

    /// Opens one, to see whether it can be read.
    pub(super) fn check(&self) -> Result<(), super::OpenError> {
        let conn =
            schema::open_reader(&self.path).map_err(|e| super::OpenError::sqlite(&self.path, e))?;
        schema::check_version(&conn, &self.path)
    }

    pub(super) fn has(&self, id: MessageId) -> Result<bool, SpoolError> {
        let Some(id) = key(id) else { return Ok(false) };
        self.with(|conn| {
            conn.prepare_cached("SELECT 1 FROM message WHERE id = ?1")?
                .exists([id])
        })
    }

    pub(super) fn content(&self, id: MessageId) -> Result<Option<Content>, SpoolError> {
        let Some(id) = key(id) else { return Ok(None) };
        let read = |row: &Row<'_>| {
            Ok(match row.get_ref(1)?.as_blob_or_null()? {
                Some(content) => Content::Inline(content.into()),
                None => Content::File(unsigned(row.get(0)?)),
            })
        };
        let sql =
            "SELECT octets, content FROM message LEFT JOIN body ON body.message = id WHERE id = ?1";
        self.with(|conn| conn.prepare_cached(sql)?.query_row([id], read).optional())
    }

    pub(super) fn get(&self, id: MessageId) -> Result<Option<Entry>, SpoolError> {
        let Some(id) = key(id) else { return Ok(None) };
        self.with(|conn| {
            Ok(entries(conn, id, 1)?
                .pop()
                .filter(|entry| key(entry.message.id) == Some(id)))
        })
    }

    pub(super) fn list(
        &self,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Entry>, SpoolError> {
        let first = match after {
            None => 0,
            Some(after) => match key(after).and_then(|after| after.checked_add(1)) {
                None => return Ok(Vec::new()),
                Some(first) => first,
            },
        };
        self.with(|conn| entries(conn, first, limit))
    }

    pub(super) fn holds(&self) -> Result<Vec<Hold>, SpoolError> {
        let read = |row: &Row<'_>| {
            let key = row.get_ref(0)?.as_str()?.parse();
            let (until, failures) = (row::time(row.get(1)?), row.get(2)?);
            let (reason, relay) = (row.get(3)?, row.get(4)?);
            // A key that an administrator wrote by hand, and wrongly, holds nothing.
            Ok(key.ok().map(|key| Hold {
                key,
                until,
                failures,
                reason,
                relay,
            }))
        };
        self.with(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT key, until, failures, reason, relay FROM hold ORDER BY key",
            )?;
            statement
                .query_map([], read)?
                .filter_map(Result::transpose)
                .collect()
        })
    }

    pub(super) fn next_wake(&self) -> Result<Option<SystemTime>, SpoolError> {
        let wake = |row: &Row<'_>| row.get::<_, Option<i64>>(0);
        let wake = self.with(|conn| {
            conn.prepare_cached("SELECT min(wake) FROM progress")?
                .query_row([], wake)
        })?;
        Ok(wake.map(row::time))
    }

    pub(super) fn count(&self) -> Result<Count, SpoolError> {
        let count = |row: &Row<'_>| {
            let (messages, recipients) = (unsigned(row.get(0)?), unsigned(row.get(1)?));
            Ok(Count {
                messages,
                recipients,
            })
        };
        self.with(|conn| {
            conn.prepare_cached("SELECT messages, recipients FROM state")?
                .query_row([], count)
        })
    }
}

/// Messages from `first` on, with their rows, as of one moment.
fn entries(conn: &Connection, first: i64, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    let moment = conn.unchecked_transaction()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut entries: Vec<Entry> = moment
        .prepare_cached(
            "SELECT id, received, envelope FROM message WHERE id >= ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map([first, limit], |row| {
            row::read_message(row).map(|message| (message, Vec::new()))
        })?
        .map(|entry| {
            entry.map(|(message, rows)| Entry {
                message: message.into(),
                rows,
            })
        })
        .collect::<rusqlite::Result<_>>()?;
    if let Some(last) = entries.last().and_then(|entry| key(entry.message.id)) {
        let sql = format!(
            "SELECT {} FROM progress WHERE message BETWEEN ?1 AND ?2 ORDER BY message, recipient",
            row::PROGRESS
        );
        let mut statement = moment.prepare_cached(&sql)?;
        let mut rows = statement.query([first, last])?;
        let mut at = 0;
        while let Some(row) = rows.next()? {
            let (message, recipient, progress) = row::read_progress(row)?;
            while entries
                .get(at)
                .is_some_and(|entry| key(entry.message.id) < Some(message))
            {
                at += 1;
            }
            match entries.get_mut(at) {
                Some(entry) if key(entry.message.id) == Some(message) => {
                    entry.rows.push((recipient, progress))
                }
                _ => {}
            }
        }
    }
    moment.finish()?;
    Ok(entries)
}

/// The column's value; `None` for an id that no spool gives.
pub(super) fn key(id: MessageId) -> Option<i64> {
    i64::try_from(id.0).ok()
}

/// A count as it is stored.
pub(super) fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
