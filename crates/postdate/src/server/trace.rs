//! Trace fields: `Received:` (RFC 5321 §4.4) and `X-Greylist:`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use queue::MessageId;
use smtp::server::Session;

use super::gate::Visitor;
use crate::judge::greylist_field;
use crate::routes::normal_domain;

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
    if with_client {
        let helo = session.helo().and_then(in_ascii);
        let helo = helo.as_deref().unwrap_or("unknown");
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
    if let [recipient] = session.transaction().recipients.as_slice()
        && let Some(address) = address_in_ascii(&recipient.address)
    {
        let _ = write!(text, "\r\n\tfor <{address}>");
    }
    let _ = write!(text, ";\r\n\t{date}\r\n");
    text
}

/// A name with A-labels: the next hop may know neither SMTPUTF8 nor 8BITMIME. `None`: it has no such form.
fn in_ascii(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() {
        return Some(smtp::reply::echo(name, 255));
    }
    let name = normal_domain(name);
    // Some letters stand for signs that have a meaning here, as a wide bracket does.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (name.len() <= 255 && name.bytes().all(plain)).then_some(Cow::Owned(name))
}

fn address_in_ascii(address: &str) -> Option<Cow<'_, str>> {
    if address.is_ascii() {
        return Some(smtp::reply::echo(address, 320));
    }
    let (user, domain) = address.rsplit_once('@')?;
    let user = user.is_ascii().then(|| smtp::reply::echo(user, 64))?;
    Some(Cow::Owned(format!("{user}@{}", in_ascii(domain)?)))
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
