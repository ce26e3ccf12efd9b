//! Whom an entry is about.

use crate::address;
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::IpAddr;

/// Octets of a pattern (RFC 5321 §4.5.3.1: 64 + 1 + 255).
pub const PATTERN_MAX: usize = 320;

/// The sender of notices, in text.
const NULL_SENDER: &str = "<>";

/// A client network, a sender or a recipient.
///
/// A pattern is an address (`user@example.org`), a domain (`example.org`, also written `@example.org`), or all below a
/// domain (`.example.org`, which is not `example.org` itself). It is held in lower case, its domain in A-labels, and read
/// with the brackets of a log or without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The client is in this network.
    Client(IpNet),
    /// The reverse-path falls under this pattern; the empty one is the null sender of notices, written `<>`.
    Sender(String),
    /// The forward-path falls under this pattern.
    Recipient(String),
}

/// Why a text names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// Neither `client`, `sender` nor `recipient`.
    Kind(String),
    /// No address and no network.
    Network(String),
    /// No address, no domain.
    Pattern(String),
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "{kind:?} is none of client, sender, recipient"),
            Self::Network(text) => write!(
                f,
                "{text:?} is no address and no network, like 192.0.2.7, 192.0.2.0/24, 2001:db8::/32"
            ),
            Self::Pattern(text) => write!(
                f,
                "{text:?} is no address and no domain, like user@example.org, example.org, .example.org"
            ),
        }
    }
}

impl std::error::Error for SubjectError {}

impl Subject {
    /// Reads a subject, of the kind `client`, `sender` or `recipient`.
    pub fn parse(kind: &str, text: &str) -> Result<Self, SubjectError> {
        match kind {
            "client" => Self::client(text),
            "sender" => Self::sender(text),
            "recipient" => Self::recipient(text),
            _ => Err(SubjectError::Kind(kind.to_owned())),
        }
    }

    /// A client network: an address, or a network with its length. What is beyond the length is cut off.
    pub fn client(text: &str) -> Result<Self, SubjectError> {
        let text = text.trim();
        let net = match text.parse::<IpAddr>() {
            Ok(addr) => Some(IpNet::from(addr)),
            Err(_) => text.parse().ok(),
        };
        net.map(|net| Self::Client(plain(net)))
            .ok_or_else(|| SubjectError::Network(text.to_owned()))
    }

    /// A sender; `<>` is the null sender.
    pub fn sender(text: &str) -> Result<Self, SubjectError> {
        match text.trim() {
            NULL_SENDER => Ok(Self::Sender(String::new())),
            text => pattern(text).map(Self::Sender),
        }
    }

    /// A recipient.
    pub fn recipient(text: &str) -> Result<Self, SubjectError> {
        pattern(text).map(Self::Recipient)
    }

    /// `client`, `sender`, `recipient`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Sender(_) => "sender",
            Self::Recipient(_) => "recipient",
        }
    }

    /// The network or the pattern.
    pub fn text(&self) -> String {
        match self {
            Self::Client(net) => net.to_string(),
            Self::Sender(pattern) if pattern.is_empty() => NULL_SENDER.to_owned(),
            Self::Sender(pattern) | Self::Recipient(pattern) => pattern.clone(),
        }
    }
}

/// `client 192.0.2.0/24`
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.text())
    }
}

/// As clients are compared: cut to its length, and an IPv4 network written as IPv6 is an IPv4 network.
pub(super) fn plain(net: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let net = net.trunc();
    match (
        net.addr().to_canonical(),
        net.prefix_len().checked_sub(MAPPED),
    ) {
        (IpAddr::V4(addr), Some(length)) if matches!(net, IpNet::V6(_)) => {
            Ipv4Net::new(addr, length).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

fn pattern(text: &str) -> Result<String, SubjectError> {
    let refused = || SubjectError::Pattern(text.to_owned());
    let plain = text.trim();
    let inside = plain
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    let plain = inside.unwrap_or(plain);
    let plain = address::plain(plain.strip_prefix('@').unwrap_or(plain)).into_owned();
    let (local, domain) = plain.rsplit_once('@').unwrap_or(("", &plain));
    let labels = match plain.contains('@') {
        true => domain,
        false => domain.strip_prefix('.').unwrap_or(domain),
    };
    // `[192.0.2.7]` is a domain too (RFC 5321 §4.1.3); what a local part may hold is left to who made the address.
    let letter = |char: char| char.is_alphanumeric() || "-_.[]:".contains(char);
    let is_domain = !labels.is_empty()
        && labels.chars().all(letter)
        && labels.split('.').all(|label| !label.is_empty());
    // `"a b"@example.org` (RFC 5321 §4.1.2).
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let is_clean = !plain
        .chars()
        .any(|char| char.is_control() || (char == ' ' && !is_quoted));
    let has_local = !plain.starts_with('@');
    if is_domain && is_clean && has_local && plain.len() <= PATTERN_MAX {
        Ok(plain)
    } else {
        Err(refused())
    }
}
