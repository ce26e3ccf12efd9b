//! All rules together: one event in, one verdict out.
//!
//! The order at a recipient: the operator's list; what was looked up; full mailboxes; greylisting; and last what
//! reserves. What speaks first touches nothing that speaks later: a mail that is greylisted now is charged to no rate
//! that could refuse it when it returns.

mod checks;
mod holder;
mod limits;
mod rules;
mod session;
#[cfg(test)]
mod tests;

pub use holder::LastingKey;
pub use rules::{Checks, Counted, Exempt, Greylisting, LimitRule, Mode, Rules, Scope};
pub use session::{Observed, Session};

use crate::Moment;
use crate::event::{Event, Stage};
use crate::facts::Question;
use crate::greylist::suspicion::suspicion;
use crate::greylist::{self, Appointment, Arrival, Circumstances, Origin, Secret, Table, Visit};
use crate::lists::{Action, Overrides};
use crate::mailbox::Mailboxes;
use crate::returns::{self, Returns};
use crate::slots::{Book, Bounds};
use crate::stats::Stats;
use crate::verdict::{Reason, Refusal, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// The rules, with all that they remember.
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
    lasting: LastingKey,
    /// Greylisting's records.
    pub greylist: Table,
    /// Limits and load.
    pub book: Book,
    /// Mailboxes that were full.
    pub mailboxes: Mailboxes,
    /// Who never came back.
    pub returns: Returns,
    /// The operator's list.
    pub lists: Overrides,
    /// How hints were kept.
    pub stats: Stats,
    counted: Unkept,
}

/// Appointments that nobody kept, as far as the statistics have them.
#[derive(Debug, Default)]
struct Unkept {
    greylist: u64,
    slots: BTreeMap<Reason, u64>,
}

/// Who it is, as far as rules are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Anybody.
    Stranger,
    /// It may relay, or has logged in.
    Trusted,
    /// The administrator or an allow list exempts it.
    Exempt,
}

