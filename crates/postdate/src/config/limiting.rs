//! Rates, quotas and load; who is exempt from waiting; and what those who never came back meet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use policy::Reason;
use policy::engine::{Order, ReadOnly};
use policy::slots::Limit;
use serde::{Deserialize, Deserializer, de};

use super::reply_text::ReplyText;
use super::rules::{Found, Wrong};
use super::{Config, GreylistMode, Networks, units};

/// One rate or quota.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// In logs and for `postdate policy`.
    pub(crate) name: String,
    pub(crate) count: Count,
    pub(crate) per: Per,
    #[serde(deserialize_with = "limit")]
    pub(crate) limit: Limit,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Count {
    Connections,
    Messages,
    Recipients,
    Octets,
}

/// By what a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    Client,
    Helo,
    Sender,
    SenderDomain,
    SpfDomain,
    Recipient,
    RecipientDomain,
    User,
}

/// Heavy load.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Load {
    /// Mails of strangers that can be taken; `None`: no limit.
    #[serde(deserialize_with = "limit_or_none")]
    pub(crate) capacity: Option<Limit>,
}

/// Who meets no rule that defers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exempt {
    pub(crate) networks: Networks,
    /// Of senders.
    pub(crate) domains: Vec<String>,
    pub(crate) recipients: Vec<String>,
    /// Confirmed reverse names of clients.
    pub(crate) names: Vec<String>,
}

/// Greylisting of suspicious clients alone: how long each waits. Nothing set: all strangers wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Suspicious {
    #[serde(deserialize_with = "span")]
    pub(crate) no_name: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) dynamic_name: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) listed: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) first_seen_domain: Option<Duration>,
}

/// postgrey's files of who is not greylisted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Postgrey {
    pub(crate) whitelist_clients: Vec<PathBuf>,
    pub(crate) whitelist_recipients: Vec<PathBuf>,
}

/// Clients that were told to wait and never came back.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NeverReturned {
    pub(crate) action: Offence,
    /// For `action = "delay"`.
    #[serde(deserialize_with = "units::duration")]
    pub(crate) delay: Duration,
    pub(crate) pairs: usize,
    pub(crate) days: usize,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) remembered_for: Duration,
}

impl Default for NeverReturned {
    fn default() -> Self {
        let settings = policy::returns::Settings::default();
        Self {
            action: Offence::Count,
            delay: Duration::from_secs(3600),
            pairs: settings.pairs,
            days: settings.days,
            remembered_for: settings.remembered_for,
        }
    }
}

/// What a listed client meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Offence {
    Count,
    Delay,
    Reject,
}

/// The reply for one reason, where it is not the usual one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) code: Option<u16>,
    pub(crate) status: Option<String>,
    pub(crate) text: Option<ReplyText>,
}

/// Replies by the reason's name.
pub(crate) type Replies = BTreeMap<String, Answer>;

/// The reason of this name, where its reply can be set here.
pub(crate) fn reason(name: &str) -> Option<Reason> {
    Reason::ALL
        .into_iter()
        .filter(|reason| !matches!(reason, Reason::Greylist | Reason::Denied))
        .find(|reason| reason.name() == name)
}

fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<Limit, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(de::Error::custom)
}

fn limit_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Limit>, D::Error> {
    limit(from).map(Some)
}

/// Each rule that reserves nothing, once.
pub(super) fn order<'de, D: Deserializer<'de>>(from: D) -> Result<Order, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let rules: Result<Vec<_>, _> = names
        .iter()
        .map(|name| {
            let all = ReadOnly::ALL.map(ReadOnly::name).join(", ");
            let wrong = || format!("\"{name}\" is no rule whose place can be set: write {all}");
            ReadOnly::named(name).ok_or_else(wrong)
        })
        .collect();
    let rules = rules.map_err(de::Error::custom)?;
    Order::new(&rules).map_err(de::Error::custom)
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    units::duration(from).map(Some)
}

/// What can't be said in types.
pub(super) fn check(config: &Config, found: &mut Found) {
    for (n, rate) in config.rates.iter().enumerate() {
        let mut earlier = config.rates[..n].iter();
        let what = if rate.name.is_empty() || rate.name.starts_with('.') {
            "write a name that begins with no dot"
        } else if earlier.any(|other| other.name == rate.name) {
            "is there twice"
        } else if rate.count == Count::Connections && rate.per != Per::Client {
            "connections can only be counted per client"
        } else {
            continue;
        };
        found.add(Wrong::new("rates", format!("{:?}: {what}", rate.name)));
    }
    let never = &config.never_returned;
    if never.action == Offence::Delay && config.greylist.mode == GreylistMode::Off {
        let what = "\"delay\" is a longer greylisting, and greylist.mode is \"off\": write \"reject\" or \"count\"";
        found.add(Wrong::new("never_returned.action", what));
    }
    if never.days == 0 || never.pairs < never.days || never.pairs > policy::returns::PAIRS_KEPT {
        let most = policy::returns::PAIRS_KEPT;
        let what = format!("days must be at least 1, and pairs from days to {most}");
        found.add(Wrong::new("never_returned", what));
    }
    for (name, answer) in &config.replies {
        if let Err(what) = check_reply(name, answer) {
            found.add(Wrong::new("replies", format!("{name}: {what}")));
        }
    }
}

fn check_reply(name: &str, answer: &Answer) -> Result<(), String> {
    if reason(name).is_none() {
        let names = Reason::ALL.iter().map(|reason| reason.name());
        let all: Vec<_> = names.filter(|name| reason(name).is_some()).collect();
        return Err(format!("is no reason: write one of {}", all.join(", ")));
    }
    if (answer.code).is_some_and(|code| !(400..500).contains(&code) || code == 421) {
        return Err(
            "a temporary failure has a code from 400 to 499, and 421 would close the session"
                .to_owned(),
        );
    }
    let status = answer.status.as_deref();
    if status.is_some_and(|status| smtp::Status::parse(status).is_none_or(|status| status.0 != 4)) {
        return Err("write an enhanced status such as 4.2.1".to_owned());
    }
    Ok(())
}
