//! One Maildir: its folders, its unique names, and what makes a mail in it durable.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use queue::spool::Body;

use super::write::{Envelope, write};
use super::{NotStored, Quotas, Room};

/// Tells the mails apart that this process stores in the same microsecond.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A Maildir, which need not exist yet.
pub(crate) struct Maildir<'a> {
    pub(crate) path: PathBuf,
    pub(crate) hostname: &'a str,
    pub(crate) quotas: Option<&'a dyn Quotas>,
}

impl Maildir<'_> {
    /// Stores a mail. It survives a power cut when this returns.
    pub(crate) fn store(
        &self,
        envelope: &Envelope<'_>,
        body: &Body,
        now: SystemTime,
    ) -> Result<(), NotStored> {
        let name = self.name(now);
        let file = match self.create(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders()?;
                self.create(&name)?
            }
            created => created?,
        };
        let tmp = self.path.join("tmp").join(&name);
        let stored = self.fill_and_move(file, &tmp, &name, envelope, body, now);
        if stored.is_err() {
            // Nothing of a failure is to be left; what can't be removed now, readers remove after 36 hours.
            let _ = fs::remove_file(&tmp);
        }
        stored
    }

    fn fill_and_move(
        &self,
        file: File,
        tmp: &Path,
        name: &str,
        envelope: &Envelope<'_>,
        body: &Body,
        now: SystemTime,
    ) -> Result<(), NotStored> {
        write(&file, envelope, body)?;
        let octets = file.metadata()?.len();
        if let Some(quotas) = self.quotas {
            let room = quotas.room(&self.path, octets, now);
            if room != Room::Fits {
                return Err(NotStored::NoRoom(room, octets));
            }
        }
        file.sync_all()?;
        let new = self.path.join("new");
        // Whoever counts the Maildir needs not look at each file (Maildir++).
        let name = format!("{name},S={octets}");
        fs::rename(tmp, new.join(&name)).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.make_folders()?;
                fs::rename(tmp, new.join(&name))
            }
            _ => Err(error),
        })?;
        sync_folder(&new)?;
        if let Some(quotas) = self.quotas {
            quotas.stored(&self.path, octets, now);
        }
        Ok(())
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let path = self.path.join("tmp").join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    /// `1700000000.M123456P42Q7.mx.example`, which in `new` gets `,S=1234` besides, as <https://cr.yp.to/proto/maildir.html> has it.
    fn name(&self, now: SystemTime) -> String {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let host = self.hostname.replace('/', "\\057").replace(':', "\\072");
        let (secs, micros, pid) = (since.as_secs(), since.subsec_micros(), std::process::id());
        format!("{secs}.M{micros}P{pid}Q{count}.{host}")
    }

    /// Makes what is missing, and makes it last: a new folder is synced into the one that holds it.
    fn make_folders(&self) -> io::Result<()> {
        let mut missing: Vec<&Path> = self
            .path
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        missing.retain(|path| !path.exists());
        for folder in missing.into_iter().rev() {
            make_folder(folder)?;
        }
        for name in ["tmp", "new", "cur"] {
            make_folder(&self.path.join(name))?;
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
