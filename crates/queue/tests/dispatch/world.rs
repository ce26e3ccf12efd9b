//! The simulator: one event heap, the real dispatcher, a spool's model, hosts by script, and the laws that are checked
//! at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use queue::dispatch::{Command, Dispatcher, Job, LaneId, Limits};
use queue::route::{Destination, Routes};
use queue::settle::{Kind, Notice};
use queue::spool::{Body, Change, Lease, Leased};
use queue::{HoldKey, HostKey, Message, MessageId, Origin, Outcome, Progress, Report, Rules};
use smtp::{Content, Recipient, Sender};

use crate::hosts::{Script, Seen, secs};
use crate::spool::Spool;

/// By domain; `local` is this machine.
pub(crate) struct ByDomain;

impl Routes for ByDomain {
    fn destination(&self, address: &str) -> Destination {
        match address.rsplit_once('@') {
            Some((_, "here")) | None => Destination::Local,
            Some((_, domain)) => Destination::Mx(domain.to_owned()),
        }
    }
}

pub(crate) enum Event {
    Arrive(Arc<Message>),
    Durable(Arc<Message>, Vec<Progress>),
    Leased(Lease, Vec<Leased>, u64),
    LeaseFailed(u64),
    Reported(LaneId, Job, Report, u64),
    Asks(LaneId, u64),
    Closes(LaneId, u64),
    /// The operator.
    Do(fn(&mut World)),
}

pub(crate) type Row = (MessageId, u32);

pub(crate) enum Undo {
    Hold(HoldKey, Option<SystemTime>),
    Row(Row, Option<SystemTime>),
}

/// One attempt on one recipient.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) at: SystemTime,
    pub(crate) outcome: &'static str,
}

/// A notice.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: MessageId,
    pub(crate) kind: Kind,
    pub(crate) about: Vec<u32>,
    /// What is said of each, and by whom.
    pub(crate) reasons: Vec<String>,
    /// When each is tried next, and until when, where it is late.
    pub(crate) next: Vec<(SystemTime, SystemTime)>,
    pub(crate) at: SystemTime,
}

/// How the model goes about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long an attempt takes.
    pub(crate) attempt: Duration,
    /// How long the spool takes.
    pub(crate) spool: Duration,
    /// How long a new mail takes to be durable.
    pub(crate) enqueue: Duration,
    /// How long an idle lane keeps its session.
    pub(crate) idle: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            attempt: Duration::from_millis(100),
            spool: Duration::from_millis(5),
            enqueue: Duration::from_millis(5),
            idle: secs(2),
        }
    }
}

fn ahead(notice: &Notice) -> Vec<(SystemTime, SystemTime)> {
    let about = notice.about.iter().filter_map(|about| about.ahead);
    about
        .filter_map(|ahead| Some((ahead.next?, ahead.until)))
        .collect()
}

fn reasons(notice: &Notice) -> Vec<String> {
    let about = notice.about.iter();
    about
        .map(|about| format!("{}: {}", about.problem.relay, about.problem.text))
        .collect()
}

