//! Wake times of changes that are on their way to the spool: its own earliest wake time doesn't know of them yet.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use queue::Progress;
use queue::spool::Change;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Wakes(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Submitted and not yet durable; each with a number of its own.
    pending: BTreeSet<(SystemTime, u64)>,
    last: u64,
    readers: usize,
    /// The earliest of those that became durable since the oldest read under way began.
    arrived: Option<SystemTime>,
}

/// A change that was submitted. [`Submitted::durable`] ends it.
pub(super) struct Submitted(Option<(SystemTime, u64)>, Wakes);

impl Wakes {
    /// A change is about to be submitted: the earliest wake time among its rows, if it has any.
    pub(super) fn submitted(&self, change: &Change) -> (Option<SystemTime>, Submitted) {
        let moved = change.update.iter().map(|(_, _, row)| row);
        let new = change.enqueue.iter().flat_map(|(_, _, rows)| rows);
        let wake = moved.chain(new).map(Progress::wake).min();
        let entry = wake.map(|wake| {
            let mut state = self.state();
            state.last += 1;
            let entry = (wake, state.last);
            state.pending.insert(entry);
            entry
        });
        (wake, Submitted(entry, self.clone()))
    }

    /// Reads the spool's earliest wake time, and gives `set` the earliest of that and what is on its way.
    pub(super) fn read<E>(
        &self,
        read: impl FnOnce() -> Result<Option<SystemTime>, E>,
        set: impl FnOnce(Option<SystemTime>),
    ) -> Result<(), E> {
        self.state().readers += 1;
        let read = read();
        // Set under the lock: of what is submitted after this, the dispatcher hears after this.
        let mut state = self.state();
        if let Ok(read) = &read {
            let pending = state.pending.first().map(|(wake, _)| *wake);
            set([*read, pending, state.arrived].into_iter().flatten().min());
        }
        state.readers -= 1;
        if state.readers == 0 {
            state.arrived = None;
        }
        read.map(|_| ())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Submitted {
    /// The spool knows of it now, or never will.
    pub(super) fn durable(self) {
        let Self(Some(entry), wakes) = self else {
            return;
        };
        let mut state = wakes.state();
        state.pending.remove(&entry);
        if state.readers > 0 {
            state.arrived = Some(state.arrived.map_or(entry.0, |at| at.min(entry.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn change(secs: u64) -> Change {
        let row = Progress {
            state: queue::State::Waiting,
            due: at(secs),
            expires: at(1_000_000),
            attempts: 0,
            backoff_steps: 0,
            appointment: None,
            broken: 0,
            parked: None,
            stretched: queue::Stretched::default(),
            delay_notice: None,
            last_reply: None,
            last_attempt: None,
        };
        Change {
            update: vec![(queue::MessageId(1), 0, row)],
            ..Change::default()
        }
    }

    fn told(wakes: &Wakes, during: impl FnOnce(), spool: Option<u64>) -> Option<SystemTime> {
        let mut told = None;
        let read = || {
            during();
            Ok::<_, ()>(spool.map(at))
        };
        wakes.read(read, |wake| told = wake).expect("a read");
        told
    }

    #[test]
    fn what_the_spool_does_not_know_yet_is_not_slept_through() {
        let wakes = Wakes::default();
        assert_eq!(told(&wakes, || {}, Some(3600)), Some(at(3600)));
        // Still on its way to the spool.
        let (wake, submitted) = wakes.submitted(&change(300));
        assert_eq!(wake, Some(at(300)));
        assert_eq!(told(&wakes, || {}, Some(3600)), Some(at(300)));
        // It arrives while the spool is read: the read may have been before it or after it.
        assert_eq!(
            told(&wakes, || submitted.durable(), Some(3600)),
            Some(at(300))
        );
        // The next read knows of it.
        assert_eq!(told(&wakes, || {}, Some(3600)), Some(at(3600)));
    }
}
