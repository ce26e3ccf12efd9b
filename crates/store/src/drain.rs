//! How fast a spool empties: for the wait that a full one names.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Samples are at least this far apart.
const STEP: Duration = Duration::from_secs(1);
/// The rate is measured over at most so many samples: about a minute under load.
const SAMPLES: usize = 60;
/// Below this span there is nothing to tell yet.
const SHORTEST: Duration = Duration::from_secs(5);
/// After a pause this long, what was measured before it says nothing about now.
const STALE: Duration = Duration::from_secs(600);

/// The spool has no clock: it samples when a caller tells the time (a new id, a lease), and so measures only while
/// somebody works with it.
#[derive(Debug, Default)]
pub(crate) struct Drain(Mutex<VecDeque<(SystemTime, u64)>>);

impl Drain {
    /// It is `now`, and `removed` octets have left the spool since it was opened.
    pub(crate) fn sample(&self, now: SystemTime, removed: u64) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match samples.back().map(|(last, _)| now.duration_since(*last)) {
            Some(Ok(since)) if since < STEP => return,
            Some(Ok(since)) if since < STALE => {}
            // The clock went back, or nobody was here for long: begin anew.
            _ => samples.clear(),
        }
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back((now, removed));
    }

    /// Octets a second; `None` while too little was seen, or nothing left.
    pub(crate) fn rate(&self) -> Option<f64> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (samples.front()?, samples.back()?);
        let span = last
            .0
            .duration_since(first.0)
            .ok()
            .filter(|span| *span >= SHORTEST)?;
        let removed = last.1.saturating_sub(first.1);
        #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
        let rate = removed as f64 / span.as_secs_f64();
        (removed > 0).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn rate_of(samples: &[(u64, u64)]) -> Option<f64> {
        let drain = Drain::default();
        for (secs, removed) in samples {
            drain.sample(UNIX_EPOCH + Duration::from_secs(*secs), *removed);
        }
        drain.rate()
    }

    #[test]
    fn a_rate_is_told_once_it_was_measured() {
        assert_eq!(rate_of(&[]), None);
        assert_eq!(rate_of(&[(100, 0), (103, 4000)]), None, "too short");
        assert_eq!(rate_of(&[(100, 0), (110, 0)]), None, "nothing left");
        assert_eq!(rate_of(&[(100, 0), (103, 4000), (110, 5000)]), Some(500.0));
        assert_eq!(
            rate_of(&[(100, 0), (110, 5000), (90, 6000)]),
            None,
            "the clock went back"
        );
        assert_eq!(
            rate_of(&[(100, 0), (110, 5000), (9000, 6000)]),
            None,
            "long ago"
        );
    }

    #[test]
    fn the_window_moves() {
        let mut samples: Vec<_> = (0..100).map(|s| (s, s * 1000)).collect();
        samples.extend((100..160).map(|s| (s, 99_000)));
        assert_eq!(rate_of(&samples), None);
    }
}
