//! A look-up in the DNS failed: when that zone is asked again (451 4.4.3, 4.7.24).
//!
//! A failure is remembered (RFC 9520 §3.2: at least 1 s, at most 5 minutes, with a back-off), so that many clients who
//! meet the same dead zone cause one look-up, and are told when the next one is.
//!
//! It is an estimate, and good for minutes: nothing of it is stored.

use crate::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// After the first failure (RFC 9520 §3.2 starts there too). It doubles.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(5);

/// No failure is remembered for longer (RFC 2308 §7, RFC 9520 §3.2: five minutes).
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// No wait is shorter, nor is any time to live that a resolver names.
pub const WAIT_MIN: Duration = Duration::from_secs(1);

/// How long the one look-up that is let through may take, before somebody else asks.
pub const LOOK_UP_MAX: Duration = Duration::from_secs(10);

/// A zone that nobody asked for so long after its time starts anew, with a short back-off.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Zones in failure that are remembered; one more, and the one whose time comes first goes. It is asked once more.
pub const ZONES_MAX: usize = 10_000;

/// Octets in a name (RFC 1035 §2.3.4). A longer one is never remembered: it can't be looked up either.
const NAME_MAX: usize = 255;

/// May a zone be asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Yes; then say [`Zones::failed`] or [`Zones::worked`].
    Now,
    /// It failed: not before then.
    NotBefore(Moment),
}

/// The zones whose look-ups failed. Deterministic; each call costs O(log n).
///
/// A zone is named by whoever asks: the domain that was looked up, or the list that was asked. Case and a last dot
/// don't matter.
#[derive(Debug, Default)]
pub struct Zones {
    rows: BTreeMap<Arc<str>, Row>,
    by_due: BTreeSet<(Moment, Arc<str>)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// In a row, one at a time.
    failures: u32,
    due: Moment,
    /// Somebody is asking, until `due`.
    asking: bool,
}

impl Zones {
    /// Whether to look up in `zone` at `now`. The first to ask when its time has come is told to; until that
    /// look-up ends, or [`LOOK_UP_MAX`] is over, the others are held back.
    pub fn ask(&mut self, zone: &str, now: Moment) -> Ask {
        let name = plain(zone);
        let Some(row) = self.current(&name, now) else {
            return Ask::Now;
        };
        if now < row.due {
            return Ask::NotBefore(row.due);
        }
        let due = now.after(LOOK_UP_MAX);
        let asking = true;
        self.put(&name, Row { due, asking, ..row });
        Ask::Now
    }

    /// A look-up failed: SERVFAIL, time-out, no server to reach. `held` is how long that is said to hold, where anybody
    /// says so: a block list that answers "I don't serve you" does, by that record's time to live.
    ///
    /// Look-ups that were under way side by side count as one failure.
    pub fn failed(&mut self, zone: &str, held: Option<Duration>, now: Moment) {
        let name = plain(zone);
        if name.len() > NAME_MAX {
            return;
        }
        let before = self.current(&name, now);
        if before.is_some_and(|row| now < row.due && !row.asking) {
            return;
        }
        let failures = before.map_or(0, |row| row.failures).saturating_add(1);
        let held = held.unwrap_or_default();
        let wait = backoff(failures).max(held).min(BACKOFF_MAX);
        self.put(
            &name,
            Row {
                failures,
                due: now.after(wait),
                asking: false,
            },
        );
        while self.rows.len() > ZONES_MAX
            && let Some((_, first)) = self.by_due.pop_first()
        {
            self.rows.remove(&first);
        }
    }

    /// A look-up was answered, if only with "there is no such name": the zone is well.
    pub fn worked(&mut self, zone: &str) {
        let name = plain(zone);
        if let Some(row) = self.rows.remove(name.as_str()) {
            self.by_due.remove(&(row.due, Arc::from(name)));
        }
    }

    /// When we shall ask `zone` again; `None`: it may be asked now. Changes nothing.
    pub fn due(&self, zone: &str, now: Moment) -> Option<Moment> {
        let due = self.rows.get(plain(zone).as_str())?.due;
        let due = due.min(now.after(BACKOFF_MAX));
        (now < due).then_some(due)
    }

    /// The wait to tell whoever needs an answer from `zone`: until we ask it again, between [`WAIT_MIN`] and
    /// [`BACKOFF_MAX`]. `None`: it is not known to be failing, so there is nothing to go by.
    pub fn wait(&self, zone: &str, now: Moment) -> Option<Duration> {
        let due = self.rows.get(plain(zone).as_str())?.due;
        Some(due.since(now).clamp(WAIT_MIN, BACKOFF_MAX))
    }

    /// Zones that are remembered.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No look-up failed lately.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What holds at `now`. A clock that was set back makes nobody wait for longer than the longest back-off.
    fn current(&self, name: &str, now: Moment) -> Option<Row> {
        let row = self.rows.get(name)?;
        let due = row.due.min(now.after(BACKOFF_MAX));
        (now <= due.after(FORGOTTEN_AFTER)).then_some(Row { due, ..*row })
    }

    fn put(&mut self, name: &str, row: Row) {
        let name: Arc<str> = Arc::from(name);
        if let Some(old) = self.rows.insert(Arc::clone(&name), row) {
            self.by_due.remove(&(old.due, Arc::clone(&name)));
        }
        self.by_due.insert((row.due, name));
    }
}

/// 5, 10, 20 … 300 s.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    BACKOFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MAX)
}

fn plain(zone: &str) -> String {
    zone.strip_suffix('.').unwrap_or(zone).to_ascii_lowercase()
}
