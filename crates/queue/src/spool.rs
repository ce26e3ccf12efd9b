//! The contract of a spool: durable mail.
//!
//! Calls never block on IO for long and take a callback, so that a plain thread, an async task and a simulator can
//! all stand behind it. "Durable" means: it survives `kill -9` and a power cut.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::hold::HoldKey;
use crate::{Message, MessageId, Progress};

/// Called once, when the thing is durable or has failed. May run on the spool's own thread: do little in it.
pub type Done<T> = Box<dyn FnOnce(Result<T, SpoolError>) + Send>;

/// Content of at most this many octets is kept in memory and stored inline; more is streamed to a file.
pub const INLINE_MAX: usize = 64 * 1024;

/// Why the spool could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolError {
    /// No room. Nothing of the change was kept; it may work later: 452 4.3.1.
    Full,
    /// The machine is short of something else, or another program holds the store: file descriptors, memory, a lock.
    /// Nothing of the change was kept; it may work later, and nothing says when: 452 4.3.1.
    Short(String),
    /// A write or sync failed: nothing is acknowledged any more until a restart (a failed fsync must not be retried
    /// as if nothing had been). 452 4.3.1.
    Sick(String),
    /// The spool is shut down.
    Closed,
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the spool is full"),
            Self::Short(why) => write!(f, "the spool can't work just now: {why}"),
            Self::Sick(why) => write!(f, "the spool is broken until a restart: {why}"),
            Self::Closed => f.write_str("the spool is closed"),
        }
    }
}

impl std::error::Error for SpoolError {}

/// Content on its way into the spool. Dropped without [`Spool::submit`], it leaves nothing behind.
pub trait Staging: Send + Sync {
    /// Appends. Blocks for the file system once the content is larger than [`INLINE_MAX`].
    ///
    /// # Errors
    /// `Full`, `Short` or `Sick`.
    fn write(&mut self, octets: &[u8]) -> Result<(), SpoolError>;
    /// Whether the next write may touch the file system (so that an async shell can move it off its thread).
    fn is_on_disk(&self) -> bool;
    /// Ends it: inline content, or a file that is synced (and its folder too) when this returns.
    ///
    /// # Errors
    /// `Full`, `Short` or `Sick`.
    fn finish(self: Box<Self>) -> Result<Body, SpoolError>;
}

/// Content, whole.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory, at most [`INLINE_MAX`].
    Inline(Arc<[u8]>),
    /// In the spool's own file for this message. Dropping the last clone before the message is durable removes it.
    File(Arc<dyn BodyFile>),
}

/// A body's file.
pub trait BodyFile: Send + Sync + fmt::Debug {
    /// Opens it for reading from the start.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self) -> std::io::Result<Box<dyn Read + Send>>;
    /// Its length in octets.
    fn len(&self) -> u64;
    /// It has no octets.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One change, whole or not at all. Changes of many callers share one sync.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New messages, each with its content and one row for each recipient (by index).
    pub enqueue: Vec<(Arc<Message>, Body, Vec<Progress>)>,
    /// Rows that moved.
    pub update: Vec<(MessageId, u32, Progress)>,
    /// Recipients whose sender was told that they are late: `delay_notice` goes, and the rest of the row is as it is.
    pub told: Vec<(MessageId, u32)>,
    /// Recipients that are done: their row goes. A message whose last row goes, goes too, with its content.
    pub done: Vec<(MessageId, u32)>,
    /// Holds set or moved.
    pub hold: Vec<Hold>,
    /// Holds that are over.
    pub unhold: Vec<HoldKey>,
}

/// A hold as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What is held.
    pub key: HoldKey,
    /// Until when.
    pub until: SystemTime,
    /// How often in a row it failed without naming a time: its own back-off.
    pub failures: u32,
    /// The reply, or our own words.
    pub reason: String,
    /// Who gave it, as in [`crate::outcome::Problem::relay`]. `None`: not recorded.
    pub relay: Option<String>,
}

impl Hold {
    /// Whether its end is a time that the receiver named, rather than a back-off of our own.
    #[must_use]
    pub fn is_appointment(&self) -> bool {
        self.failures == 0
    }
}

/// One message with the recipients of it that came up.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The envelope.
    pub message: Arc<Message>,
    /// The rows that came up, as they were before the lease.
    pub rows: Vec<(u32, Progress)>,
}

/// Which rows to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Those whose wake time ([`Progress::wake`]) has come, oldest first.
    Due,
    /// Those parked under this hold, in their turn ([`Progress::turn`]), the oldest message first.
    Parked(HoldKey),
    /// Those of these messages, whatever they wait for (`queue retry`).
    Messages(Vec<MessageId>),
}

/// A summary row of `queue list`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The envelope.
    pub message: Arc<Message>,
    /// Its recipients that are not done.
    pub rows: Vec<(u32, Progress)>,
}

/// Durable mail. All back ends pass one conformance suite.
///
/// When it is opened, what is parked under a key that has no [`Hold`] is parked no longer: nobody would wake it. Those
/// are the parks of our own limits, which end with the process, and those whose record was lost.
pub trait Spool: Send + Sync {
    /// A new id: `max(now in µs, the last one + 1)`, above every id that ever was in this spool.
    fn new_id(&self, now: SystemTime) -> MessageId;
    /// Opens a place for a message's content.
    ///
    /// # Errors
    /// `Full`, `Short` or `Sick`.
    fn stage(&self, id: MessageId) -> Result<Box<dyn Staging>, SpoolError>;
    /// Makes a change durable, then calls `done`. Changes from one thread are applied in order.
    fn submit(&self, change: Change, done: Done<()>);
    /// Takes up to `limit` rows. For each row `step` gives what it is while under way (due moved to the attempt after
    /// this one, unparked), which is durable before `done` is called with the rows as they were; `None` leaves the row
    /// as it is and out of the result. Rows of one message come together.
    fn lease(
        &self,
        which: Lease,
        now: SystemTime,
        limit: usize,
        step: Step,
        done: Done<Vec<Leased>>,
    );
    /// The earliest wake time of all rows ([`Progress::wake`]); `None` when nothing waits.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn next_wake(&self) -> Result<Option<SystemTime>, SpoolError>;
    /// A message's content; `None` if the message is gone.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn body(&self, id: MessageId) -> Result<Option<Body>, SpoolError>;
    /// All holds, for the start.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn holds(&self) -> Result<Vec<Hold>, SpoolError>;
    /// One message as it stands.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn get(&self, id: MessageId) -> Result<Option<Entry>, SpoolError>;
    /// Up to `limit` messages after `after`, by id.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn list(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<Entry>, SpoolError>;
    /// How many messages and rows there are.
    ///
    /// # Errors
    /// `Short` or `Sick`.
    fn count(&self) -> Result<Count, SpoolError>;
    /// Octets free for mail, as the file system says; `None`: unlimited or unknown.
    fn free_octets(&self) -> Option<u64>;
    /// How fast the spool has been draining lately, in octets a second; `None` until it was measured.
    fn drain_rate(&self) -> Option<f64>;
    /// Finishes what was submitted, syncs, and takes nothing more.
    fn close(&self, within: Duration);
}

/// See [`Spool::lease`].
pub type Step = Arc<dyn Fn(&Progress) -> Option<Progress> + Send + Sync>;

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages.
    pub messages: u64,
    /// Recipients not done.
    pub recipients: u64,
}
