//! Opening: in milliseconds, however much mail waits.

use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::batch::{Statements, Totals};
use super::body::Files;
use super::health::Health;
use super::inbox::Inbox;
use super::read::{Readers, unsigned};
use super::writer::{self, Desk, Gauges, NEVER};
use super::{DATABASE, Pen, SqliteSpool, schema, sweep};
use crate::drain::Drain;
use crate::ids::Ids;
use crate::lock::DirLock;

/// Why a spool can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has the data directory.
    Locked {
        /// Its process id; 0 when it could not be read.
        pid: u32,
    },
    /// A newer Postdate wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file system.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The database.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: rusqlite::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, error }
    }

    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Sqlite { path, error }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { pid: 0 } => {
                f.write_str("the data directory is in use by another process")
            }
            Self::Locked { pid } => write!(f, "the data directory is in use by process {pid}"),
            Self::Newer { path, found, known } => write!(
                f,
                "{}: written by a newer Postdate (version {found} of the tables, this one knows {known})",
                path.display()
            ),
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Sqlite { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

impl SqliteSpool {
    /// Takes the data directory (made if there is none) and opens its spool.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_locked(DirLock::take(dir)?)
    }

    /// The same in a directory that is ours already. The lock is given back when the spool is closed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_locked(lock: DirLock) -> Result<Self, OpenError> {
        let dir = lock.dir().to_owned();
        let path = dir.join(DATABASE);
        let bodies = dir.join("body");
        make_dir(&bodies).map_err(|e| OpenError::io(&bodies, e))?;
        make_private(&path).map_err(|e| OpenError::io(&path, e))?;
        let conn = schema::open_writer(&path)?;
        // The names of what was made now.
        sync_dir(&dir).map_err(|e| OpenError::io(&dir, e))?;

        let gauges = Arc::new(Gauges::default());
        let (totals, lost_parks) =
            begin(&conn, &gauges).map_err(|e| OpenError::sqlite(&path, e))?;
        let health = Arc::new(Health::default());
        let readers = Arc::new(Readers::new(path, Arc::clone(&health)));
        let files = Arc::new(Files::new(
            bodies,
            Arc::clone(&health),
            Arc::clone(&readers),
        ));
        let sweep = sweep::start(Arc::clone(&files)).map_err(|e| OpenError::io(&dir, e))?;
        let inbox = Arc::new(Inbox::default());
        let desk = Desk {
            inbox: Arc::clone(&inbox),
            health: Arc::clone(&health),
            gauges: Arc::clone(&gauges),
            files: Arc::clone(&files),
            totals,
            lost_parks,
            sweep: Some(sweep),
            lock,
        };
        let pen = start_writer(conn, desk).map_err(|e| OpenError::io(&dir, e))?;
        Ok(Self {
            dir,
            ids: Ids::after(totals.last_id),
            drain: Drain::default(),
            health,
            readers,
            files,
            pen: Some(pen),
        })
    }

    /// For reading, without the lock: also while a server runs. What writes answers `Closed`.
    ///
    /// # Errors
    /// See [`OpenError`]; a directory without a spool is [`OpenError::Io`].
    pub fn open_read_only(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(DATABASE);
        std::fs::metadata(&path).map_err(|e| OpenError::io(&path, e))?;
        let health = Arc::new(Health::default());
        let readers = Arc::new(Readers::new(path, Arc::clone(&health)));
        readers.check()?;
        let files = Arc::new(Files::new(
            dir.join("body"),
            Arc::clone(&health),
            Arc::clone(&readers),
        ));
        Ok(Self {
            dir: dir.to_owned(),
            ids: Ids::after(0),
            drain: Drain::default(),
            health,
            readers,
            files,
            pen: None,
        })
    }
}

/// What is known at the start; ends the holds and parks of limits that the last process had, and parks without a hold.
fn begin(conn: &Connection, gauges: &Gauges) -> rusqlite::Result<(Totals, Vec<String>)> {
    let mut statements = Statements::new(conn)?;
    let totals = conn.query_row(
        "SELECT last_id, messages, recipients FROM state",
        [],
        |row| {
            Ok(Totals {
                last_id: unsigned(row.get(0)?),
                messages: unsigned(row.get(1)?),
                recipients: unsigned(row.get(2)?),
            })
        },
    )?;
    let start = conn.unchecked_transaction()?;
    start.execute(
        "DELETE FROM hold WHERE key >= 'busy ' AND key < 'busy!'",
        [],
    )?;
    let mut lost_parks = super::lease::lost_parks(&start)?;
    super::lease::end_lost_parks(&mut statements, &mut lost_parks, writer::LOST_PARKS)?;
    let (wake, spare_pages) = statements.gauges()?;
    start.commit()?;
    let wake = if lost_parks.is_empty() {
        wake.unwrap_or(NEVER)
    } else {
        0
    };
    gauges.next_wake.store(wake, Ordering::Release);
    gauges.messages.store(totals.messages, Ordering::Relaxed);
    gauges
        .recipients
        .store(totals.recipients, Ordering::Relaxed);
    gauges
        .spare_octets
        .store(spare_pages * writer::PAGE, Ordering::Relaxed);
    Ok((totals, lost_parks))
}

fn start_writer(conn: Connection, desk: Desk) -> io::Result<Pen> {
    let ended = Arc::new((Mutex::new(false), Condvar::new()));
    let (inbox, gauges) = (Arc::clone(&desk.inbox), Arc::clone(&desk.gauges));
    let at_end = Ended(Arc::clone(&ended));
    let writer = std::thread::Builder::new()
        .name("spool-writer".into())
        .spawn(move || {
            let _at_end = at_end;
            writer::run(conn, desk);
        })?;
    let thread = writer.thread().id();
    Ok(Pen {
        inbox,
        gauges,
        thread,
        ended,
    })
}

/// Says so when it is dropped, also by a panic.
struct Ended(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Ended {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Others on this machine don't read our mail, whatever the directory allows. SQLite gives its log the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    file.map(drop)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}
