//! One record, as it is shown: as JSON, and ([`super::line`]) as a line of a table.

use policy::engine::Rules;
use policy::lists::Entry;
use policy::slots::{Saved, State};
use policy::{Moment, domains, greylist, mailbox, returns, slots};
use serde::Serialize;
use store::policy::Row;

use super::records::when;

/// A record. The fields of JSON are these.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Shown<'a> {
    Known(Known),
    Triplet(Triplet<'a>),
    Appointment(Appointment<'a>),
    Calendar(Calendar<'a>),
    Told(Told<'a>),
    Accepted(Accepted),
    Domain(Domain<'a>),
    Mailbox(Mailbox<'a>),
    Override(Override<'a>),
}

/// A network or domain that came back.
#[derive(Serialize)]
pub(super) struct Known {
    pub(super) origin: String,
    pub(super) passes: u32,
    /// It is let in without a wait.
    pub(super) at_once: bool,
    pub(super) last_used: String,
    pub(super) until: String,
}

/// A stranger of greylisting, or one that came back.
#[derive(Serialize)]
pub(super) struct Triplet<'a> {
    pub(super) client: String,
    /// What else it is found under.
    pub(super) pool: Vec<String>,
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) first_seen: String,
    pub(super) due: String,
    pub(super) until: String,
    pub(super) passed: Option<String>,
}

/// A place that a limit keeps.
#[derive(Serialize)]
pub(super) struct Appointment<'a> {
    pub(super) client: String,
    pub(super) sender: &'a str,
    /// The first that was told and is not through with it.
    pub(super) recipient: &'a str,
    /// All of them: they share it.
    pub(super) recipients: Vec<&'a str>,
    /// The one that made it wait.
    pub(super) rule: &'a str,
    /// The reason that its wait was told under.
    pub(super) reason: &'static str,
    pub(super) asked: String,
    pub(super) due: String,
    pub(super) until: String,
}

/// A limit's count.
#[derive(Serialize)]
pub(super) struct Calendar<'a> {
    pub(super) rule: &'a str,
    /// Whose limit it is.
    pub(super) key: &'a str,
    pub(super) limit: String,
    /// Of a rate: how many may come at once.
    pub(super) free: Option<u64>,
    /// Of a quota: in this window, and in the next.
    pub(super) used: Option<u64>,
    pub(super) booked: Option<u64>,
    /// When that was so.
    pub(super) counted: String,
    /// Of a quota: the window's end.
    pub(super) until: Option<String>,
}

/// Somebody who was asked to come back.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub(super) client: String,
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) told: String,
    /// The end of the time in which it is awaited; of what is counted, the end of that.
    pub(super) until: String,
    /// `waiting`, `came`, or `counted`: it never came.
    pub(super) state: &'static str,
}

/// A client whose mail was accepted: nothing is counted against it.
#[derive(Serialize)]
pub(super) struct Accepted {
    pub(super) client: String,
    pub(super) last: String,
    pub(super) until: String,
}

/// A sender domain of which mail was accepted.
#[derive(Serialize)]
pub(super) struct Domain<'a> {
    pub(super) domain: &'a str,
    pub(super) last: String,
    pub(super) until: String,
    /// The client whose mail brought it.
    pub(super) client: String,
}

/// A mailbox that is or was full.
#[derive(Serialize)]
pub(super) struct Mailbox<'a> {
    pub(super) recipient: &'a str,
    /// `None`: there is room.
    pub(super) full_since: Option<String>,
    /// Mail is refused until then.
    pub(super) until: Option<String>,
    /// That is told to senders, because of the times before.
    pub(super) hint: bool,
    /// How long it was full, the times before.
    pub(super) was_full_secs: Vec<u64>,
}

/// An entry of `allow` or `deny`.
#[derive(Serialize)]
pub(super) struct Override<'a> {
    pub(super) action: &'static str,
    pub(super) about: &'static str,
    pub(super) value: String,
    pub(super) until: Option<String>,
    pub(super) made: String,
    pub(super) note: &'a str,
}

impl<'a> Shown<'a> {
    /// `None`: it is no more at `now`, though it was not swept yet.
    pub(super) fn of(row: &'a Row, rules: &Rules, now: Moment) -> Option<Self> {
        match row {
            Row::Greylist(stored) => of_greylist(stored, &rules.greylist.settings, now),
            Row::Slots(stored) => of_slots(stored, rules, now),
            Row::Returns(stored) => of_returns(stored, &rules.never_returned, now),
            Row::Domain(stored) => of_domain(stored, now),
            Row::Mailbox(stored) => Some(Self::Mailbox(of_mailbox(stored, now))),
            Row::Override(entry) if entry.expired(now) => None,
            Row::Override(entry) => Some(Self::Override(of_entry(entry))),
        }
    }
}