pub(crate) struct World {
    pub(crate) now: SystemTime,
    pub(crate) start: SystemTime,
    pub(crate) spool: Spool,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    pub(crate) manner: Manner,
    /// The hosts of each domain, in order, with their scripts.
    pub(crate) domains: BTreeMap<String, Vec<(HostKey, Script)>>,
    pub(crate) events: BTreeMap<(SystemTime, u64), Event>,
    pub(crate) sequence: u64,
    /// Counts the starts; an event of an earlier one is void.
    pub(crate) life: u64,
    pub(crate) lanes: BTreeMap<LaneId, Destination>,
    pub(crate) idle: BTreeSet<LaneId>,
    pub(crate) seen: BTreeMap<HostKey, Seen>,
    pub(crate) under_way: BTreeSet<Row>,
    /// What was told, and is to be kept: a host's or mailbox's wait, a recipient's wait.
    pub(crate) told: BTreeMap<HoldKey, SystemTime>,
    pub(crate) told_recipient: BTreeMap<Row, SystemTime>,
    /// The operator is obeyed before hosts are.
    pub(crate) promises_void: bool,
    /// When each host was contacted, and by how many at once.
    pub(crate) contacts: BTreeMap<HostKey, Vec<SystemTime>>,
    pub(crate) tried: BTreeMap<Row, Vec<Tried>>,
    pub(crate) delivered: BTreeMap<Row, usize>,
    pub(crate) failed: BTreeMap<Row, usize>,
    pub(crate) notices: Vec<Told>,
    /// When the log said that a recipient is tried next, at its last attempt.
    pub(crate) due: BTreeMap<Row, SystemTime>,
    /// The spool gives no leases until then.
    pub(crate) sick_until: Option<SystemTime>,
    pub(crate) failed_leases: usize,
    /// No notice can be kept until then.
    pub(crate) full_until: Option<SystemTime>,
    /// Attempts that a crash cut off.
    pub(crate) cut_off: usize,
    pub(crate) crashes: usize,
    /// Commands and events so far, and before which of them the power fails.
    pub(crate) steps: usize,
    pub(crate) crash_at: BTreeSet<usize>,
    /// What was told in reports whose outcome is not durable yet: what was told before.
    pub(crate) undo: Vec<Undo>,
    /// Recipients of those reports.
    pub(crate) unsettled: usize,
    pub(crate) most_active: usize,
}

impl World {
    pub(crate) fn new(limits: Limits, rules: Rules) -> Self {
        let start = SystemTime::UNIX_EPOCH + secs(1_800_000_000);
        Self {
            now: start,
            start,
            spool: Spool::default(),
            dispatcher: Dispatcher::new(limits, rules.clone(), Arc::new(ByDomain), Vec::new(), 1),
            limits,
            rules,
            manner: Manner::default(),
            domains: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            life: 0,
            lanes: BTreeMap::new(),
            idle: BTreeSet::new(),
            seen: BTreeMap::new(),
            under_way: BTreeSet::new(),
            told: BTreeMap::new(),
            told_recipient: BTreeMap::new(),
            promises_void: false,
            contacts: BTreeMap::new(),
            tried: BTreeMap::new(),
            delivered: BTreeMap::new(),
            failed: BTreeMap::new(),
            notices: Vec::new(),
            due: BTreeMap::new(),
            sick_until: None,
            failed_leases: 0,
            full_until: None,
            cut_off: 0,
            crashes: 0,
            steps: 0,
            crash_at: BTreeSet::new(),
            undo: Vec::new(),
            unsettled: 0,
            most_active: 0,
        }
    }

    pub(crate) fn domain(&mut self, name: &str, hosts: Vec<(HostKey, Script)>) {
        self.domains.insert(name.to_owned(), hosts);
    }

    /// A mail arrives so long after the start.
    pub(crate) fn mail(&mut self, after: Duration, to: &[&str]) -> MessageId {
        let received = self.start + after;
        self.sequence += 1;
        let id = MessageId(
            received
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("after 1970")
                .as_micros() as u64
                + self.sequence,
        );
        let message = Message {
            id,
            received,
            sender: Sender::new("s@origin.example"),
            recipients: to.iter().map(|to| Recipient::new(*to)).collect(),
            content: Content::default(),
            origin: Origin::default(),
        };
        self.at(received, Event::Arrive(Arc::new(message)));
        id
    }

    pub(crate) fn operate(&mut self, after: Duration, what: fn(&mut World)) {
        self.at(self.start + after, Event::Do(what));
    }

    pub(crate) fn at(&mut self, when: SystemTime, event: Event) {
        self.sequence += 1;
        self.events.insert((when, self.sequence), event);
    }

    /// Runs until so long after the start.
    pub(crate) fn run(&mut self, until: Duration) {
        let end = self.start + until;
        let mut stuck = 0;
        loop {
            self.pump();
            let event = self.events.first_key_value().map(|((when, _), _)| *when);
            let wake = self.dispatcher.wake();
            let next = [event, wake].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            stuck = if next <= self.now && event != Some(next) {
                stuck + 1
            } else {
                0
            };
            assert!(stuck < 10, "the timer is a busy loop at {:?}", self.since());
            self.now = self.now.max(next);
            if event.is_some_and(|event| event <= self.now)
                && !self.power_fails()
                && let Some((_, event)) = self.events.pop_first()
            {
                self.handle(event);
            }
        }
        self.now = self.now.max(end);
    }

