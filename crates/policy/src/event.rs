//! What a door asks about: one step of a session, in the words of SMTP.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::address;

/// How far the session is. Later stages see all that earlier ones saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The client connected. Only its address is known.
    Connect,
    /// It gave its name.
    Helo,
    /// It named the sender.
    Mail,
    /// It named one recipient. Nearly everything is decided here: it is where a refusal costs least, and where a
    /// Postfix asks.
    Recipient,
    /// The content is whole; its true size is known.
    Message,
}

/// One step of one session.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// How far the session is.
    pub stage: Stage,
    /// The client's address. An IPv4 address written as IPv6 is an IPv4 address.
    pub client: IpAddr,
    /// The name it gave with HELO or EHLO; empty when it gave none.
    pub helo: &'a str,
    /// Who logged in.
    pub user: Option<&'a str>,
    /// The reverse-path without its brackets; empty for the null sender, and before [`Stage::Mail`].
    pub sender: &'a str,
    /// The forward-path without its brackets; empty before [`Stage::Recipient`], and at [`Stage::Message`].
    pub recipient: &'a str,
    /// Octets: announced with SIZE (RFC 1870), or counted at [`Stage::Message`]; 0 when nobody said.
    pub size: u64,
}

/// An event with its addresses as they are meant: no rule tells `"a"@x` from `a@x` (RFC 5321 §4.1.2), or a client would
/// have as many names as it likes.
pub(crate) struct Meant<'a> {
    event: Event<'a>,
    sender: Cow<'a, str>,
    recipient: Cow<'a, str>,
}

impl<'a> Event<'a> {
    pub(crate) fn meant(&self) -> Meant<'a> {
        Meant {
            event: *self,
            sender: address::meant(self.sender),
            recipient: address::meant(self.recipient),
        }
    }
}

impl Meant<'_> {
    pub(crate) fn event(&self) -> Event<'_> {
        Event {
            sender: &self.sender,
            recipient: &self.recipient,
            ..self.event
        }
    }
}
