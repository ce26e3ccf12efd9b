//! The receiver's rules, as a configuration has them.

use std::path::Path;

use policy::engine::{Checks, Counted, Exempt, Greylisting, LimitRule, Mode, Rules, Scope};
use policy::greylist::exempt::Exemptions;
use policy::greylist::suspicion::Delays;
use policy::lists::postgrey::{Clients, Recipients, Trouble};
use policy::returns;

use crate::config::checks::{self, ReverseName, Spf};
use crate::config::limiting::{Count, Offence, Per, Rate, Suspicious};
use crate::config::{Config, GreylistMode};

/// The rules of a configuration that was checked. postgrey's files are read anew; what can't be read of them is logged.
pub(crate) fn rules_of(config: &Config) -> Rules {
    let exempt = &config.exempt;
    Rules {
        greylist: greylisting(config),
        exempt: Exempt {
            visit: Exemptions {
                networks: exempt.networks.0.clone(),
                domains: exempt.domains.iter().collect(),
                recipients: exempt.recipients.iter().collect(),
                ..Exempt::default().visit
            },
            names: exempt.names.iter().collect(),
            allow_listed: !config.checks.allowlists.is_empty(),
        },
        checks: checks_of(&config.checks),
        limits: config.rates.iter().map(limit).collect(),
        load: config.load.capacity,
        never_returned: never_returned(config),
        order: config.policy.order,
        early: !config.policy.delay_reject,
    }
}

fn greylisting(config: &Config) -> Greylisting {
    let greylist = &config.greylist;
    Greylisting {
        mode: match greylist.mode {
            GreylistMode::Enforce => Mode::Enforce,
            GreylistMode::Observe => Mode::Observe,
            GreylistMode::Off => Mode::Off,
        },
        settings: policy::greylist::Settings {
            delay: greylist.delay,
            window: greylist.window,
            known_after: greylist.known_after,
            known_for: greylist.known_for,
            v4_prefix: greylist.v4_prefix,
            v6_prefix: greylist.v6_prefix,
            max_pending_per_network: greylist.max_pending_per_network,
            max_pending: greylist.max_pending,
            max_known: greylist.max_known,
        },
        selective: selective(greylist.suspicious),
        pool_by_spf: config.checks.spf != Spf::Off,
        pool_by_name: config.checks.reverse_name != ReverseName::Off,
        exemptions: Exemptions {
            relay: config.relay.networks.0.clone(),
            networks: greylist.exempt_networks.0.clone(),
            domains: greylist.exempt_domains.iter().collect(),
            recipients: greylist.exempt_recipients.iter().collect(),
            ..Exemptions::default()
        },
        postgrey_clients: file(&config.greylist.postgrey.whitelist_clients, Clients::parse),
        postgrey_recipients: file(
            &config.greylist.postgrey.whitelist_recipients,
            Recipients::parse,
        ),
    }
}

fn selective(suspicious: Suspicious) -> Option<Delays> {
    (suspicious != Suspicious::default()).then_some(Delays {
        no_name: suspicious.no_name,
        dynamic_name: suspicious.dynamic_name,
        listed: suspicious.listed,
        first_seen_domain: suspicious.first_seen_domain,
    })
}

fn checks_of(checks: &checks::Checks) -> Checks {
    Checks {
        spf: checks.spf == Spf::Reject,
        reverse: checks.reverse_name == ReverseName::Require,
        sender_domain: checks.sender_domain == checks::Mode::Reject,
        dmarc: checks.dmarc == checks::Mode::Reject,
        reject_score: match checks.blocklists.is_empty() {
            true => 0,
            false => checks.reject_score,
        },
    }
}

fn limit(rate: &Rate) -> LimitRule {
    LimitRule {
        name: rate.name.clone(),
        of: match rate.count {
            Count::Connections => Counted::Connections,
            Count::Messages => Counted::Messages,
            Count::Recipients => Counted::Recipients,
            Count::Octets => Counted::Octets,
        },
        per: match rate.per {
            Per::Client => Scope::Client,
            Per::Helo => Scope::Helo,
            Per::Sender => Scope::Sender,
            Per::SenderDomain => Scope::SenderDomain,
            Per::SpfDomain => Scope::SpfDomain,
            Per::Recipient => Scope::Recipient,
            Per::RecipientDomain => Scope::RecipientDomain,
            Per::User => Scope::User,
        },
        limit: rate.limit,
    }
}

fn never_returned(config: &Config) -> returns::Settings {
    let never = &config.never_returned;
    returns::Settings {
        action: match never.action {
            Offence::Count => returns::Action::Count,
            Offence::Delay => returns::Action::Delay(never.delay),
            Offence::Reject => returns::Action::Reject,
        },
        pairs: never.pairs,
        days: never.days,
        remembered_for: never.remembered_for,
        ..returns::Settings::default()
    }
}

/// All files as one. A line that is in trouble doesn't hold; a file that can't be read holds nobody.
fn file<T>(paths: &[impl AsRef<Path>], parse: fn(&[u8]) -> (T, Vec<Trouble>)) -> T {
    let mut octets = Vec::new();
    for path in paths {
        let path = path.as_ref();
        match std::fs::read(path) {
            Ok(content) => {
                for trouble in parse(&content).1 {
                    tracing::warn!(target: "policy", "{}: {trouble}", path.display());
                }
                octets.extend(content);
                octets.push(b'\n');
            }
            Err(err) => {
                tracing::error!(target: "policy", "{}: {err}: nobody is exempted by it", path.display());
            }
        }
    }
    parse(&octets).0
}
