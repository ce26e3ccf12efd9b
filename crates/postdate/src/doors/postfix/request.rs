//! Postfix's policy request: `name=value` lines, ended by an empty one (SMTPD_POLICY_README).

use std::fmt;
use std::net::IpAddr;

use policy::{Event, Stage};

/// The largest request, in octets. Postfix's own attributes take about one thousand; a certificate's names a few more.
pub(super) const MAX_REQUEST: usize = 16 * 1024;

/// The last line's end, and an empty line.
const END: &[u8] = b"\n\n";

/// Octets that came, cut into requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    octets: Vec<u8>,
    /// What of it was searched for an end already.
    searched: usize,
    /// There was a request before.
    begun: bool,
}

/// What Postfix asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    stage: Option<Stage>,
    client: Option<IpAddr>,
    helo: String,
    user: String,
    sender: String,
    recipient: String,
    size: u64,
    /// The client's name, confirmed forward; empty where Postfix knows none.
    pub(super) client_name: String,
    /// The client's name as its PTR record has it.
    pub(super) reverse_client_name: String,
    /// Names one mail of one session.
    pub(super) instance: String,
    /// With the address, names one session. Releases before 3.0 leave it out.
    client_port: String,
    /// `ESMTP` and the like.
    pub(super) protocol: String,
}

/// Why octets are no request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It goes on beyond [`MAX_REQUEST`]: where it ends can't be known.
    TooLong,
    /// The first thing that is said is an empty line: whoever says that waits for an answer.
    Empty,
    /// A line without `=`.
    NoEquals,
    /// `request` is not `smtpd_access_policy`, or is not there.
    NotPolicy,
    /// This attribute is needed at this stage.
    Missing(&'static str),
    /// This attribute's value makes no sense.
    Bad(&'static str),
    /// The connection ended, or nothing came, in the middle of it.
    Half,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "request of more than {MAX_REQUEST} octets"),
            Self::Empty => f.write_str("an empty request"),
            Self::NoEquals => f.write_str("a line without '=': is this Postfix's policy protocol?"),
            Self::NotPolicy => f.write_str("no request=smtpd_access_policy"),
            Self::Missing(name) => write!(f, "attribute {name} is missing"),
            Self::Bad(name) => write!(f, "attribute {name} makes no sense"),
            Self::Half => f.write_str("a request without its end: an empty line"),
        }
    }
}

impl Malformed {
    /// Whether the connection has to be closed: what follows can't be told apart.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::TooLong | Self::Empty | Self::NoEquals | Self::Half
        )
    }
}

impl Requests {
    /// What came is appended here. Who takes every request that is there before it reads again, in pieces of a bounded
    /// length, never holds more than one request and one piece.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    /// The next whole request, if one is there.
    pub(super) fn next(&mut self) -> Option<Result<Request, Malformed>> {
        if self.octets.first() == Some(&b'\n') {
            if !self.begun {
                return Some(Err(Malformed::Empty));
            }
            // Scripts end a request with one empty line more.
            let lines = self.octets.iter().take_while(|octet| **octet == b'\n');
            self.octets.drain(..lines.count());
            self.searched = 0;
        }
        let from = self.searched.saturating_sub(1);
        let end = self.octets[from..]
            .windows(END.len())
            .position(|two| two == END)
            .map(|at| from + at);
        let Some(end) = end.filter(|&end| end <= MAX_REQUEST) else {
            self.searched = self.octets.len();
            let too_long = self.octets.len() >= MAX_REQUEST + END.len();
            return too_long.then_some(Err(Malformed::TooLong));
        };
        let request = Request::parse(&self.octets[..end]);
        self.octets.drain(..end + END.len());
        self.begun = true;
        self.searched = 0;
        Some(request)
    }

    /// Something came that is not yet a whole request.
    pub(super) fn is_half(&self) -> bool {
        !self.octets.is_empty()
    }
}

