//! What attempts gave, and what it says about hosts and mailboxes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use retry_hint::Holds;

use super::batch::Batch;
use super::lanes::Errand;
use super::{Dispatcher, Job, LaneId};
use crate::outcome::{HostEvent, Outcome, Report};
use crate::parked::next_attempt;
use crate::plan::{self, MAX_HOST_WAIT};
use crate::settle::{self, Settled};
use crate::spool::Hold;
use crate::{HoldKey, HostKey, Progress};

/// What an outcome says about holds.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// Delivered.
    Through,
    /// For good.
    Failed,
    /// By this host, with a wait for the whole of it or not.
    Deferred {
        host: Option<HostKey>,
        whole_host: bool,
    },
    /// It stood before this hold.
    Held(HoldKey),
    /// A limit stood before it.
    NotTried,
}

fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Delivered(_) => Sign::Through,
        Outcome::Failed(_) => Sign::Failed,
        Outcome::Deferred(deferral) => Sign::Deferred {
            host: deferral.host,
            whole_host: deferral.hint.is_some_and(|hint| hint.holds == Holds::Host),
        },
        Outcome::NotTried { parked: Some(key) } => Sign::Held(key.clone()),
        Outcome::NotTried { parked: None } => Sign::NotTried,
    }
}

/// A host's name, where an outcome has it.
fn relay(host: HostKey, outcomes: &[(u32, Outcome)]) -> Option<&str> {
    outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Deferred(deferral) if deferral.host == Some(host) => {
            Some(deferral.problem.relay.as_str())
        }
        _ => None,
    })
}

impl Dispatcher {
    /// What an attempt gave. The result comes out of `poll` as `Settled`.
    pub fn report(&mut self, lane: LaneId, mut job: Job, report: Report, now: SystemTime) {
        let id = job.message.id;
        job.rows = std::mem::take(&mut job.rows)
            .into_iter()
            .map(|(index, row)| (index, self.as_told((id, index), row, now)))
            .collect();
        let current = self.lanes.finish(lane);
        let errand = current
            .filter(|it| it.id == job.message.id)
            .map_or(Errand::Ordinary, |it| it.errand);
        let mut batch = Batch::default();
        // Of several events at one host, the last says how it is.
        let events: BTreeMap<HostKey, HostEvent> = report.hosts.into_iter().collect();
        for (host, event) in &events {
            let relay = relay(*host, &report.outcomes);
            self.host_event(*host, event, relay, &errand, now, &mut batch);
        }
        let outcomes = self.complete(&job, &errand, report.outcomes);
        for ((_, row), (_, outcome)) in job.rows.iter().zip(&outcomes) {
            if let Outcome::NotTried { parked: Some(key) } = outcome {
                self.probe_for(key, row, now, &mut batch);
            }
        }
        let signs: BTreeMap<u32, Sign> = outcomes
            .iter()
            .map(|(index, outcome)| (*index, sign(outcome)))
            .collect();
        let spread = Self::random(&mut self.random);
        let holds = |key: &HoldKey| self.holds.now(key);
        let mut settled = settle::settle(
            &self.rules,
            &job.message,
            &job.rows,
            outcomes,
            now,
            spread,
            &holds,
        );
        settled
            .log
            .retain(|entry| !matches!(entry.outcome, Outcome::NotTried { .. }));
        self.hold_mailboxes(&mut settled, &mut batch);
        for (index, row) in &mut settled.update {
            if row.parked.is_none() {
                row.parked = self.waits_with(&job, *index, &signs, row);
            }
            if let Some(key) = &row.parked {
                self.holds.park(key);
            }
        }
        self.put_off(&mut settled, &events);
        let update = batch.add(&job.message, settled);
        for (index, _) in &job.rows {
            self.leave((job.message.id, *index));
        }
        for (index, row) in update {
            batch.update(job.message.id, index, row);
        }
        match &errand {
            Errand::Ordinary => {}
            Errand::Urgent => self.judge_urgent(&job, &events, &signs),
            Errand::Probe(key) => self.judge_probe(key, &events, &signs, now, &mut batch),
        }
        self.emit(batch, now);
    }

    /// A host said this over a session between two mails. The result comes out of `poll` as `Settled`.
    pub fn heard(&mut self, host: HostKey, event: &HostEvent, relay: &str, now: SystemTime) {
        let mut batch = Batch::default();
        self.host_event(host, event, Some(relay), &Errand::Ordinary, now, &mut batch);
        self.emit(batch, now);
    }

