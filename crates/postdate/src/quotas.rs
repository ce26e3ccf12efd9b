//! The quotas of Maildirs, by `maildirsize` (Maildir++; [`policy::mailbox::maildirsize`] reads it).
//!
//! A quota that is configured is written into the file's first line, and counts; without one, the file's own counts,
//! whoever made it. Of mailboxes without either nothing is known, and all mail fits.
//!
//! What is counted: mail in `new` and `cur` of the Maildir and of its folders, but not `.Trash`, and no mail that is
//! marked as deleted. A quota is a promise among programs: where it can't be known, mail fits.
//!
//! What we write has its time of change from our clock, also where the files lie on another machine.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use delivery::local;
use policy::Moment;
use policy::mailbox::maildirsize::{
    self, Maildirsize, OCTETS_MAX, Quota, Recount, STALE_AFTER, Usage,
};

/// Files that are remembered as they were read last. One more, and all are forgotten: they are read again.
const SEEN_MAX: usize = 1000;

const FILE: &str = "maildirsize";

/// Octets of a small mail. What has no room for it is full, whatever sizes clients announce.
const SMALL: u64 = 4096;

/// Keeps them. Blocks as files do.
#[derive(Debug)]
pub(crate) struct Quotas {
    configured: Option<Quota>,
    seen: Mutex<HashMap<PathBuf, Seen>>,
}

/// What a mailbox has for a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Enough.
    Fits,
    /// Too little for this one.
    TooLittle,
    /// Nor for a small one.
    Full,
}

/// A file as it was when it was read.
#[derive(Clone, Copy, Debug)]
struct Seen {
    modified: SystemTime,
    octets: u64,
    read: Result<Maildirsize, Recount>,
}

impl Quotas {
    /// `octets`: what each mailbox may hold, as configured.
    pub(crate) fn new(octets: Option<u64>) -> Self {
        Self {
            configured: octets.map(|octets| Quota {
                octets: Some(octets),
                messages: None,
            }),
            seen: Mutex::default(),
        }
    }

    /// What room there is for a mail of so many octets, by what is known without counting: cheap enough to ask at each
    /// RCPT. `None`: that is not known, or it never will fit; then the delivery finds out.
    pub(crate) fn glance(&self, maildir: &Path, octets: u64, now: SystemTime) -> Option<Room> {
        let (seen, modified) = self.look(maildir)?;
        let seen = seen.ok()?;
        if too_large(self.configured.unwrap_or(seen.quota), octets).is_some() {
            return None;
        }
        let fits = |octets| self.fits(seen, octets, modified, now);
        match (fits(octets), fits(SMALL)) {
            (Some(true), _) => Some(Room::Fits),
            (Some(false), Some(false)) => Some(Room::Full),
            (Some(false), _) => Some(Room::TooLittle),
            (None, _) => None,
        }
    }

    /// Whether it fits, as far as that can be said of this file, which was changed then.
    fn fits(
        &self,
        seen: Maildirsize,
        octets: u64,
        modified: SystemTime,
        now: SystemTime,
    ) -> Option<bool> {
        match seen.room(self.configured, octets, modified.into(), now.into()) {
            maildirsize::Room::Fits => Some(true),
            maildirsize::Room::Full => Some(false),
            // Appended to since it was counted. Good enough for whoever may come back: once nobody has appended for so
            // long, one is let in, and the delivery counts.
            maildirsize::Room::Recount(Recount::Full)
                if Moment::from(now) < Moment::from(modified).after(STALE_AFTER) =>
            {
                Some(false)
            }
            maildirsize::Room::Recount(_) => None,
        }
    }

