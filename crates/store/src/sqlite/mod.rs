//! The embedded spool: one SQLite database in WAL mode with `synchronous=FULL`, and a file for each large content.
//!
//! `DIR/spool.db` can be read with `sqlite3` while the server runs. Durable means: the log was synced by the commit,
//! and a large content, its folder and the folder above before it. One thread writes; many callers share its commits.
//!
//! After `Full` nothing of the change is there, and later ones may succeed. After `Sick` nothing is acknowledged until
//! the spool is opened anew; what was not acknowledged may be there or not.

mod batch;
mod body;
mod health;
mod inbox;
mod lease;
mod open;
mod read;
mod row;
mod schema;
mod sweep;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, SystemTime};

use queue::MessageId;
use queue::spool::{
    Body, Change, Count, Done, Entry, Hold, INLINE_MAX, Lease, Leased, Spool, SpoolError, Staging,
    Step,
};

use crate::drain::Drain;
use crate::ids::Ids;
use batch::{Job, NewMail, Prepared, Request};
use body::{Files, Incoming};
use health::Health;
use inbox::Inbox;
use read::{Content, Readers};
use writer::{Gauges, NEVER};

pub use open::OpenError;

/// The database's file in the data directory.
const DATABASE: &str = "spool.db";

/// How long dropping the spool waits for what was submitted.
const DROP_WITHIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct SqliteSpool {
    dir: PathBuf,
    ids: Ids,
    drain: Drain,
    health: Arc<Health>,
    readers: Arc<Readers>,
    files: Arc<Files>,
    /// None when it was opened for reading only.
    pen: Option<Pen>,
}

/// The way to the writer.
struct Pen {
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    thread: ThreadId,
    /// Set when the writer has ended and everything is given back.
    ended: Arc<(Mutex<bool>, Condvar)>,
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pen")
            .field("gauges", &self.gauges)
            .finish_non_exhaustive()
    }
}

impl SqliteSpool {
    fn put(&self, job: Job) {
        let refused = match (&self.pen, self.health.check()) {
            (_, Err(sick)) => Some((job, sick)),
            (None, _) => Some((job, SpoolError::Closed)),
            (Some(pen), _) => pen.inbox.put(job).map(|job| (job, SpoolError::Closed)),
        };
        if let Some((job, error)) = refused {
            job.answer(Err(error));
        }
    }

    /// Encodes a change on its caller's thread.
    fn prepare(&self, change: Change) -> Result<Prepared, SpoolError> {
        let mut enqueue = Vec::with_capacity(change.enqueue.len());
        for (message, body, rows) in change.enqueue {
            let body = match body {
                Body::File(_) if !self.files.is_staged(message.id) => {
                    if self.readers.has(message.id)? {
                        continue;
                    }
                    self.copy(message.id, &body)?
                }
                body => body,
            };
            let new = NewMail::encode(&message, body, rows)
                .map_err(|e| SpoolError::Sick(format!("envelope: {e}")))?;
            enqueue.push(new);
        }
        Ok(Prepared {
            enqueue,
            update: change.update,
            told: change.told,
            done: change.done,
            hold: change.hold,
            unhold: change.unhold,
        })
    }

    /// A file that was not staged here for this message is copied: it is somebody else's, and may go.
    fn copy(&self, id: MessageId, body: &Body) -> Result<Body, SpoolError> {
        let Body::File(file) = body else {
            return Ok(body.clone());
        };
        let broken = |e: std::io::Error| SpoolError::Sick(format!("content of {id}: {e}"));
        let mut from = file.open().map_err(broken)?;
        let mut to = self.stage(id)?;
        let mut buffer = vec![0; INLINE_MAX];
        loop {
            match from.read(&mut buffer).map_err(broken)? {
                0 => return to.finish(),
                n => to.write(&buffer[..n])?,
            }
        }
    }

    fn sample(&self, now: SystemTime) {
        if let Some(pen) = &self.pen {
            self.drain
                .sample(now, pen.gauges.removed_octets.load(Ordering::Relaxed));
        }
    }
}

impl Spool for SqliteSpool {
    fn new_id(&self, now: SystemTime) -> MessageId {
        self.sample(now);
        self.ids.next(now)
    }

    fn stage(&self, id: MessageId) -> Result<Box<dyn Staging>, SpoolError> {
        self.health.check()?;
        match &self.pen {
            Some(pen) if !pen.inbox.is_closed() => {
                Ok(Box::new(Incoming::new(Arc::clone(&self.files), id)))
            }
            _ => Err(SpoolError::Closed),
        }
    }

    /// Waits only when very much is waiting for the writer already (8,192 changes, 64 MiB), and for content that is a
    /// file of somebody else, which is copied.
    fn submit(&self, change: Change, done: Done<()>) {
        match self.prepare(change) {
            Ok(change) => self.put(Job::Change(change, done)),
            Err(error) => done(Err(error)),
        }
    }

    fn lease(
        &self,
        which: Lease,
        now: SystemTime,
        limit: usize,
        step: Step,
        done: Done<Vec<Leased>>,
    ) {
        self.sample(now);
        self.put(Job::Lease(
            Request {
                which,
                now,
                limit,
                step,
            },
            Vec::new(),
            done,
        ));
    }

    fn next_wake(&self) -> Result<Option<SystemTime>, SpoolError> {
        let Some(pen) = &self.pen else {
            return self.readers.next_wake();
        };
        self.health.check()?;
        let wake = pen.gauges.next_wake.load(Ordering::Acquire);
        Ok((wake != NEVER).then(|| row::time(wake)))
    }

    fn body(&self, id: MessageId) -> Result<Option<Body>, SpoolError> {
        Ok(self.readers.content(id)?.map(|content| match content {
            Content::Inline(content) => Body::Inline(content),
            Content::File(len) => self.files.durable(id, len),
        }))
    }

    fn holds(&self) -> Result<Vec<Hold>, SpoolError> {
        self.readers.holds()
    }

    fn get(&self, id: MessageId) -> Result<Option<Entry>, SpoolError> {
        self.readers.get(id)
    }

    fn list(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<Entry>, SpoolError> {
        self.readers.list(after, limit)
    }

    fn count(&self) -> Result<Count, SpoolError> {
        let Some(pen) = &self.pen else {
            return self.readers.count();
        };
        self.health.check()?;
        Ok(Count {
            messages: pen.gauges.messages.load(Ordering::Relaxed),
            recipients: pen.gauges.recipients.load(Ordering::Relaxed),
        })
    }

    /// With what the database has to spare: its file never shrinks.
    fn free_octets(&self) -> Option<u64> {
        let spare = self
            .pen
            .as_ref()
            .map_or(0, |pen| pen.gauges.spare_octets.load(Ordering::Relaxed));
        Some(writer::free_octets(&self.dir)?.saturating_add(spare))
    }

    fn drain_rate(&self) -> Option<f64> {
        self.drain.rate()
    }

    fn close(&self, within: Duration) {
        if let Some(pen) = &self.pen {
            pen.inbox.close();
            if pen.thread != std::thread::current().id() {
                let (ended, changed) = &*pen.ended;
                let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                // Not in time: the writer goes on, and keeps the lock until it is through.
                drop(changed.wait_timeout_while(ended, within, |ended| !*ended));
            }
        }
        self.readers.close();
    }
}

impl Drop for SqliteSpool {
    fn drop(&mut self) {
        self.close(DROP_WITHIN);
    }
}
