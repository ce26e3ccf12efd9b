//! Which limits an event touches, and who it is that may come back for a place.

use super::rules::{Counted, LimitRule, Scope};
use super::session::Session;
use super::{Engine, Rules};
use crate::Moment;
use crate::block::client_network;
use crate::event::{Event, Stage};
use crate::slots::{Ask, Book, Booking, Grace, Holder, Limit, Party};
use crate::verdict::{Reason, Refusal};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far ahead the load's calendar goes.
const LOAD_HORIZON: Duration = Duration::from_secs(15 * 60);

/// The load's name among the limits' names; no limit of the administrator's has a dot in front.
const LOAD: &str = ".load";

/// A limit that an event touches.
struct Touched<'r, 'e> {
    rule: &'r str,
    key: Cow<'e, str>,
    limit: Limit,
    cost: u64,
    load: bool,
}

impl Engine {
    /// Charges the event to all limits that it touches. Who is not `strange` may relay or has logged in.
    pub(super) fn limit(
        &mut self,
        session: &mut Session,
        event: &Event<'_>,
        strange: bool,
        now: Moment,
    ) -> Option<Refusal> {
        let touched = touched(&self.rules, session, event, strange);
        let asks: Vec<Ask<'_>> = touched.iter().map(Touched::ask).collect();
        let took_place = touched.iter().any(|touched| touched.load);
        // An appointment is kept even where its limit is gone since, so it is looked for in any case.
        if asks.is_empty() && self.book.appointments() == 0 {
            admitted(session, event, None, took_place);
            return None;
        }
        let holder = self.holder(session, event);
        let party = Party {
            client: event.client,
            sender: event.sender,
            recipient: event.recipient,
        };
        match self.book.ask(holder, party, &asks, now) {
            Booking::Admitted { charge, kept } => {
                if let Some(kept) = kept {
                    let reason = reason_of(&self.rules, &kept.rule);
                    let given = now.before(kept.waited);
                    let due = now.before(kept.late);
                    self.stats.came(reason, given, due, now);
                }
                if event.stage == Stage::Connect {
                    // It is there: nothing can give that back.
                    self.book.spend(charge, now);
                    admitted(session, event, None, took_place);
                } else {
                    admitted(session, event, Some(charge), took_place);
                }
                None
            }
            Booking::Told {
                rule,
                wait_secs,
                first,
            } => {
                let reason = reason_of(&self.rules, &rule);
                if first {
                    self.stats.given(reason, now);
                } else {
                    let due = now.after(Duration::from_secs(wait_secs));
                    self.stats.came(reason, now, due, now);
                }
                Some(refusal(reason, event.stage, Some(wait_secs)))
            }
            Booking::Full { rule, .. } => {
                Some(refusal(reason_of(&self.rules, &rule), event.stage, None))
            }
        }
    }

    /// Who may come back for this event's place.
    fn holder(&self, session: &Session, event: &Event<'_>) -> Holder {
        let client = match event.stage {
            // All that is known of who connects is its address.
            Stage::Connect => event.client.to_canonical().to_string(),
            // Cut alike whatever greylisting is set to: a changed configuration moves no appointment.
            _ => client_network(event.client).to_string(),
        };
        let recipient = match event.stage {
            Stage::Message => session.mail.first.as_deref().unwrap_or_default(),
            _ => event.recipient,
        };
        let sender = event.sender.to_lowercase();
        let recipient = recipient.to_lowercase();
        self.lasting
            .holder(event.stage, &client, &sender, &recipient)
    }
}

/// What the session remembers of an event that was let in.
fn admitted(
    session: &mut Session,
    event: &Event<'_>,
    charge: Option<crate::slots::Charge>,
    took_place: bool,
) {
    match event.stage {
        Stage::Connect => {
            session.connected = true;
            session.placed |= took_place;
        }
        _ => {
            session.connected = true;
            if event.stage == Stage::Recipient && session.mail.first.is_none() {
                session.mail.first = Some(event.recipient.to_owned());
                session.placed = false;
            }
            session.mail.charges.extend(charge);
        }
    }
}

impl<'r> Touched<'r, '_> {
    fn ask(&self) -> Ask<'_> {
        Ask {
            rule: self.rule,
            key: &self.key,
            limit: self.limit,
            cost: self.cost,
            horizon: match self.load {
                true => LOAD_HORIZON,
                false => self.limit.period(),
            },
            grace: match self.load {
                true => Grace::Brief,
                false => Grace::Lasting,
            },
        }
    }
}

