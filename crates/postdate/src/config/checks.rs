//! `[checks]`: what is looked up in the DNS about clients and senders.

use std::time::Duration;

use serde::Deserialize;

use super::rules::{Found, Wrong};
use super::{Networks, units};

/// What is looked up. Nothing is for clients on loopback and in private networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Checks {
    /// Over all look-ups of one step of a session.
    #[serde(deserialize_with = "units::duration")]
    pub(crate) time_limit: Duration,
    pub(crate) spf: Spf,
    pub(crate) reverse_name: ReverseName,
    pub(crate) sender_domain: Mode,
    pub(crate) dmarc: Mode,
    pub(crate) blocklists: Vec<Blocklist>,
    /// From this sum of scores on a client is refused.
    pub(crate) reject_score: u32,
    /// Zones. Whoever is on one is neither greylisted nor refused for blocklists.
    pub(crate) allowlists: Vec<String>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(5),
            spf: Spf::default(),
            reverse_name: ReverseName::default(),
            sender_domain: Mode::Off,
            dmarc: Mode::Off,
            blocklists: Vec::new(),
            reject_score: 10,
            allowlists: Vec::new(),
        }
    }
}

/// What SPF is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Spf {
    Off,
    /// Groups the addresses of a sender in greylisting.
    #[default]
    Pool,
    /// The same, and refuses what fails.
    Reject,
}

/// What the client's name is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReverseName {
    Off,
    /// Groups the addresses of a sender in greylisting.
    #[default]
    Pool,
    /// The same, and refuses clients without one that leads back to them.
    Require,
}

/// Whether a check refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Off,
    Reject,
}

/// A block list in the DNS (RFC 5782).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Blocklist {
    pub(crate) zone: String,
    pub(crate) score: u32,
    /// The answers that count; empty: all in 127.0.0.0/8.
    pub(crate) answers: Networks,
    /// Without an answer a mail waits that the list could refuse.
    pub(crate) must_answer: bool,
}

impl Default for Blocklist {
    fn default() -> Self {
        Self {
            zone: String::new(),
            score: 10,
            answers: Networks::default(),
            must_answer: false,
        }
    }
}

/// No step of a session may take longer: Postfix gives up on a policy server after 100 s, and a look-up that is under
/// way for so long is asked anew by somebody else.
const TIME_LIMIT_MAX: Duration = policy::zone::LOOK_UP_MAX;

/// What can't be said in types.
pub(super) fn check(checks: &Checks, found: &mut Found) {
    let mut wrong = |key: &str, what: String| found.add(Wrong::new(&format!("checks.{key}"), what));
    if checks.time_limit.is_zero() || checks.time_limit > TIME_LIMIT_MAX {
        wrong("time_limit", "must be from 1s to 10s".to_owned());
    }
    if checks.reject_score == 0 {
        wrong(
            "reject_score",
            "must be at least 1, or every client is refused".to_owned(),
        );
    }
    for zone in &checks.allowlists {
        if !is_zone(zone) {
            wrong("allowlists", no_zone(zone));
        }
    }
    for list in &checks.blocklists {
        if !is_zone(&list.zone) {
            wrong("blocklists", no_zone(&list.zone));
        }
        let answers = &list.answers.0;
        if let Some(odd) = answers.iter().find(|answer| !answer.addr().is_loopback()) {
            let zone = &list.zone;
            wrong(
                "blocklists",
                format!("{zone}: {odd} is no answer of a list: they are 127.0.0.2 and the like"),
            );
        }
    }
}

fn is_zone(zone: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    zone.contains('.') && zone.len() <= 180 && zone.bytes().all(plain) && !zone.starts_with('.')
}

fn no_zone(zone: &str) -> String {
    format!("\"{zone}\" is no zone: write its name in the DNS, such as bl.example.org")
}
