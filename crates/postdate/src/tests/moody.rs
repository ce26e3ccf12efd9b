//! A spool that can be out of order, or slow.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use queue::MessageId;
use queue::spool::{
    Body, Change, Count, Done, Entry, Hold, Lease, Leased, Spool, SpoolError, Staging, Step,
};
use store::memory::MemorySpool;

#[derive(Clone, Default)]
pub(super) struct Moody {
    pub(super) inner: MemorySpool,
    /// What it answers to whoever wants to store something.
    pub(super) trouble: Arc<Mutex<Option<SpoolError>>>,
    /// How long it takes to make a change durable, and to apply it.
    pub(super) takes: Duration,
}

impl Moody {
    pub(super) fn suffer(&self, trouble: Option<SpoolError>) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn check(&self) -> Result<(), SpoolError> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl Spool for Moody {
    fn new_id(&self, now: SystemTime) -> MessageId {
        self.inner.new_id(now)
    }

    fn stage(&self, id: MessageId) -> Result<Box<dyn Staging>, SpoolError> {
        self.inner.stage(id)
    }

    fn submit(&self, change: Change, done: Done<()>) {
        if let Err(err) = self.check() {
            return done(Err(err));
        }
        if self.takes.is_zero() {
            return self.inner.submit(change, done);
        }
        let (inner, takes) = (self.inner.clone(), self.takes);
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            inner.submit(change, done);
        });
    }

    fn lease(
        &self,
        which: Lease,
        now: SystemTime,
        limit: usize,
        step: Step,
        done: Done<Vec<Leased>>,
    ) {
        match self.check() {
            Ok(()) => self.inner.lease(which, now, limit, step, done),
            Err(err) => done(Err(err)),
        }
    }

    fn next_wake(&self) -> Result<Option<SystemTime>, SpoolError> {
        self.inner.next_wake()
    }

    fn body(&self, id: MessageId) -> Result<Option<Body>, SpoolError> {
        self.inner.body(id)
    }

    fn holds(&self) -> Result<Vec<Hold>, SpoolError> {
        self.inner.holds()
    }

    fn get(&self, id: MessageId) -> Result<Option<Entry>, SpoolError> {
        self.inner.get(id)
    }

    fn list(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<Entry>, SpoolError> {
        self.inner.list(after, limit)
    }

    fn count(&self) -> Result<Count, SpoolError> {
        self.inner.count()
    }

    fn free_octets(&self) -> Option<u64> {
        self.inner.free_octets()
    }

    fn drain_rate(&self) -> Option<f64> {
        self.inner.drain_rate()
    }

    fn close(&self, within: Duration) {
        self.inner.close(within);
    }
}
