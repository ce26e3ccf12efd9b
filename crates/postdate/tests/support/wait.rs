//! Waiting for what another process does.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that is to happen at once, on a machine that is busy.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Between two looks.
const STEP: Duration = Duration::from_millis(10);

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks until there is something; fails the test when it takes longer than [`LONG`].
#[track_caller]
pub(crate) fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(LONG, what, probe)
}

/// Looks until there is something; fails the test when it takes longer than `limit`.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(now() < deadline, "waited {limit:?} in vain for {what}");
        thread::sleep(STEP);
    }
}
