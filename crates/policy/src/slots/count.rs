//! How appointments went, by rule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A sender that obeys comes within so much of the time told: its wait is rounded up, and spread by a second.
const ON_TIME: Duration = Duration::from_secs(5);

/// How the appointments of one rule went since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Appointments told.
    pub told: u64,
    /// Visits that were too early, and told again.
    pub early: u64,
    /// Appointments kept, from 2 s before the time to 5 s behind it.
    pub on_time: u64,
    /// Appointments kept later than that.
    pub late: u64,
    /// Appointments whose grace ended with nobody there.
    pub never: u64,
    /// Visits that could be told no time.
    pub full: u64,
}

impl Counts {
    pub(super) fn kept(&mut self, late: Duration) {
        if late <= ON_TIME {
            self.on_time += 1;
        } else {
            self.late += 1;
        }
    }
}

/// All of them. Rules are the administrator's: few.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<Arc<str>, Counts>);

impl Tally {
    /// The one name that stands for this rule, however many calendars and appointments hold it.
    pub(super) fn name(&mut self, rule: &str) -> Arc<str> {
        if let Some((name, _)) = self.0.get_key_value(rule) {
            return name.clone();
        }
        let name: Arc<str> = rule.into();
        self.0.insert(name.clone(), Counts::default());
        name
    }

    pub(super) fn of(&mut self, rule: &Arc<str>) -> &mut Counts {
        self.0.entry(rule.clone()).or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.0.iter().map(|(rule, counts)| (&**rule, *counts))
    }
}
