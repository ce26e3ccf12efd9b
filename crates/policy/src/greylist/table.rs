//! All records of greylisting, in bounded memory.

use super::change::{Change, Stored};
use super::key::{Envelope, Key, Secret};
use super::known::Networks;
use super::network::{Block, Prefixes};
use super::records::{Place, Records};
use super::rule::{self, Known, Record};
use super::{Moment, Settings, Verdict, Visit};
use ipnet::IpNet;
use std::time::SystemTime;

/// Records that are over and are removed, at most, by one visit. A visit adds one, so it catches up.
const SWEEP_MAX: usize = 4;

/// Records are counted in 32 bits.
const RECORDS_MAX: usize = 1 << 30;

/// Every record, deterministic: the same visits at the same times give the same verdicts and the same changes.
///
/// A visit costs O(log n). Addresses are not held, only their keyed hash: they go out with the [`Change`] for whoever
/// stores them.
#[derive(Debug)]
pub struct Table {
    settings: Settings,
    secret: Secret,
    prefixes: Prefixes,
    records: Records,
    networks: Networks,
    next_id: u64,
    changes: Vec<Change>,
}

/// A triplet as it is cut and compared today, with its key.
struct Triplet<'a> {
    network: IpNet,
    envelope: Envelope<'a>,
    key: Key,
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings, secret: Secret) -> Self {
        Self {
            prefixes: Prefixes::new(&settings),
            records: Records::new(secret),
            networks: Networks::new(secret),
            next_id: 1,
            changes: Vec::new(),
            settings,
            secret,
        }
    }

    /// Changes the settings. Appointments stand, except those that a lower cap over all leaves no room for.
    pub fn configure(&mut self, settings: Settings) {
        self.prefixes.configure(&settings);
        self.settings = settings;
        self.networks.configure(&self.settings, &mut self.changes);
        self.shed();
    }

    /// Judges one RCPT at `now`, and remembers it.
    ///
    /// An observing server does the same: it logs the verdict that a refusing one would give.
    pub fn judge(&mut self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        let now = Moment::from(now);
        self.sweep(now);
        if let Some((network, known)) = self.known_for_good(visit, now) {
            let outcome = rule::step(&self.settings, None, Some(known), now);
            self.keep_network(network, Some(known), outcome.network);
            return outcome.verdict;
        }
        let network = self.prefixes.own(visit.client);
        let envelope = Envelope::new(visit.sender, visit.recipient);
        let key = self.secret.key(network, &envelope);
        let triplet = Triplet {
            network,
            envelope,
            key,
        };
        let place = self.find(visit, &triplet, now);
        let record = place.map(|place| self.records.get(place));
        let known = self.networks.get(network);
        let outcome = rule::step(&self.settings, record, known, now);
        self.keep_network(network, known, outcome.network);
        match (place, outcome.record) {
            (None, Some(record)) if !self.admit(&triplet, record, now) => Verdict::Defer {
                wait_secs: None,
                first: true,
            },
            (None, _) => outcome.verdict,
            (Some(place), after) => {
                let covered = |record: &Record| {
                    // One that was made under an earlier cut may stand for more than the network of today.
                    self.records.find(key) == Some(place)
                        && outcome
                            .network
                            .is_some_and(|known| known.covers(&self.settings, record))
                };
                let after = after.filter(|record| !covered(record));
                self.keep_record(place, after);
                outcome.verdict
            }
        }
    }

    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes a stored row over, at the start, in ascending order of record ids. What is over by `now`, or beyond the
    /// bounds, is not taken, and a change says that it may go.
    pub fn restore(&mut self, stored: Stored, now: SystemTime) {
        let now = Moment::from(now);
        match stored {
            Stored::Network { network, known } if known.expired(&self.settings, now) => {
                self.changes.push(Change::Forget { network });
            }
            Stored::Network { network, known } => {
                self.prefixes.met(network);
                self.networks.restore(network, known, &self.settings);
                self.networks.shed(&self.settings, &mut self.changes);
            }
            Stored::Record {
                id,
                network,
                sender,
                recipient,
                record,
            } => {
                let envelope = Envelope::new(&sender, &recipient);
                let key = self.secret.key(network, &envelope);
                let twice = self.records.find(key).is_some();
                self.next_id = self.next_id.max(id.saturating_add(1));
                if record.expired(now) || twice || self.settings.max_pending == 0 {
                    self.changes.push(Change::Drop { id });
                    return;
                }
                self.prefixes.met(network);
                self.records.insert(key, id, Block::of(network), record);
                self.shed();
            }
        }
    }

    /// Triplets that wait for their second visit. Those whose time is over count until the next visits sweep them.
    pub fn pending(&self) -> usize {
        self.records.pending()
    }

    /// Client networks that are let in without a wait; the same holds of those whose time is over.
    pub fn known(&self) -> usize {
        self.networks.for_good()
    }

    /// The client's network, under whichever prefix, if it need not wait.
    fn known_for_good(&self, visit: Visit<'_>, now: Moment) -> Option<(IpNet, Known)> {
        self.prefixes.all(visit.client).find_map(|network| {
            let known = self.networks.get(network)?;
            let good = known.is_good(&self.settings) && !known.expired(&self.settings, now);
            good.then_some((network, known))
        })
    }

    /// The triplet's record, also where it was made under an earlier prefix; of several, the one that lets in first.
    /// Those that are over are removed.
    fn find(&mut self, visit: Visit<'_>, triplet: &Triplet<'_>, now: Moment) -> Option<Place> {
        let mut best: Option<((bool, Moment), Place)> = None;
        for (cut, network) in self.prefixes.all(visit.client).enumerate() {
            let key = match cut {
                0 => triplet.key,
                _ => self.secret.key(network, &triplet.envelope),
            };
            let Some(place) = self.records.find(key) else {
                continue;
            };
            let record = self.records.get(place);
            if record.expired(now) {
                let id = self.records.remove(place);
                self.changes.push(Change::Drop { id });
                continue;
            }
            let rank = (record.passed.is_none(), record.due);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// Records a first visit, if there is room for it. Says whether it did.
    fn admit(&mut self, triplet: &Triplet<'_>, record: Record, now: Moment) -> bool {
        let block = Block::of(triplet.network);
        let room = self.settings.max_pending_per_network;
        if let Some(oldest) = self.records.oldest_in(block)
            && self.records.pending_in(block) >= room
            && self.records.get(oldest).expired(now)
        {
            // The sweep hasn't come to it yet.
            self.remove(oldest);
        }
        if self.records.pending_in(block) >= room || self.settings.max_pending == 0 {
            return false;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.records.insert(triplet.key, id, block, record);
        self.changes.push(Change::Keep(Stored::Record {
            id,
            network: triplet.network,
            sender: triplet.envelope.sender.to_string(),
            recipient: triplet.envelope.recipient.to_string(),
            record,
        }));
        self.shed();
        true
    }

    fn keep_record(&mut self, place: Place, record: Option<Record>) {
        match record {
            None => self.remove(place),
            Some(record) if record != self.records.get(place) => {
                self.records.set(place, record);
                let id = self.records.id(place);
                self.changes.push(Change::Move { id, record });
                self.shed();
            }
            Some(_) => {}
        }
    }

    fn keep_network(&mut self, network: IpNet, before: Option<Known>, after: Option<Known>) {
        if let Some(known) = after
            && after != before
        {
            self.networks
                .set(network, known, &self.settings, &mut self.changes);
        }
    }

    fn remove(&mut self, place: Place) {
        let id = self.records.remove(place);
        self.changes.push(Change::Drop { id });
    }

    /// Holds the bounds over all: the largest block loses its oldest, the triplet unused for longest goes.
    fn shed(&mut self) {
        let most = self.settings.max_pending.min(RECORDS_MAX);
        while self.records.pending() > most
            && let Some(place) = self.records.oldest_of_largest()
        {
            self.remove(place);
        }
        let most = self.settings.max_known.clamp(1, RECORDS_MAX);
        while self.records.passed() > most
            && let Some(place) = self.records.stalest_passed()
        {
            self.remove(place);
        }
    }

    fn sweep(&mut self, now: Moment) {
        for _ in 0..SWEEP_MAX {
            let Some(place) = self.records.ended(now) else {
                break;
            };
            self.remove(place);
        }
        for _ in 0..SWEEP_MAX {
            if !self
                .networks
                .sweep_one(&self.settings, now, &mut self.changes)
            {
                break;
            }
        }
    }
}