fn of_greylist<'a>(
    stored: &'a greylist::Stored,
    settings: &greylist::Settings,
    now: Moment,
) -> Option<Shown<'a>> {
    match stored {
        greylist::Stored::Known { known, .. } if known.expired(settings, now) => None,
        greylist::Stored::Known { origin, known } => Some(Shown::Known(Known {
            origin: origin.to_string(),
            passes: known.passes,
            at_once: known.is_good(settings),
            last_used: when(known.last_used),
            until: when(known.last_used.after(settings.known_for)),
        })),
        greylist::Stored::Record { record, .. } if record.expired(now) => None,
        greylist::Stored::Record {
            network,
            pool,
            sender,
            recipient,
            record,
            ..
        } => Some(Shown::Triplet(Triplet {
            client: network.to_string(),
            pool: pool.iter().map(ToString::to_string).collect(),
            sender,
            recipient,
            first_seen: when(record.first_seen),
            due: when(record.due),
            until: when(record.until),
            passed: record.passed.map(when),
        })),
    }
}

fn of_slots<'a>(stored: &'a slots::Stored, rules: &Rules, now: Moment) -> Option<Shown<'a>> {
    match stored {
        slots::Stored::Appointment { until, .. } if now > *until => None,
        slots::Stored::Appointment {
            client,
            sender,
            recipients,
            rule,
            asked,
            due,
            until,
            ..
        } => Some(Shown::Appointment(Appointment {
            client: client.to_string(),
            sender,
            recipient: recipients.first().map_or("", String::as_str),
            recipients: recipients
                .iter()
                .map(String::as_str)
                .filter(|named| !named.is_empty())
                .collect(),
            rule: plain_rule(rule),
            reason: rules.reason_of(rule).name(),
            asked: when(*asked),
            due: when(*due),
            until: when(*until),
        })),
        slots::Stored::Calendar {
            rule, key, saved, ..
        } => Some(Shown::Calendar(of_calendar(rule, key, saved))),
        slots::Stored::Clock { .. } => None,
    }
}

fn of_calendar<'a>(rule: &'a str, key: &'a str, saved: &Saved) -> Calendar<'a> {
    let (free, used, booked, until) = match &saved.state {
        State::Rate(count) => (Some(count.bank), None, None, None),
        State::Quota { used, booked } => {
            let period = i64::try_from(saved.limit.period().as_millis()).unwrap_or(i64::MAX);
            let window = saved.at.as_millis().div_euclid(period.max(1));
            let end = window.saturating_add(1).saturating_mul(period);
            let end = when(Moment::from_millis(end));
            (None, Some(*used), Some(*booked), Some(end))
        }
    };
    Calendar {
        rule: plain_rule(rule),
        key,
        limit: saved.limit.to_string(),
        free,
        used,
        booked,
        counted: when(saved.at),
        until,
    }
}

/// The load's rule has a name that no administrator can give.
fn plain_rule(rule: &str) -> &str {
    rule.strip_prefix('.').unwrap_or(rule)
}

fn of_returns<'a>(
    stored: &'a returns::Stored,
    settings: &returns::Settings,
    now: Moment,
) -> Option<Shown<'a>> {
    match stored {
        returns::Stored::Pair {
            client,
            sender,
            recipient,
            told,
            until,
            state,
            ..
        } => {
            let until = match state {
                returns::State::Counted => told.after(settings.remembered_for),
                _ => *until,
            };
            let is_over = now > until && *state != returns::State::Waiting;
            (!is_over).then(|| {
                Shown::Told(Told {
                    client: bare(*client),
                    sender,
                    recipient,
                    told: when(*told),
                    until: when(until),
                    state: state.name(),
                })
            })
        }
        returns::Stored::Accepted { client, last } => {
            let until = last.after(settings.accepted_for);
            (now <= until).then(|| {
                Shown::Accepted(Accepted {
                    client: bare(*client),
                    last: when(*last),
                    until: when(until),
                })
            })
        }
    }
}

fn of_domain(stored: &domains::Stored, now: Moment) -> Option<Shown<'_>> {
    let until = stored.last.after(domains::REMEMBERED_FOR);
    (now <= until).then(|| {
        Shown::Domain(Domain {
            domain: &stored.domain,
            last: when(stored.last),
            until: when(until),
            client: stored.network.to_string(),
        })
    })
}

fn of_mailbox(stored: &mailbox::Stored, now: Moment) -> Mailbox<'_> {
    let mailbox::Stored { mailbox, history } = stored;
    let refused = history.current.filter(|episode| now < episode.until);
    Mailbox {
        recipient: mailbox,
        full_since: history.current.map(|episode| when(episode.since)),
        until: refused.map(|episode| when(episode.until)),
        hint: refused.is_some_and(|episode| episode.estimated),
        was_full_secs: history.lengths.iter().map(|span| span.as_secs()).collect(),
    }
}

fn of_entry(entry: &Entry) -> Override<'_> {
    Override {
        action: entry.action.name(),
        about: entry.subject.kind(),
        value: match &entry.subject {
            policy::lists::Subject::Client(network) => bare(*network),
            subject => subject.text(),
        },
        until: entry.until.map(when),
        made: when(entry.made),
        note: &entry.note,
    }
}

/// A network as people write it: an address alone without its length.
pub(super) fn bare(network: ipnet::IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}