    /// An outcome for each row, and none that parks a row under a hold that is not in force: nothing would wake it.
    /// A probe that found a limit of our own stays where it was.
    fn complete(
        &self,
        job: &Job,
        errand: &Errand,
        outcomes: Vec<(u32, Outcome)>,
    ) -> Vec<(u32, Outcome)> {
        let probes = match errand {
            Errand::Probe(key) => Some(key),
            Errand::Ordinary | Errand::Urgent => None,
        };
        let mut given: BTreeMap<u32, Outcome> = BTreeMap::new();
        let known = |key: &HoldKey| !matches!(key, HoldKey::Busy(_)) && self.holds.in_force(key);
        for (index, outcome) in outcomes {
            let outcome = match outcome {
                Outcome::NotTried { parked } => Outcome::NotTried {
                    parked: parked.or_else(|| probes.cloned()).filter(known),
                },
                other => other,
            };
            given.entry(index).or_insert(outcome);
        }
        let none = Outcome::NotTried {
            parked: probes.filter(|key| known(key)).cloned(),
        };
        job.rows
            .iter()
            .map(|(index, _)| (*index, given.remove(index).unwrap_or(none.clone())))
            .collect()
    }

    fn hold_mailboxes(&mut self, settled: &mut Settled, batch: &mut Batch) {
        for (key, until, problem) in std::mem::take(&mut settled.mailbox_holds) {
            let hold = Hold {
                key,
                until,
                failures: 0,
                reason: problem.text,
                relay: Some(problem.relay),
            };
            self.set_hold(hold, batch);
        }
    }

    /// The hold that a deferred row waits for, where it was set by what deferred it: it is parked with the others, so
    /// that one of them probes.
    fn waits_with(
        &self,
        job: &Job,
        index: u32,
        signs: &BTreeMap<u32, Sign>,
        row: &Progress,
    ) -> Option<HoldKey> {
        let Sign::Deferred { host, whole_host } = signs.get(&index)? else {
            return None;
        };
        let address = &job
            .message
            .recipients
            .get(usize::try_from(index).ok()?)?
            .address;
        let key = match host {
            Some(host) if *whole_host => HoldKey::Host(*host),
            _ => self.mailbox_hold(address)?,
        };
        let hold = self.holds.get(&key).filter(|_| self.holds.stands(&key))?;
        (row.due <= plan::later(hold.until, plan::SPREAD)).then_some(key)
    }

    /// Says when the rows are tried next, as the holds are now: none before the one it is parked under ends, nor while
    /// all hosts that were met are held. (Those that were not met were held before, and may be free first.)
    fn put_off(&self, settled: &mut Settled, events: &BTreeMap<HostKey, HostEvent>) {
        let ends = events.keys().map(|host| self.holds.holds_host(*host));
        let free = ends.min().flatten();
        let next = |(index, row): &(u32, Progress)| {
            let hold = row.parked.as_ref().and_then(|key| self.holds.now(key));
            let next = match free {
                Some(free) if hold.is_none() => row.due.max(free.min(row.expires)),
                _ => next_attempt(row, hold),
            };
            (*index, next)
        };
        let next: BTreeMap<u32, SystemTime> = settled.update.iter().map(next).collect();
        for entry in &mut settled.log {
            entry.due = entry.due.and(next.get(&entry.index).copied());
        }
        let about = settled
            .notices
            .iter_mut()
            .flat_map(|notice| &mut notice.about);
        for about in about {
            if let (Some(ahead), Some(at)) = (&mut about.ahead, next.get(&about.index)) {
                ahead.next = ahead.next.and(Some(*at));
                ahead.until = ahead.until.max(*at);
            }
        }
    }

    fn host_event(
        &mut self,
        host: HostKey,
        event: &HostEvent,
        relay: Option<&str>,
        errand: &Errand,
        now: SystemTime,
        batch: &mut Batch,
    ) {
        let key = HoldKey::Host(host);
        let probes = *errand == Errand::Probe(key.clone());
        let before = self.holds.get(&key).filter(|_| self.holds.in_force(&key));
        let (reason, wait) = match event {
            HostEvent::Works => return,
            HostEvent::Unreachable(why) => (why, None),
            HostEvent::Refused { reply, hint } => {
                let hint =
                    hint.filter(|hint| hint.holds == Holds::Host && self.rules.hints.is_some());
                (reply, hint.map(|hint| plan::wait(&hint)))
            }
        };
        let failures = before.map_or(0, |hold| hold.failures);
        let hold = |until, failures| Hold {
            key: key.clone(),
            until,
            failures,
            reason: reason.clone(),
            relay: relay.map(str::to_owned),
        };
        match wait {
            Some(wait) if !probes => {
                let until = plan::later(now, wait);
                self.set_hold(hold(until, 0), batch);
            }
            Some(wait) => {
                let broken = self.holds.broken(&key);
                let own = broken
                    .checked_sub(plan::BROKEN_MAX)
                    .map(|steps| self.host_backoff(steps + 1));
                let until = plan::later(now, wait.max(own.unwrap_or(Duration::ZERO)));
                self.set_hold(hold(until, 0), batch);
            }
            // Already known; or somebody else was told a time since the probe was drawn, and that stands.
            None if before.is_some() && (!probes || self.holds.stands(&key)) => {}
            None => {
                let failures = failures.saturating_add(1);
                let until = plan::later(now, self.host_backoff(failures));
                self.set_hold(hold(until, failures), batch);
            }
        }
    }

