//! The events, in bounded memory.

use super::key::{self, PairKey, SenderHash};
use super::row::{Change, State, Stored};
use super::tally::{Counted, Tallies};
use super::{Action, Offender, Settings, source};
use crate::greylist::Secret;
use crate::shares::{Bounds, Shares};
use crate::{Block, Moment};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// Rows that are over and are looked at, at most, by one event, of each kind. An event adds one, so it catches up.
const SWEEP_MAX: usize = 4;

/// After a pause this long, nobody listened: what ended in it is not counted. Call [`Returns::sweep`] more often.
const DEAF_AFTER: Duration = Duration::from_secs(60 * 60);

/// A later acceptance is told to the store only after so long: a busy client would be written every second otherwise.
const GRAIN: Duration = Duration::from_secs(60 * 60);

/// Who was told to wait, who never came back, who was accepted. Deterministic; each event costs O(log n).
///
/// Addresses are not held, only their keyed hash: they go out with the [`Change`] for whoever stores them.
#[derive(Debug)]
pub struct Returns {
    settings: Settings,
    secret: Secret,
    /// At most one telling is watched of each pair: a later one is itself something that came.
    pending: Shares<PairKey, Pending>,
    tallies: Tallies,
    accepted: Shares<IpNet, Accepted>,
    next_id: u64,
    /// The last event.
    heard: Option<Moment>,
    /// The last time in which nobody listened.
    deaf: Option<(Moment, Moment)>,
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    id: u64,
    client: IpNet,
    sender: SenderHash,
    told: Moment,
    until: Moment,
    came: bool,
}

#[derive(Clone, Copy, Debug)]
struct Accepted {
    last: Moment,
    /// What the store knows.
    stored: Moment,
}

impl Returns {
    /// An empty table. The secret may be greylisting's.
    pub fn new(settings: Settings, secret: Secret) -> Self {
        Self {
            pending: Shares::new(secret, pending_bounds(&settings)),
            tallies: Tallies::new(&settings, secret),
            accepted: Shares::new(secret, accepted_bounds(&settings)),
            settings,
            secret,
            next_id: 1,
            heard: None,
            deaf: None,
            changes: Vec::new(),
        }
    }

    /// Changes the settings. Lower bounds over all apply at the next event that adds a row.
    pub fn configure(&mut self, settings: Settings) {
        self.pending.configure(pending_bounds(&settings));
        self.tallies.configure(&settings);
        self.accepted.configure(accepted_bounds(&settings));
        self.settings = settings;
    }

