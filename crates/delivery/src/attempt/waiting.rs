//! A recipient that no host has decided about yet.

use std::net::IpAddr;

use queue::outcome::{Deferral, Outcome, Problem};
use queue::{HoldKey, HostKey};
use retry_hint::{Hint, Holds};

/// What one host gave instead of a decision.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) host: HostKey,
    /// Our own address.
    pub(super) local: Option<IpAddr>,
    pub(super) problem: Problem,
    pub(super) hint: Option<Hint>,
}

/// A recipient and its troubles so far.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its index in the message.
    pub(super) index: u32,
    /// One a host, in the order they were asked.
    pub(super) troubles: Vec<Trouble>,
}

impl Waiting {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            troubles: Vec::new(),
        }
    }

    /// When no host is left. `held`: some host was not asked, because this hold stood before it.
    pub(super) fn outcome(mut self, held: Option<&HoldKey>) -> Outcome {
        let may_pass = |trouble: &Trouble| trouble.problem.status.0 == 4;
        // A host that turned us away for good decides only when no other may still take the mail.
        match (
            self.troubles.iter().any(may_pass),
            self.troubles.pop(),
            held,
        ) {
            (true, Some(last), _) => {
                self.troubles.push(last);
                self.troubles.retain(may_pass);
                deferred(self.troubles)
            }
            (false, Some(last), None) => Outcome::Failed(last.problem),
            (_, _, held) => Outcome::NotTried {
                parked: held.cloned(),
            },
        }
    }
}

/// One host speaks for all. A wait for this mail at one host (a hint to MAIL or DATA) stands nowhere but in the row, so
/// the longest of these decides: no host is dialled before the time it named. A host's own wait is held for that host
/// besides, so otherwise it is the one that may be free first: one that named no time, or the shortest wait.
fn deferred(troubles: Vec<Trouble>) -> Outcome {
    let wait = |trouble: &Trouble| {
        trouble
            .hint
            .map_or(0, |hint| hint.wait_secs.saturating_add(1))
    };
    let binds = |trouble: &&Trouble| trouble.hint.is_some_and(|hint| hint.holds != Holds::Host);
    let longest = troubles
        .iter()
        .filter(binds)
        .max_by_key(|&trouble| wait(trouble));
    let speaker = longest.or_else(|| troubles.iter().rev().min_by_key(|&trouble| wait(trouble)));
    let none = Outcome::NotTried { parked: None };
    speaker.cloned().map_or(none, Trouble::into_deferral)
}

impl Trouble {
    /// As an outcome.
    pub(super) fn into_deferral(self) -> Outcome {
        Outcome::Deferred(Deferral {
            problem: self.problem,
            hint: self.hint,
            host: Some(self.host),
            local: self.local,
        })
    }
}
