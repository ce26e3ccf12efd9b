//! What can go wrong with the file.

use rusqlite::ErrorCode;
use std::fmt;
use std::path::PathBuf;

/// Why the records can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A newer release wrote the file. Run that one, or move the file away (strangers then wait once more).
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout that this release knows.
        known: i64,
    },
    /// The file can't be read or made.
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file can't be moved: a damaged one aside, or an earlier release's to its new name.
    Move {
        /// The file.
        path: PathBuf,
        /// Where to.
        to: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The system starts no thread.
    Thread(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { path, found, known } => write!(
                f,
                "{}: written by a newer release (layout {found}, this one knows {known}); \
                 run that release, or move the file away",
                path.display()
            ),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Move { path, to, source } => write!(
                f,
                "{}: can't be moved to {}: {source}",
                path.display(),
                to.display()
            ),
            Self::Thread(source) => write!(f, "no thread to write the policy's records: {source}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Newer { .. } => None,
            Self::File { source, .. } => Some(source),
            Self::Move { source, .. } | Self::Thread(source) => Some(source),
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

/// The records could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(pub(super) String);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy's records are not written: {}", self.0)
    }
}

impl std::error::Error for WriteError {}

/// The file has failed for so long that no more can be remembered: nobody can be judged now. A door fails open or
/// closed, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind(pub(super) String);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the policy's records are not written, and no more are held: {}",
            self.0
        )
    }
}

impl std::error::Error for Behind {}

/// Why rows can't be shown or forgotten.
#[derive(Debug)]
pub enum FindError {
    /// The records are in memory only: their addresses are held nowhere.
    InMemory,
    /// What is in memory can't be written to the file first.
    Unwritten(WriteError),
    /// The file can't be opened.
    Open(OpenError),
    /// The file can't be read.
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory => f.write_str("the policy's records have no file to look into"),
            Self::Unwritten(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for FindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InMemory => None,
            Self::Unwritten(error) => Some(error),
            Self::Open(error) => Some(error),
            Self::File { source, .. } => Some(source),
        }
    }
}