    /// The file, from memory while it is as it was; with its time of change. `None`: there is none.
    fn look(&self, maildir: &Path) -> Option<(Result<Maildirsize, Recount>, SystemTime)> {
        let path = maildir.join(FILE);
        let there = fs::metadata(&path).ok()?;
        let (modified, octets) = (there.modified().ok()?, there.len());
        if let Some(seen) = self.seen().get(maildir)
            && (seen.modified, seen.octets) == (modified, octets)
        {
            return Some((seen.read, modified));
        }
        let read = Maildirsize::parse(&read(&path).ok()?);
        let mut all = self.seen();
        if all.len() >= SEEN_MAX {
            all.clear();
        }
        let seen = Seen {
            modified,
            octets,
            read,
        };
        all.insert(maildir.to_owned(), seen);
        Some((read, modified))
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<PathBuf, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quota in force and what is used, counted if need be. `None`: there is no quota.
    fn usage(
        &self,
        maildir: &Path,
        octets: u64,
        now: SystemTime,
    ) -> io::Result<Option<(Quota, Usage)>> {
        let path = maildir.join(FILE);
        let content = match read(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            content => content?,
        };
        let first = content.split(|octet| *octet == b'\n').next();
        let own = || first.and_then(|line| Quota::parse(std::str::from_utf8(line).ok()?));
        let Some(quota) = self.configured.or_else(own) else {
            return Ok(None);
        };
        let size = Maildirsize::parse(&content);
        if let Ok(size) = size {
            let modified = fs::metadata(&path)?.modified()?;
            match size.room(Some(quota), octets, modified.into(), Moment::from(now)) {
                maildirsize::Room::Fits | maildirsize::Room::Full => {
                    return Ok(Some((quota, size.usage)));
                }
                maildirsize::Room::Recount(_) => {}
            }
        }
        let (usage, still) = count(maildir)?;
        if still {
            replace(maildir, quota, usage, now)?;
        }
        Ok(Some((quota, usage)))
    }
}

impl local::Quotas for Quotas {
    fn room(&self, maildir: &Path, octets: u64, now: SystemTime) -> local::Room {
        let (quota, usage) = match self.usage(maildir, octets, now) {
            Ok(Some(known)) => known,
            Ok(None) => return local::Room::Fits,
            Err(err) => {
                tracing::warn!(target: "queue", "the quota of {} can't be kept: {err}", maildir.display());
                return local::Room::Fits;
            }
        };
        if let Some(limit) = too_large(quota, octets) {
            return local::Room::TooLarge(limit);
        }
        if quota.fits(usage, octets) {
            return local::Room::Fits;
        }
        let used = u64::try_from(usage.octets).unwrap_or(0);
        local::Room::Full {
            used,
            quota: (quota.octets).filter(|limit| used.saturating_add(octets) > *limit),
        }
    }

    fn stored(&self, maildir: &Path, octets: u64, now: SystemTime) {
        let change = Usage {
            octets: i64::try_from(octets).unwrap_or(i64::MAX),
            messages: 1,
        };
        let path = maildir.join(FILE);
        // In one write, since others append too.
        let added = (OpenOptions::new().append(true).open(path)).and_then(|mut file| {
            file.write_all(change.to_string().as_bytes())?;
            file.set_modified(now)
        });
        match added {
            // No quota, or it will be counted.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => tracing::warn!(
                target: "queue",
                "a mail of {octets} octets is not added to {}: {err}", maildir.join(FILE).display(),
            ),
            Ok(()) => {}
        }
    }
}

/// The limit that a mail is larger than, in whatever mailbox.
fn too_large(quota: Quota, octets: u64) -> Option<u64> {
    quota.octets.filter(|limit| octets > *limit)
}

/// At most what is needed to know that it is too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(OCTETS_MAX as u64)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// What is used, and whether the Maildir stayed as it was meanwhile.
fn count(maildir: &Path) -> io::Result<(Usage, bool)> {
    let mut folders = vec![maildir.to_owned()];
    for entry in fs::read_dir(maildir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_folder = name.as_encoded_bytes().starts_with(b".") && name != ".Trash";
        if is_folder && entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    let places = folders
        .iter()
        .flat_map(|folder| [folder.join("new"), folder.join("cur")]);
    let mut usage = Usage::default();
    let mut before = Vec::new();
    for place in places {
        let Ok(modified) = fs::metadata(&place).and_then(|place| place.modified()) else {
            continue;
        };
        add(&place, &mut usage)?;
        before.push((place, modified));
    }
    let is_still = |(place, before): &(PathBuf, SystemTime)| {
        fs::metadata(place).is_ok_and(|now| now.modified().is_ok_and(|now| now == *before))
    };
    Ok((usage, before.iter().all(is_still)))
}

fn add(place: &Path, usage: &mut Usage) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let (unique, info) = name.split_once(":2,").unwrap_or((&name, ""));
        if unique.starts_with('.') || info.contains('T') {
            continue;
        }
        let octets = match told_size(unique) {
            Some(octets) => octets,
            None => match entry.metadata() {
                Ok(file) => file.len(),
                // A reader took it away.
                Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
                Err(err) => return Err(err),
            },
        };
        let octets = i64::try_from(octets).unwrap_or(i64::MAX);
        usage.octets = usage.octets.saturating_add(octets);
        usage.messages += 1;
    }
    Ok(())
}

/// `…,S=1234`
fn told_size(unique: &str) -> Option<u64> {
    let told = unique.split(',').find_map(|part| part.strip_prefix("S="));
    told?.parse().ok()
}

fn replace(maildir: &Path, quota: Quota, usage: Usage, now: SystemTime) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{FILE}.{}.{count}", std::process::id());
    let new = maildir.join("tmp").join(name);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(format!("{quota}\n{usage}").as_bytes())?;
            file.set_modified(now)
        })
        .and_then(|()| fs::rename(&new, maildir.join(FILE)));
    if made.is_err() {
        let _ = fs::remove_file(&new);
    }
    made
}

#[cfg(test)]
mod tests;
