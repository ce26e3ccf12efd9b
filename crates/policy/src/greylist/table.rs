//! All records of greylisting, in bounded memory.

mod rows;

use super::change::{Change, Stored};
use super::key::{Envelope, Key, Secret};
use super::known::KnownOrigins;
use super::network::Prefixes;
use super::origin::Origin;
use super::records::{Place, Records};
use super::rule::{self, Known, Record};
use super::{Appointment, Arrival, Judgement, Moment, Settings, Verdict};
use crate::Block;
use crate::stats::day_of;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Records that are over and are removed, at most, by one visit. A visit adds one, so it catches up.
const SWEEP_MAX: usize = 4;

/// The same, by one call of [`Table::sweep`]: a flood of a million is gone an hour after its window, though nobody comes.
const SWEEP_TICK_MAX: usize = 256;

/// Records are counted in 32 bits, and their keys, [`JOINED_MAX`] each, in 31; pending ones and those that passed each have
/// so much room.
const RECORDS_MAX: usize = 1 << 27;

/// A first visit is recorded under so many origins at most: its network and what the client proved beside.
const ORIGINS_MAX: usize = 3;

/// Later visits may add to them up to so many.
const JOINED_MAX: usize = 8;

/// Every record, deterministic: the same visits at the same times give the same verdicts and the same changes.
///
/// A visit costs O(log n). Addresses are not held, only their keyed hash: they go out with the [`Change`] for whoever
/// stores them. One record holds one appointment, under however many origins it is found.
#[derive(Debug)]
pub struct Table {
    settings: Settings,
    secret: Secret,
    prefixes: Prefixes,
    records: Records,
    known: KnownOrigins,
    next_id: u64,
    unclaimed: u64,
    /// The same by day told, until they are taken.
    unkept: BTreeMap<i64, u64>,
    changes: Vec<Change>,
}

/// An arrival as it is compared today.
struct Sought<'a> {
    /// The client's network, as it is cut today.
    own: Origin,
    /// What it proved beside.
    further: &'a [Origin],
    envelope: Envelope<'a>,
}

