//! Holds: what makes a host or a mailbox wait, as one record with the mail parked under it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// An address and port that mail is delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(pub SocketAddr);

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is held. Its text form (`host 192.0.2.1:25`, `mailbox a@b.example`, `busy b.example`) is its key in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldKey {
    /// That host: it told us to wait, or can't be reached.
    Host(HostKey),
    /// That mailbox (domain in lower case): it told us to wait.
    Mailbox(String),
    /// A destination with as many mails in memory as may be: a limit of our own. Does not outlive a restart.
    Busy(String),
}

impl HoldKey {
    /// The key of the mailbox with this address.
    #[must_use]
    pub fn mailbox(address: &str) -> Self {
        Self::Mailbox(match address.rsplit_once('@') {
            Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
            None => address.to_owned(),
        })
    }
}

impl fmt::Display for HoldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host {host}"),
            Self::Mailbox(mailbox) => write!(f, "mailbox {mailbox}"),
            Self::Busy(destination) => write!(f, "busy {destination}"),
        }
    }
}

/// What was given is no hold's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl FromStr for HoldKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        let (kind, name) = s.split_once(' ').ok_or(BadKey)?;
        match kind {
            "host" => Ok(Self::Host(HostKey(name.parse().map_err(|_| BadKey)?))),
            "mailbox" => Ok(Self::Mailbox(name.to_owned())),
            "busy" => Ok(Self::Busy(name.to_owned())),
            _ => Err(BadKey),
        }
    }
}
