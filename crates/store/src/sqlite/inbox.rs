//! What waits for the writer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::batch::Job;

/// So many changes may wait for the writer; whoever brings one more waits until it takes them.
const JOBS: usize = 8 * 1024;
/// So many octets of content may wait for the writer.
const OCTETS: usize = 64 * 1024 * 1024;

/// A channel of many producers and one taker, who takes all there is at once.
#[derive(Default)]
pub(super) struct Inbox {
    inner: Mutex<Inner>,
    ready: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Inner {
    jobs: Vec<Job>,
    octets: usize,
    closed: bool,
    /// The writer waits for work.
    idle: bool,
    /// The writer's thread. A callback that runs on it may submit more: it must not wait for itself.
    writer: Option<ThreadId>,
}

/// What came.
pub(super) enum Taken {
    Jobs,
    /// Nothing came within the time.
    Idle,
    /// Nothing will come any more.
    Closed,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the job back when the inbox is closed.
    pub(super) fn put(&self, job: Job) -> Option<Job> {
        let octets = job.octets();
        let mut inner = self.lock();
        while !inner.closed
            && (inner.jobs.len() >= JOBS || inner.octets > OCTETS)
            && inner.writer != Some(thread::current().id())
        {
            inner = self
                .room
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if inner.closed {
            return Some(job);
        }
        inner.octets += octets;
        inner.jobs.push(job);
        if inner.idle {
            inner.idle = false;
            self.ready.notify_one();
        }
        None
    }

    /// Takes everything into `jobs`, which is empty. Waits for it at most `within`.
    pub(super) fn take(&self, jobs: &mut Vec<Job>, within: Option<Duration>) -> Taken {
        let mut inner = self.lock();
        inner.writer = Some(thread::current().id());
        while inner.jobs.is_empty() {
            if inner.closed {
                return Taken::Closed;
            }
            inner.idle = true;
            inner = match within {
                None => self
                    .ready
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(within) => {
                    let (inner, waited) = self
                        .ready
                        .wait_timeout(inner, within)
                        .unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && inner.jobs.is_empty() && !inner.closed {
                        return Taken::Idle;
                    }
                    inner
                }
            };
        }
        inner.idle = false;
        let crowded = inner.jobs.len() >= JOBS || inner.octets > OCTETS;
        inner.octets = 0;
        std::mem::swap(&mut inner.jobs, jobs);
        drop(inner);
        if crowded {
            self.room.notify_all();
        }
        Taken::Jobs
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What is in it is still taken; nothing more comes in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
        self.room.notify_all();
    }
}
