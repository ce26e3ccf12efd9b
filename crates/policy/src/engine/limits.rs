//! Which limits an event touches, and who it is that may come back for a place.

use super::rules::{Counted, LimitRule, Scope};
use super::session::{Mail, Session};
use super::{Engine, Rules};
use crate::Moment;
use crate::block::client_network;
use crate::event::{Event, Stage};
use crate::slots::{Ask, Book, Booking, Charge, Grace, Holder, Party};
use crate::stats::Stats;
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
    rule: &'r LimitRule,
    key: Cow<'e, str>,
    cost: u64,
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
        let mut charges = Vec::new();
        let load = self
            .rules
            .load
            .filter(|_| strange && takes_place(session, event));
        if let Some(limit) = load {
            // Under the name that a client has when it connects, since that is how it comes back.
            let client = event.client.to_canonical().to_string();
            let holder = self.lasting.holder("load", &client, "", "");
            let ask = Ask {
                rule: LOAD,
                key: "",
                limit,
                cost: 1,
                horizon: LOAD_HORIZON,
                grace: Grace::Brief,
            };
            match ask_book(
                &self.rules,
                &mut self.book,
                &mut self.stats,
                holder,
                event,
                &[ask],
                now,
            ) {
                Ok(charge) => charges.push(charge),
                Err(refusal) => return Some(refusal),
            }
        }
        let touched = touched(&self.rules, session, event, strange);
        if !touched.is_empty() {
            let asks: Vec<Ask<'_>> = touched.iter().map(Touched::ask).collect();
            let holder = self.holder(session, event);
            match ask_book(
                &self.rules,
                &mut self.book,
                &mut self.stats,
                holder,
                event,
                &asks,
                now,
            ) {
                Ok(charge) => charges.push(charge),
                Err(refusal) => {
                    for charge in charges {
                        self.book.release(charge, now);
                    }
                    session.mail.remember(event, &refusal);
                    return Some(refusal);
                }
            }
        }
        let counted: Vec<_> = touched
            .iter()
            .map(|touched| (touched.rule.name.clone(), touched.key.to_string()))
            .collect();
        session.connected = true;
        match event.stage {
            Stage::Connect => {
                session.placed |= load.is_some();
                // It is there: nothing can give that back.
                for charge in charges {
                    self.book.spend(charge, now);
                }
            }
            _ => {
                if event.stage == Stage::Recipient {
                    session.placed = false;
                    let recipient = mailbox(session, event).to_lowercase();
                    session.mail.recipients.push(recipient);
                    session.mail.counted.extend(counted);
                }
                session.mail.charges.extend(charges);
            }
        }
        None
    }

    /// Who may come back for this event's place.
    fn holder(&self, session: &Session, event: &Event<'_>) -> Holder {
        // Cut alike whatever greylisting is set to: a changed configuration moves no appointment.
        let network = || client_network(event.client).to_string();
        let sender = event.sender.to_lowercase();
        match event.stage {
            // All that is known of who connects is its address.
            Stage::Connect => {
                let client = event.client.to_canonical().to_string();
                self.lasting.holder("connect", &client, "", "")
            }
            Stage::Message => {
                let first = session.mail.recipients.first().map_or("", String::as_str);
                self.lasting.holder("message", &network(), &sender, first)
            }
            // A mail of which nobody is in yet was told one time for all its recipients.
            _ => {
                let told = session.mail.told.as_ref();
                let recipient = told.filter(|_| session.mail.recipients.is_empty());
                let own = event.recipient.to_lowercase();
                let recipient = recipient.unwrap_or(&own);
                self.lasting
                    .holder("recipient", &network(), &sender, recipient)
            }
        }
    }
}

/// Asks the book, and counts for the statistics what it says.
fn ask_book(
    rules: &Rules,
    book: &mut Book,
    stats: &mut Stats,
    holder: Holder,
    event: &Event<'_>,
    asks: &[Ask<'_>],
    now: Moment,
) -> Result<Charge, Refusal> {
    let party = Party {
        client: event.client,
        sender: event.sender,
        recipient: event.recipient,
    };
    match book.ask(holder, party, asks, now) {
        Booking::Admitted { charge, kept } => {
            if let Some(kept) = kept {
                let reason = rules.reason_of(&kept.rule);
                let given = now.before(kept.waited);
                let due = now.before(kept.late);
                stats.came(reason, given, due, now);
            }
            Ok(charge)
        }
        Booking::Told {
            rule,
            wait_secs,
            first,
        } => {
            let reason = rules.reason_of(&rule);
            if first {
                stats.given(reason, now);
            } else {
                let due = now.after(Duration::from_secs(wait_secs));
                stats.came(reason, now, due, now);
            }
            Err(Refusal {
                rule: plain(&rule),
                ..refusal(reason, event.stage, Some(wait_secs))
            })
        }
        Booking::Full { rule, why } => Err(Refusal {
            rule: plain(&rule),
            no_hint: Some(why.into()),
            ..refusal(rules.reason_of(&rule), event.stage, None)
        }),
    }
}

/// Whether the event needs a place of the load's: each connection, which its first mail uses, and each mail more.
fn takes_place(session: &Session, event: &Event<'_>) -> bool {
    match event.stage {
        Stage::Connect => true,
        Stage::Recipient => session.mail.recipients.is_empty() && !session.placed,
        _ => false,
    }
}

impl Mail {
    /// What concerns the client or the sender concerns all recipients of the mail: they share its appointment.
    fn remember(&mut self, event: &Event<'_>, refusal: &Refusal) {
        let shared = refusal.reason != Reason::Recipient && refusal.wait_secs.is_some();
        if shared && event.stage == Stage::Recipient && self.told.is_none() {
            self.told = Some(event.recipient.to_lowercase());
        }
    }
}

impl Touched<'_, '_> {
    fn ask(&self) -> Ask<'_> {
        Ask {
            rule: &self.rule.name,
            key: &self.key,
            limit: self.rule.limit,
            cost: self.cost,
            horizon: self.rule.limit.period(),
            grace: Grace::Lasting,
        }
    }
}