    /// The wait after so many failures that named no time.
    fn host_backoff(&self, failures: u32) -> Duration {
        plan::backoff(&self.rules, failures.saturating_sub(1)).min(MAX_HOST_WAIT)
    }

    /// Sets or moves a hold, but never brings forward one that stands: every appointment it was made of is kept.
    fn set_hold(&mut self, mut hold: Hold, batch: &mut Batch) {
        if let Some(before) = self
            .holds
            .get(&hold.key)
            .filter(|_| self.holds.stands(&hold.key))
        {
            hold.until = hold.until.max(before.until);
        }
        batch
            .change
            .hold
            .extend(self.holds.set(hold, self.limits.holds));
    }

    /// The lifetime of mail that is parked there is over. A back-off of our own ends soon then, so that the mail is not
    /// given up before its hold was probed; an appointment stands. However much mail ends, there is one probe in the
    /// time of the first back-off.
    pub(super) fn probe_for(
        &mut self,
        key: &HoldKey,
        row: &Progress,
        now: SystemTime,
        batch: &mut Batch,
    ) {
        let soon = plan::later(now, plan::backoff(&self.rules, 0));
        let hold = self.holds.now(key).filter(|hold| {
            let over = row.expires <= now && !row.stretched.to_probe;
            over && !hold.is_appointment() && soon < hold.until
        });
        let only_stands = self.holds.stands(key) && !self.holds.draws(key);
        if let Some(hold) = hold.filter(|_| only_stands) {
            let hold = Hold {
                until: soon,
                ..hold.clone()
            };
            batch
                .change
                .hold
                .extend(self.holds.set(hold, self.limits.holds));
        }
    }

    /// An operator's attempt that got through ends the holds it went past.
    fn judge_urgent(
        &mut self,
        job: &Job,
        events: &BTreeMap<HostKey, HostEvent>,
        signs: &BTreeMap<u32, Sign>,
    ) {
        for (host, event) in events {
            if *event == HostEvent::Works {
                self.holds.over(&HoldKey::Host(*host));
            }
        }
        for (index, sign) in signs {
            let recipient = usize::try_from(*index)
                .ok()
                .and_then(|index| job.message.recipients.get(index));
            if let (Sign::Through, Some(recipient)) = (sign, recipient)
                && let Some(key) = self.mailbox_hold(&recipient.address)
            {
                self.holds.over(&key);
            }
        }
    }

    /// What a probe says about its hold: over, moved on (which has happened by now), or nothing, and then it is probed
    /// again after its own back-off. A probe that was not made, for a limit of our own, is made in a moment.
    fn judge_probe(
        &mut self,
        key: &HoldKey,
        events: &BTreeMap<HostKey, HostEvent>,
        signs: &BTreeMap<u32, Sign>,
        now: SystemTime,
        batch: &mut Batch,
    ) {
        let through = signs.values().any(|sign| *sign == Sign::Through);
        let failed = signs.values().any(|sign| *sign == Sign::Failed);
        let event = match key {
            HoldKey::Host(host) => events.get(host),
            HoldKey::Mailbox(_) | HoldKey::Busy(_) => None,
        };
        let over = match (key, event) {
            (_, Some(HostEvent::Works)) => true,
            (_, Some(_)) => {
                // Another host took it, so the rest has a way, too.
                if through {
                    self.holds.draw(key);
                }
                return;
            }
            (HoldKey::Host(host), None) => {
                let spoke = |sign: &Sign| matches!(sign, Sign::Deferred { host: Some(by), .. } if by == host);
                let elsewhere = |sign: &Sign| matches!(sign, Sign::Held(other) if other != key);
                through || failed || signs.values().any(|sign| spoke(sign) || elsewhere(sign))
            }
            (_, None) => through || failed,
        };
        if self.holds.stands(key) {
            // Somebody else was told to wait in the meantime: that is an appointment, too.
        } else if over {
            self.holds.over(key);
        } else if signs.values().all(|sign| *sign == Sign::Held(key.clone())) {
            self.holds
                .probe_later(key, plan::later(now, settle::NOT_TRIED_WAIT));
        } else if let Some(hold) = self.holds.get(key).filter(|_| self.holds.in_force(key)) {
            let failures = hold.failures.saturating_add(1);
            let until = plan::later(now, self.host_backoff(failures));
            let hold = Hold {
                until,
                failures,
                ..hold.clone()
            };
            self.set_hold(hold, batch);
        }
    }
}
