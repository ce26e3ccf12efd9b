//! The file: two tables that an administrator can read with `sqlite3`.

use policy::greylist::{Change, Known, Moment, Record, Stored, Table};
use rusqlite::{Connection, ErrorCode, Row, Transaction, params};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The layout this code reads and writes.
const VERSION: i64 = 1;

/// Times are milliseconds since 1970-01-01 UTC.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS triplet (
    id         INTEGER PRIMARY KEY,
    network    TEXT NOT NULL,
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    first_seen INTEGER NOT NULL, -- when it was refused first, ms since 1970
    due        INTEGER NOT NULL, -- the appointment: from then on it passes
    expires    INTEGER NOT NULL, -- the last moment at which this counts
    passed     INTEGER           -- when it was last let in; NULL: it waits
);
CREATE TABLE IF NOT EXISTS known (
    network    TEXT PRIMARY KEY,
    passes     INTEGER NOT NULL, -- triplets that came back in their window
    last_used  INTEGER NOT NULL, -- to the hour
    for_good   INTEGER NOT NULL  -- 1: let in without a wait
) WITHOUT ROWID;
";

/// Why the records can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A newer release wrote the file. Run that one, or move the file away (strangers then wait once more).
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// The file can't be read or made.
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A damaged file can't be moved aside.
    Aside {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The system starts no thread.
    Thread(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { path, found } => write!(
                f,
                "{}: written by a newer release (layout {found}, this one knows {VERSION}); \
                 run that release, or move the file away",
                path.display()
            ),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Aside { path, source } => write!(
                f,
                "{}: is damaged, and can't be moved aside: {source}",
                path.display()
            ),
            Self::Thread(source) => write!(f, "no thread to write greylisting's records: {source}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Newer { .. } => None,
            Self::File { source, .. } => Some(source),
            Self::Aside { source, .. } | Self::Thread(source) => Some(source),
        }
    }
}

impl OpenError {
    /// What lies there is no database, or no longer one.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::File { source, .. } if matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ))
    }
}

/// Moves a damaged file aside, over an earlier one, and says so.
pub(super) fn set_aside(path: &Path, why: &OpenError) -> Result<String, OpenError> {
    let aside = with_suffix(path, ".damaged");
    let failed = |source| OpenError::Aside {
        path: path.to_owned(),
        source,
    };
    std::fs::rename(path, &aside).map_err(failed)?;
    for suffix in ["-wal", "-shm"] {
        // Left in place it would be taken for the new file's journal.
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    Ok(format!(
        "{why}; moved to {}, greylisting starts without records",
        aside.display()
    ))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The open file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    connection: Connection,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File {
            path: path.to_owned(),
            source,
        };
        let connection = Connection::open(path).map_err(failed)?;
        let found = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if found > VERSION {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                found,
            });
        }
        prepare(&connection).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Reads every row into the table. It is read whole, so this also finds a damaged page.
    pub(super) fn load(&self, table: &mut Table, now: SystemTime) -> Result<(), OpenError> {
        load(&self.connection, table, now).map_err(|source| OpenError::File {
            path: self.path.clone(),
            source,
        })
    }

    /// Writes the changes, all or none.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            apply(&transaction, change)?;
        }
        transaction.commit()
    }
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    // Asks for the journal and gets back which it is: on a file system that can't, the old one does as well.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A process that dies loses nothing; power loss may cost the last seconds, which is a wait and no mail.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "user_version", VERSION)
}

fn load(
    connection: &Connection,
    table: &mut Table,
    now: SystemTime,
) -> Result<(), rusqlite::Error> {
    let mut unreadable = Vec::new();
    let mut query = connection.prepare("SELECT network, passes, last_used, for_good FROM known")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if let Ok(stored) = network(row) {
            table.restore(stored, now);
        }
    }
    let mut query = connection.prepare(
        "SELECT id, network, sender, recipient, first_seen, due, expires, passed FROM triplet ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        match triplet(row) {
            Ok(stored) => table.restore(stored, now),
            Err(_) => unreadable.push(row.get::<_, i64>(0)?),
        }
    }
    // Edited by hand, and wrongly: one record less, not all.
    let mut delete = connection.prepare("DELETE FROM triplet WHERE id = ?1")?;
    for id in unreadable {
        delete.execute([id])?;
    }
    Ok(())
}

fn network(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored::Network {
        network: parsed(row, 0)?,
        known: Known {
            passes: row.get(1)?,
            last_used: moment(row, 2)?,
            for_good: row.get(3)?,
        },
    })
}

fn triplet(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored::Record {
        id: u64::try_from(row.get::<_, i64>(0)?)
            .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, -1))?,
        network: parsed(row, 1)?,
        sender: row.get(2)?,
        recipient: row.get(3)?,
        record: Record {
            first_seen: moment(row, 4)?,
            due: moment(row, 5)?,
            until: moment(row, 6)?,
            passed: row.get::<_, Option<i64>>(7)?.map(Moment::from_millis),
        },
    })
}

fn moment(row: &Row<'_>, column: usize) -> Result<Moment, rusqlite::Error> {
    row.get(column).map(Moment::from_millis)
}

fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> Result<T, rusqlite::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), rusqlite::Error> {
    let run = |sql, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    };
    match change {
        Change::Keep(Stored::Record {
            id,
            network,
            sender,
            recipient,
            record,
        }) => run(
            "INSERT OR REPLACE INTO triplet (id, network, sender, recipient, first_seen, due, expires, passed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                name(*id),
                network.to_string(),
                sender,
                recipient,
                record.first_seen.as_millis(),
                record.due.as_millis(),
                record.until.as_millis(),
                record.passed.map(Moment::as_millis),
            ],
        ),
        Change::Keep(Stored::Network { network, known }) => run(
            "INSERT OR REPLACE INTO known (network, passes, last_used, for_good) VALUES (?1, ?2, ?3, ?4)",
            params![
                network.to_string(),
                known.passes,
                known.last_used.as_millis(),
                known.for_good,
            ],
        ),
        Change::Move { id, record } => run(
            "UPDATE triplet SET first_seen = ?2, due = ?3, expires = ?4, passed = ?5 WHERE id = ?1",
            params![
                name(*id),
                record.first_seen.as_millis(),
                record.due.as_millis(),
                record.until.as_millis(),
                record.passed.map(Moment::as_millis),
            ],
        ),
        Change::Drop { id } => run("DELETE FROM triplet WHERE id = ?1", params![name(*id)]),
        Change::Forget { network } => run(
            "DELETE FROM known WHERE network = ?1",
            params![network.to_string()],
        ),
    }
}

/// SQLite counts up to here; a server that records a million strangers a second gets there in 292,000 years.
fn name(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
