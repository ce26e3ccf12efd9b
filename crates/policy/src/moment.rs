//! A point of wall-clock time, in whole milliseconds.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC, negative before it.
///
/// Records keep half a dozen of them by the million, so this is half the size of a [`SystemTime`]. All arithmetic
/// saturates: a foreign clock, a jump or an absurd setting gives the largest value, never a panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(
    /// Milliseconds since the one before the least: never zero, so that an `Option` takes no more room.
    NonZeroU64,
);

/// 1970 among them: turns the order of signed numbers into that of unsigned ones.
const SIGN: u64 = 1 << 63;

impl Moment {
    /// The moment so many milliseconds after 1970-01-01 UTC; `i64::MIN` is taken as one more.
    pub const fn from_millis(millis: i64) -> Self {
        match NonZeroU64::new(millis as u64 ^ SIGN) {
            Some(above) => Self(above),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_millis(self) -> i64 {
        (self.0.get() ^ SIGN) as i64
    }

    /// The moment `span` later.
    pub fn after(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(millis(span)))
    }

    /// The moment `span` earlier.
    pub fn before(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        let span = self.as_millis().saturating_sub(earlier.as_millis());
        Duration::from_millis(u64::try_from(span).unwrap_or(0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Moment").field(&self.as_millis()).finish()
    }
}

impl From<SystemTime> for Moment {
    /// Cuts what is below a millisecond off.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(span) => Self::from_millis(millis(span)),
            Err(before) => Self::from_millis(-millis(before.duration())),
        }
    }
}

/// So much early counts as on time: the clocks of two nodes differ.
pub const EARLY: Duration = Duration::from_secs(2);

/// Rounded up: whoever comes back after so many seconds is not early.
pub(crate) fn whole_secs(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_order_over_the_whole_range() {
        let millis = [i64::MIN + 1, -1, 0, 1, i64::MAX];
        let moments = millis.map(Moment::from_millis);
        assert_eq!(moments.map(Moment::as_millis), millis);
        assert!(moments.is_sorted());
        assert_eq!(Moment::from_millis(i64::MIN), moments[0]);
        assert_eq!(moments[0].before(Duration::MAX), moments[0]);
        assert_eq!(moments[4].after(Duration::MAX), moments[4]);
        assert_eq!(size_of::<Option<Moment>>(), size_of::<Moment>());
    }
}
