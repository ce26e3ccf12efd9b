//! The lines that OpenSMTPD writes to a filter: `smtpd-filters(7)`, versions 0.5 to 0.7.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The longest line, in octets: a line of content has 64 KiB at most.
pub(super) const MAX_LINE: usize = 80 * 1024;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All that there is to know of OpenSMTPD was said: register now.
    Ready,
    /// Something that happened in a session.
    Report { session: String, what: Report },
    /// A question, to be answered with its token.
    Question {
        session: String,
        token: String,
        what: Question,
    },
    /// Of no interest.
    Other,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    Connected {
        /// The name of its PTR record; empty when it has none.
        name: String,
        confirmed: bool,
        client: IpAddr,
    },
    Disconnected,
    Identified(String),
    /// Logged in.
    User(String),
    /// A mail ends without having come in.
    RolledBack,
    /// A mail has come in.
    Committed,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    Connect,
    Helo(String),
    Mail {
        sender: String,
        size: u64,
    },
    Recipient(String),
    Commit,
    /// A line of the content.
    Content(Vec<u8>),
    /// A phase that we didn't ask for.
    Other,
}

/// Why a line can't be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    TooLong,
    /// It has fewer fields than its kind needs.
    Short,
    /// A version that orders fields otherwise.
    Version(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a line of more than {MAX_LINE} octets"),
            Self::Short => f.write_str("a line with too few fields"),
            Self::Version(version) => write!(
                f,
                "filter protocol {version}: versions 0.5 to 0.7 are known (OpenSMTPD 6.7 and later)"
            ),
        }
    }
}

/// Reads one line, without its end.
pub(super) fn read(octets: &[u8]) -> Result<Line, Malformed> {
    let line = String::from_utf8_lossy(octets);
    let (kind, rest) = line.split_once('|').unwrap_or((&line, ""));
    match kind {
        "config" if rest == "ready" => Ok(Line::Ready),
        "report" => {
            // version, time, subsystem, event, session, and what depends on the event
            let [version, _, _, event, session, rest] = fields(rest)?;
            let what = report(event, rest, known(version)?);
            let session = session.to_owned();
            Ok(what.map_or(Line::Other, |what| Line::Report { session, what }))
        }
        "filter" => {
            let [version, _, _, phase, session, rest] = fields(rest)?;
            known(version)?;
            let (token, rest) = rest.split_once('|').unwrap_or((rest, ""));
            if token.is_empty() {
                return Err(Malformed::Short);
            }
            let what = match phase {
                "data-line" => Question::Content(content(octets)),
                _ => question(phase, rest),
            };
            Ok(Line::Question {
                session: session.to_owned(),
                token: token.to_owned(),
                what,
            })
        }
        _ => Ok(Line::Other),
    }
}

/// A line of content, octet by octet: it may be of any character set.
fn content(octets: &[u8]) -> Vec<u8> {
    const BEFORE: usize = 7;
    octets
        .splitn(BEFORE + 1, |&octet| octet == b'|')
        .nth(BEFORE)
        .unwrap_or_default()
        .to_vec()
}

/// So many fields; the last one has the rest. What is missing at the end is empty, what is missing before is an error.
fn fields<const N: usize>(text: &str) -> Result<[&str; N], Malformed> {
    let mut found = [""; N];
    let mut count = 0;
    for (place, field) in found.iter_mut().zip(text.splitn(N, '|')) {
        *place = field;
        count += 1;
    }
    // A report may end with the session.
    if count + 1 < N {
        return Err(Malformed::Short);
    }
    Ok(found)
}

/// The version's second number.
fn known(version: &str) -> Result<u8, Malformed> {
    match version {
        "0.5" => Ok(5),
        "0.6" => Ok(6),
        "0.7" => Ok(7),
        _ => Err(Malformed::Version(version.chars().take(16).collect())),
    }
}

fn report(event: &str, rest: &str, version: u8) -> Option<Report> {
    let (first, others) = rest.split_once('|').unwrap_or((rest, ""));
    match event {
        "link-connect" => {
            let mut others = others.split('|');
            let confirmed = others.next() == Some("pass");
            Some(Report::Connected {
                name: if first == "<unknown>" {
                    String::new()
                } else {
                    kept(first)
                },
                confirmed,
                client: address(others.next().unwrap_or("")),
            })
        }
        "link-disconnect" => Some(Report::Disconnected),
        // Method, then the name.
        "link-identify" => Some(Report::Identified(kept(others))),
        "link-auth" => {
            let (user, result) = if version < 7 {
                rest.rsplit_once('|').unwrap_or((rest, ""))
            } else {
                (others, first)
            };
            (result == "pass").then(|| Report::User(kept(user)))
        }
        "tx-rollback" => Some(Report::RolledBack),
        "tx-commit" => Some(Report::Committed),
        _ => None,
    }
}

fn question(phase: &str, rest: &str) -> Question {
    match phase {
        "connect" => Question::Connect,
        "helo" | "ehlo" => Question::Helo(kept(rest)),
        "mail-from" => {
            let (sender, params) = path(rest);
            let size = params.split_ascii_whitespace().find_map(|word| {
                let (name, value) = word.split_once('=')?;
                name.eq_ignore_ascii_case("SIZE")
                    .then(|| value.parse().ok())?
            });
            Question::Mail {
                sender: kept(sender),
                size: size.unwrap_or(0),
            }
        }
        "rcpt-to" => Question::Recipient(kept(path(rest).0)),
        "commit" => Question::Commit,
        _ => Question::Other,
    }
}

/// What stands in angle brackets, and what behind them. A quoted local part may have a bracket of its own.
fn path(text: &str) -> (&str, &str) {
    let Some(inner) = text.trim_start().strip_prefix('<') else {
        return text.split_once(' ').unwrap_or((text, ""));
    };
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return (&inner[..at], &inner[at + 1..]),
            _ => {}
        }
    }
    (inner, "")
}

/// `192.0.2.1:25`, `[2001:db8::1]:25`, or what stands for this machine.
fn address(text: &str) -> IpAddr {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    let host = host.strip_prefix("IPv6:").unwrap_or(host);
    host.parse()
        .or_else(|_| text.parse())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// What is kept of a name that a client chose.
const MAX_NAME: usize = 1024;

fn kept(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}