impl Request {
    fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let text = String::from_utf8_lossy(octets);
        let mut kind = None;
        let mut state = "";
        let mut request = Self {
            stage: None,
            client: None,
            helo: String::new(),
            user: String::new(),
            sender: String::new(),
            recipient: String::new(),
            size: 0,
            client_name: String::new(),
            reverse_client_name: String::new(),
            instance: String::new(),
            client_port: String::new(),
            protocol: String::new(),
        };
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').ok_or(Malformed::NoEquals)?;
            let own = || value.to_owned();
            match name {
                "request" => kind = Some(value),
                "protocol_state" => state = value,
                "protocol_name" => request.protocol = own(),
                "client_address" => request.client = address(value)?,
                "client_name" => request.client_name = named(value),
                "reverse_client_name" => request.reverse_client_name = named(value),
                "helo_name" => request.helo = own(),
                "sender" => request.sender = own(),
                "recipient" => request.recipient = own(),
                "instance" => request.instance = own(),
                "client_port" => request.client_port = own(),
                "sasl_username" => request.user = own(),
                "size" if value.is_empty() => {}
                "size" => request.size = value.parse().map_err(|_| Malformed::Bad("size"))?,
                // There are more, and later releases bring more still.
                _ => {}
            }
        }
        if kind != Some("smtpd_access_policy") {
            return Err(Malformed::NotPolicy);
        }
        request.stage = stage(state);
        request.complete()
    }

    fn complete(self) -> Result<Self, Malformed> {
        if self.client.is_none() {
            return Err(Malformed::Missing("client_address"));
        }
        if self.stage == Some(Stage::Recipient) && self.recipient.is_empty() {
            return Err(Malformed::Missing("recipient"));
        }
        Ok(self)
    }

    /// Whether both are of one session of one client. One connection of Postfix's brings one session after the other.
    pub(super) fn same_session(&self, other: &Self) -> bool {
        let named = !self.client_port.is_empty();
        self.client == other.client
            && self.client_port == other.client_port
            && (named || self.same_mail(other))
    }

    /// Whether both are of one mail, given that they are of one session.
    pub(super) fn same_mail(&self, other: &Self) -> bool {
        self.instance == other.instance && self.sender == other.sender
    }

    /// The event that it stands for; `None` where there is nothing to judge (`VRFY`, `ETRN`, `DATA`).
    pub(super) fn event(&self) -> Option<Event<'_>> {
        let stage = self.stage?;
        let client = self.client?;
        let recipient = match stage {
            Stage::Recipient => self.recipient.as_str(),
            _ => "",
        };
        Some(Event {
            stage,
            client,
            helo: &self.helo,
            user: (!self.user.is_empty()).then_some(self.user.as_str()),
            sender: &self.sender,
            recipient,
            size: self.size,
        })
    }
}

/// At `DATA` Postfix has nothing to say that it hasn't said at `RCPT`.
fn stage(state: &str) -> Option<Stage> {
    match state {
        "CONNECT" => Some(Stage::Connect),
        "HELO" | "EHLO" => Some(Stage::Helo),
        "MAIL" => Some(Stage::Mail),
        // Who asks without a state is a script that speaks postgrey's subset.
        "RCPT" | "" => Some(Stage::Recipient),
        "END-OF-MESSAGE" => Some(Stage::Message),
        _ => None,
    }
}

/// A client on a unix socket, or one whose address Postfix doesn't know, is this machine.
fn address(value: &str) -> Result<Option<IpAddr>, Malformed> {
    match value {
        "" => Ok(None),
        "unknown" => Ok(Some(IpAddr::from([127, 0, 0, 1]))),
        _ => {
            let plain = value.strip_prefix("IPv6:").unwrap_or(value);
            let plain = plain.split_once('%').map_or(plain, |(address, _)| address);
            plain
                .parse()
                .map(Some)
                .map_err(|_| Malformed::Bad("client_address"))
        }
    }
}

fn named(value: &str) -> String {
    if value.eq_ignore_ascii_case("unknown") {
        String::new()
    } else {
        value.trim_end_matches('.').to_ascii_lowercase()
    }
}
