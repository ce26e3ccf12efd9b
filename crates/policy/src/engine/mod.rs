//! All rules together: one event in, one verdict out.
//!
//! The order at a recipient: the operator's list; what reserves nothing ([`ReadOnly`]), in the administrator's
//! [`Order`]; and last what reserves. What speaks first touches nothing that reserves: a mail that is greylisted now is
//! charged to no rate that could refuse it when it returns.

mod checks;
mod early;
mod holder;
mod limits;
mod order;
mod places;
mod recipient;
mod rules;
mod session;
#[cfg(test)]
mod tests;

pub use holder::LastingKey;
pub use order::{Misordered, Order, ReadOnly};
pub use rules::{Checks, Counted, Exempt, Greylisting, LimitRule, Mode, Rules, Scope};
pub use session::{Observed, Session};

use crate::Moment;
use crate::block::client_network;
use crate::domains::{self, Domains};
use crate::estimates::Estimates;
use crate::event::{Event, Stage};
use crate::facts::Question;
use crate::greylist::{Secret, Table, Visit};
use crate::lists::{Action, Entry, Overrides, Subject};
use crate::mailbox::Mailboxes;
use crate::returns::Returns;
use crate::slots::{Book, Bounds};
use crate::stats::Stats;
use crate::verdict::{About, Reason, Refusal, Verdict};

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
    /// Sender domains that were seen; only kept where that matters.
    pub domains: Domains,
    /// The operator's list.
    pub lists: Overrides,
    /// How hints were kept.
    pub stats: Stats,
    /// Estimates that were told, for the statistics.
    pub estimates: Estimates,
}

/// This entry of the operator's list says so.
fn denied(entry: &Entry) -> Refusal {
    let about = match entry.subject {
        Subject::Client(_) => About::Client,
        Subject::Sender(_) => About::Sender,
        Subject::Recipient(_) => About::Recipient,
    };
    Refusal::never(Reason::Denied, (550, (5, 7, 1)), "Access denied").about(about)
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
            domains: Domains::new(domains::Bounds::default(), secret),
            lists: Overrides::default(),
            stats: Stats::default(),
            estimates: Estimates::default(),
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
        self.domains.sweep(now);
        self.greylist.sweep(now);
        self.estimates.sweep(now, &mut self.stats);
        for (day, never) in self.greylist.take_unkept() {
            self.stats.never(Reason::Greylist, day, never, now);
        }
        for ((rule, day), never) in self.book.take_unkept() {
            let reason = self.rules.reason_of(&rule);
            self.stats.never(reason, day, never, now);
        }
    }

    /// What the shell has to look up, into [`Session::facts`], before it hands this event to [`Engine::judge`].
    pub fn questions(&self, session: &Session, event: &Event<'_>, now: Moment) -> Vec<Question> {
        let meant = event.meant();
        let event = &meant.event();
        if self.standing(session, event) != Standing::Stranger {
            return Vec::new();
        }
        let mut questions = match event.stage {
            Stage::Helo | Stage::Mail if !self.asks_early(event.stage) => Vec::new(),
            _ => checks::questions(&self.rules, &session.facts, event),
        };
        if !self.rules.checks.spf && !self.uses_pools(session, event, now) {
            questions.retain(|question| *question != Question::Spf);
        }
        questions
    }

    /// Whether it matters which pool the client is of. Who is known to greylisting needs nobody to vouch for it; but a
    /// place in a limit is kept for its pool as well.
    fn uses_pools(&self, session: &Session, event: &Event<'_>, now: Moment) -> bool {
        let is_off = self.rules.greylist.mode == Mode::Off;
        let is_greylisted = !is_off && !self.greylist.knows(event.client, now);
        is_greylisted || limits::may_keep_a_place(&self.rules, session)
    }

    /// Judges one event, and remembers it.
    pub fn judge(&mut self, session: &mut Session, event: &Event<'_>, now: Moment) -> Verdict {
        let meant = event.meant();
        let event = &meant.event();
        session.observed = None;
        let first = match event.stage {
            Stage::Message => session.mail.recipients.first().cloned(),
            _ => None,
        };
        let judged = match event.stage {
            Stage::Connect => self.connect(session, event, now),
            Stage::Helo | Stage::Mail => self.early(session, event, now),
            Stage::Recipient => {
                let verdict = self.recipient(session, event, now);
                self.answered(event, None, verdict.refusal(), now);
                return verdict;
            }
            Stage::Message => self.message(session, event, now),
        };
        self.answered(event, first.as_deref(), judged.as_ref(), now);
        match judged {
            Some(refusal) => Verdict::Refuse(refusal),
            None => Verdict::Accept { waited: None },
        }
    }

    /// The shell let this event in, or refused it, for a reason that only the shell knows: for the statistics.
    pub fn answered_by_shell(&mut self, event: &Event<'_>, refusal: Option<&Refusal>, now: Moment) {
        self.answered(&event.meant().event(), None, refusal, now);
    }

    /// Counts estimates. `first`: the first recipient of the mail, for the end of its content.
    fn answered(
        &mut self,
        event: &Event<'_>,
        first: Option<&str>,
        refusal: Option<&Refusal>,
        now: Moment,
    ) {
        let may_tell = refusal.is_some_and(|refusal| refusal.reason.is_estimated());
        if !may_tell && self.estimates.is_empty() {
            return;
        }
        let (what, recipient) = match event.stage {
            // Nothing is estimated there.
            Stage::Connect => return,
            Stage::Helo => ("estimate for a client", ""),
            Stage::Mail => ("estimate for a mail", ""),
            Stage::Recipient => ("estimate for a recipient", event.recipient),
            Stage::Message => ("estimate for a content", first.unwrap_or_default()),
        };
        let network = client_network(event.client).to_string();
        let (sender, recipient) = (event.sender.to_lowercase(), recipient.to_lowercase());
        let holder = self.lasting.holder(what, &network, &sender, &recipient);
        let window = self.rules.greylist.settings.window;
        self.estimates
            .answered(holder, refusal, window, now, &mut self.stats);
    }

    /// The mail under way was refused by somebody else, or given up: all that it took is given back. Its connection is
    /// still there, and counts with the next mail.
    pub fn gave_up(&mut self, session: &mut Session, now: Moment) {
        let mail = session.next_mail();
        session.connected &= !mail.connects;
        for charge in mail.charges {
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
        // Who is exempt by what is not known yet is not to be sent away: it is asked at the first recipient.
        if self.exempts_mails() && !self.book.comes(&self.guests(session, event), now) {
            return None;
        }
        self.limit(session, event, strange, now)
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

    /// Whether somebody is exempt by more than its address, which is all that is known when it connects.
    fn exempts_mails(&self) -> bool {
        self.rules.exempt.by_mail() || self.lists.allows_mails()
    }

    /// Read-only. The operator's own list comes before it.
    fn standing(&self, session: &Session, event: &Event<'_>) -> Standing {
        // The whole mail is exempt where each of its recipients was.
        let mail = &session.mail;
        if event.stage == Stage::Message && mail.has_exempt && mail.recipients.is_empty() {
            return Standing::Exempt;
        }
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
        if session.is_exempt(&exempt.visit, &visit)
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
}