impl Sought<'_> {
    fn origins(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.own).chain(self.further)
    }
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings, secret: Secret) -> Self {
        Self {
            prefixes: Prefixes::new(&settings),
            records: Records::new(secret),
            known: KnownOrigins::new(secret),
            next_id: 1,
            unclaimed: 0,
            unkept: BTreeMap::new(),
            changes: Vec::new(),
            settings,
            secret,
        }
    }

    /// Changes the settings. Appointments stand, except those that a lower cap over all leaves no room for.
    pub fn configure(&mut self, settings: Settings) {
        self.prefixes.configure(&settings);
        self.settings = settings;
        self.known.configure(&self.settings, &mut self.changes);
        self.shed();
    }

    /// Judges one RCPT at `now`, and remembers it.
    ///
    /// An observing server does the same: it logs the verdict that a refusing one would give.
    pub fn judge<'a>(
        &mut self,
        arrival: impl Into<Arrival<'a>>,
        now: impl Into<Moment>,
    ) -> Judgement {
        let arrival = arrival.into();
        let now = now.into();
        self.sweep_some(SWEEP_MAX, now);
        let sought = Sought {
            own: Origin::Network(self.prefixes.own(arrival.visit.client)),
            further: &arrival.origins[..arrival.origins.len().min(ORIGINS_MAX - 1)],
            envelope: Envelope::new(arrival.visit.sender, arrival.visit.recipient),
        };
        let settings = Settings {
            delay: arrival.delay.unwrap_or(self.settings.delay),
            ..self.settings.clone()
        };
        let found = self.find(&arrival, &sought, &settings, now);
        let record = found.first().map(|&place| self.records.get(place));
        if self.is_known(&arrival, now) {
            self.settle(&found, &sought, now);
            return Judgement {
                verdict: Verdict::Known,
                appointment: appointment(Verdict::Known, record, now),
            };
        }
        let outcome = rule::step(&settings, record, self.known.get(&sought.own), now);
        let remembered = match outcome.verdict {
            Verdict::Defer { .. } => outcome.record,
            _ => record,
        };
        match (found.first(), outcome.record) {
            (None, None) => {}
            (None, Some(record)) => {
                if !self.admit(&arrival, &sought, record, now) {
                    return Judgement {
                        verdict: Verdict::Defer {
                            wait_secs: None,
                            first: true,
                        },
                        appointment: Appointment::None,
                    };
                }
            }
            (Some(&place), Some(record)) if record.passed.is_none() => {
                self.keep_record(place, record);
                self.bring_forward(&found[1..], record);
                self.join(place, &sought);
                let own = self.secret.key(&sought.own, &sought.envelope);
                if self.records.find(own).is_none() {
                    // No room there. The answer by which it was found may change, so its network, too, must hold
                    // what it is told now.
                    self.admit(&arrival, &sought, record, now);
                }
            }
            (Some(&place), after) => {
                if let Verdict::Waited(_) = outcome.verdict {
                    self.count_pass(&sought, now);
                }
                if let Some(record) = after {
                    self.keep_record(place, record);
                }
                self.settle(&found, &sought, now);
            }
        }
        Judgement {
            verdict: outcome.verdict,
            appointment: appointment(outcome.verdict, remembered, now),
        }
    }

    /// Removes what is over by `now`, a few hundred at a time. Every visit removes some too; call it each second, so that
    /// appointments nobody kept are counted on a quiet server.
    pub fn sweep(&mut self, now: impl Into<Moment>) {
        self.sweep_some(SWEEP_TICK_MAX, now.into());
    }

    /// Triplets that wait for their second visit. Those whose time is over count until they are swept.
    pub fn pending(&self) -> usize {
        self.records.pending()
    }

    /// Client networks and SPF domains that are let in without a wait; the same holds of those whose time is over.
    pub fn known(&self) -> usize {
        self.known.for_good()
    }

    /// Appointments that ended with nobody having come for them, since the table was made.
    pub fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// Takes the appointments that ended since the last call with nobody having come: how many, by the day on which they
    /// were told ([`day_of`]).
    pub fn take_unkept(&mut self) -> BTreeMap<i64, u64> {
        std::mem::take(&mut self.unkept)
    }

    /// Whether the client's network need not wait, whatever else is found out about it. Changes nothing.
    pub fn knows(&self, client: IpAddr, now: Moment) -> bool {
        self.prefixes
            .all(client)
            .any(|network| self.good(&Origin::Network(network), now).is_some())
    }

    /// Whether the client's network, under whichever prefix, or a domain it proved need not wait. Those that need not
    /// are used by this.
    fn is_known(&mut self, arrival: &Arrival<'_>, now: Moment) -> bool {
        let networks = self.prefixes.all(arrival.visit.client);
        let network = networks
            .map(Origin::Network)
            .find(|network| self.good(network, now).is_some());
        let domains = arrival
            .origins
            .iter()
            .filter(|origin| origin.can_be_known());
        let mut is_known = false;
        for origin in network.iter().chain(domains) {
            if let Some(known) = self.good(origin, now) {
                self.keep_known(origin, known.used(&self.settings, now));
                is_known = true;
            }
        }
        is_known
    }

    fn good(&self, origin: &Origin, now: Moment) -> Option<Known> {
        let known = self.known.get(origin)?;
        let good = known.is_good(&self.settings) && !known.expired(&self.settings, now);
        good.then_some(known)
    }

    /// The triplet's records, under whatever the client is found, also where one was made under an earlier prefix;
    /// that which lets in first is the first. There are several where the client's network was met on its own before
    /// a domain was proved. Those that are over are removed.
    fn find(
        &mut self,
        arrival: &Arrival<'_>,
        sought: &Sought<'_>,
        settings: &Settings,
        now: Moment,
    ) -> Vec<Place> {
        let networks = self.prefixes.all(arrival.visit.client).map(Origin::Network);
        let keys = networks
            .map(|network| self.secret.key(&network, &sought.envelope))
            .chain(self.keys(sought).skip(1));
        let mut found: Vec<_> = keys.filter_map(|key| self.records.find(key)).collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|&place| {
            let over = self.records.get(place).expired(now);
            if over {
                self.end(place);
            }
            !over
        });
        found.sort_by_key(|&place| {
            let record = self.records.get(place);
            let due = record.due.min(record.first_seen.after(settings.delay));
            (record.passed.is_none(), due, self.records.id(place))
        });
        found
    }

    fn keys<'a>(&'a self, sought: &'a Sought<'_>) -> impl Iterator<Item = Key> + 'a {
        let key = |origin| self.secret.key(origin, &sought.envelope);
        sought.origins().map(key)
    }

    /// Records a first visit, if there is room for it. Says whether it did.
    fn admit(
        &mut self,
        arrival: &Arrival<'_>,
        sought: &Sought<'_>,
        record: Record,
        now: Moment,
    ) -> bool {
        let block = Block::holding(arrival.visit.client);
        let room = self.settings.max_pending_per_network;
        if let Some(oldest) = self.records.oldest_in(block)
            && self.records.pending_in(block) >= room
            && self.records.get(oldest).expired(now)
        {
            // The sweep hasn't come to it yet.
            self.end(oldest);
        }
        if self.records.pending_in(block) >= room || self.settings.max_pending == 0 {
            return false;
        }
        let id = self.next_id;
        self.next_id += 1;
        let key = self.secret.key(&sought.own, &sought.envelope);
        let place = self.records.insert(key, id, block, record);
        let mut pool = Vec::new();
        for origin in sought.further {
            let key = self.secret.key(origin, &sought.envelope);
            // Not twice the same.
            if self.records.find(key).is_none() {
                self.records.add_key(place, key);
                pool.push(origin.clone());
            }
        }
        self.changes.push(Change::Keep(Stored::Record {
            id,
            network: self.prefixes.own(arrival.visit.client),
            pool,
            sender: sought.envelope.sender.to_string(),
            recipient: sought.envelope.recipient.to_string(),
            record,
        }));
        self.shed();
        true
    }

    /// The triplet's other records, all pending, tell what was told by this one: next time they may be all that is
    /// found.
    fn bring_forward(&mut self, others: &[Place], told: Record) {
        for &place in others {
            let record = self.records.get(place);
            let due = record.due.min(told.due);
            self.keep_record(place, Record { due, ..record });
        }
    }

    /// Lets the pending record be found under what the client proved this time, too.
    fn join(&mut self, place: Place, sought: &Sought<'_>) {
        for origin in sought.origins() {
            let key = self.secret.key(origin, &sought.envelope);
            let room = self.records.keys(place).count() < JOINED_MAX;
            if room && self.records.find(key).is_none() {
                self.records.add_key(place, key);
                let id = self.records.id(place);
                let origin = origin.clone();
                self.changes.push(Change::Join { id, origin });
            }
        }
    }

    /// One more pass of each origin.
    fn count_pass(&mut self, sought: &Sought<'_>, now: Moment) {
        for origin in sought.origins().filter(|origin| origin.can_be_known()) {
            let known = Known::passed(self.known.get(origin), &self.settings, now);
            self.keep_known(origin, known);
        }
    }

    /// It is let in: all of the triplet's records have been claimed by that, and those that let in nobody who is not
    /// let in without them may go.
    fn settle(&mut self, found: &[Place], sought: &Sought<'_>, now: Moment) {
        for &place in found {
            let record = self.records.get(place);
            if record.passed.is_none() {
                self.keep_record(place, record.let_in(&self.settings, now));
            }
            let record = self.records.get(place);
            let covered = |key| {
                let mut origins = sought.origins();
                origins.any(|origin| {
                    self.secret.key(origin, &sought.envelope) == key
                        && origin.can_be_known()
                        && self
                            .known
                            .get(origin)
                            .is_some_and(|known| known.covers(&self.settings, &record))
                })
            };
            if self.records.keys(place).all(covered) {
                self.remove(place);
            }
        }
        self.shed();
    }

    fn keep_record(&mut self, place: Place, record: Record) {
        if record != self.records.get(place) {
            self.records.set(place, record);
            let id = self.records.id(place);
            self.changes.push(Change::Move { id, record });
        }
    }

    fn keep_known(&mut self, origin: &Origin, known: Known) {
        if self.known.get(origin) != Some(known) {
            self.known
                .set(origin.clone(), known, &self.settings, &mut self.changes);
        }
    }

    /// Removes a record whose time is over.
    fn end(&mut self, place: Place) {
        self.count_end(self.records.get(place));
        self.remove(place);
    }

    fn count_end(&mut self, record: Record) {
        if record.passed.is_none() {
            self.unclaimed += 1;
            let told = day_of(record.first_seen);
            *self.unkept.entry(told).or_default() += 1;
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

    fn sweep_some(&mut self, most: usize, now: Moment) {
        for _ in 0..most {
            let Some(place) = self.records.ended(now) else {
                break;
            };
            self.end(place);
        }
        for _ in 0..most {
            if !self.known.sweep_one(&self.settings, now, &mut self.changes) {
                break;
            }
        }
    }
}

/// What a visit was to its appointment, by what it was told, and by the record as it was before it (after it, where it
/// is deferred).
fn appointment(verdict: Verdict, record: Option<Record>, now: Moment) -> Appointment {
    match (verdict, record) {
        (_, None) => Appointment::None,
        (Verdict::Defer { first: true, .. }, Some(_)) => Appointment::Made,
        (Verdict::Defer { first: false, .. }, Some(record)) => {
            let waited = now.since(record.first_seen);
            let early = record.due.since(now);
            Appointment::Early { waited, early }
        }
        // It was kept before.
        (_, Some(record)) if record.passed.is_some() => Appointment::None,
        (_, Some(record)) => Appointment::Kept {
            waited: now.since(record.first_seen),
            late: now.since(record.due),
        },
    }
}
