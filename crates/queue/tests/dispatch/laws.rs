//! What the model's delivery does, and the laws it checks: what was told is kept, nothing is lost.

use std::time::{Duration, SystemTime};

use queue::dispatch::{Job, LaneId};
use queue::outcome::HostEvent;
use queue::{HoldKey, HostKey, MessageId, Outcome, Report};

use crate::hosts::{Answer, deferred, secs};
use crate::world::{Event, Tried, Undo, World};

impl World {
    /// As delivery does it: the hosts in order, but those that are held; the next one only where one is away.
    pub(crate) fn attempt(&mut self, lane: LaneId, job: &Job) -> (Report, Duration) {
        let domain = &job.destination.to_string();
        let mut report = Report::default();
        let mut took = self.manner.attempt;
        let mut held: Option<(SystemTime, HostKey)> = None;
        let mut last: Option<(HostKey, HostEvent)> = None;
        let address = |index: u32| job.message.recipients[index as usize].address.clone();
        let rows: Vec<_> = job
            .rows
            .iter()
            .map(|(index, _)| (*index, address(*index)))
            .collect();
        for (host, script) in self.domains[domain.as_str()].clone() {
            if let Some(until) = self.dispatcher.held(host, lane, self.now) {
                held = Some(held.map_or((until, host), |first| first.min((until, host))));
                continue;
            }
            self.kept(&HoldKey::Host(host), &format!("{host} is contacted"));
            self.contacts.entry(host).or_default().push(self.now);
            match script.answer(
                host,
                self.seen.entry(host).or_default(),
                self.now,
                job.message.id,
                &rows,
            ) {
                Answer::Away(event, after) => {
                    took += secs(after);
                    // The shortest wait speaks for all: that host may be free first.
                    let wait = |event: &HostEvent| match event {
                        HostEvent::Refused { hint, .. } => hint.map_or(0, |hint| hint.wait_secs),
                        _ => 0,
                    };
                    if last
                        .as_ref()
                        .is_none_or(|(_, last)| wait(&event) <= wait(last))
                    {
                        last = Some((host, event.clone()));
                    }
                    report.hosts.push((host, event));
                }
                Answer::NoSlot => {
                    let none = Outcome::NotTried { parked: None };
                    report.outcomes = rows
                        .iter()
                        .map(|(index, _)| (*index, none.clone()))
                        .collect();
                    return (report, took + secs(5));
                }
                Answer::Session(outcomes) => {
                    for (index, to) in &rows {
                        self.kept(&HoldKey::mailbox(to), "a mailbox is asked");
                        let told = self.told_recipient.get(&(job.message.id, *index)).copied();
                        let early = told.is_some_and(|told| self.now < told) && !self.promises_void;
                        assert!(!early, "{index} comes back early at {:?}", self.since());
                    }
                    report.outcomes = outcomes;
                    report.hosts.push((host, HostEvent::Works));
                    return (report, took);
                }
            }
        }
        let outcome = match (last, held) {
            (Some((host, event)), _) => {
                let hint = match event {
                    HostEvent::Refused { hint, .. } => hint,
                    _ => None,
                };
                deferred(Some(host), hint)
            }
            (None, Some((_, host))) => Outcome::NotTried {
                parked: Some(HoldKey::Host(host)),
            },
            (None, None) => Outcome::NotTried { parked: None },
        };
        report.outcomes = rows
            .iter()
            .map(|(index, _)| (*index, outcome.clone()))
            .collect();
        (report, took)
    }

    fn kept(&self, key: &HoldKey, what: &str) {
        let early = self.told.get(key).is_some_and(|told| self.now < *told);
        assert!(
            !early || self.promises_void,
            "{what} at {:?}, before its time",
            self.since()
        );
    }

    pub(crate) fn reported(&mut self, lane: LaneId, job: Job, report: Report) {
        self.unsettled += report.outcomes.len();
        for (host, event) in &report.hosts {
            if let HostEvent::Refused {
                hint: Some(hint), ..
            } = event
            {
                self.tell(
                    HoldKey::Host(*host),
                    self.now + secs(hint.wait_secs.min(3600)),
                );
            }
        }
        for (index, outcome) in &report.outcomes {
            let key = (job.message.id, *index);
            self.under_way.remove(&key);
            let tried = match outcome {
                Outcome::Delivered(_) => {
                    *self.delivered.entry(key).or_default() += 1;
                    "delivered"
                }
                Outcome::Failed(_) => "failed",
                Outcome::NotTried { .. } => continue,
                Outcome::Deferred(deferral) => {
                    if let Some(hint) = deferral.hint {
                        let told = self.now + secs(hint.wait_secs.clamp(1, 2 * 86_400));
                        match hint.holds {
                            retry_hint::Holds::Mailbox => {
                                let to = &job.message.recipients[*index as usize].address;
                                self.tell(HoldKey::mailbox(to), told);
                            }
                            retry_hint::Holds::Recipient => {
                                let old = self.told_recipient.insert(key, told);
                                self.undo.push(Undo::Row(key, old));
                            }
                            _ => {}
                        }
                    }
                    "deferred"
                }
            };
            self.tried.entry(key).or_default().push(Tried {
                at: self.now,
                outcome: tried,
            });
        }
        self.dispatcher.report(lane, job, report, self.now);
        self.at(self.now, Event::Asks(lane, self.life));
    }

    fn tell(&mut self, key: HoldKey, until: SystemTime) {
        let old = self.told.get(&key).copied();
        self.told
            .insert(key.clone(), old.map_or(until, |old| old.max(until)));
        self.undo.push(Undo::Hold(key, old));
    }

    /// Every mail ended, and nothing is left behind. A recipient is delivered more than once only by crashes.
    pub(crate) fn check_all_ended(&self, mails: &[(MessageId, u32)]) {
        assert_eq!(
            self.spool.rows.len(),
            0,
            "left: {:?}",
            self.spool.rows.iter().next()
        );
        assert_eq!(self.dispatcher.active(), 0);
        assert!(
            self.spool.holds.is_empty(),
            "holds are left: {:?}",
            self.spool.holds
        );
        let mut more = 0;
        for (id, recipients) in mails {
            for key in (0..*recipients).map(|index| (*id, index)) {
                let ends =
                    self.delivered.get(&key).unwrap_or(&0) + self.failed.get(&key).unwrap_or(&0);
                assert!(ends >= 1, "{key:?} is lost");
                more += ends - 1;
            }
        }
        assert!(
            more <= self.cut_off,
            "{more} were repeated, though only {} were cut off",
            self.cut_off
        );
    }
}
