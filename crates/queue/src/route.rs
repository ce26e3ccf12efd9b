//! Where a domain's mail goes, before any DNS.

use std::fmt;

/// A destination: mail for the same one can share a session. Displayed in logs and used as the key of lanes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Mailboxes on this machine.
    Local,
    /// By MX look-up of this domain (lower case, A-labels).
    Mx(String),
    /// A configured next hop: host name or address, and port. No MX look-up.
    Relay {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Mailboxes that another server keeps, by LMTP (RFC 2033).
    Lmtp(LmtpServer),
}

/// Where an LMTP server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LmtpServer {
    /// A unix socket, by its path.
    Socket(String),
    /// Over TCP.
    Host {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for LmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{path}"),
            Self::Host { host, port } => write!(f, "inet:[{host}]:{port}"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Mx(domain) => f.write_str(domain),
            Self::Relay { host, port } => write!(f, "[{host}]:{port}"),
            Self::Lmtp(server) => write!(f, "lmtp:{server}"),
        }
    }
}

/// What the configuration says about where mail goes. Pure: the same answer for the same address.
pub trait Routes {
    /// The destination of an address (`local@domain`; no domain: `postmaster`).
    fn destination(&self, address: &str) -> Destination;
}
