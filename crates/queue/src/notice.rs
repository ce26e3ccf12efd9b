//! Delivery status notices (RFC 3461, RFC 3464): a multipart/report from the null sender.
//!
//! Three parts: words for the person who sent the mail, the same for programs, and the original or its header section.
//! What a peer or a client chose (replies, addresses, the original) can't break the structure: control characters are
//! left out, lines are folded, and the boundary occurs in none of the parts. All is 7-bit, but for an 8-bit original
//! that is returned whole, and a sender's address that is not ASCII.

mod field;
mod original;
mod status;
mod words;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};
use smtp::{BodyKind, Content, Notify, Recipient, Sender};

use crate::settle::{About, Kind, Notice};
use crate::{Message, MessageId, Origin};

/// Who writes it.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Our host name: `Reporting-MTA`, the Message-ID's right side.
    pub hostname: String,
    /// The address of `From:`, usually `mailer-daemon@` the host name.
    pub from: String,
}

/// At most so many octets of the original are returned; a longer one is returned as its header section (RFC 3461 §4.3).
pub const RETURN_MAX: usize = 64 * 1024;

/// The original's content, as far as it is returned.
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// From its start, at most [`RETURN_MAX`] octets.
    pub start: &'a [u8],
    /// `start` is all of it.
    pub whole: bool,
}

/// A notice, ready to be queued.
#[derive(Clone, Debug)]
pub struct Written {
    /// The envelope: from `<>` to the original's sender.
    pub message: Message,
    /// The content.
    pub body: Vec<u8>,
}

/// Writes a notice as a mail of its own, from `<>` to the sender. `None` where the original came from the null sender
/// (a notice is never answered by a notice, RFC 5321 §6.1), and where the notice is about nobody.
#[must_use]
pub fn write(
    writer: &Writer,
    id: MessageId,
    message: &Message,
    notice: &Notice,
    original: Original<'_>,
    now: SystemTime,
) -> Option<Written> {
    let letter = Letter {
        writer,
        message,
        kind: notice.kind,
        about: people(message, notice),
        now,
    };
    if message.sender.is_null() || letter.about.is_empty() {
        return None;
    }
    let returned = original::part(&letter, original);
    let eight_bit = returned.eight_bit;
    let parts = vec![
        words_part(words::write(&letter, returned.what)),
        status_part(status::write(&letter)),
        returned.part,
    ];
    let report = ContentType::new("multipart/report")
        .attribute("report-type", "delivery-status")
        .attribute("boundary", boundary(id, &parts));
    let mut report = MimePart::new(report, parts);
    if eight_bit {
        report = report.transfer_encoding("8bit");
    }
    let mut body = Vec::new();
    header(&letter, id).body(report).serialize(&mut body);
    Some(Written {
        message: envelope(id, &message.sender.address, content(&body), now),
        body,
    })
}

/// What a notice says, before its form.
struct Letter<'a> {
    writer: &'a Writer,
    message: &'a Message,
    kind: Kind,
    about: Vec<(&'a About, &'a Recipient)>,
    now: SystemTime,
}

fn people<'a>(message: &'a Message, notice: &'a Notice) -> Vec<(&'a About, &'a Recipient)> {
    let about = notice.about.iter().filter_map(|about| {
        let index = usize::try_from(about.index).ok()?;
        Some((about, message.recipients.get(index)?))
    });
    about.collect()
}

fn header<'a>(letter: &Letter<'a>, id: MessageId) -> MessageBuilder<'a> {
    let writer = letter.writer;
    let message_id = format!("{id}@{}", writer.hostname);
    MessageBuilder::new()
        .from(Address::new_address(
            Some("Mail Delivery System"),
            writer.from.as_str(),
        ))
        .to(Address::new_address(
            None::<&str>,
            letter.message.sender.address.as_str(),
        ))
        .subject(words::subject(letter))
        .date(Date::new(unix_secs(letter.now)))
        .message_id(message_id::MessageId::new(message_id))
        .header("Auto-Submitted", Raw::new("auto-replied"))
}

/// The part for people, encoded only where it has to be, so that it can be read as it stands.
fn words_part(text: String) -> MimePart<'static> {
    let plain = field::is_plain(text.as_bytes());
    let part = MimePart::new("text/plain", text);
    if plain {
        part.transfer_encoding("7bit")
    } else {
        part
    }
}

/// The part for programs: always 7-bit (RFC 3464 §2.1).
fn status_part(text: String) -> MimePart<'static> {
    MimePart::new("message/delivery-status", text.into_bytes()).transfer_encoding("7bit")
}

/// A boundary that none of the parts holds: the first of a million that look alike.
fn boundary(id: MessageId, parts: &[MimePart<'_>]) -> String {
    const DIGITS: usize = 6;
    let stem = format!("=_{id}_");
    let mut taken = BTreeSet::new();
    for part in parts {
        let octets: &[u8] = match &part.contents {
            BodyPart::Text(text) => text.as_bytes(),
            BodyPart::Binary(octets) => octets,
            BodyPart::Multipart(_) => &[],
        };
        let found = octets
            .windows(stem.len() + DIGITS)
            .filter(|window| window.starts_with(stem.as_bytes()));
        taken.extend(found.map(|window| &window[stem.len()..]));
    }
    let mut numbers = (0..1_000_000).map(|number| format!("{number:06}"));
    let free = numbers.find(|number| !taken.contains(number.as_bytes()));
    // What is returned is far too short to hold a million of them.
    stem + &free.unwrap_or_default()
}

/// What the notice's content turned out to be.
fn content(body: &[u8]) -> Content {
    let end = body
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(body.len());
    Content {
        size: u64::try_from(body.len()).unwrap_or(u64::MAX),
        eight_bit: !body.is_ascii(),
        utf8_header: !body[..end].is_ascii(),
        received: 0,
    }
}

fn envelope(id: MessageId, to: &str, content: Content, now: SystemTime) -> Message {
    let sender = Sender {
        body: if content.eight_bit {
            BodyKind::EightBitMime
        } else {
            BodyKind::SevenBit
        },
        smtputf8: content.utf8_header || !to.is_ascii(),
        size: Some(content.size),
        ..Sender::default()
    };
    let recipient = Recipient {
        address: to.to_owned(),
        // RFC 3461 §6.1: a notice never asks for notices.
        notify: Notify::Never,
        orcpt: None,
    };
    Message {
        id,
        received: now,
        sender,
        recipients: vec![recipient],
        content,
        origin: Origin {
            protocol: "notice".to_owned(),
            ..Origin::default()
        },
    }
}

/// Seconds since 1970, cut down; also before it, and where they fit nowhere the last that do.
fn unix_secs(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |secs| -secs),
    }
}

/// RFC 5322 §3.3, in UTC.
fn date(time: SystemTime) -> String {
    Date::new(unix_secs(time)).to_rfc822()
}
