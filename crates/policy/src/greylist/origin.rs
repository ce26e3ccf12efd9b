//! What a client may be found under: its network, or a name that it proved.

use ipnet::IpNet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One of the things a record is written under. Finding it under any of them is enough.
///
/// Its text is what the file holds: `192.0.2.0/24`, `spf:example.org`, `name:example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The client's network.
    Network(IpNet),
    /// The domain for which SPF passed: see [`Spf`](super::pool::Spf).
    Spf(Domain),
    /// The domain of its reverse name, which leads back to its address: see [`confirmed`](super::pool::confirmed).
    Name(Domain),
}

impl Origin {
    /// Whether passes make it known for good.
    ///
    /// Not a reverse name: a hoster gives all its customers names of one domain, and one that came back would let all
    /// of them in. It groups the visits of one triplet, and no more.
    pub fn can_be_known(&self) -> bool {
        !matches!(self, Self::Name(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Spf(domain) => write!(f, "spf:{domain}"),
            Self::Name(domain) => write!(f, "name:{domain}"),
        }
    }
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        // No network begins with letters that are no hexadecimal digits.
        let origin = if let Some(domain) = text.strip_prefix("spf:") {
            Domain::new(domain).map(Self::Spf)
        } else if let Some(domain) = text.strip_prefix("name:") {
            Domain::new(domain).map(Self::Name)
        } else {
            text.parse().ok().map(Self::Network)
        };
        origin.ok_or(NoOrigin)
    }
}

/// A text that names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOrigin;

impl fmt::Display for NoOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a network nor spf:DOMAIN nor name:DOMAIN")
    }
}

impl std::error::Error for NoOrigin {}

/// A domain as it is compared: in lower case, without the dot at its end. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Octets of the longest name (RFC 1035 §2.3.4, as text).
    const LONGEST: usize = 253;

    /// The domain, if it may be one: not empty, not too long, without spaces and control characters.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = name.to_lowercase();
        let fits = (1..=Self::LONGEST).contains(&name.len());
        let plain = name.chars().all(|c| !c.is_control() && !c.is_whitespace());
        (fits && plain).then(|| Self(name.into()))
    }

    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
