//! Who is not greylisted at all: decided before the table is asked.

use super::Visit;
use crate::address::{parts, plain};
use ipnet::IpNet;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

/// Whom the administrator exempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemptions {
    /// Mail from the null sender: notices, and call-outs that ask whether an address exists (yes).
    pub null_sender: bool,
    /// Mail to `<postmaster>` and to postmaster at any domain (yes; RFC 5321 §4.5.1).
    pub postmaster: bool,
    /// Clients that have logged in (yes).
    pub authenticated: bool,
    /// Networks that may relay (those the server relays for).
    pub relay: Vec<IpNet>,
    /// Further client networks (none).
    pub networks: Vec<IpNet>,
    /// Domains of senders (none).
    pub domains: AddressList,
    /// Recipients (none).
    pub recipients: AddressList,
}

impl Default for Exemptions {
    fn default() -> Self {
        Self {
            null_sender: true,
            postmaster: true,
            authenticated: true,
            relay: Vec::new(),
            networks: Vec::new(),
            domains: AddressList::default(),
            recipients: AddressList::default(),
        }
    }
}

/// A set of addresses and domains, that ignores case and needless quotes.
///
/// An entry is an address (`user@example.org`), a domain (`example.org`, also written `@example.org`), or a domain
/// with everything below it (`.example.org`, which is not `example.org` itself). A domain stands for all its addresses.
/// The empty entry is the null sender, and nobody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList(HashSet<String>);

impl<S: AsRef<str>> FromIterator<S> for AddressList {
    fn from_iter<I: IntoIterator<Item = S>>(entries: I) -> Self {
        let compared = |entry: S| {
            let entry = entry.as_ref().trim();
            plain(entry.strip_prefix('@').unwrap_or(entry)).into_owned()
        };
        Self(entries.into_iter().map(compared).collect())
    }
}

impl AddressList {
    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry that `address` falls under: itself first, then its domain, then what its domain lies below. A host's
    /// name is a domain too.
    pub fn entry(&self, address: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let address = plain(address);
        let domain = address
            .rsplit_once('@')
            .map_or(&*address, |(_, domain)| domain);
        let below = domain.match_indices('.').map(|(dot, _)| &domain[dot..]);
        let domain = Some(domain).filter(|domain| !domain.is_empty());
        std::iter::once(&*address)
            .chain(domain)
            .chain(below)
            .find_map(|name| self.0.get(name))
            .map(String::as_str)
    }
}

/// What else bears on it, beside the visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The client has logged in.
    pub authenticated: bool,
}

/// Why a visit is not judged. Its text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// The client has logged in.
    Authenticated,
    /// The client is in this relay network.
    Relay(IpNet),
    /// The client is in this configured network.
    Network(IpNet),
    /// The mail has no sender.
    NullSender,
    /// The mail is for the postmaster.
    Postmaster,
    /// The sender falls under this configured entry.
    Domain(String),
    /// The recipient falls under this configured entry.
    Recipient(String),
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated => f.write_str("authenticated"),
            Self::Relay(network) => write!(f, "relay network {network}"),
            Self::Network(network) => write!(f, "network {network}"),
            Self::NullSender => f.write_str("null sender"),
            Self::Postmaster => f.write_str("postmaster"),
            Self::Domain(entry) => write!(f, "sender domain {entry}"),
            Self::Recipient(entry) => write!(f, "recipient {entry}"),
        }
    }
}

/// Why this visit is not to be judged, if so. What the client proved comes before what it merely says.
pub fn exemption(
    exemptions: &Exemptions,
    visit: &Visit<'_>,
    circumstances: Circumstances,
) -> Option<Exemption> {
    let postmaster = || parts(&plain(visit.recipient)).0 == "postmaster";
    if exemptions.authenticated && circumstances.authenticated {
        Some(Exemption::Authenticated)
    } else if let Some(network) = holding(&exemptions.relay, visit.client) {
        Some(Exemption::Relay(network))
    } else if let Some(network) = holding(&exemptions.networks, visit.client) {
        Some(Exemption::Network(network))
    } else if exemptions.null_sender && visit.sender.is_empty() {
        Some(Exemption::NullSender)
    } else if exemptions.postmaster && postmaster() {
        Some(Exemption::Postmaster)
    } else if let Some(entry) = exemptions.recipients.entry(visit.recipient) {
        Some(Exemption::Recipient(entry.to_owned()))
    } else {
        let entry = exemptions.domains.entry(visit.sender)?;
        Some(Exemption::Domain(entry.to_owned()))
    }
}

/// The first of `networks` that `client` is in. An IPv4 address written as IPv6 is an IPv4 address.
fn holding(networks: &[IpNet], client: IpAddr) -> Option<IpNet> {
    let client = client.to_canonical();
    networks
        .iter()
        .find(|network| network.contains(&client))
        .copied()
}
