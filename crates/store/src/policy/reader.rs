//! Reading beside the writer, from the same process or another one, while a server runs and while none does.

use super::error::{FindError, OpenError};
use super::file::{VERSION, connect, failed, make_tables};
use super::filter::Filter;
use super::row::Row;
use super::tables::{Source, domains, greylist, lists, mailboxes, returns, slots, stats};
use policy::greylist::Secret;
use policy::returns::{Offender, Returns, Settings};
use policy::stats::Row as Day;
use rusqlite::backup::Backup;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The file, to look at. What a running server was told within the last second may not be in it yet.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

/// Copied at once.
const PAGES: i32 = 1_024;

impl Reader {
    /// The file that is read for the one at `path`: where there is none yet, an earlier release's beside it.
    pub fn file(path: &Path) -> PathBuf {
        super::aside::earlier(path).unwrap_or_else(|| path.to_owned())
    }

    /// Opens the records of a data directory; makes none. Those of an earlier release are read as they are, and left so.
    ///
    /// # Errors
    ///
    /// When there are none, when they are of a newer version, or can't be read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = &Self::file(path);
        // The journal's shared memory may have to be made, so not merely for reading.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, VERSION)?;
        let connection = as_todays(connection).map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// The rows that match, at most `limit`: what greylisting knows for good, its triplets, appointments, calendars, who
    /// is awaited or never came back, who was accepted, sender domains that were seen, mailboxes, and the operator's list. Those whose time is over
    /// are among them until they are swept. Reads the whole file: not for a session's thread.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn find(&self, filter: &Filter, limit: usize) -> Result<Vec<Row>, FindError> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.scan(|row| {
                if filter.fits(&row) {
                    rows.push(row);
                }
                rows.len() < limit
            })?;
        }
        Ok(rows)
    }

    /// Hints given and how they were kept, by day and reason.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn stats(&self) -> Result<Vec<Day>, FindError> {
        let mut days = Vec::new();
        self.each(&stats::STATS, |day| {
            days.push(day);
            true
        })?;
        days.sort_by_key(|day| (day.day, day.reason));
        Ok(days)
    }

    /// Who never came back, as the rule has it under these settings, in order of address.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn offenders(
        &self,
        settings: Settings,
        now: SystemTime,
    ) -> Result<Vec<Offender>, FindError> {
        let now = now.into();
        let mut rule = Returns::new(settings, Secret::new([0, 0]));
        for source in [returns::ACCEPTED, returns::TOLD] {
            self.each(&source, |stored| {
                rule.restore(stored, now);
                true
            })?;
        }
        Ok(rule.offenders(now))
    }

    /// Shows all rows, kind by kind in the order of [`find`](Self::find), until `act` returns false: has had enough.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn scan(&self, mut act: impl FnMut(Row) -> bool) -> Result<(), FindError> {
        let greylist = [greylist::KNOWN, greylist::TRIPLETS];
        let slots = [slots::APPOINTMENTS, slots::CALENDARS];
        let returns = [returns::TOLD, returns::ACCEPTED];
        let mut enough = false;
        for source in greylist {
            enough = enough || self.each(&source, |stored| act(Row::Greylist(stored)))?;
        }
        for source in slots {
            enough = enough || self.each(&source, |stored| act(Row::Slots(stored)))?;
        }
        for source in returns {
            enough = enough || self.each(&source, |stored| act(Row::Returns(stored)))?;
        }
        enough = enough || self.each(&domains::DOMAINS, |stored| act(Row::Domain(stored)))?;
        enough = enough || self.each(&mailboxes::MAILBOXES, |stored| act(Row::Mailbox(stored)))?;
        if !enough {
            self.each(&lists::OVERRIDES, |entry| act(Row::Override(entry)))?;
        }
        Ok(())
    }

    /// Says whether `act` had enough.
    fn each<T>(&self, source: &Source<T>, act: impl FnMut(T) -> bool) -> Result<bool, FindError> {
        let mut broken = Vec::new();
        source
            .each(&self.connection, &mut broken, act)
            .map_err(|source| FindError::File {
                path: self.path.clone(),
                source,
            })
    }
}

/// A file of an earlier release is copied into memory, and what it lacks is added there: a server of that release may be
/// at work on it.
fn as_todays(file: Connection) -> Result<Connection, Error> {
    file.pragma_update(None, "query_only", true)?;
    match make_tables(&file) {
        Ok(()) => return Ok(file),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {}
        Err(error) => return Err(error),
    }
    let mut copy = Connection::open_in_memory()?;
    Backup::new(&file, &mut copy)?.run_to_completion(PAGES, Duration::ZERO, None)?;
    make_tables(&copy)?;
    Ok(copy)
}
