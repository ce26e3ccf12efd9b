//! One server for one data directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::sqlite::OpenError;

/// A data directory that is ours until this is dropped, or the process ends in whatever way: the kernel gives the
/// lock back. The lock is on `DIR/lock`, in which the holder's process id stands.
#[derive(Debug)]
pub struct DirLock {
    dir: PathBuf,
    _file: File,
}

impl DirLock {
    /// Makes the directory (mode 0700) if there is none, and takes it.
    ///
    /// # Errors
    /// [`OpenError::Locked`] with the holder's process id; [`OpenError::Io`].
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        make_dir(dir).map_err(|e| OpenError::io(dir, e))?;
        let path = dir.join("lock");
        let io = |e| OpenError::io(&path, e);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::Locked {
                    pid: holder(&mut file),
                });
            }
            Err(e) => return Err(io(e.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())
        };
        // A full disk must not keep the server from starting: the lock stands without the number, too.
        match write(&mut file) {
            Err(e) if e.kind() != io::ErrorKind::StorageFull => return Err(io(e)),
            _ => {}
        }
        Ok(Self {
            dir: dir.to_owned(),
            _file: file,
        })
    }

    /// What is locked.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Who holds it; 0 when it can't be read (the holder may be about to write it).
fn holder(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(20).read_to_string(&mut text));
    read.ok()
        .and_then(|_| text.trim().parse().ok())
        .unwrap_or(0)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    // The new directory's name lies in its parent.
    let parent = dir
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new").join("data");
        let first = DirLock::take(&place).unwrap();
        match DirLock::take(&place) {
            Err(OpenError::Locked { pid }) => assert_eq!(pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert_eq!(DirLock::take(&place).unwrap().dir(), place);
    }
}