fn touched<'r, 'e>(
    rules: &'r Rules,
    session: &'e Session,
    event: &'e Event<'e>,
    strange: bool,
) -> Vec<Touched<'r, 'e>> {
    let mut touched = Vec::new();
    let first = session.mail.first.is_none();
    for rule in &rules.limits {
        let cost = match (rule.of, event.stage) {
            (Counted::Connections, Stage::Connect) => 1,
            // A door that doesn't tell of connections tells of recipients.
            (Counted::Connections, Stage::Recipient) => u64::from(!session.connected),
            (Counted::Messages, Stage::Recipient) => u64::from(first),
            (Counted::Recipients, Stage::Recipient) => 1,
            (Counted::Octets, Stage::Message) => event.size,
            _ => 0,
        };
        // Who may relay or has logged in is known here: only what concerns strangers' hosts leaves it out.
        let concerns = strange || !matches!(rule.per, Scope::Client | Scope::Helo);
        if cost > 0
            && concerns
            && let Some(key) = key(rule, session, event)
        {
            touched.push(Touched {
                rule: &rule.name,
                key,
                limit: rule.limit,
                cost,
                load: false,
            });
        }
    }
    let takes_place = match event.stage {
        Stage::Connect => true,
        Stage::Recipient => first && !session.placed,
        _ => false,
    };
    if let Some(limit) = rules.load.filter(|_| strange && takes_place) {
        touched.push(Touched {
            rule: LOAD,
            key: Cow::Borrowed(""),
            limit,
            cost: 1,
            load: true,
        });
    }
    touched
}

/// Whose limit it is; `None`: nobody's that this rule counts.
fn key<'e>(rule: &LimitRule, session: &'e Session, event: &'e Event<'e>) -> Option<Cow<'e, str>> {
    let recipient = match event.stage {
        Stage::Message => session.mail.first.as_deref().unwrap_or_default(),
        _ => event.recipient,
    };
    let text = match rule.per {
        Scope::Client => {
            return Some(Cow::Owned(client_network(event.client).to_string()));
        }
        Scope::Helo => event.helo,
        Scope::Sender => event.sender,
        Scope::SenderDomain => domain(event.sender),
        Scope::SpfDomain => session
            .facts
            .spf
            .known()
            .filter(|spf| spf.finding == crate::facts::Finding::Pass)
            .map_or("", |spf| spf.domain.as_str()),
        Scope::Recipient => recipient,
        Scope::RecipientDomain => domain(recipient),
        Scope::User => event.user.unwrap_or_default(),
    };
    (!text.is_empty()).then(
        || match text.bytes().any(|octet| octet.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_lowercase()),
            false => Cow::Borrowed(text),
        },
    )
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Appointments that nobody kept, since the last call, by reason.
pub(super) fn never(
    rules: &Rules,
    book: &Book,
    counted: &mut BTreeMap<Reason, u64>,
) -> Vec<(Reason, u64)> {
    let mut now = BTreeMap::<Reason, u64>::new();
    for (rule, counts) in book.counts() {
        *now.entry(reason_of(rules, rule)).or_default() += counts.never;
    }
    let new = |(reason, count): (&Reason, &u64)| {
        let before = counted.get(reason).copied().unwrap_or(0);
        (*reason, count.saturating_sub(before))
    };
    let fresh = now
        .iter()
        .map(new)
        .filter(|(_, count)| *count > 0)
        .collect();
    *counted = now;
    fresh
}

fn reason_of(rules: &Rules, name: &str) -> Reason {
    if name == LOAD {
        return Reason::Load;
    }
    let rule = rules.limits.iter().find(|rule| rule.name == name);
    // The rule of an old appointment may be gone.
    rule.map_or(Reason::Client, |rule| match rule.per {
        Scope::Client | Scope::Helo => Reason::Client,
        Scope::Sender | Scope::SenderDomain | Scope::SpfDomain | Scope::User => Reason::Sender,
        Scope::Recipient | Scope::RecipientDomain => Reason::Recipient,
    })
}

fn refusal(reason: Reason, stage: Stage, wait_secs: Option<u64>) -> Refusal {
    // 421 closes the session: only before anything else is under way, for what concerns the client itself.
    let (code, status) = match (reason, stage) {
        (Reason::Load, Stage::Connect) => (421, (4, 3, 2)),
        (Reason::Load, _) => (451, (4, 3, 2)),
        (_, Stage::Connect) => (421, (4, 7, 0)),
        (Reason::Recipient, _) => (450, (4, 2, 1)),
        _ => (450, (4, 7, 0)),
    };
    let words = match reason {
        Reason::Load => "Too busy",
        Reason::Recipient => "Too much mail for this recipient",
        Reason::Sender => "Too much mail from this sender",
        _ => "Too much mail from your network",
    };
    Refusal::wait(reason, (code, status), words, wait_secs)
}
