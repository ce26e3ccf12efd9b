//! Which limits an event touches, and whose they are.

use super::Rules;
use super::rules::{Counted, LimitRule, Scope};
use super::session::Session;
use crate::address;
use crate::block::client_network;
use crate::event::{Event, Stage};
use crate::slots::{Ask, Grace, Limit};
use crate::verdict::Reason;
use std::borrow::Cow;
use std::time::Duration;

/// The load's name among the limits' names; no limit of the administrator's has a dot in front.
pub(super) const LOAD: &str = ".load";

/// How far ahead the load's calendar goes.
const LOAD_HORIZON: Duration = Duration::from_secs(15 * 60);

/// A limit that an event touches.
pub(super) struct Touched<'e> {
    name: &'e str,
    key: Cow<'e, str>,
    limit: Limit,
    cost: u64,
    horizon: Duration,
    grace: Grace,
    exact: bool,
    /// It counts a mail, or its session, once, however many recipients that has.
    once: bool,
}

impl<'e> Touched<'e> {
    /// One place of the load's.
    pub(super) fn load(limit: Limit) -> Self {
        Self {
            name: LOAD,
            key: Cow::Borrowed(""),
            limit,
            cost: 1,
            horizon: LOAD_HORIZON,
            grace: Grace::Brief,
            exact: false,
            once: true,
        }
    }

    fn rule(rule: &'e LimitRule, key: Cow<'e, str>, cost: u64) -> Self {
        Self {
            name: &rule.name,
            key,
            limit: rule.limit,
            cost,
            horizon: rule.limit.period(),
            grace: Grace::Lasting,
            exact: rule.of == Counted::Octets,
            once: matches!(rule.of, Counted::Connections | Counted::Messages),
        }
    }

    pub(super) fn ask(&self) -> Ask<'_> {
        Ask {
            rule: self.name,
            key: &self.key,
            limit: self.limit,
            cost: self.cost,
            horizon: self.horizon,
            grace: self.grace,
            exact: self.exact,
            once: self.once,
        }
    }

    /// What counts a mail once has to be told from what counts it again: by rule, and whose.
    pub(super) fn counted(&self) -> Option<(String, String)> {
        self.once
            .then(|| (self.name.to_owned(), self.key.to_string()))
    }
}

/// Rates and quotas that the event touches. Who is not `strange` may relay or has logged in.
pub(super) fn touched<'e>(
    rules: &'e Rules,
    session: &'e Session,
    event: &'e Event<'e>,
    strange: bool,
) -> Vec<Touched<'e>> {
    // Who may relay or has logged in is known here: only what concerns strangers' hosts leaves it out.
    let concerns = |rule: &&LimitRule| strange || !matches!(rule.per, Scope::Client | Scope::Helo);
    let mut touched: Vec<Touched<'_>> = Vec::new();
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
        let mut keys = keys(rule, session, event);
        keys.sort_unstable();
        keys.dedup();
        // A mail is one mail for each sender, recipient or domain that it concerns.
        let counted = session.mail.counted.get(&rule.name);
        let counted = counted.filter(|_| rule.of == Counted::Messages);
        keys.retain(|key| counted.is_none_or(|counted| !counted.contains(&**key)));
        touched.extend(keys.into_iter().map(|key| Touched::rule(rule, key, cost)));
    }
    touched
}

/// Whether a stranger's recipient, or its content, may be told a time by a limit.
pub(super) fn may_keep_a_place(rules: &Rules, session: &Session) -> bool {
    let takes_load = session.mail.recipients.is_empty() && !session.placed;
    let is_asked = |rule: &LimitRule| match rule.of {
        Counted::Connections => !session.connected,
        Counted::Messages | Counted::Recipients | Counted::Octets => true,
    };
    // Who has logged in is no stranger.
    let mut limits = rules.limits.iter().filter(|rule| rule.per != Scope::User);
    (rules.load.is_some() && takes_load) || limits.any(is_asked)
}

/// The mailbox where the door knows one, so that tags and aliases don't multiply a limit; else the recipient.
pub(super) fn mailbox<'e>(session: &'e Session, event: &Event<'e>) -> &'e str {
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
    named.map(address::lower).collect()
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
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