    /// `client` was told to wait; a retry is awaited until `until`. This is also something that came: what others
    /// were told for the same sender's domain and recipient is not counted.
    ///
    /// The same sender again within the window, from whichever address, is a retry: not counted, and not watched anew.
    pub fn told(
        &mut self,
        client: IpAddr,
        sender: &str,
        recipient: &str,
        until: Moment,
        now: Moment,
    ) {
        self.sweep(now);
        if sender.is_empty() {
            return;
        }
        let key = key::pair(&self.secret, sender, recipient);
        let hash = key::sender(&self.secret, sender);
        self.uncount(key);
        if let Some(before) = self.pending.get(key) {
            if before.sender == hash && now <= before.until {
                let until = before.until.max(until);
                self.settle(key, before, until);
                return;
            }
            self.drop_pending(key);
        }
        let client = source(client);
        let block = Block::of(client);
        let has_time = now < until;
        if !has_time || self.is_accepted(client, now) || self.pending.is_full(block) {
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let pending = Pending {
            id,
            client,
            sender: hash,
            told: now,
            until,
            came: false,
        };
        self.pending.set(key, block, pending, until);
        self.changes.push(Change::Keep(Stored::Pair {
            id,
            client,
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            told: now,
            until,
            state: State::Waiting,
        }));
        self.shed();
    }

    /// Something came from `sender` (or another address of its domain) for `recipient`, from whichever client,
    /// whatever it was answered. Every RCPT is worth this call, before [`Returns::told`].
    pub fn came(&mut self, sender: &str, recipient: &str, now: Moment) {
        self.sweep(now);
        let key = key::pair(&self.secret, sender, recipient);
        self.uncount(key);
        if let Some(before) = self.pending.get(key) {
            self.settle(key, before, before.until);
        }
    }

    /// A mail of `client` was accepted.
    pub fn accepted(&mut self, client: IpAddr, now: Moment) {
        self.sweep(now);
        let client = source(client);
        for id in self.tallies.clear(client) {
            self.changes.push(Change::Drop { id });
        }
        let before = self.accepted.get(client);
        // Not back with a clock that stood in 1970 for a minute.
        let last = before.map_or(now, |before| before.last.max(now));
        let mut stored = before.map_or(last, |before| before.stored);
        if before.is_none() || last.since(stored) >= GRAIN {
            stored = last;
            self.changes
                .push(Change::Keep(Stored::Accepted { client, last }));
        }
        self.accept(client, Accepted { last, stored });
    }

    /// What `client` meets; `None`: it is not listed.
    pub fn judge(&self, client: IpAddr, now: Moment) -> Option<Action> {
        self.offender(source(client), now)
            .filter(|offender| offender.listed)
            .map(|_| self.settings.action)
    }

    /// All who never came back, listed or not yet, in order of address.
    pub fn offenders(&self, now: Moment) -> Vec<Offender> {
        let clients = self.tallies.clients();
        clients
            .into_iter()
            .filter_map(|client| self.offender(client, now))
            .collect()
    }

    /// The operator's word: what counts against the clients of `network`, or may come to count, is forgotten. Says
    /// how many pairs that was. Walks over all.
    pub fn forget(&mut self, network: IpNet) -> usize {
        let mut gone = Vec::new();
        for client in self.tallies.clients() {
            if network.contains(&client) {
                gone.extend(self.tallies.clear(client));
            }
        }
        let of_network = |pending: &Pending| network.contains(&pending.client);
        let mut pairs: Vec<_> = self.pending.iter().collect();
        pairs.retain(|(_, pending)| of_network(pending));
        for (key, pending) in pairs {
            self.pending.remove(key);
            gone.push(pending.id);
        }
        gone.sort_unstable();
        let count = gone.len();
        self.changes
            .extend(gone.into_iter().map(|id| Change::Drop { id }));
        count
    }

    /// Counts what has ended by `now`, a few at a time. Every event does it too; call it each minute, so that a quiet
    /// hour is not taken for one in which nobody listened.
    pub fn sweep(&mut self, now: Moment) {
        if let Some(last) = self.heard
            && now.since(last) > DEAF_AFTER
        {
            self.deaf = Some((last, now));
        }
        self.heard = Some(now);
        for _ in 0..SWEEP_MAX {
            let Some((key, pending)) = self.pending.over(now) else {
                break;
            };
            self.end(key, pending, now);
        }
        for _ in 0..SWEEP_MAX {
            let Some(key) = self.tallies.over(now) else {
                break;
            };
            self.uncount(key);
        }
        for _ in 0..SWEEP_MAX {
            let Some((client, _)) = self.accepted.over(now) else {
                break;
            };
            self.accepted.remove(client);
            self.changes.push(Change::Forget { client });
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

    /// Takes a stored row over, at the start, in ascending order of ids. What is over by `now`, or beyond the bounds,
    /// is not taken, and a change says that it may go. A window that ended while nobody listened is not counted.
    pub fn restore(&mut self, stored: Stored, now: Moment) {
        match stored {
            Stored::Accepted { client, last } => {
                let over = now > last.after(self.settings.accepted_for);
                if over {
                    self.changes.push(Change::Forget { client });
                    return;
                }
                let stored = last;
                self.accept(client, Accepted { last, stored });
            }
            Stored::Pair {
                id,
                client,
                sender,
                recipient,
                told,
                until,
                state,
            } => {
                self.next_id = self.next_id.max(id.saturating_add(1));
                let key = key::pair(&self.secret, &sender, &recipient);
                if state == State::Counted {
                    self.restore_counted(key, Counted { id, client, told }, now);
                    return;
                }
                let block = Block::of(client);
                let twice = self.pending.get(key).is_some();
                if now > until || twice || self.pending.is_full(block) {
                    self.changes.push(Change::Drop { id });
                    return;
                }
                let pending = Pending {
                    id,
                    client,
                    sender: key::sender(&self.secret, &sender),
                    told,
                    until,
                    came: state == State::Came,
                };
                self.pending.set(key, block, pending, until);
                self.shed();
            }
        }
    }

    /// Tellings that are watched.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Pairs that count against somebody.
    pub fn counted(&self) -> usize {
        self.tallies.len()
    }

    /// Clients that were accepted.
    pub fn accepted_clients(&self) -> usize {
        self.accepted.len()
    }

    fn restore_counted(&mut self, key: PairKey, counted: Counted, now: Moment) {
        if now > counted.told.after(self.settings.remembered_for) {
            self.changes.push(Change::Drop { id: counted.id });
            return;
        }
        self.add(key, counted);
    }

    fn is_accepted(&self, client: IpNet, now: Moment) -> bool {
        let last = self.accepted.get(client).map(|accepted| accepted.last);
        last.is_some_and(|last| now <= last.after(self.settings.accepted_for))
    }

    fn offender(&self, client: IpNet, now: Moment) -> Option<Offender> {
        self.tallies.offender(client, &self.settings, now)
    }

    /// A window is over.
    fn end(&mut self, key: PairKey, pending: Pending, now: Moment) {
        let unheard = self
            .deaf
            .is_some_and(|(from, to)| from <= pending.until && pending.until <= to);
        if pending.came || unheard || self.is_accepted(pending.client, now) {
            self.drop_pending(key);
            return;
        }
        self.pending.remove(key);
        let Pending {
            id, client, told, ..
        } = pending;
        self.changes.push(Change::Move {
            id,
            until: pending.until,
            state: State::Counted,
        });
        self.add(key, Counted { id, client, told });
    }

    fn add(&mut self, key: PairKey, counted: Counted) {
        let mut gone = Vec::new();
        self.tallies.add(key, counted, &self.settings, &mut gone);
        self.changes
            .extend(gone.into_iter().map(|id| Change::Drop { id }));
    }

    fn uncount(&mut self, key: PairKey) {
        if let Some(id) = self.tallies.remove(key) {
            self.changes.push(Change::Drop { id });
        }
    }

    /// Something came within the window: remembered to its end, so that a further retry is not watched anew.
    fn settle(&mut self, key: PairKey, before: Pending, until: Moment) {
        if before.came && until == before.until {
            return;
        }
        let after = Pending {
            until,
            came: true,
            ..before
        };
        self.pending.update(key, after, until);
        self.changes.push(Change::Move {
            id: before.id,
            until,
            state: State::Came,
        });
    }

    fn drop_pending(&mut self, key: PairKey) {
        if let Some(pending) = self.pending.remove(key) {
            self.changes.push(Change::Drop { id: pending.id });
        }
    }

    fn accept(&mut self, client: IpNet, accepted: Accepted) {
        let block = Block::of(client);
        if self.accepted.get(client).is_none()
            && self.accepted.is_full(block)
            && let Some(oldest) = self.accepted.oldest_in(block)
        {
            self.unaccept(oldest);
        }
        let until = accepted.last.after(self.settings.accepted_for);
        self.accepted.set(client, block, accepted, until);
        while let Some(surplus) = self.accepted.surplus() {
            self.unaccept(surplus);
        }
    }

    fn unaccept(&mut self, client: IpNet) {
        self.accepted.remove(client);
        self.changes.push(Change::Forget { client });
    }

    fn shed(&mut self) {
        while let Some(surplus) = self.pending.surplus() {
            self.drop_pending(surplus);
        }
    }
}

fn pending_bounds(settings: &Settings) -> Bounds {
    Bounds {
        per_block: settings.max_pending_per_network,
        over_all: settings.max_pending,
    }
}

fn accepted_bounds(settings: &Settings) -> Bounds {
    Bounds {
        per_block: settings.max_accepted_per_network,
        over_all: settings.max_accepted,
    }
}