    pub(crate) fn since(&self) -> Duration {
        self.now.duration_since(self.start).expect("time goes on")
    }

    fn pump(&mut self) {
        while let Some(command) = self.dispatcher.poll(self.now) {
            if self.power_fails() {
                continue;
            }
            match command {
                Command::Lease { .. } if self.sick_until.is_some_and(|until| self.now < until) => {
                    self.failed_leases += 1;
                    self.at(self.now + self.manner.spool, Event::LeaseFailed(self.life));
                }
                Command::Lease { which, limit } => {
                    let step = self.dispatcher.step(self.now);
                    let leased = self.spool.lease(&which, self.now, limit, &step);
                    self.at(
                        self.now + self.manner.spool,
                        Event::Leased(which, leased, self.life),
                    );
                }
                Command::Open(lane, destination) => {
                    self.lanes.insert(lane, destination.clone());
                    let same = self
                        .lanes
                        .values()
                        .filter(|other| **other == destination)
                        .count();
                    assert!(self.lanes.len() <= self.limits.lanes, "too many lanes");
                    assert!(
                        same <= self.limits.lanes_per_destination,
                        "too many lanes for {destination}"
                    );
                    self.at(self.now, Event::Asks(lane, self.life));
                }
                Command::Wake(lane) => {
                    assert!(self.idle.remove(&lane), "only an idle lane is woken");
                    self.at(self.now, Event::Asks(lane, self.life));
                }
                Command::Settled {
                    change,
                    notices,
                    log,
                } => {
                    let due = log.iter().filter_map(|(message, entry)| {
                        Some(((message.id, entry.index), entry.due?))
                    });
                    self.due.extend(due);
                    assert!(
                        notices.is_empty() || change.update.is_empty() && change.hold.is_empty()
                    );
                    if !notices.is_empty() && self.full_until.is_some_and(|until| self.now < until)
                    {
                        self.dispatcher.not_told(&change.told);
                        continue;
                    }
                    self.notices
                        .extend(notices.iter().map(|(message, notice)| Told {
                            id: message.id,
                            kind: notice.kind,
                            about: notice.about.iter().map(|about| about.index).collect(),
                            reasons: reasons(notice),
                            next: ahead(notice),
                            at: self.now,
                        }));
                    for (message, notice) in &notices {
                        if notice.kind == Kind::Failed {
                            notice.about.iter().for_each(|one| {
                                *self.failed.entry((message.id, one.index)).or_default() += 1
                            });
                        }
                    }
                    self.submit(change);
                }
            }
        }
        self.undo.clear();
        self.unsettled = 0;
        let active = self.dispatcher.active();
        self.most_active = self.most_active.max(active);
        assert!(active <= self.limits.active, "{active} are active");
    }

    fn power_fails(&mut self) -> bool {
        self.steps += 1;
        let fails = self.crash_at.contains(&self.steps);
        if fails {
            self.crash();
        }
        fails
    }

