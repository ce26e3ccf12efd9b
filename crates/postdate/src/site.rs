//! What a configuration means, worked out once: taken over whole by a reload.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use crate::config::Config;
use crate::directory::{Directory, Place};
use crate::quotas::{Quotas, Room};
use crate::routes::normal_domain;

/// A configuration and what follows from it.
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) directory: Arc<Directory>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) session: Arc<smtp::server::Settings>,
    /// For programs on this machine.
    pub(crate) local_session: Arc<smtp::server::Settings>,
    relay_domains: Vec<String>,
}

impl Site {
    /// From a configuration that was checked. `starttls`: there is a certificate to offer.
    pub(crate) fn new(config: Config, starttls: bool) -> Self {
        Self {
            directory: Arc::new(Directory::new(&config)),
            quotas: Arc::new(Quotas::new(config.local.quota)),
            session: Arc::new(session_settings(&config, starttls)),
            local_session: Arc::new(local_session_settings(&config)),
            relay_domains: config
                .relay
                .domains
                .iter()
                .map(|domain| normal_domain(domain))
                .collect(),
            config,
        }
    }

    /// What room this mailbox ([`crate::directory::Mailbox::name`]) has for a mail of so many octets, by the quota of its
    /// Maildir. `None`: there is none, or it takes counting to know. A look at one file; see [`Quotas::glance`].
    pub(crate) fn room(&self, mailbox: &str, octets: u64, now: SystemTime) -> Option<Room> {
        match self.directory.mailbox(mailbox)?.place {
            Place::Maildir(path) => self.quotas.glance(&path, octets, now),
            Place::Lmtp(_) => None,
        }
    }

    /// Whether mail to this domain is taken from anyone.
    pub(crate) fn relays_to(&self, domain: &str) -> bool {
        let domain = normal_domain(domain);
        self.relay_domains.contains(&domain)
    }

    /// Whether this client may send anywhere.
    pub(crate) fn relays_for(&self, client: IpAddr) -> bool {
        self.config.relay.networks.contains(client)
    }

    /// What a bare LF means from this client.
    pub(crate) fn bare_newline(&self, client: IpAddr) -> smtp::server::BareNewline {
        let limits = &self.config.limits;
        if limits.bare_newline == crate::config::BareNewline::Normalize
            || limits.bare_newline_normalize.contains(client)
        {
            smtp::server::BareNewline::Normalize
        } else {
            smtp::server::BareNewline::Reject
        }
    }
}

fn session_settings(config: &Config, starttls: bool) -> smtp::server::Settings {
    let limits = &config.limits;
    let octets = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    smtp::server::Settings {
        hostname: config.hostname.clone(),
        max_size: limits.message_size,
        max_recipients: limits.recipients,
        max_recipient_commands: limits.recipients.saturating_mul(2),
        max_command_line: 2048,
        max_text_line: octets(limits.text_line),
        max_header: octets(limits.header_size),
        max_received: limits.max_received,
        max_errors: limits.errors,
        max_idle_commands: limits.idle_commands,
        command_timeout: limits.command_timeout,
        data_timeout: limits.data_timeout,
        data_total_timeout: limits.data_total_timeout,
        starttls,
    }
}

/// Recipients of one mail that a program on this machine submits: it goes whole or not at all, so that it can't be sent
/// in several transactions.
pub(crate) const LOCAL_RECIPIENTS: usize = 50_000;

fn local_session_settings(config: &Config) -> smtp::server::Settings {
    let recipients = config.limits.recipients.max(LOCAL_RECIPIENTS);
    smtp::server::Settings {
        max_recipients: recipients,
        max_recipient_commands: recipients.saturating_mul(2),
        ..session_settings(config, false)
    }
}

/// The site in force; a reload puts another one in its place.
pub(crate) struct SharedSite(RwLock<Arc<Site>>);

impl SharedSite {
    pub(crate) fn new(site: Site) -> Self {
        Self(RwLock::new(Arc::new(site)))
    }

    pub(crate) fn get(&self) -> Arc<Site> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, site: Site) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
    }
}
