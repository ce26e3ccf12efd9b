//! The tables, their version, and how a connection is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::OpenError;

/// One step from each version to the next. Never changed once released; a new version is a new step.
const STEPS: &[&str] = &[V1, V2, V3];

/// The version this program writes.
const VERSION: usize = STEPS.len();

/// `PD` and `SP`: so that `file` and an administrator can tell what it is.
const APPLICATION_ID: i32 = 0x5044_5350;

/// How long we wait for somebody else's write transaction (an administrator's `sqlite3`).
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// A million rows of `progress` are what a retry moves; they hold neither envelope nor content.
/// `state` saves counting: it has one row. `last_id` is there because ids must grow even when all mail is gone.
/// All times are milliseconds since 1970.
const V1: &str = "
    CREATE TABLE message (
        id        INTEGER PRIMARY KEY,  -- microseconds since 1970 when it was made
        received  INTEGER NOT NULL,
        octets    INTEGER NOT NULL,     -- of its content
        envelope  TEXT NOT NULL         -- JSON: sender, recipients, content, origin
    ) STRICT;
    CREATE TABLE body (                 -- content up to 64 KiB; larger content is in body/XX/ID
        message   INTEGER PRIMARY KEY,
        content   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE progress (             -- one row for each recipient that is not done
        message            INTEGER NOT NULL,
        recipient          INTEGER NOT NULL,  -- its place in the envelope, from 0
        state              TEXT NOT NULL,     -- waiting, held
        due                INTEGER NOT NULL,
        expires            INTEGER NOT NULL,
        wake               INTEGER NOT NULL,  -- when something has to be done about it
        attempts           INTEGER NOT NULL,
        backoff_steps      INTEGER NOT NULL,
        broken             INTEGER NOT NULL,  -- appointments in a row that the receiver broke
        appointment_host   TEXT,
        appointment_secs   INTEGER,
        appointment_tongue TEXT,              -- keyword, draft, prose
        parked             TEXT,              -- the key of the hold it waits under
        stretched          INTEGER NOT NULL,  -- 1: to an appointment, 2: to a probe; 3: to both
        delay_notice       INTEGER,
        last_reply         TEXT,
        PRIMARY KEY (message, recipient)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX progress_wake ON progress (wake, message, recipient);
    CREATE INDEX progress_parked ON progress (parked, message, recipient) WHERE parked IS NOT NULL;
    CREATE TABLE hold (
        key       TEXT PRIMARY KEY,     -- host ADDRESS:PORT, mailbox ADDRESS
        until     INTEGER NOT NULL,
        failures  INTEGER NOT NULL,
        reason    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        last_id    INTEGER NOT NULL,
        messages   INTEGER NOT NULL,
        recipients INTEGER NOT NULL
    ) STRICT;
    INSERT INTO state VALUES (0, 0, 0);
";

/// An appointment's other end: our own address.
const V2: &str = "ALTER TABLE progress ADD COLUMN appointment_local TEXT;";

/// What the last attempt gave, besides its reply, and who told a hold its reason; and what is parked under one hold (keys
/// `host …` and `mailbox …`) in the order of its attempts.
const V3: &str = "
    ALTER TABLE progress ADD COLUMN last_attempt INTEGER;
    ALTER TABLE progress ADD COLUMN last_relay TEXT;
    ALTER TABLE progress ADD COLUMN last_status TEXT;
    ALTER TABLE hold ADD COLUMN relay TEXT;
    CREATE INDEX progress_probe ON progress (parked, attempts, message, recipient) WHERE parked > 'host';
";

/// Spools that no server of this version has opened yet, as a reader takes them: reading changes no file.
const V1_AS_V3: &str = "CREATE TEMP VIEW progress AS SELECT *, NULL AS appointment_local, NULL AS last_attempt, \
     NULL AS last_relay, NULL AS last_status FROM main.progress; \
     CREATE TEMP VIEW hold AS SELECT *, NULL AS relay FROM main.hold;";
const V2_AS_V3: &str = "CREATE TEMP VIEW progress AS SELECT *, NULL AS last_attempt, NULL AS last_relay, \
     NULL AS last_status FROM main.progress; \
     CREATE TEMP VIEW hold AS SELECT *, NULL AS relay FROM main.hold;";

/// The connection of the writer; makes or migrates the tables.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |e| OpenError::sqlite(path, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    conn.busy_timeout(BUSY).map_err(sqlite)?;
    check_version(&conn, path)?;
    conn.pragma_update(None, "journal_mode", "WAL")
        .map_err(sqlite)?;
    conn.pragma_update(None, "synchronous", "FULL")
        .map_err(sqlite)?;
    conn.pragma_update(None, "foreign_keys", false)
        .map_err(sqlite)?;
    conn.pragma_update(None, "temp_store", "MEMORY")
        .map_err(sqlite)?;
    conn.pragma_update(None, "cache_size", -32 * 1024)
        .map_err(sqlite)?;
    conn.set_prepared_statement_cache_capacity(32);
    migrate(&mut conn).map_err(sqlite)?;
    Ok(conn)
}

/// A reader's connection.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    // Memory-mapped reading is left out on purpose: there a bad sector is a signal, not an error.
    conn.pragma_update(None, "cache_size", -4 * 1024)?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        1 => conn.execute_batch(V1_AS_V3)?,
        2 => conn.execute_batch(V2_AS_V3)?,
        _ => {}
    }
    Ok(conn)
}

/// Refuses what a newer program wrote, or what is no spool.
pub(super) fn check_version(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let get = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let found = get("user_version").map_err(|e| OpenError::sqlite(path, e))?;
    let known = VERSION as i64;
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(())
}

fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(0);
    for (version, step) in STEPS.iter().enumerate().skip(done) {
        let step_taken = conn.transaction()?;
        step_taken.execute_batch(step)?;
        step_taken.pragma_update(None, "user_version", version as i64 + 1)?;
        step_taken.pragma_update(None, "application_id", APPLICATION_ID)?;
        step_taken.commit()?;
    }
    Ok(())
}
