//! Large content, as files: `DIR/body/XX/ID`, where `XX` are the last two digits of the id.
//!
//! The order of things: the file is synced, then its folder (and the folder above, when it is new), then the envelope
//! is committed. It is unlinked only after the removal of its message is durable. So a power cut can leave a file
//! without a message (swept at the next start), never a message without its file.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queue::MessageId;
use queue::spool::{Body, BodyFile, INLINE_MAX, SpoolError, Staging};

use super::health::Health;
use super::read::Readers;

/// The folder of bodies.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    health: Arc<Health>,
    readers: Arc<Readers>,
    /// Files whose message is not durable yet. The flag says that the file stays.
    staged: Mutex<HashMap<u64, Arc<AtomicBool>>>,
    /// Folders whose names are known to be on the disk.
    synced: Mutex<HashSet<PathBuf>>,
}

impl Files {
    pub(super) fn new(dir: PathBuf, health: Arc<Health>, readers: Arc<Readers>) -> Self {
        Self {
            dir,
            health,
            readers,
            staged: Mutex::default(),
            synced: Mutex::default(),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, id: MessageId) -> PathBuf {
        let name = id.to_string();
        let folder = &name[name.len().saturating_sub(2)..];
        self.dir.join(folder).join(name)
    }

    fn staged(&self) -> MutexGuard<'_, HashMap<u64, Arc<AtomicBool>>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this file was staged here for this message and is not durable yet.
    pub(super) fn is_staged(&self, id: MessageId) -> bool {
        self.staged().contains_key(&id.0)
    }

    /// The file stays: its message is durable, or nobody knows.
    pub(super) fn keep(&self, id: MessageId) {
        if let Some(keep) = self.staged().remove(&id.0) {
            keep.store(true, Ordering::Relaxed);
        }
    }

    /// The message's removal is durable. A file that can't be unlinked is swept at the next start.
    pub(super) fn remove(&self, id: MessageId) {
        let _ = std::fs::remove_file(self.path(id));
    }

    /// The content of a message that is durable.
    pub(super) fn durable(&self, id: MessageId, len: u64) -> Body {
        let path = self.path(id);
        Body::File(Arc::new(StoredFile {
            path,
            len,
            _staged: None,
        }))
    }

    /// Unlinks the file if it belongs to no message. Under the lock, so that it can't become somebody's meanwhile.
    pub(super) fn sweep(&self, id: MessageId) -> Result<(), SpoolError> {
        if self.readers.has(id)? {
            return Ok(());
        }
        let staged = self.staged();
        if !staged.contains_key(&id.0) && !self.readers.has(id)? {
            self.remove(id);
        }
        Ok(())
    }

    fn create(self: &Arc<Self>, id: MessageId) -> Result<(File, StagedFile), SpoolError> {
        let path = self.path(id);
        let error = |e: &io::Error| self.health.file("body", e);
        let folder = path.parent().unwrap_or(&self.dir);
        match std::fs::create_dir(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(error(&e)),
            _ => {}
        }
        let mut staged = self.staged();
        let file = match File::create_new(&path) {
            // What a crash left behind, unless this id is in use.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if staged.contains_key(&id.0) || self.readers.has(id)? {
                    return Err(SpoolError::Sick(format!("the id {id} is in use")));
                }
                File::create(&path)
            }
            other => other,
        };
        let file = file.map_err(|e| error(&e))?;
        let keep = Arc::new(AtomicBool::new(false));
        staged.insert(id.0, Arc::clone(&keep));
        let files = Arc::clone(self);
        Ok((
            file,
            StagedFile {
                files,
                id,
                path,
                keep,
            },
        ))
    }

    /// Makes the file durable with its name.
    fn sync(&self, file: &File, path: &Path) -> Result<(), SpoolError> {
        let folder = path.parent().unwrap_or(&self.dir);
        let failed = |e: &io::Error| self.health.fsync("body", e);
        file.sync_data().map_err(|e| failed(&e))?;
        // Only a sync that failed is past mending; a folder that can't be opened now (no file descriptor is free) was
        // not synced, and no harm is done.
        let open =
            |folder: &Path| File::open(folder).map_err(|e| self.health.file("body folder", &e));
        open(folder)?.sync_all().map_err(|e| failed(&e))?;
        let synced = || self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let known = synced().contains(folder);
        if !known {
            open(&self.dir)?.sync_all().map_err(|e| failed(&e))?;
            synced().insert(folder.to_owned());
        }
        Ok(())
    }
}

/// A file that goes when this is dropped, unless it was kept.
#[derive(Debug)]
struct StagedFile {
    files: Arc<Files>,
    id: MessageId,
    path: PathBuf,
    keep: Arc<AtomicBool>,
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Under the lock: the sweep and a new file of that name must not come between.
        let mut staged = self.files.staged();
        if !self.keep.load(Ordering::Relaxed) {
            let _ = std::fs::remove_file(&self.path);
            staged.remove(&self.id.0);
        }
    }
}

/// A finished file.
#[derive(Debug)]
struct StoredFile {
    path: PathBuf,
    len: u64,
    _staged: Option<StagedFile>,
}

impl BodyFile for StoredFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.path)?))
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// Content on its way: in memory up to [`INLINE_MAX`], then in a file.
pub(super) struct Incoming {
    files: Arc<Files>,
    id: MessageId,
    /// All of it, or what was not yet written to the file.
    buffer: Vec<u8>,
    disk: Option<(File, StagedFile)>,
    written: u64,
}

impl Incoming {
    pub(super) fn new(files: Arc<Files>, id: MessageId) -> Self {
        Self {
            files,
            id,
            buffer: Vec::new(),
            disk: None,
            written: 0,
        }
    }

    fn flush(&mut self) -> Result<(), SpoolError> {
        self.files.health.check()?;
        if self.disk.is_none() {
            self.disk = Some(self.files.create(self.id)?);
        }
        if let Some((file, _)) = &mut self.disk {
            file.write_all(&self.buffer)
                .map_err(|e| self.files.health.file("body", &e))?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Staging for Incoming {
    fn write(&mut self, mut octets: &[u8]) -> Result<(), SpoolError> {
        while self.buffer.len() + octets.len() > INLINE_MAX {
            let (now, later) = octets.split_at(INLINE_MAX - self.buffer.len());
            self.buffer.extend_from_slice(now);
            self.flush()?;
            octets = later;
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    fn is_on_disk(&self) -> bool {
        // Half full: the next write, if it is not above 32 KiB, may be the one.
        self.disk.is_some() || self.buffer.len() > INLINE_MAX / 2
    }

    fn finish(mut self: Box<Self>) -> Result<Body, SpoolError> {
        if self.disk.is_none() {
            return Ok(Body::Inline(self.buffer.into()));
        }
        self.flush()?;
        let len = self.written;
        let Some((file, staged)) = self.disk.take() else {
            return Err(SpoolError::Closed);
        };
        self.files.sync(&file, &staged.path)?;
        let path = staged.path.clone();
        let _staged = Some(staged);
        Ok(Body::File(Arc::new(StoredFile { path, len, _staged })))
    }
}
