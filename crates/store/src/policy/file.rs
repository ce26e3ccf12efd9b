//! The file: opened, loaded, written.

use super::changes::Changes;
use super::error::{OpenError, WriteError};
use super::tables::{domains, estimates, greylist, lists, mailboxes, returns, slots, stats};
use policy::Moment;
use policy::engine::{Engine, LastingKey};
use rusqlite::{Connection, OpenFlags, Transaction, ffi};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The layout this code reads and writes. 1 was greylisting's alone.
pub(super) const VERSION: i64 = 2;

/// SQLite makes the key: from the system's randomness, as all that it calls random.
const KEY: &str = "
CREATE TABLE IF NOT EXISTS lasting_key (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    key        BLOB NOT NULL     -- 128 random bits, with which appointments' holders are hashed
);
DELETE FROM lasting_key WHERE typeof(key) <> 'blob' OR length(key) <> 16;
INSERT OR IGNORE INTO lasting_key VALUES (1, randomblob(16));
";

/// Statements that are in use, with some to spare.
const STATEMENTS: usize = 40;

/// The open file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    connection: Connection,
}

impl File {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = connect(path, OpenFlags::default(), VERSION)?;
        check(&connection)
            .and_then(|()| prepare(&connection))
            .map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lasting_key(&self) -> Result<LastingKey, OpenError> {
        self.connection
            .query_row("SELECT key FROM lasting_key", [], |row| row.get(0))
            .map(LastingKey)
            .map_err(|source| failed(&self.path, source))
    }

    /// Reads every row into the engine.
    pub(super) fn load(&self, engine: &mut Engine, now: SystemTime) -> Result<(), OpenError> {
        load(&self.connection, engine, now).map_err(|source| failed(&self.path, source))
    }

    /// Writes the changes, all or none.
    pub(super) fn apply(&mut self, changes: &Changes) -> Result<(), WriteError> {
        // What is written to a file without a name is written well, and gone at the next start.
        if self.path.try_exists().is_ok_and(|is_there| !is_there) {
            let path = self.path.display();
            let gone =
                format!("{path} was removed: put it back, or restart to begin without records");
            return Err(WriteError(gone));
        }
        self.transact(changes)
            .map_err(|error| WriteError(error.to_string()))
    }

    fn transact(&mut self, changes: &Changes) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let Changes {
            greylist,
            slots,
            mailboxes,
            returns,
            domains,
            lists,
            estimates,
            stats,
        } = changes;
        each(&transaction, greylist, greylist::apply)?;
        each(&transaction, slots, slots::apply)?;
        each(&transaction, mailboxes, mailboxes::apply)?;
        each(&transaction, returns, returns::apply)?;
        each(&transaction, domains, domains::apply)?;
        each(&transaction, lists, lists::apply)?;
        each(&transaction, estimates, estimates::apply)?;
        each(&transaction, stats, stats::apply)?;
        transaction.commit()
    }
}

/// Connects, unless a newer release than one that writes `version` was there.
pub(super) fn connect(
    path: &Path,
    flags: OpenFlags,
    version: i64,
) -> Result<Connection, OpenError> {
    let connection =
        Connection::open_with_flags(path, flags).map_err(|source| failed(path, source))?;
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| failed(path, source))?;
    if found > version {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: version,
        });
    }
    Ok(connection)
}

pub(super) fn failed(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}

/// Finds damage also where no row is read from, as in an index: every write would fail on it, at this start and at each
/// one after. A million triplets take a quarter of a second.
fn check(connection: &Connection) -> Result<(), rusqlite::Error> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match &*found {
        "ok" => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_CORRUPT),
            Some(found.replace('\n', ": ")),
        )),
    }
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    // Asks for the journal and gets back which it is: on a file system that can't, the old one does as well.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A process that dies loses nothing; power loss may cost the last seconds, which is a wait and no mail.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let transaction = connection.unchecked_transaction()?;
    make_tables(&transaction)?;
    transaction.execute_batch(KEY)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Adds what a file of an earlier release lacks, in the transaction under way.
pub(super) fn make_tables(connection: &Connection) -> Result<(), rusqlite::Error> {
    greylist::prepare(connection)?;
    slots::prepare(connection)?;
    mailboxes::prepare(connection)?;
    returns::prepare(connection)?;
    domains::prepare(connection)?;
    lists::prepare(connection)?;
    estimates::prepare(connection)?;
    stats::prepare(connection)
}

fn load(
    connection: &Connection,
    engine: &mut Engine,
    now: SystemTime,
) -> Result<(), rusqlite::Error> {
    let moment = Moment::from(now);
    greylist::load(connection, &mut engine.greylist, now)?;
    slots::load(connection, &mut engine.book)?;
    mailboxes::load(connection, &mut engine.mailboxes)?;
    returns::load(connection, &mut engine.returns, moment)?;
    domains::load(connection, &mut engine.domains, moment)?;
    lists::load(connection, &mut engine.lists, moment)?;
    estimates::load(connection, &mut engine.estimates)?;
    stats::load(connection, &mut engine.stats, moment)
}

fn each<T>(
    transaction: &Transaction<'_>,
    changes: &[T],
    apply: fn(&Transaction<'_>, &T) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    changes
        .iter()
        .try_for_each(|change| apply(transaction, change))
}
