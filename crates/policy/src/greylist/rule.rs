//! The rule itself: one visit against one record, written once.

use super::{Moment, Settings, Verdict};
use crate::moment::whole_secs;
use std::time::Duration;

pub use crate::moment::EARLY;

/// A promise is open at least so long after its time, however short the window was set.
pub const OPEN_AT_LEAST: Duration = Duration::from_secs(5);

/// What is remembered of one triplet (what the client is found under, sender, recipient).
///
/// It carries its own times, so that no later setting takes back what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Of the visit that was refused first.
    pub first_seen: Moment,
    /// The appointment: from here on it passes. Never moves later.
    pub due: Moment,
    /// The last moment at which it counts; unused until then, it is forgotten.
    pub until: Moment,
    /// When it was last let in; `None`: pending.
    pub passed: Option<Moment>,
}

impl Record {
    fn first(settings: &Settings, now: Moment) -> Self {
        let due = now.after(settings.delay);
        Self {
            first_seen: now,
            due,
            until: now.after(settings.window).max(due.after(OPEN_AT_LEAST)),
            passed: None,
        }
    }

    /// Its time is over: the same triplet is a stranger again.
    pub fn expired(&self, now: Moment) -> bool {
        now > self.until
    }

    /// What is remembered once it was let in.
    pub fn let_in(self, settings: &Settings, now: Moment) -> Self {
        Self {
            // Others may have been told of the same appointment: its window stays open.
            until: self.until.max(now.after(settings.known_for)),
            passed: Some(now),
            ..self
        }
    }

    /// The clock was set back behind the first visit: how long it has waited can't be known, so its wait starts anew,
    /// and is no longer than it was.
    fn against_clock(mut self, now: Moment) -> Self {
        if self.passed.is_none() && now < self.first_seen {
            let ahead = self.first_seen.since(now);
            self.first_seen = now;
            self.due = self.due.before(ahead);
            self.until = self.until.before(ahead);
        }
        self
    }
}

/// What is remembered of one client network or SPF domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Triplets of it that came back in their window.
    pub passes: u32,
    /// The last visit that counted for it.
    pub last_used: Moment,
    /// It was let in without a wait, or will be: no number of passes that is asked later takes that back.
    pub for_good: bool,
}

impl Known {
    /// Unused for too long.
    pub fn expired(&self, settings: &Settings, now: Moment) -> bool {
        now > self.last_used.after(settings.known_for)
    }

    /// Whoever this record lets in is let in by its network: it need not be kept.
    pub fn covers(&self, settings: &Settings, record: &Record) -> bool {
        record.passed.is_some()
            && self.is_good(settings)
            && self.last_used.after(settings.known_for) >= record.until
    }

    /// Has passed often enough to be let in without a wait.
    pub fn is_good(&self, settings: &Settings) -> bool {
        self.for_good || (settings.known_after != 0 && self.passes >= settings.known_after)
    }

    /// What is remembered after one more pass.
    pub fn passed(before: Option<Self>, settings: &Settings, now: Moment) -> Self {
        let before = before.filter(|known| !known.expired(settings, now));
        let passes = before.map_or(0, |known| known.passes).saturating_add(1);
        Self {
            passes,
            last_used: before.map_or(now, |known| known.last_used),
            for_good: before.is_some_and(|known| known.for_good),
        }
        .used(settings, now)
    }

    /// What is remembered after one more visit that it let in.
    pub fn used(self, settings: &Settings, now: Moment) -> Self {
        Self {
            for_good: self.is_good(settings),
            // Not back with a clock that stood in 1970 for a minute: everyone who came then would be forgotten.
            last_used: self.last_used.max(now),
            ..self
        }
    }
}

/// What a visit leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The triplet's record from now on; `None`: there is none.
    pub record: Option<Record>,
    /// The network's record from now on; `None`: there is none.
    pub network: Option<Known>,
    /// What the client is told.
    pub verdict: Verdict,
}

/// Judges one visit of a triplet at `now`, given what is remembered of it and of its network.
///
/// Early visits change nothing but this: a delay that was shortened since applies at once, and, once told, stays.
pub fn step(
    settings: &Settings,
    record: Option<Record>,
    network: Option<Known>,
    now: Moment,
) -> Outcome {
    let network = network.filter(|known| !known.expired(settings, now));
    let record = record
        .map(|record| record.against_clock(now))
        .filter(|record| !record.expired(now));
    match (network, record) {
        (Some(known), record) if known.is_good(settings) => Outcome {
            // Whoever had to wait for its own appointment has come.
            record: record.map(|record| record.let_in(settings, now)),
            network: Some(known.used(settings, now)),
            verdict: Verdict::Known,
        },
        (network, None) => first_visit(settings, network, now),
        (network, Some(record)) if record.passed.is_some() => Outcome {
            record: Some(record.let_in(settings, now)),
            network,
            verdict: Verdict::Known,
        },
        (network, Some(record)) => retry(settings, record, network, now),
    }
}

fn first_visit(settings: &Settings, network: Option<Known>, now: Moment) -> Outcome {
    if settings.delay.is_zero() {
        // Nobody waits, so there is nothing to remember.
        return Outcome {
            record: None,
            network,
            verdict: Verdict::Waited(Duration::ZERO),
        };
    }
    Outcome {
        record: Some(Record::first(settings, now)),
        network,
        verdict: Verdict::Defer {
            wait_secs: Some(whole_secs(settings.delay)),
            first: true,
        },
    }
}

fn retry(settings: &Settings, mut record: Record, network: Option<Known>, now: Moment) -> Outcome {
    record.due = record.due.min(record.first_seen.after(settings.delay));
    if now.after(EARLY) < record.due {
        return Outcome {
            record: Some(record),
            network,
            verdict: Verdict::Defer {
                wait_secs: Some(whole_secs(record.due.since(now))),
                first: false,
            },
        };
    }
    Outcome {
        record: Some(record.let_in(settings, now)),
        network: Some(Known::passed(network, settings, now)),
        verdict: Verdict::Waited(now.since(record.first_seen)),
    }
}
