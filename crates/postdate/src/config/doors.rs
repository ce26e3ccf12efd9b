//! The doors beside SMTP: where other mail servers ask.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use policy::engine::Order;
use serde::{Deserialize, Deserializer, de};

use super::limiting;

/// What other mail servers ask, and how they are answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Policy {
    /// Sockets for Postfix's policy protocol, which Exim's `${readsocket}` speaks too.
    pub(crate) listen: Vec<Place>,
    /// Sockets for the milter protocol.
    pub(crate) milter: Vec<Place>,
    /// Who may connect to a unix socket.
    pub(crate) socket_mode: Mode,
    /// The group of a unix socket: by name in /etc/group, or by number.
    pub(crate) socket_group: Option<String>,
    pub(crate) postfix_action: PostfixAction,
    pub(crate) on_failure: OnFailure,
    /// Of the rules that reserve nothing: who speaks first at a recipient.
    #[serde(deserialize_with = "limiting::order")]
    pub(crate) order: Order,
    /// Refuse at the recipient what could be refused at HELO and MAIL.
    pub(crate) delay_reject: bool,
    /// Open at once on one socket.
    pub(crate) connections: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            milter: Vec::new(),
            socket_mode: Mode(0o660),
            socket_group: None,
            postfix_action: PostfixAction::DeferIfPermit,
            on_failure: OnFailure::Open,
            order: Order::default(),
            delay_reject: true,
            connections: 1000,
        }
    }
}

/// Where a door listens when nothing is configured: postgrey's place.
pub(crate) fn postgreys_place() -> Place {
    Place::Inet(SocketAddr::from(([127, 0, 0, 1], 10023)))
}

/// How Postfix is told that a mail has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PostfixAction {
    /// Later restrictions may still refuse the mail for good.
    DeferIfPermit,
    /// The reply's own code, at once.
    Code,
}

/// What is said while the records can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailure {
    /// Nobody is asked to wait.
    Open,
    /// Everybody is.
    Closed,
}

/// Permissions, in octal digits: `"0660"`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err(de::Error::custom(format!(
                "\"{text}\" are no permissions: write \"0660\" or \"0666\""
            ))),
        }
    }
}

/// A socket's place, as Postfix writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// `inet:127.0.0.1:10023`
    Inet(SocketAddr),
    /// `unix:/run/postdate/policy`
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "inet:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = match text.split_once(':') {
            Some(("inet", address)) => address.parse().ok().map(Self::Inet),
            Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
            _ => None,
        };
        place.ok_or_else(|| {
            format!(
                "\"{text}\" is no socket: write inet:127.0.0.1:10023 or unix:/run/postdate/policy"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}