fn touched<'r, 'e>(
    rules: &'r Rules,
    session: &'e Session,
    event: &'e Event<'e>,
    strange: bool,
) -> Vec<Touched<'r, 'e>> {
    // Who may relay or has logged in is known here: only what concerns strangers' hosts leaves it out.
    let concerns = |rule: &&LimitRule| strange || !matches!(rule.per, Scope::Client | Scope::Helo);
    let mut touched = Vec::new();
    for rule in rules.limits.iter().filter(concerns) {
        let cost = match (rule.of, event.stage) {
            (Counted::Connections, Stage::Connect) => 1,
            // A door that doesn't tell of connections tells of recipients.
            (Counted::Connections, Stage::Recipient) => u64::from(!session.connected),
            (Counted::Messages | Counted::Recipients, Stage::Recipient) => 1,
            (Counted::Octets, Stage::Message) => event.size,
            _ => 0,
        };
        if cost == 0 {
            continue;
        }
        for key in keys(rule, session, event) {
            let once = rule.of == Counted::Messages;
            let counted = || {
                let mut all = session.mail.counted.iter();
                all.any(|(name, counted)| *name == rule.name && *counted == key)
            };
            let twice = touched
                .iter()
                .any(|other: &Touched<'_, '_>| std::ptr::eq(other.rule, rule) && other.key == key);
            // A mail is one mail for each sender, recipient or domain that it concerns.
            let counted = once && counted();
            if !(twice || counted) {
                touched.push(Touched { rule, key, cost });
            }
        }
    }
    touched
}

/// The mailbox where the door knows one, so that tags and aliases don't multiply a limit; else the recipient.
fn mailbox<'e>(session: &'e Session, event: &Event<'e>) -> &'e str {
    session.mailbox.as_deref().unwrap_or(event.recipient)
}

/// Whose limit it is: nobody's, where this rule doesn't count the event; several recipients', at the end of a mail.
fn keys<'e>(rule: &LimitRule, session: &'e Session, event: &'e Event<'e>) -> Vec<Cow<'e, str>> {
    let recipients = || match event.stage {
        Stage::Message => session.mail.recipients.iter().map(String::as_str).collect(),
        _ => vec![mailbox(session, event)],
    };
    let texts = match rule.per {
        Scope::Client => return vec![Cow::Owned(client_network(event.client).to_string())],
        Scope::Helo => vec![event.helo],
        Scope::Sender => vec![event.sender],
        Scope::SenderDomain => vec![domain(event.sender)],
        Scope::SpfDomain => {
            let spf = session.facts.spf.known();
            let passed = spf.filter(|spf| spf.finding == crate::facts::Finding::Pass);
            vec![passed.map_or("", |spf| spf.domain.as_str())]
        }
        Scope::Recipient => recipients(),
        Scope::RecipientDomain => recipients().into_iter().map(domain).collect(),
        Scope::User => vec![event.user.unwrap_or_default()],
    };
    let named = texts.into_iter().filter(|text| !text.is_empty());
    named.map(lower).collect()
}

fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
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
        *now.entry(rules.reason_of(rule)).or_default() += counts.never;
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

impl Rules {
    /// The reason that a wait for this limit is told under, by the limit's name.
    pub fn reason_of(&self, name: &str) -> Reason {
        if name == LOAD {
            return Reason::Load;
        }
        let rule = self.limits.iter().find(|rule| rule.name == name);
        // The rule of an old appointment may be gone.
        rule.map_or(Reason::Client, |rule| match rule.per {
            Scope::Client | Scope::Helo => Reason::Client,
            Scope::Sender | Scope::SenderDomain | Scope::SpfDomain | Scope::User => Reason::Sender,
            Scope::Recipient | Scope::RecipientDomain => Reason::Recipient,
        })
    }
}

/// A limit's name as people know it.
fn plain(rule: &str) -> Option<String> {
    let name = rule.strip_prefix('.').unwrap_or(rule);
    (!name.is_empty()).then(|| name.to_owned())
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
