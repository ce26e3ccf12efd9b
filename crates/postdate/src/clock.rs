//! The one place that reads a clock.
//!
//! Due times in the spool and the timers that wake for them come from here, so that they can't disagree; a jump of the
//! system's clock is noticed at the latest after [`RECHECK`].
#![allow(clippy::disallowed_methods, reason = "this is the clock file")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// No timer sleeps longer than this in one go: after a suspend or a step of the clock, due mail is seen this soon.
pub(crate) const RECHECK: Duration = Duration::from_secs(10);

/// The system's wall clock.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The clock that a node's queue and fronts go by. All that work together share one.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The system's wall clock.
    pub(crate) fn system() -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// How long to sleep until `due`, at most [`RECHECK`].
    pub(crate) fn until(&self, due: SystemTime) -> Duration {
        due.duration_since(self.now())
            .unwrap_or_default()
            .min(RECHECK)
    }
}
