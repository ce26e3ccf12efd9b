//! Estimates that were told, until it is known how they were kept: counted for the statistics, judged by never.
//!
//! A promise has a record that says who comes back; an estimate (a full mailbox, a look-up, storage) has none. So what
//! was told is remembered here, in memory alone: what is open when the process ends is counted no further.

use crate::Moment;
use crate::block::client_network;
use crate::event::{Event, Stage};
use crate::greylist::Secret;
use crate::stats::{LATE, Punctuality, Stats, day_of};
use crate::verdict::{Reason, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::time::Duration;

/// Open estimates that are remembered; one more, and the one that ends first is counted no further.
pub const ESTIMATES_MAX: usize = 50_000;

/// Estimates that are over and are counted, at most, by one call of [`Estimates::sweep`].
const SWEEP_MAX: usize = 256;

/// Who asks for what: the client's network, the sender and the recipient, at one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker(u64);

/// All open ones. Deterministic; each call costs O(log n).
#[derive(Debug)]
pub struct Estimates {
    secret: Secret,
    rows: BTreeMap<Asker, Open>,
    ends: BTreeSet<(Moment, Asker)>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    reason: Reason,
    told: Moment,
    due: Moment,
    until: Moment,
}

impl Estimates {
    /// None yet.
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            rows: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// Who is asking with this event. `first`: the first recipient of the mail under way, for the end of its content.
    pub fn asker(&self, event: &Event<'_>, first: Option<&str>) -> Asker {
        let recipient = match event.stage {
            Stage::Message => first.unwrap_or_default(),
            _ => event.recipient,
        };
        Asker(self.secret.hash_one((
            event.stage,
            client_network(event.client),
            event.sender.to_lowercase(),
            recipient.to_lowercase(),
        )))
    }

    /// It was answered at `now`: let in, where there is no refusal. One that comes early and is told again was given no
    /// second hint; one that is let in early has kept its time. It is awaited for `window`.
    pub fn answered(
        &mut self,
        asker: Asker,
        refusal: Option<&Refusal>,
        window: Duration,
        now: Moment,
        stats: &mut Stats,
    ) {
        let told = refusal.filter(|refusal| refusal.reason.is_estimated());
        let told = told.and_then(|refusal| {
            let wait = Duration::from_secs(refusal.wait_secs?);
            Some((refusal.reason, now.after(wait)))
        });
        if let Some(open) = self.remove(asker) {
            let due = match refusal {
                Some(_) => open.due,
                None => open.due.min(now),
            };
            if stats.came(open.reason, open.told, due, now) == Punctuality::Early {
                let due = told.map_or(open.due, |(_, due)| due);
                let until = open.until.max(due.after(LATE));
                return self.insert(asker, Open { due, until, ..open });
            }
        }
        if let Some((reason, due)) = told {
            stats.given(reason, now);
            let open = Open {
                reason,
                told: now,
                due,
                until: now.after(window).max(due.after(LATE)),
            };
            self.insert(asker, open);
        }
    }

    /// Counts those that nobody came for by `now`, a few hundred at a time; to be called every second.
    pub fn sweep(&mut self, now: Moment, stats: &mut Stats) {
        for _ in 0..SWEEP_MAX {
            let Some(&(until, asker)) = self.ends.first() else {
                return;
            };
            if now <= until {
                return;
            }
            if let Some(open) = self.remove(asker) {
                stats.never(open.reason, day_of(open.told), 1, now);
            }
        }
    }

    /// Open ones.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// None is open.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn insert(&mut self, asker: Asker, open: Open) {
        self.rows.insert(asker, open);
        self.ends.insert((open.until, asker));
        while self.rows.len() > ESTIMATES_MAX
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.rows.remove(&first);
        }
    }

    fn remove(&mut self, asker: Asker) -> Option<Open> {
        let open = self.rows.remove(&asker)?;
        self.ends.remove(&(open.until, asker));
        Some(open)
    }
}