impl Engine {
    /// Rules that remember nothing yet. The secret is drawn anew at each start, the key is kept.
    pub fn new(rules: Rules, secret: Secret, lasting: LastingKey) -> Self {
        Self {
            greylist: Table::new(rules.greylist.settings.clone(), secret),
            book: Book::new(Bounds::default(), secret),
            mailboxes: Mailboxes::default(),
            returns: Returns::new(rules.never_returned.clone(), secret),
            lists: Overrides::default(),
            stats: Stats::default(),
            counted: Unkept::default(),
            lasting,
            rules,
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes the rules. What was promised stands.
    pub fn configure(&mut self, rules: Rules) {
        self.greylist.configure(rules.greylist.settings.clone());
        self.returns.configure(rules.never_returned.clone());
        self.rules = rules;
    }

    /// Lets time pass; to be called every second.
    pub fn tick(&mut self, now: Moment) {
        self.book.tick(now);
        self.returns.sweep(now);
        let unclaimed = self.greylist.unclaimed();
        for _ in self.counted.greylist..unclaimed {
            self.stats.never(Reason::Greylist, now, now);
        }
        self.counted.greylist = unclaimed;
        for (reason, never) in limits::never(&self.rules, &self.book, &mut self.counted.slots) {
            for _ in 0..never {
                self.stats.never(reason, now, now);
            }
        }
    }

    /// What the shell has to look up, into [`Session::facts`], before it hands this event to [`Engine::judge`].
    pub fn questions(&self, session: &Session, event: &Event<'_>, now: Moment) -> Vec<Question> {
        if self.standing(session, event) != Standing::Stranger {
            return Vec::new();
        }
        let mut questions = checks::questions(&self.rules, &session.facts, event);
        // Who is known needs nobody to vouch for it.
        let only_pools = !self.rules.checks.spf;
        if only_pools && self.greylist.knows(event.client, now) {
            questions.retain(|question| *question != Question::Spf);
        }
        questions
    }

    /// Judges one event, and remembers it.
    pub fn judge(&mut self, session: &mut Session, event: &Event<'_>, now: Moment) -> Verdict {
        session.observed = None;
        let judged = match event.stage {
            Stage::Connect => self.connect(session, event, now),
            Stage::Helo | Stage::Mail => None,
            Stage::Recipient => return self.recipient(session, event, now),
            Stage::Message => self.message(session, event, now),
        };
        match judged {
            Some(refusal) => Verdict::Refuse(refusal),
            None => Verdict::Accept { waited: None },
        }
    }

    /// The mail under way was refused by somebody else, or given up: all that it took is given back.
    pub fn gave_up(&mut self, session: &mut Session, now: Moment) {
        for charge in session.next_mail().charges {
            self.book.release(charge, now);
        }
    }

    /// The mail under way was taken.
    pub fn taken(&mut self, session: &mut Session, now: Moment) {
        for charge in session.next_mail().charges {
            self.book.spend(charge, now);
        }
    }

    fn connect(
        &mut self,
        session: &mut Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Option<Refusal> {
        let entry = self.lists.judge_client(event.client, now);
        match entry.map(|entry| entry.action) {
            // A recipient's own entry may let it in after all: that is known only later.
            Some(Action::Deny | Action::Allow) => return None,
            None => {}
        }
        let strange = match self.standing(session, event) {
            Standing::Exempt => return None,
            standing => standing == Standing::Stranger,
        };
        self.limit(session, event, strange, now)
    }

    fn recipient(&mut self, session: &mut Session, event: &Event<'_>, now: Moment) -> Verdict {
        let visit = Visit {
            client: event.client.to_canonical(),
            sender: event.sender,
            recipient: event.recipient,
        };
        self.returns.came(event.sender, event.recipient, now);
        let entry = self.lists.judge(visit, now);
        let standing = match entry.map(|entry| entry.action) {
            Some(Action::Deny) => {
                let refusal = Refusal::never(Reason::Denied, (550, (5, 7, 1)), "Access denied");
                return Verdict::Refuse(refusal);
            }
            Some(Action::Allow) => Standing::Exempt,
            None => self.standing(session, event),
        };
        let listed = match standing {
            Standing::Stranger => self.returns.judge(event.client, now),
            _ => None,
        };
        let refused = match standing {
            Standing::Stranger => checks::recipient(self.rules.checks, &session.facts),
            _ => None,
        };
        let refused = refused
            .or_else(|| offender(listed))
            // Who may relay leaves its mail with us: it waits in our queue, not in the program that sends it.
            .or_else(|| match standing {
                Standing::Trusted => None,
                _ => self.full_mailbox(session, event, now),
            });
        if let Some(refusal) = refused {
            return Verdict::Refuse(refusal);
        }
        let mut waited = None;
        if standing == Standing::Stranger {
            match self.greylist(session, visit, listed, now) {
                Ok(span) => waited = span,
                Err(refusal) => {
                    self.told(event, &refusal, now);
                    return Verdict::Refuse(refusal);
                }
            }
        }
        if standing != Standing::Exempt
            && let Some(refusal) = self.limit(session, event, standing == Standing::Stranger, now)
        {
            self.told(event, &refusal, now);
            return Verdict::Refuse(refusal);
        }
        self.returns.accepted(event.client, now);
        Verdict::Accept { waited }
    }

    fn message(
        &mut self,
        session: &mut Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Option<Refusal> {
        let standing = self.standing(session, event);
        let refused = match standing {
            Standing::Exempt => None,
            Standing::Trusted => self.limit(session, event, false, now),
            Standing::Stranger => checks::message(self.rules.checks, &session.facts)
                .or_else(|| self.limit(session, event, true, now)),
        };
        if refused.is_some() {
            self.gave_up(session, now);
        }
        refused
    }

    /// Read-only. The operator's own list comes before it.
    fn standing(&self, session: &Session, event: &Event<'_>) -> Standing {
        let exempt = &self.rules.exempt;
        let visit = Visit {
            client: event.client.to_canonical(),
            sender: event.sender,
            recipient: event.recipient,
        };
        let confirmed = session
            .facts
            .reverse
            .known()
            .filter(|reverse| reverse.confirmed);
        let name = confirmed.and_then(|reverse| reverse.name.as_deref());
        let allowed = session
            .facts
            .lists
            .known()
            .is_some_and(|lists| lists.allowed);
        if greylist::exemption(&exempt.visit, &visit, Circumstances::default()).is_some()
            || name.is_some_and(|name| exempt.names.entry(name).is_some())
            || (exempt.allow_listed && allowed)
        {
            return Standing::Exempt;
        }
        let relay = &self.rules.greylist.exemptions.relay;
        let client = event.client.to_canonical();
        if event.user.is_some() || relay.iter().any(|network| network.contains(&client)) {
            return Standing::Trusted;
        }
        Standing::Stranger
    }

    fn full_mailbox(
        &mut self,
        session: &Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Option<Refusal> {
        let mailbox = session.mailbox.as_deref().unwrap_or(event.recipient);
        let full = self.mailboxes.judge(mailbox, now)?;
        let wait_secs = full.wait.map(whole_secs);
        if wait_secs.is_some() {
            self.stats.given(Reason::Mailbox, now);
        }
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
            || greylist::exemption(&rule.exemptions, &visit, Circumstances::default()).is_some()
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
                let strange = suspicion(&delays, visit.client, facts, false);
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
            Appointment::Early(early) => {
                self.stats
                    .came(Reason::Greylist, now, now.after(early), now);
            }
            Appointment::Kept(late) => {
                let waited = match judgement.verdict {
                    greylist::Verdict::Waited(waited) => waited,
                    _ => late,
                };
                let (given, due) = (now.before(waited), now.before(late));
                self.stats.came(Reason::Greylist, given, due, now);
            }
        }
    }

    /// Somebody was told to come back: it is watched whether it does.
    fn told(&mut self, event: &Event<'_>, refusal: &Refusal, now: Moment) {
        if refusal.wait_secs.is_some() {
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

/// Rounded up: whoever comes back after so many seconds is not early.
fn whole_secs(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}
