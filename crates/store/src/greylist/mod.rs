//! Greylisting's records in a file of their own, so that losing them never touches mail.
//!
//! Every visit is judged in memory, by [`policy::greylist::Table`]; a thread writes what changed behind it, once a
//! second, in one transaction. A crash forgets at most that second and power loss a little more: a stranger of that
//! time is asked to wait again.

mod file;
mod writer;

pub use file::OpenError;
pub use writer::WriteError;

use file::File;
use policy::greylist::{Secret, Settings, Table, Verdict, Visit};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::time::SystemTime;
use writer::Writer;

/// All that greylisting remembers; shared by the sessions of a server.
///
/// Dropping it writes what is left, as [`close`](Self::close) does.
#[derive(Debug)]
pub struct Greylist {
    writer: Writer,
    damage: Option<String>,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Triplets that wait for their second visit; those whose time is over count until visits sweep them.
    pub pending: usize,
    /// Client networks that are let in without a wait; the same holds of those whose time is over.
    pub known: usize,
}

impl Greylist {
    /// Opens the records in the SQLite file at `path`, or makes it. What is over by `now` is not taken over.
    ///
    /// A damaged file is moved aside, and the records start empty: see [`damage`](Self::damage).
    ///
    /// # Errors
    ///
    /// When the file is of a newer version, or can be neither read nor made.
    pub fn open(path: &Path, settings: Settings, now: SystemTime) -> Result<Self, OpenError> {
        let mut table = Table::new(settings.clone(), secret());
        let loaded = |file: File, table: &mut Table| file.load(table, now).map(|()| file);
        let (file, damage) = match File::open(path).and_then(|file| loaded(file, &mut table)) {
            Ok(file) => (file, None),
            Err(error) if error.is_damage() => {
                let damage = file::set_aside(path, &error)?;
                table = Table::new(settings, secret());
                (File::open(path)?, Some(damage))
            }
            Err(error) => return Err(error),
        };
        let writer = Writer::start(table, file).map_err(OpenError::Thread)?;
        Ok(Self { writer, damage })
    }

    /// Records that end with the process.
    pub fn in_memory(settings: Settings) -> Self {
        Self {
            writer: Writer::idle(Table::new(settings, secret())),
            damage: None,
        }
    }

    /// Judges one RCPT at `now`, and remembers it. Takes microseconds, except when the file can't keep up: then it
    /// waits for the writer, so that what is not yet written stays bounded.
    pub fn judge(&self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        self.writer.judge(visit, now)
    }

    /// Changes the settings; appointments stand.
    pub fn configure(&self, settings: Settings) {
        self.writer.table(|table| table.configure(settings));
    }

    /// How much is remembered.
    pub fn stats(&self) -> Stats {
        self.writer.table(|table| Stats {
            pending: table.pending(),
            known: table.known(),
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

    /// Waits until everything judged before this call is in the file, so that it survives the end of the process.
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

/// From the standard library's random seed: nothing here outlives the process, so neither need it.
fn secret() -> Secret {
    let half = || RandomState::new().build_hasher().finish();
    Secret::new([half(), half()])
}