    pub(crate) fn submit(&mut self, change: Change) {
        self.spool.submit(change);
        self.dispatcher.set_spool_wake(self.spool.next_wake());
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(message) => {
                let rows = self.dispatcher.admit(&message, self.now);
                self.at(
                    self.now + self.manner.enqueue,
                    Event::Durable(message, rows),
                );
            }
            Event::Durable(message, rows) => {
                let body = Body::Inline(Arc::from(&b"x"[..]));
                let enqueue = vec![(Arc::clone(&message), body.clone(), rows.clone())];
                self.submit(Change {
                    enqueue,
                    ..Change::default()
                });
                self.dispatcher.enqueued(message, body, rows, self.now);
            }
            Event::Leased(which, leased, life) if life == self.life => {
                self.dispatcher.leased(&which, leased, self.now);
                self.dispatcher.set_spool_wake(self.spool.next_wake());
            }
            Event::LeaseFailed(life) if life == self.life => {
                self.dispatcher.lease_failed(self.now);
            }
            Event::Asks(lane, life) if life == self.life && self.lanes.contains_key(&lane) => {
                self.ask(lane)
            }
            Event::Closes(lane, life) if life == self.life && self.idle.contains(&lane) => {
                if self.dispatcher.close_if_idle(lane) {
                    self.idle.remove(&lane);
                    self.lanes.remove(&lane);
                } else {
                    self.idle.remove(&lane);
                    self.at(self.now, Event::Asks(lane, self.life));
                }
            }
            Event::Reported(lane, job, report, life) if life == self.life => {
                self.reported(lane, job, report)
            }
            Event::Do(what) => what(self),
            _ => {}
        }
    }

    fn ask(&mut self, lane: LaneId) {
        let Some(job) = self.dispatcher.next_job(lane, self.now) else {
            self.idle.insert(lane);
            let wait = if self.dispatcher.should_close(lane) {
                Duration::ZERO
            } else {
                self.manner.idle
            };
            self.at(self.now + wait, Event::Closes(lane, self.life));
            return;
        };
        let life = self.life;
        self.pump();
        if life != self.life {
            return;
        }
        assert!(job.rows.len() <= self.limits.recipients_per_job);
        for (index, _) in &job.rows {
            let key = (job.message.id, *index);
            assert!(
                self.under_way.insert(key),
                "{key:?} is attempted twice at once"
            );
            assert!(
                self.spool.rows.contains_key(&key),
                "{key:?} is attempted, and done"
            );
            assert!(
                self.spool.rows[&key].wake() > self.now,
                "the next attempt is not durable"
            );
            assert_eq!(self.spool.rows[&key].parked, None, "attempted while parked");
        }
        let (report, took) = self.attempt(lane, &job);
        self.at(
            self.now + took,
            Event::Reported(lane, job, report, self.life),
        );
    }

    /// The clock is set to another time. What goes on in the world goes on.
    pub(crate) fn set_clock(&mut self, now: SystemTime) {
        let before = std::mem::replace(&mut self.now, now);
        let events = std::mem::take(&mut self.events).into_iter();
        self.events = events
            .map(|((at, n), event)| {
                let left = at.duration_since(before).unwrap_or_default();
                ((now + left, n), event)
            })
            .collect();
    }

    /// Power off, power on.
    pub(crate) fn crash(&mut self) {
        self.crashes += 1;
        self.life += 1;
        self.cut_off += self.under_way.len() + std::mem::take(&mut self.unsettled);
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            match undo {
                Undo::Hold(key, Some(old)) => drop(self.told.insert(key, old)),
                Undo::Hold(key, None) => drop(self.told.remove(&key)),
                Undo::Row(key, Some(old)) => drop(self.told_recipient.insert(key, old)),
                Undo::Row(key, None) => drop(self.told_recipient.remove(&key)),
            }
        }
        // What a receiver took, and we never heard of, it took.
        for event in self.events.values() {
            if let Event::Reported(_, job, report, life) = event
                && *life + 1 == self.life
            {
                for (index, outcome) in &report.outcomes {
                    if let Outcome::Delivered(_) = outcome {
                        *self.delivered.entry((job.message.id, *index)).or_default() += 1;
                    }
                }
            }
        }
        self.lanes.clear();
        self.idle.clear();
        self.under_way.clear();
        // Who got no 250 comes again.
        let events = std::mem::take(&mut self.events).into_iter();
        self.events = events
            .filter_map(|(at, event)| match event {
                Event::Arrive(message) | Event::Durable(message, _) => {
                    Some((at, Event::Arrive(message)))
                }
                Event::Do(what) => Some((at, Event::Do(what))),
                _ => None,
            })
            .collect();
        self.spool.reopen();
        let holds = self.spool.holds.values().cloned().collect();
        let seed = self.life;
        self.dispatcher = Dispatcher::new(
            self.limits,
            self.rules.clone(),
            Arc::new(ByDomain),
            holds,
            seed,
        );
        self.dispatcher.set_spool_wake(self.spool.next_wake());
    }
}
