//! New queue ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use queue::MessageId;

/// The largest id a spool gives or finds: what a signed 64-bit column holds (the year 294,000).
pub const MAX_ID: u64 = i64::MAX as u64;

/// Gives ids that only grow: `max(now in µs, the last one + 1)`.
#[derive(Debug)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    /// Every id will be above `last`.
    pub(crate) fn after(last: u64) -> Self {
        Self(AtomicU64::new(last))
    }

    pub(crate) fn next(&self, now: SystemTime) -> MessageId {
        let micros = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
        let micros = u64::try_from(micros).unwrap_or(MAX_ID).min(MAX_ID / 2);
        let step = |last: u64| Some(micros.max(last + 1));
        let (Ok(last) | Err(last)) =
            self.0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        MessageId(micros.max(last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_follow_the_clock_and_never_go_back() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let ids = Ids::after(500);
        for (now, expected) in [
            (at(10), 501),
            (at(1000), 1000),
            (at(1000), 1001),
            (at(900), 1002),
        ] {
            assert_eq!(ids.next(now), MessageId(expected));
        }
        let before_1970 = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(ids.next(before_1970), MessageId(1003));
    }
}
