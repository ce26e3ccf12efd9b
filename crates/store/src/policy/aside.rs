//! Files that are moved: a damaged one aside, and that of an earlier release to its new name.

use super::error::OpenError;
use super::file::{connect, failed};
use rusqlite::OpenFlags;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where earlier releases kept greylisting's records, beside today's file.
const EARLIER: &str = "greylist.db";

/// That file's layout.
const EARLIER_VERSION: i64 = 1;

/// Moves a damaged file aside, over an earlier one, and says so.
pub(super) fn set_aside(path: &Path, why: &OpenError) -> Result<String, OpenError> {
    let aside = with_suffix(path, ".damaged");
    rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        // Left in place it would be taken for the new file's journal.
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match rename(&from, &to) {
            Err(OpenError::Move { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            moved => moved?,
        }
    }
    Ok(format!(
        "{why}; moved to {}, what it remembered is forgotten",
        aside.display()
    ))
}

/// An earlier release's file, where there is none of today's yet.
pub(super) fn earlier(path: &Path) -> Option<PathBuf> {
    let earlier = path.with_file_name(EARLIER);
    (earlier != path && !path.exists() && earlier.exists()).then_some(earlier)
}

/// Takes an earlier release's file over, where there is none of today's yet: its two tables are among today's. Says
/// what was wrong with it, if anything was.
pub(super) fn take_over(path: &Path) -> Result<Option<String>, OpenError> {
    let Some(earlier) = earlier(path) else {
        return Ok(None);
    };
    match make_whole(&earlier) {
        Ok(()) => rename(&earlier, path).map(|()| None),
        Err(error) if error.is_damage() => set_aside(&earlier, &error).map(Some),
        Err(error) => Err(error),
    }
}

/// Without a journal that would have to be renamed at the same instant.
fn make_whole(path: &Path) -> Result<(), OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, EARLIER_VERSION)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(|source| failed(path, source))
}

fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    std::fs::rename(from, to).map_err(|source| OpenError::Move {
        path: from.to_owned(),
        to: to.to_owned(),
        source,
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
