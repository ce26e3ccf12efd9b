//! What a configuration has to be beyond what can be said in types.

use super::Config;
use crate::directory::{AliasTrouble, Directory};

/// What is wrong with which key.
#[derive(Debug)]
pub(super) struct Wrong {
    /// From the top.
    pub(super) key: Vec<String>,
    pub(super) what: String,
}

impl Wrong {
    /// Of a key that has no dots of its own.
    pub(super) fn new(dotted: &str, what: impl Into<String>) -> Self {
        Self {
            key: dotted.split('.').map(str::to_owned).collect(),
            what: what.into(),
        }
    }

    /// Of a name that the administrator chose.
    fn entry(table: &str, name: &str, what: impl Into<String>) -> Self {
        let mut wrong = Self::new(table, what);
        wrong.key.push(name.to_owned());
        wrong
    }
}

/// The first thing that is wrong.
pub(super) fn check(config: &Config) -> Result<(), Wrong> {
    check_names(config)?;
    check_greylist(config)?;
    super::checks::check(&config.checks)?;
    super::limiting::check(config)?;
    check_policy(config)?;
    check_numbers(config)?;
    check_mailboxes(config)?;
    check_routes(config)?;
    check_aliases(config)
}

fn require(holds: bool, key: &str, what: &str) -> Result<(), Wrong> {
    if holds {
        Ok(())
    } else {
        Err(Wrong::new(key, what))
    }
}

fn check_names(config: &Config) -> Result<(), Wrong> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    require(
        is_name(&config.hostname),
        "hostname",
        "write a host name such as mail.example.org",
    )?;
    require(
        !config.listen.is_empty(),
        "listen",
        "name at least one address, or nothing can come in",
    )?;
    for (n, listen) in config.listen.iter().enumerate() {
        let address = listen.address;
        let twice = config.listen[..n]
            .iter()
            .any(|other| other.address == address);
        if twice && address.port() != 0 {
            return Err(Wrong::new("listen", format!("{address} is there twice")));
        }
    }
    let tls = &config.tls;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => Err(Wrong::new(
            "tls.certificate",
            "certificate and key go together: add tls.key",
        )),
        (None, Some(_)) => Err(Wrong::new(
            "tls.key",
            "certificate and key go together: add tls.certificate",
        )),
        _ => Ok(()),
    }
}

fn check_greylist(config: &Config) -> Result<(), Wrong> {
    let greylist = &config.greylist;
    require(
        (400..500).contains(&greylist.code) && greylist.code != 421,
        "greylist.code",
        "a temporary failure has a code from 400 to 499, and 421 would close the session",
    )?;
    require(
        smtp::Status::parse(&greylist.status).is_some_and(|status| status.0 == 4),
        "greylist.status",
        "write an enhanced status such as 4.2.0",
    )?;
    require(
        (1..=32).contains(&greylist.v4_prefix),
        "greylist.v4_prefix",
        "a prefix of IPv4 is 1 to 32",
    )?;
    require(
        (1..=128).contains(&greylist.v6_prefix),
        "greylist.v6_prefix",
        "a prefix of IPv6 is 1 to 128",
    )?;
    require(
        greylist.window > greylist.delay,
        "greylist.window",
        "must be longer than the delay, or nobody ever gets in",
    )
}

fn check_policy(config: &Config) -> Result<(), Wrong> {
    let policy = &config.policy;
    let places: Vec<_> = policy.listen.iter().chain(&policy.milter).collect();
    for (n, place) in places.iter().enumerate() {
        let any_port = matches!(place, super::Place::Inet(address) if address.port() == 0);
        if places[..n].contains(place) && !any_port {
            let key = if n < policy.listen.len() {
                "policy.listen"
            } else {
                "policy.milter"
            };
            return Err(Wrong::new(key, format!("{place} is there twice")));
        }
    }
    Ok(())
}

fn check_numbers(config: &Config) -> Result<(), Wrong> {
    let (queue, delivery, limits) = (&config.queue, &config.delivery, &config.limits);
    require(
        !queue.first_backoff.is_zero() && queue.first_backoff <= queue.max_backoff,
        "queue.first_backoff",
        "must be above zero, and not above max_backoff",
    )?;
    require(
        limits.recipients >= 100,
        "limits.recipients",
        "RFC 5321 §4.5.3.1.8 asks for at least 100",
    )?;
    for (key, value) in [
        ("delivery.sessions_per_host", delivery.sessions_per_host),
        ("delivery.max_sessions", delivery.max_sessions),
        ("delivery.recipients_per_mail", delivery.recipients_per_mail),
        ("limits.connections", limits.connections),
        (
            "limits.connections_per_client",
            limits.connections_per_client,
        ),
        ("queue.max_active", queue.max_active),
        ("policy.connections", config.policy.connections),
    ] {
        require(value != 0, key, "must be at least 1")?;
    }
    Ok(())
}

fn check_mailboxes(config: &Config) -> Result<(), Wrong> {
    let local = &config.local;
    let wrong = |address: &str, what: &str| Err(Wrong::entry("local.mailboxes", address, what));
    if let Some(server) = &local.lmtp {
        crate::routes::parse_lmtp(server).map_err(|what| Wrong::new("local.lmtp", what))?;
    }
    require(
        local.quota.is_none_or(|octets| octets > 0),
        "local.quota",
        "with no room at all nothing can be delivered: write a size, or leave it out for no quota",
    )?;
    for (address, maildir) in local.named_mailboxes() {
        let Some((user, domain)) = address.rsplit_once('@') else {
            return wrong(address, "has no domain: write user@domain or *@domain");
        };
        let here = |local: &String| local.eq_ignore_ascii_case(domain);
        if !local.domains.iter().any(here) {
            return wrong(address, "its domain is not in local.domains");
        }
        let lmtp = crate::routes::lmtp_of_mailbox(maildir);
        if let Some(Err(what)) = &lmtp {
            return wrong(address, what);
        }
        if user == "*" && lmtp.is_none() && !maildir.to_string_lossy().contains("{user}") {
            return wrong(
                address,
                "needs {user} in its path, or all users share one mailbox",
            );
        }
    }
    Ok(())
}

fn check_routes(config: &Config) -> Result<(), Wrong> {
    let delivery = &config.delivery;
    if let Some(hop) = &delivery.smarthost {
        crate::routes::parse_hop(hop).map_err(|what| Wrong::new("delivery.smarthost", what))?;
    }
    for (domain, hop) in &delivery.routes {
        crate::routes::parse_route(hop)
            .map_err(|what| Wrong::entry("delivery.routes", domain, what))?;
    }
    Ok(())
}

fn check_aliases(config: &Config) -> Result<(), Wrong> {
    let directory = Directory::new(config);
    for (name, to) in &config.aliases {
        if to.is_empty() {
            return Err(Wrong::entry("aliases", name, "leads to nobody"));
        }
        directory
            .try_alias(name, &config.local.domains)
            .map_err(|trouble| {
                let what = match trouble {
                    AliasTrouble::Loop(circle) => {
                        format!("runs in a circle: {}", circle.join(" -> "))
                    }
                    AliasTrouble::NoMailbox(address) => {
                        format!("leads to itself, and {address} has no mailbox in local.mailboxes")
                    }
                    AliasTrouble::TooDeep => "leads from alias to alias too often".to_owned(),
                    AliasTrouble::TooMany => "leads to too many addresses".to_owned(),
                };
                Wrong::entry("aliases", name, what)
            })?;
    }
    Ok(())
}
