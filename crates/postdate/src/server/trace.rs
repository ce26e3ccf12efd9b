//! Trace fields: `Received:` (RFC 5321 §4.4) and `X-Greylist:`.

use std::fmt::Write as _;
use std::time::SystemTime;

use queue::MessageId;
use smtp::server::Session;

use super::gate::Visitor;
use crate::judge::greylist_field;

/// What stands at the head of a mail that came over this session.
pub(super) fn fields(
    hostname: &str,
    with_client: bool,
    session: &Session,
    visitor: &Visitor,
    id: MessageId,
    now: SystemTime,
) -> String {
    let date = date(now);
    let mut text = String::with_capacity(320);
    // Writing into a String does not fail.
    if let Some(waited) = visitor.waited() {
        let field = greylist_field(waited, hostname, now);
        let _ = write!(text, "{}\r\n", field.replacen("; ", ";\r\n\t", 1));
    }
    let helo = smtp::reply::echo(session.helo().unwrap_or("unknown"), 255);
    if with_client {
        let _ = write!(text, "Received: from {helo} ({})\r\n", visitor.describe());
    } else {
        text.push_str("Received:");
    }
    let _ = write!(
        text,
        "\tby {hostname} (Postdate) with {} id {id}",
        session.protocol()
    );
    if let Some(tls) = session.tls() {
        let _ = write!(
            text,
            "\r\n\t(using {} with cipher {})",
            tls.version, tls.cipher
        );
    }
    if let [recipient] = session.transaction().recipients.as_slice() {
        let _ = write!(
            text,
            "\r\n\tfor <{}>",
            smtp::reply::echo(&recipient.address, 320)
        );
    }
    let _ = write!(text, ";\r\n\t{date}\r\n");
    text
}

/// `Mon, 23 Nov 2026 22:42:01 +0000` (RFC 5322 §3.3).
pub(crate) fn date(now: SystemTime) -> String {
    jiff::Timestamp::try_from(now)
        .ok()
        .and_then(|now| {
            jiff::fmt::rfc2822::to_string(&now.to_zoned_datetime(jiff::tz::TimeZone::UTC)).ok()
        })
        .unwrap_or_default()
}
