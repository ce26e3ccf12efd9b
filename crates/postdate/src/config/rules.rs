//! What a configuration has to be beyond what can be said in types.

use std::time::Duration;

use super::Config;
use super::model::Queue;

const MESSAGE_SIZE_MIN: u64 = 64 << 10;
const SPAN_MIN: Duration = Duration::from_secs(1);

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
    pub(super) fn entry(table: &str, name: &str, what: impl Into<String>) -> Self {
        let mut wrong = Self::new(table, what);
        wrong.key.push(name.to_owned());
        wrong
    }
}

/// What is wrong, key by key.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) Vec<Wrong>);

impl Found {
    pub(super) fn add(&mut self, wrong: Wrong) {
        self.0.push(wrong);
    }

    fn require(&mut self, holds: bool, key: &str, what: &str) {
        if !holds {
            self.add(Wrong::new(key, what));
        }
    }
}

/// All that is wrong.
pub(super) fn check(config: &Config) -> Vec<Wrong> {
    let mut found = Found::default();
    check_names(config, &mut found);
    check_greylist(config, &mut found);
    super::checks::check(&config.checks, &mut found);
    super::limiting::check(config, &mut found);
    check_policy(config, &mut found);
    check_numbers(config, &mut found);
    check_queue(&config.queue, &mut found);
    super::addresses::check(config, &mut found);
    found.0
}

fn check_names(config: &Config, found: &mut Found) {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    found.require(
        is_name(&config.hostname),
        "hostname",
        "write a host name such as mail.example.org",
    );
    found.require(
        !config.data_dir.as_os_str().is_empty(),
        "data_dir",
        "write a directory such as /var/lib/postdate",
    );
    let helo = config.delivery.helo.as_deref();
    found.require(
        helo.is_none_or(|helo| is_name(helo) || smtp::server::is_literal(helo)),
        "delivery.helo",
        "write a host name such as mail.example.org, or [192.0.2.1] for a host without one",
    );
    found.require(
        !config.listen.is_empty(),
        "listen",
        "name at least one address, or nothing can come in",
    );
    for (n, listen) in config.listen.iter().enumerate() {
        let address = listen.address;
        let twice = config.listen[..n]
            .iter()
            .any(|other| other.address == address);
        if twice && address.port() != 0 {
            found.add(Wrong::new("listen", format!("{address} is there twice")));
        }
    }
    let tls = &config.tls;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => found.add(Wrong::new(
            "tls.certificate",
            "certificate and key go together: add tls.key",
        )),
        (None, Some(_)) => found.add(Wrong::new(
            "tls.key",
            "certificate and key go together: add tls.certificate",
        )),
        _ => {}
    }
}

fn check_greylist(config: &Config, found: &mut Found) {
    let greylist = &config.greylist;
    found.require(
        (400..500).contains(&greylist.code) && greylist.code != 421,
        "greylist.code",
        "a temporary failure has a code from 400 to 499, and 421 would close the session",
    );
    found.require(
        smtp::Status::parse(&greylist.status).is_some_and(|status| status.0 == 4),
        "greylist.status",
        "write an enhanced status such as 4.2.0",
    );
    found.require(
        (1..=32).contains(&greylist.v4_prefix),
        "greylist.v4_prefix",
        "a prefix of IPv4 is 1 to 32",
    );
    found.require(
        (1..=128).contains(&greylist.v6_prefix),
        "greylist.v6_prefix",
        "a prefix of IPv6 is 1 to 128",
    );
    found.require(
        greylist.window > greylist.delay,
        "greylist.window",
        "must be longer than the delay, or nobody ever gets in",
    );
    for (key, bound) in [
        (
            "greylist.max_pending_per_network",
            greylist.max_pending_per_network,
        ),
        ("greylist.max_pending", greylist.max_pending),
        ("greylist.max_known", greylist.max_known),
    ] {
        found.require(
            bound != 0,
            key,
            "must be at least 1: it is a bound, and 0 is room for nobody",
        );
    }
}

fn check_policy(config: &Config, found: &mut Found) {
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
            found.add(Wrong::new(key, format!("{place} is there twice")));
        }
    }
}

fn check_numbers(config: &Config, found: &mut Found) {
    let (queue, delivery, limits) = (&config.queue, &config.delivery, &config.limits);
    found.require(
        limits.message_size >= MESSAGE_SIZE_MIN,
        "limits.message_size",
        "RFC 5321 §4.5.3.1.7 asks for at least 64KiB",
    );
    found.require(
        config.local.quota.is_none_or(|octets| octets > 0),
        "local.quota",
        "with no room at all nothing can be delivered: write a size, or leave it out for no quota",
    );
    for (key, octets) in [
        ("limits.header_size", limits.header_size),
        ("limits.text_line", limits.text_line),
    ] {
        found.require(octets >= 1000, key, "must be at least 1000 octets");
    }
    found.require(
        limits.recipients >= 100,
        "limits.recipients",
        "RFC 5321 §4.5.3.1.8 asks for at least 100",
    );
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    for (key, value) in [
        ("delivery.port", delivery.port.into()),
        (
            "delivery.mails_per_session",
            count(delivery.mails_per_session),
        ),
        ("limits.errors", count(limits.errors)),
        ("limits.idle_commands", count(limits.idle_commands)),
        ("limits.max_received", count(limits.max_received)),
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
        found.require(value != 0, key, "must be at least 1");
    }
    for (key, span) in [
        ("queue.lifetime", queue.lifetime),
        ("queue.notice_lifetime", queue.notice_lifetime),
        ("delivery.connect_timeout", delivery.connect_timeout),
        ("delivery.command_timeout", delivery.command_timeout),
        ("limits.command_timeout", limits.command_timeout),
        ("limits.data_timeout", limits.data_timeout),
        ("limits.data_total_timeout", limits.data_total_timeout),
    ] {
        found.require(span >= SPAN_MIN, key, "must be at least 1s");
    }
}

fn check_queue(queue: &Queue, found: &mut Found) {
    found.require(
        !queue.first_backoff.is_zero() && queue.first_backoff <= queue.max_backoff,
        "queue.first_backoff",
        "must be above zero, and not above max_backoff",
    );
    found.require(
        queue.delay_notice != Some(Duration::ZERO),
        "queue.delay_notice",
        "must be above zero, or each mail that is not sent at once is told of: write \"never\" for no notice",
    );
    // The default is nobody's mistake.
    let usual = Queue::default().delay_notice;
    let comes = queue
        .delay_notice
        .is_none_or(|after| after < queue.lifetime);
    found.require(
        comes || queue.delay_notice == usual,
        "queue.delay_notice",
        "must be shorter than lifetime, or it is never sent: write a shorter time, or \"never\"",
    );
}
