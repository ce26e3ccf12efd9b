//! One recipient: who speaks, in which order, and what is remembered of it.

use super::{Engine, Mode, Observed, ReadOnly, Session, Standing, checks};
use crate::Moment;
use crate::event::Event;
use crate::greylist::suspicion::suspicion;
use crate::greylist::{self, Appointment, Arrival, Origin, Visit};
use crate::lists::Action;
use crate::moment::whole_secs;
use crate::returns;
use crate::verdict::{Reason, Refusal, Verdict};
use std::time::Duration;

impl Engine {
    pub(super) fn recipient(
        &mut self,
        session: &mut Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Verdict {
        let visit = Visit {
            client: event.client.to_canonical(),
            sender: event.sender,
            recipient: event.recipient,
        };
        self.returns.came(event.sender, event.recipient, now);
        let entry = self.lists.judge(visit, now);
        let standing = match entry {
            Some(entry) if entry.action == Action::Deny => {
                return Verdict::Refuse(super::denied(entry));
            }
            Some(_) => Standing::Exempt,
            None => self.standing(session, event),
        };
        let strange = standing == Standing::Stranger;
        let listed = match strange {
            true => self.returns.judge(event.client, now),
            false => None,
        };
        let mut waited = None;
        for rule in self.rules.order.rules() {
            let refused = match rule {
                ReadOnly::Checks if strange => checks::recipient(self.rules.checks, &session.facts),
                ReadOnly::NeverReturned => offender(listed),
                // Who may relay leaves its mail with us: it waits in our queue, not in the program that sends it.
                ReadOnly::Mailbox if standing != Standing::Trusted => {
                    self.full_mailbox(session, event, now)
                }
                ReadOnly::Greylist if strange => match self.greylist(session, visit, listed, now) {
                    Ok(span) => {
                        waited = span;
                        None
                    }
                    Err(refusal) => {
                        self.told(event, &refusal, now);
                        Some(refusal)
                    }
                },
                ReadOnly::Checks | ReadOnly::Mailbox | ReadOnly::Greylist => None,
            };
            if let Some(refusal) = refused {
                return Verdict::Refuse(refusal);
            }
        }
        if standing != Standing::Exempt
            && let Some(refusal) = self.limit(session, event, strange, now)
        {
            self.told(event, &refusal, now);
            return Verdict::Refuse(refusal);
        }
        session.mail.has_exempt |= standing == Standing::Exempt;
        self.returns.accepted(event.client, now);
        // What greylisting merely observes would not have been let in.
        let passed = !matches!(session.observed, Some(Observed::Defer(_)));
        if strange && passed && self.watches_domains() {
            self.domains.accepted(event.client, event.sender, now);
        }
        Verdict::Accept { waited }
    }

    /// Whether greylisting makes a difference between sender domains.
    fn watches_domains(&self) -> bool {
        let rule = &self.rules.greylist;
        let delays = rule.selective;
        rule.mode != Mode::Off && delays.is_some_and(|delays| delays.first_seen_domain.is_some())
    }

    fn full_mailbox(
        &mut self,
        session: &Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Option<Refusal> {
        let mailbox = session.mailbox.as_deref().unwrap_or(event.recipient);
        // What the quota says now is newer than what deliveries found.
        let full = match session.has_room {
            Some(true) => return None,
            Some(false) => {
                // Else it makes no history: anybody can claim a size.
                if session.is_full {
                    self.mailboxes.full(mailbox, now);
                }
                self.mailboxes.judge(mailbox, now)
            }
            None => Some(self.mailboxes.judge(mailbox, now)?),
        };
        let wait_secs = full.and_then(|full| full.wait).map(whole_secs);
        Some(Refusal::wait(
            Reason::Mailbox,
            (452, (4, 2, 2)),
            "Mailbox full",
            wait_secs,
        ))
    }

    /// `Ok`: it passes, after a wait of so long.
    fn greylist(
        &mut self,
        session: &mut Session,
        visit: Visit<'_>,
        listed: Option<returns::Action>,
        now: Moment,
    ) -> Result<Option<Duration>, Refusal> {
        let rule = &self.rules.greylist;
        let facts = &session.facts;
        let name = facts.reverse.known().filter(|reverse| reverse.confirmed);
        let name = name.and_then(|reverse| reverse.name.as_deref());
        if rule.mode == Mode::Off
            || session.is_exempt(&rule.exemptions, &visit)
            || rule.postgrey_clients.find(visit.client, name).is_some()
            || rule.postgrey_recipients.find(visit.recipient).is_some()
        {
            return Ok(None);
        }
        let spf = facts.spf.known().and_then(|spf| spf.pool.clone());
        let by_name = name.and_then(|name| greylist::pool::confirmed(name, visit.client));
        let origins: Vec<Origin> = spf
            .filter(|_| rule.pool_by_spf)
            .into_iter()
            .chain(by_name.filter(|_| rule.pool_by_name))
            .collect();
        let delay = match (listed, rule.selective) {
            (Some(returns::Action::Delay(delay)), _) => Some(delay),
            (_, None) => None,
            (_, Some(delays)) => {
                let first_seen = delays.first_seen_domain.is_some()
                    && self.domains.is_first_seen(visit.sender, now);
                let strange = suspicion(&delays, visit.client, facts, first_seen);
                Some(strange.map_or(Duration::ZERO, |(_, delay)| delay))
            }
        };
        let arrival = Arrival {
            visit,
            origins: &origins,
            delay,
        };
        let judgement = self.greylist.judge(arrival, now);
        self.count(judgement, now);
        let refusal =
            |wait_secs| Refusal::wait(Reason::Greylist, (450, (4, 2, 0)), "Greylisted", wait_secs);
        let (waited, refusal) = match judgement.verdict {
            greylist::Verdict::Known => (None, None),
            greylist::Verdict::Waited(waited) => {
                (Some(waited).filter(|span| !span.is_zero()), None)
            }
            greylist::Verdict::Defer { wait_secs, .. } => (None, Some(refusal(wait_secs))),
        };
        if self.rules.greylist.mode == Mode::Observe {
            session.observed = Some(match refusal {
                Some(refusal) => Observed::Defer(refusal),
                None => Observed::Pass { waited },
            });
            return Ok(None);
        }
        refusal.map_or(Ok(waited), Err)
    }

    fn count(&mut self, judgement: greylist::Judgement, now: Moment) {
        match judgement.appointment {
            Appointment::None => {}
            Appointment::Made => self.stats.given(Reason::Greylist, now),
            Appointment::Early { waited, early } => {
                let (given, due) = (now.before(waited), now.after(early));
                self.stats.came(Reason::Greylist, given, due, now);
            }
            Appointment::Kept { waited, late } => {
                let (given, due) = (now.before(waited), now.before(late));
                self.stats.came(Reason::Greylist, given, due, now);
            }
        }
    }

    /// Somebody was told to come back: it is watched whether it does.
    fn told(&mut self, event: &Event<'_>, refusal: &Refusal, now: Moment) {
        // Who came back before need not prove it again. So at the first start, which knows greylisting's records alone,
        // nobody is taken for one who never does that is long known.
        if refusal.wait_secs.is_some() && !self.greylist.knows(event.client, now) {
            let until = now.after(self.rules.greylist.settings.window);
            self.returns
                .told(event.client, event.sender, event.recipient, until, now);
        }
    }
}

fn offender(listed: Option<returns::Action>) -> Option<Refusal> {
    matches!(listed, Some(returns::Action::Reject)).then(|| {
        let words = "Your address never came back when it was asked to wait";
        Refusal::never(Reason::Denied, (550, (5, 7, 1)), words)
    })
}
