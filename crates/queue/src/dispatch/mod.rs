//! The dispatcher: which mail is attempted when, over which lane. A pure machine; the shell owns lanes and spool.
//!
//! Memory grows with what is under way: at most [`Limits::active`] recipients are in memory, whatever waits in the
//! spool. A *lane* is one worker that talks to one destination, one mail after the other, over one session where it can.
//!
//! # How the shell drives it
//!
//! One lock around it. After every call that takes `&mut self`: [`Dispatcher::poll`] until `None`, then a timer for
//! [`Dispatcher::wake`]. **Commands go to the spool in the order they came out**: a lease must not be asked for before
//! the changes that came before it were submitted, or what was just delivered could come up again. Only a `Settled`
//! with notices may be late, for they have to be written first: it moves no row, and removes rows that have been taken
//! care not to come up.
//!
//! # What holds, whatever happens
//!
//! - A recipient is in memory at most once, so it is never in two attempts.
//! - What is attempted was leased first: its next attempt's time is durable.
//! - Nothing is attempted that is held, but one probe for each hold whose time has come.
//! - A sender is told once of all recipients of a mail that fail together, and their rows stay until that is durable.
//! - A hold's record outlives what is parked under it ([`crate::spool::Change::unhold`] comes only when the spool has nothing parked
//!   under it any more), so that a crash at any point leaves nobody parked for ever.

mod active;
mod attempt;
mod batch;
mod busy;
mod command;
mod drawn;
mod holds;
mod intake;
mod lanes;
mod late;
mod leases;
mod lot;
mod operator;
mod outcome;
mod owed;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::command::{Command, Job, LaneId, Limits};

use self::active::{Active, RowKey};
use self::batch::Batch;
use self::busy::Busy;
use self::holds::HoldTable;
use self::intake::Admission;
use self::lanes::{Errand, Lanes};
use self::leases::Leases;
use self::lot::Lot;
use self::owed::Owed;
use crate::plan::{self, Rules};
use crate::route::{Destination, Routes};
use crate::spool::Hold;
use crate::{HoldKey, HostKey, Message, MessageId, Progress, State};

/// See the module.
pub struct Dispatcher {
    limits: Limits,
    rules: Rules,
    routes: Arc<dyn Routes + Send + Sync>,
    active: Active,
    lanes: Lanes,
    holds: HoldTable,
    busy: Busy,
    leases: Leases,
    owed: Owed,
    admitted: BTreeMap<MessageId, Admission>,
    settled: VecDeque<Command>,
    random: u64,
    last_poll: SystemTime,
    draining: bool,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dispatcher");
        shown
            .field("active", &self.active.len())
            .field("lanes", &self.lanes.len());
        shown.field("holds", &self.holds).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// With the holds that the spool remembers.
    #[must_use]
    pub fn new(
        limits: Limits,
        rules: Rules,
        routes: Arc<dyn Routes + Send + Sync>,
        holds: Vec<Hold>,
        seed: u64,
    ) -> Self {
        let (busy, holds) = holds
            .into_iter()
            .partition(|hold| matches!(hold.key, HoldKey::Busy(_)));
        let mut batch = Batch::default();
        let busy: Vec<Hold> = busy;
        batch.change.unhold = busy.into_iter().map(|hold| hold.key).collect();
        Self {
            limits,
            rules,
            routes,
            active: Active::default(),
            lanes: Lanes::default(),
            holds: HoldTable::load(holds),
            busy: Busy::default(),
            leases: Leases::default(),
            owed: Owed::default(),
            admitted: BTreeMap::new(),
            settled: batch.into_commands().collect(),
            random: seed,
            last_poll: SystemTime::UNIX_EPOCH,
            draining: false,
        }
    }

    /// A changed configuration. Takes effect at the next plan; appointments stand.
    pub fn configure(
        &mut self,
        limits: Limits,
        rules: Rules,
        routes: Arc<dyn Routes + Send + Sync>,
    ) {
        self.limits = limits;
        self.rules = rules;
        self.routes = routes;
        self.lanes.configured(&self.limits);
    }

    /// What to do next, until `None`.
    pub fn poll(&mut self, now: SystemTime) -> Option<Command> {
        if now < self.last_poll || self.last_poll == SystemTime::UNIX_EPOCH {
            self.clock_went_back(now);
        }
        self.last_poll = now;
        if let Some(command) = self.settled.pop_front() {
            return Some(command);
        }
        if self.draining {
            return None;
        }
        self.holds.tick(now);
        self.tell_owed(now);
        if let Some(command) = self.settled.pop_front() {
            return Some(command);
        }
        if let Some(lane) = self.lanes.wake() {
            return Some(Command::Wake(lane));
        }
        if let Some((lane, destination)) = self.lanes.open(&self.limits) {
            return Some(Command::Open(lane, destination));
        }
        self.next_lease(now)
    }

    /// The spool's earliest wake time, read after a change or a lease.
    pub fn set_spool_wake(&mut self, wake: Option<SystemTime>) {
        self.leases.set_spool_wake(wake);
    }

    /// A change that is being submitted has a row that wakes then: no need to read the spool's wake time again.
    pub fn spool_wakes_by(&mut self, wake: SystemTime) {
        self.leases.spool_wakes_by(wake);
    }

    /// When `poll` has to be called again, at the latest; `None`: only after an event.
    #[must_use]
    pub fn wake(&self) -> Option<SystemTime> {
        if self.draining {
            return None;
        }
        [self.holds.wake(), self.owed.wake(), self.lease_wake()]
            .into_iter()
            .flatten()
            .min()
    }

