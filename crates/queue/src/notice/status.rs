//! The part for programs: `message/delivery-status` (RFC 3464), in ASCII throughout.

use std::net::IpAddr;

use super::{Letter, date, field};
use crate::outcome::Problem;
use crate::settle::{About, Kind};

/// Writes the fields of the message, and a group of them for each recipient.
pub(super) fn write(letter: &Letter<'_>) -> String {
    let mut out = String::new();
    let message = letter.message;
    let hostname = &letter.writer.hostname;
    field::push(
        &mut out,
        "Reporting-MTA",
        &field::ascii(&format!("dns; {hostname}")),
    );
    if let Some(envid) = &message.sender.envid {
        field::push(
            &mut out,
            "Original-Envelope-Id",
            &field::ascii(&field::from_xtext(envid)),
        );
    }
    field::push(&mut out, "X-Postdate-Queue-Id", &message.id.to_string());
    field::push(&mut out, "Arrival-Date", &date(message.received));
    for (about, recipient) in &letter.about {
        out.push_str("\r\n");
        if let Some(original) = recipient.orcpt.as_deref().and_then(original) {
            field::push(&mut out, "Original-Recipient", &original);
        }
        field::push(&mut out, "Final-Recipient", &typed(&recipient.address));
        fate(&mut out, letter.kind, about);
    }
    out
}

fn fate(out: &mut String, kind: Kind, about: &About) {
    let action = match kind {
        Kind::Failed => "failed",
        Kind::Delayed => "delayed",
        Kind::Delivered => "delivered",
        Kind::Relayed => "relayed",
    };
    let problem = &about.problem;
    field::push(out, "Action", action);
    field::push(out, "Status", &problem.status.to_string());
    if problem.remote
        && let Some(host) = host(&problem.relay)
    {
        field::push(out, "Remote-MTA", &field::ascii(&format!("dns; {host}")));
    }
    field::push(out, "Diagnostic-Code", &diagnostic(problem));
    if let Some(last) = about.last_attempt {
        field::push(out, "Last-Attempt-Date", &date(last));
    }
    if let (Kind::Delayed, Some(ahead)) = (kind, about.ahead) {
        field::push(out, "Will-Retry-Until", &date(ahead.until));
    }
}

/// `smtp` is for a peer's reply only (RFC 3464 §2.3.6); our own words have a type of our own.
fn diagnostic(problem: &Problem) -> String {
    let kind = if problem.remote { "smtp" } else { "X-Postdate" };
    field::ascii(&format!("{kind}; {}", problem.text))
}

/// The host of `mx.b.example[192.0.2.1]:25`, or its address where it has no name (`192.0.2.1[192.0.2.1]:25`,
/// `[192.0.2.1]:25`).
fn host(relay: &str) -> Option<&str> {
    let address = |from: usize| Some(&relay[from..=relay.find(']')?]);
    let host = match relay.find('[') {
        Some(0) => address(0)?,
        Some(name) if relay[..name].parse::<IpAddr>().is_ok() => address(name)?,
        Some(name) => &relay[..name],
        None => &relay[..relay.rfind(':').unwrap_or(relay.len())],
    };
    (!host.is_empty() && host != "none").then_some(host)
}

/// An address with its type: RFC 3464 §2.3.2, and RFC 6533 §3 where it is not ASCII.
fn typed(address: &str) -> String {
    if address.is_ascii() {
        format!("rfc822; {address}")
    } else {
        format!("utf-8; {}", field::utf8_xtext(address))
    }
}

/// ORCPT, as it was before it was written in xtext; `None` where it is none.
fn original(orcpt: &str) -> Option<String> {
    let (kind, address) = orcpt.split_once(';')?;
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    Some(match kind.to_ascii_lowercase().as_str() {
        "rfc822" => typed(&field::from_xtext(address)),
        // It has an ASCII form of its own, which is no xtext.
        "utf-8" => format!("utf-8; {}", field::ascii(address)),
        _ => format!("{kind}; {}", field::ascii(&field::from_xtext(address))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (relay, expected) in [
            ("mx.b.example[192.0.2.1]:25", Some("mx.b.example")),
            ("[192.0.2.1]:25", Some("[192.0.2.1]")),
            ("192.0.2.1[192.0.2.1]:25", Some("[192.0.2.1]")),
            ("2001:db8::1[2001:db8::1]:25", Some("[2001:db8::1]")),
            ("192.0.2.1[", None),
            ("[2001:db8::1]:25", Some("[2001:db8::1]")),
            ("mx.b.example:25", Some("mx.b.example")),
            ("mx.b.example", Some("mx.b.example")),
            ("local", Some("local")),
            ("none", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(host(relay), expected, "{relay}");
        }
    }

    #[test]
    fn original_recipients() {
        for (orcpt, expected) in [
            ("rfc822;bob+2Bx@b.example", Some("rfc822; bob+x@b.example")),
            ("RFC822;bob@b.example", Some("rfc822; bob@b.example")),
            (
                "rfc822;j+C3+BCrgen@b.example",
                Some("utf-8; j\\x{FC}rgen@b.example"),
            ),
            (
                "utf-8;j\\x{FC}rgen@b.example",
                Some("utf-8; j\\x{FC}rgen@b.example"),
            ),
            (
                "utf-8;jürgen@b.example",
                Some("utf-8; j\\x{FC}rgen@b.example"),
            ),
            ("X400;/C=de+2B/", Some("X400; /C=de+/")),
            ("bob@b.example", None),
            (";bob@b.example", None),
            ("a b;bob@b.example", None),
        ] {
            assert_eq!(original(orcpt).as_deref(), expected, "{orcpt}");
        }
    }
}
