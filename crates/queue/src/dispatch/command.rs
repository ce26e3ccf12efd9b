//! What the dispatcher and its shell say to each other.

use std::sync::Arc;

use crate::settle::{Entry, Notice};
use crate::spool::{Body, Change, Lease};
use crate::{Destination, Message, Progress};

/// How much may be under way.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Recipients in memory, over all destinations (20,000).
    pub active: usize,
    /// Recipients in memory for one destination; more are parked under [`crate::HoldKey::Busy`] (2,000).
    pub active_per_destination: usize,
    /// Lanes for one destination (20).
    pub lanes_per_destination: usize,
    /// Lanes over all (500).
    pub lanes: usize,
    /// Recipients of one message in one job (100: RFC 5321 §4.5.3.1.8).
    pub recipients_per_job: usize,
    /// Holds that are remembered; beyond that a host's wait is written into the rows instead (10,000).
    pub holds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active: 20_000,
            active_per_destination: 2_000,
            lanes_per_destination: 20,
            lanes: 500,
            recipients_per_job: 100,
            holds: 10_000,
        }
    }
}

/// Names a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// One attempt to be made.
#[derive(Clone, Debug)]
pub struct Job {
    /// The envelope.
    pub message: Arc<Message>,
    /// The content, where it is in memory already; else the shell reads it from the spool.
    pub body: Option<Body>,
    /// The recipients to be tried, with their rows as they were before the lease. All for one destination.
    pub rows: Vec<(u32, Progress)>,
    /// Where it goes.
    pub destination: Destination,
    /// It waited so long that its lease was renewed: dial only when what `poll` gives now is durable.
    pub renewed: bool,
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Command {
    /// Call [`crate::spool::Spool::lease`] with [`super::Dispatcher::step`], then [`super::Dispatcher::leased`] with the result, or
    /// [`super::Dispatcher::lease_failed`]. There is one at a time.
    Lease {
        /// Which rows.
        which: Lease,
        /// At most so many.
        limit: usize,
    },
    /// Start a worker for this lane; it asks [`super::Dispatcher::next_job`].
    Open(LaneId, Destination),
    /// There is a job for this lane, whose last [`super::Dispatcher::next_job`] gave none: ask again.
    Wake(LaneId),
    /// Something was settled. It carries either rows and holds that moved, or notices (and the rows they remove or mark
    /// as told), never both: write the notices (reading the original's start from the spool), add them to the change
    /// with rows from [`super::Dispatcher::admit`], submit it, write the log. If it fails,
    /// [`super::Dispatcher::not_told`].
    Settled {
        /// The change, without the notices.
        change: Change,
        /// The notices to be written for this message.
        notices: Vec<(Arc<Message>, Notice)>,
        /// For the log. A recipient that was not tried leaves no line.
        log: Vec<(Arc<Message>, Entry)>,
    },
}