    /// For [`crate::spool::Spool::lease`].
    #[must_use]
    pub fn step(&self, now: SystemTime) -> crate::spool::Step {
        let rules = self.rules.clone();
        Arc::new(move |row| {
            // What the operator holds is left alone, but for its expiry and notice; and it needs no hold besides.
            let up = row.state == State::Waiting || row.wake() <= now || row.parked.is_some();
            up.then(|| plan::under_way(&rules, row, now))
        })
    }

    /// The holds in force, for `queue list` and metrics.
    #[must_use]
    pub fn holds(&self) -> Vec<Hold> {
        self.holds.all().cloned().collect()
    }

    /// Whether a hold stands.
    #[must_use]
    pub fn is_held(&self, key: &HoldKey) -> bool {
        match key {
            HoldKey::Busy(name) => self.busy.knows(name),
            HoldKey::Host(_) | HoldKey::Mailbox(_) => self.holds.in_force(key),
        }
    }

    /// Until when this host is held for this lane, at least: delivery skips it till then. A lane that probes the host,
    /// or does what an operator wants now, is let through.
    #[must_use]
    pub fn held(&self, host: HostKey, lane: LaneId, now: SystemTime) -> Option<SystemTime> {
        let until = self.holds.holds_host(host)?;
        let through = self
            .lanes
            .current(lane)
            .is_some_and(|current| match &current.errand {
                Errand::Ordinary => false,
                // Unless the hold was moved on since the probe was drawn.
                Errand::Probe(key) => *key == HoldKey::Host(host) && !self.holds.stands(key),
                Errand::Urgent => true,
            });
        // Past its end it is held until its probe has shown how it is.
        (!through).then(|| until.max(plan::later(now, plan::MIN_WAIT)))
    }

    /// The worker of a lane ends. Its job, if any, must have been reported; one that was not is tried again when its
    /// lease ends.
    pub fn closed(&mut self, lane: LaneId) {
        let Some(current) = self.lanes.close(lane, &self.limits) else {
            return;
        };
        for index in current.rows {
            self.leave((current.id, index));
        }
        self.errand_gone(&current.errand);
    }

    /// The worker of an idle lane wants to end: `false` where a job is waiting for it, which it then has to ask for;
    /// `true`: it is closed, as by [`Dispatcher::closed`].
    pub fn close_if_idle(&mut self, lane: LaneId) -> bool {
        if !self.draining && self.lanes.has_job(lane) {
            return false;
        }
        self.closed(lane);
        true
    }

    /// Whether an idle lane should close at once, rather than keep its session: its place is needed.
    #[must_use]
    pub fn should_close(&self, lane: LaneId) -> bool {
        self.draining || self.lanes.should_close(lane, &self.limits)
    }

    /// How many recipients are in memory: never more than [`Limits::active`].
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// The recipients in memory: under attempt, in line for one, or failed with the notice still to be written. What the
    /// spool says of them is when they would be tried, should this process leave no trace.
    #[must_use]
    pub fn active_rows(&self) -> Vec<(MessageId, u32)> {
        self.active.rows().chain(self.owed.failed()).collect()
    }

    /// A row leaves memory.
    fn leave(&mut self, key: RowKey) {
        self.active.remove(key);
        self.leases.left(key);
        self.owed.left(key.0);
    }

    /// A job came to nothing.
    fn errand_gone(&mut self, errand: &Errand) {
        if let Errand::Probe(key) = errand {
            self.holds.probe_gone(key);
        }
    }

    /// Parks a row, in a change that goes to the spool before the next lease.
    fn park(
        &mut self,
        batch: &mut Batch,
        id: MessageId,
        index: u32,
        mut row: Progress,
        key: HoldKey,
    ) {
        match &key {
            HoldKey::Busy(name) => {
                if let Some(lot) = self.busy.lot(name) {
                    lot.park();
                }
            }
            HoldKey::Host(_) | HoldKey::Mailbox(_) => self.holds.park(&key),
        }
        row.parked = Some(key);
        self.leave((id, index));
        batch.update(id, index, row);
    }

    fn lot(&mut self, key: &HoldKey) -> Option<&mut Lot> {
        match key {
            HoldKey::Busy(name) => self.busy.lot(name),
            HoldKey::Host(_) | HoldKey::Mailbox(_) => self.holds.lot(key),
        }
    }

    /// The mailbox hold that holds back mail for this address.
    fn mailbox_hold(&self, address: &str) -> Option<HoldKey> {
        if !self.holds.has_mailboxes() {
            return None;
        }
        Some(HoldKey::mailbox(address)).filter(|key| self.holds.in_force(key))
    }

    fn destination(&self, message: &Message, index: u32) -> Option<Destination> {
        let recipient = message.recipients.get(usize::try_from(index).ok()?)?;
        Some(self.routes.destination(&recipient.address))
    }

    /// No pause of ours, and no wait that is believed, is longer than it can be: what was set by a clock that was ahead
    /// must not stop the mail until that time comes again.
    fn clock_went_back(&mut self, now: SystemTime) {
        let max_backoff = self.rules.max_backoff;
        self.holds.clamp(now, |key| match key {
            HoldKey::Host(_) => plan::MAX_HOST_WAIT,
            HoldKey::Mailbox(_) | HoldKey::Busy(_) => {
                plan::MAX_WAIT.max(max_backoff) + plan::SPREAD
            }
        });
        self.leases.clock_went_back(now);
        self.owed.clamp(now);
    }

    fn emit(&mut self, mut batch: Batch, now: SystemTime) {
        let owed = std::mem::take(&mut batch.owed);
        for command in batch.into_commands() {
            if let Command::Settled {
                change, notices, ..
            } = &command
                && !notices.is_empty()
            {
                self.leases.done_later(&change.done, now);
            }
            self.settled.push_back(command);
        }
        self.owe(owed, now);
    }

    /// In 0..1 (splitmix64).
    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }
}
