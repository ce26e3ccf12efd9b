//! Could not store: how long until there is room, by the measured drain of the storage (452 4.3.1).

use std::time::Duration;

/// No estimate is shorter: a rate measured over a minute says nothing about seconds.
pub const WAIT_MIN: Duration = Duration::from_secs(60);

/// No estimate is longer: a trickle of now says nothing about tomorrow.
pub const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// How long until `missing` octets are free, at the measured `octets_per_sec`; `None` without a measured drain, since
/// a wait is never invented.
///
/// An estimate: in whole seconds, rounded up, between [`WAIT_MIN`] and [`WAIT_MAX`].
pub fn storage_wait(missing: u64, octets_per_sec: Option<f64>) -> Option<Duration> {
    let rate = octets_per_sec.filter(|rate| rate.is_finite() && *rate > 0.0)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate, and clamped before it is a time"
    )]
    let secs = (missing as f64 / rate).ceil();
    Some(Duration::from_secs_f64(
        secs.clamp(WAIT_MIN.as_secs_f64(), WAIT_MAX.as_secs_f64()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wait_is_what_the_drain_takes() {
        #[rustfmt::skip]
        let table = [
            // missing, octets a second, the wait
            (1_000_000, None,                None),
            (1_000_000, Some(0.0),           None),
            (1_000_000, Some(-5.0),          None),
            (1_000_000, Some(f64::NAN),      None),
            (1_000_000, Some(f64::INFINITY), None),
            (0,         Some(1_000.0),       Some(60)),
            (1_000,     Some(1_000.0),       Some(60)),
            (600_000,   Some(1_000.0),       Some(600)),
            (600_001,   Some(1_000.0),       Some(601)),
            (u64::MAX,  Some(1_000.0),       Some(3600)),
            (u64::MAX,  Some(f64::MIN_POSITIVE), Some(3600)),
        ];
        for (missing, rate, secs) in table {
            let wait = storage_wait(missing, rate);
            assert_eq!(
                wait,
                secs.map(Duration::from_secs),
                "{missing} at {rate:?}/s"
            );
        }
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_more_missing_never_takes_less(
            missing: u64, more: u64, rate in any::<f64>(),
        ) {
            let wait = storage_wait(missing, Some(rate));
            prop_assert_eq!(wait.is_some(), rate.is_finite() && rate > 0.0);
            if let Some(wait) = wait {
                prop_assert!((WAIT_MIN..=WAIT_MAX).contains(&wait));
                prop_assert!(wait <= storage_wait(missing.saturating_add(more), Some(rate)).unwrap());
            }
        }
    }
}
