//! What is said about trouble, in the words that Postfix administrators know.

use std::io;

use queue::outcome::Problem;
use retry_hint::Answered;
use smtp::Status;
use smtp::client::{Broken, Cause, TlsFailure, Unfit};
use smtp::reply::Answer;

use crate::hosts::Host;

/// `connect to mx.b.example[192.0.2.1]:25: Connection refused`.
pub(crate) fn no_connection(host: &Host, error: &io::Error) -> Problem {
    let why = error.to_string();
    let why = why.split(" (os error").next().unwrap_or_default();
    let why = if error.kind() == io::ErrorKind::TimedOut {
        "Connection timed out"
    } else {
        why
    };
    ours(Status(4, 4, 1), format!("connect to {host}: {why}"), host)
}

/// `lost connection with mx.b.example[192.0.2.1] while sending RCPT TO`.
pub(crate) fn broken(host: &Host, broken: &Broken) -> Problem {
    let peer = host.peer();
    let during = match broken.during {
        Answered::Ehlo if host.is_lmtp() => "performing the LHLO handshake",
        _ if broken.amid_content => "sending message body",
        during => self::during(during),
    };
    let (status, text) = match &broken.cause {
        Cause::Closed => (
            Status(4, 4, 2),
            format!("lost connection with {peer} while {during}"),
        ),
        Cause::TimedOut => (
            Status(4, 4, 2),
            format!("conversation with {peer} timed out while {during}"),
        ),
        Cause::Garbage(heard) => (
            Status(4, 5, 0),
            format!("{peer} gave no valid SMTP reply while {during}: \"{heard}\""),
        ),
        Cause::Abandoned => (
            Status(4, 3, 0),
            format!("gave up the session with {peer} while {during}"),
        ),
        Cause::Tls(failure) => (
            Status(4, 7, 5),
            format!("Cannot start TLS with {peer}: {}", no_tls(failure)),
        ),
    };
    let answered = Some(broken.during);
    Problem {
        answered,
        ..ours(status, text, host)
    }
}

/// Why there is no TLS: `handshake failed: received fatal alert: HandshakeFailure`.
pub(crate) fn no_tls(failure: &TlsFailure) -> String {
    match failure {
        TlsFailure::Handshake(why) => format!("handshake failed: {why}"),
        TlsFailure::Injected => {
            "more than a reply to STARTTLS came before the handshake".to_owned()
        }
        TlsFailure::Closed => "connection lost at STARTTLS".to_owned(),
        TlsFailure::TimedOut => "timed out".to_owned(),
        TlsFailure::Garbage(heard) => format!("no valid reply to STARTTLS: \"{heard}\""),
    }
}

/// A session that ended without any reason told.
pub(crate) fn ended(host: &Host) -> Problem {
    let text = format!(
        "lost connection with {} while sending MAIL FROM",
        host.peer()
    );
    ours(Status(4, 4, 2), text, host)
}

/// The host is ourselves.
pub(crate) fn loops(host: &Host) -> Problem {
    let text = format!(
        "host {} replied to EHLO with my own name: mail loops back to myself",
        host.peer()
    );
    ours(Status(4, 4, 6), text, host)
}

/// A reply, in full.
pub(crate) fn refused(host: &Host, answered: Answered, reply: &Answer) -> Problem {
    Problem {
        status: status(reply),
        text: reply.raw.clone(),
        remote: true,
        relay: host.to_string(),
        answered: Some(answered),
        tls: None,
    }
}

/// What this host can't take, for good.
pub(crate) fn unfit(host: &Host, unfit: Unfit) -> Problem {
    let peer = host.peer();
    let (status, text) = match unfit {
        Unfit::Size => (
            Status(5, 3, 4),
            format!("message size exceeds size limit of server {peer}"),
        ),
        Unfit::Utf8 => (
            Status(5, 6, 7),
            format!("SMTPUTF8 is required, but was not offered by host {peer}"),
        ),
        Unfit::EightBit => (
            Status(5, 6, 3),
            format!("8BITMIME is required, but was not offered by host {peer}"),
        ),
        Unfit::Address => (
            Status(5, 1, 3),
            "the recipient's address can't be put into an SMTP command".to_owned(),
        ),
        Unfit::Sender => (
            Status(5, 1, 7),
            "the sender's address can't be put into an SMTP command".to_owned(),
        ),
    };
    ours(status, text, host)
}

/// Our own words about an attempt at a host.
pub(crate) fn ours(status: Status, text: String, host: &Host) -> Problem {
    Problem {
        status,
        text,
        remote: false,
        relay: host.to_string(),
        answered: None,
        tls: None,
    }
}

/// Our own words where no host was reached.
pub(crate) fn nowhere(status: Status, text: String) -> Problem {
    Problem {
        status,
        text,
        remote: false,
        relay: "none".to_owned(),
        answered: None,
        tls: None,
    }
}

/// A reply's status, or what its code says alone (RFC 3463 §2: X.0.0).
pub(crate) fn status(reply: &Answer) -> Status {
    let class = match reply.code / 100 {
        2 => 2,
        5 => 5,
        _ => 4,
    };
    reply
        .status
        .filter(|status| status.0 == class)
        .unwrap_or(Status(class, 0, 0))
}

fn during(answered: Answered) -> &'static str {
    match answered {
        Answered::Greeting => "receiving the initial server greeting",
        Answered::Ehlo => "performing the EHLO handshake",
        Answered::Mail => "sending MAIL FROM",
        Answered::Rcpt => "sending RCPT TO",
        Answered::Data => "sending DATA command",
        Answered::EndOfData => "sending end of data -- message may be sent more than once",
    }
}
