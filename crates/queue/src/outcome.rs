//! What an attempt gave.

use std::net::IpAddr;

use retry_hint::{Answered, Hint};
use smtp::Status;

use crate::hold::{HoldKey, HostKey};

/// What one attempt gave: an outcome for each recipient it was made for, and what it learned about hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// By the recipient's index in the message.
    pub outcomes: Vec<(u32, Outcome)>,
    /// In the order they were met.
    pub hosts: Vec<(HostKey, HostEvent)>,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the next hop's hands, or in the mailbox.
    Delivered(Delivered),
    /// For good.
    Failed(Problem),
    /// For now.
    Deferred(Deferral),
    /// No attempt was made: a hold or a limit of our own stood before it. Neither attempts nor back-off advance.
    NotTried {
        /// The hold to park it under; `None`: due again in a moment.
        parked: Option<HoldKey>,
    },
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// `mx.b.example[192.0.2.1]:25`, `unix:/run/lmtp` or `local`.
    pub relay: String,
    /// The reply (or "delivered to mailbox").
    pub reply: String,
    /// The status, 2.y.z.
    pub status: Status,
    /// Into a mailbox (RFC 3464 `delivered`), here or over LMTP, rather than to another host.
    pub local: bool,
    /// The next hop took the DSN parameters, so it answers for NOTIFY=SUCCESS. Otherwise a `relayed` notice is ours.
    pub dsn_passed_on: bool,
    /// The version of TLS it went over, as logs name it (`TLSv1.3`); `None`: in clear, or into a mailbox.
    pub tls: Option<&'static str>,
}

/// Why it did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status, 4.y.z or 5.y.z: the peer's, or ours.
    pub status: Status,
    /// The peer's reply in full (lines separated by CRLF, with their codes), or our own words.
    pub text: String,
    /// `text` is a peer's reply.
    pub remote: bool,
    /// `mx.b.example[192.0.2.1]:25`, `none` where none was reached.
    pub relay: String,
    /// What the reply answered.
    pub answered: Option<Answered>,
    /// The version of TLS of the session that was ready for the mail, as logs name it, or `none` in clear. `None` where
    /// there was no such session.
    pub tls: Option<&'static str>,
}

/// A problem that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// What it was.
    pub problem: Problem,
    /// The hint in the reply, unclamped.
    pub hint: Option<Hint>,
    /// Who gave it.
    pub host: Option<HostKey>,
    /// Our own address of the connection that it came over.
    pub local: Option<IpAddr>,
}

/// What an attempt learned about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// A session came up and took a mail.
    Works,
    /// Could not be reached, or broke off: its own back-off.
    Unreachable(String),
    /// 421, or a 4yz greeting or EHLO, in full: a wait for all mail to it, as hinted or by its own back-off.
    Refused {
        /// The reply in full.
        reply: String,
        /// Its hint.
        hint: Option<Hint>,
    },
}
