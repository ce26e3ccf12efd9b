//! Notices, word for word.
//!
//! Each `notices/*.eml` is one whole notice, with LF for CRLF. `UPDATE_NOTICES=1` writes them anew; then read them.

use std::path::Path;

use mail_parser::{MessageParser, MimeHeaders as _};
use queue::notice::{Original, RETURN_MAX, Writer, Written, write};
use queue::outcome::Problem;
use queue::settle::{About, Ahead, Kind, Notice};
use queue::{Message, MessageId};
use smtp::{BodyKind, Notify, Ret, Sender, Status};

use crate::stage::{DAY, HOUR, MIN, ahead, at, mail, problem};

pub(crate) const MAIL: &str = "Received: from laptop.a.example by mx.a.example; Mon, 24 Nov 2025 10:00:00 +0000\r\n\
                    From: Ann <ann@a.example>\r\nTo: Bob <bob@b.example>\r\nSubject: Lunch?\r\n\
                    Message-ID: <1@a.example>\r\n\r\nAt noon?\r\n";

pub(crate) fn writer() -> Writer {
    Writer {
        hostname: "mx.a.example".to_owned(),
        from: "mailer-daemon@mx.a.example".to_owned(),
    }
}

pub(crate) fn about(index: u32, problem: Problem) -> About {
    About {
        index,
        problem,
        last_attempt: Some(at(5 * MIN)),
        ahead: None,
    }
}

pub(crate) fn notice(kind: Kind, about: Vec<About>) -> Notice {
    Notice { kind, about }
}

/// Written at `now`, and looked at as any mail would be.
fn written(message: &Message, notice: &Notice, original: &[u8], now: u64) -> Written {
    let original = Original {
        start: original,
        whole: true,
    };
    let id = MessageId::from_time(at(now));
    let written = write(&writer(), id, message, notice, original, at(now)).expect("a notice");
    sound(&written, message);
    written
}

/// What holds of every notice.
pub(crate) fn sound(written: &Written, message: &Message) {
    let body = &written.body;
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let line = line
            .strip_suffix(b"\r\n")
            .expect("every line ends with CRLF");
        assert!(
            line.len() <= 998,
            "too long: {}",
            String::from_utf8_lossy(line)
        );
        assert!(
            !line.iter().any(|octet| matches!(octet, 0 | b'\r')),
            "{}",
            String::from_utf8_lossy(line)
        );
    }
    let (envelope, content) = (&written.message, &written.message.content);
    assert!(envelope.sender.is_null());
    let to: Vec<_> = envelope
        .recipients
        .iter()
        .map(|r| (r.address.as_str(), r.notify))
        .collect();
    assert_eq!(to, [(message.sender.address.as_str(), Notify::Never)]);
    assert_eq!(envelope.origin.protocol, "notice");
    assert_eq!(content.size, body.len() as u64);
    assert_eq!(content.eight_bit, !body.is_ascii());
    assert_eq!(
        envelope.sender.body == BodyKind::EightBitMime,
        content.eight_bit
    );
    assert_eq!(
        envelope.sender.smtputf8,
        content.utf8_header || !message.sender.address.is_ascii()
    );
}

fn golden(name: &str, written: &Written) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sender/notices")
        .join(name);
    let is = String::from_utf8(written.body.clone())
        .expect("UTF-8")
        .replace("\r\n", "\n");
    if std::env::var_os("UPDATE_NOTICES").is_some() {
        std::fs::write(&path, &is).expect("writable");
    }
    let expected = std::fs::read_to_string(&path).expect("the notice as it should be");
    assert_eq!(is, expected, "{name}");
}

#[test]
fn failed() {
    let mut message = mail(&["bob@b.example", "carol@c.example"]);
    message.sender.ret = Some(Ret::Full);
    message.sender.envid = Some("order+2B4711".to_owned());
    message.recipients[0].orcpt = Some("rfc822;bob+2Bold@b.example".to_owned());
    let no_user = problem(
        "550-5.1.1 <bob@b.example>: Recipient address rejected: User unknown in virtual mailbox table\r\n\
         550 5.1.1 See https://b.example/help/why-was-my-mail-not-taken?code=5.1.1&to=bob@b.example for help",
    );
    let refused = Problem {
        status: Status(4, 4, 7),
        text: "connect to mx.c.example[192.0.2.9]:25: connection refused".to_owned(),
        remote: false,
        relay: "none".to_owned(),
        answered: None,
        tls: None,
    };
    let notice = notice(Kind::Failed, vec![about(0, no_user), about(1, refused)]);
    golden(
        "failed.eml",
        &written(&message, &notice, MAIL.as_bytes(), 5 * DAY),
    );
}

#[test]
fn delayed() {
    let message = mail(&["bob@b.example", "carol@c.example"]);
    let greylisted = problem(
        "450 4.2.0 TIME=720 <bob@b.example>: Recipient address rejected: Greylisted, try again in 720 seconds; \
         from=<ann@a.example> to=<bob@b.example> proto=ESMTPS helo=<mx.a.example>",
    );
    let held = Problem {
        status: Status(4, 0, 0),
        text: "no attempt was made yet".to_owned(),
        remote: false,
        relay: "none".to_owned(),
        answered: None,
        tls: None,
    };
    let notice = notice(
        Kind::Delayed,
        vec![
            About {
                ahead: ahead(4 * HOUR + 12 * MIN, 5 * DAY),
                ..about(0, greylisted)
            },
            About {
                ahead: Some(Ahead {
                    next: None,
                    until: at(5 * DAY),
                }),
                last_attempt: None,
                ..about(1, held)
            },
        ],
    );
    golden(
        "delayed.eml",
        &written(&message, &notice, MAIL.as_bytes(), 4 * HOUR),
    );
}

#[test]
fn delivered() {
    let message = mail(&["bob@a.example"]);
    let stored = Problem {
        status: Status(2, 0, 0),
        text: "delivered to mailbox".to_owned(),
        remote: false,
        relay: "local".to_owned(),
        answered: None,
        tls: None,
    };
    let notice = notice(Kind::Delivered, vec![about(0, stored)]);
    golden(
        "delivered.eml",
        &written(&message, &notice, MAIL.as_bytes(), 5 * MIN),
    );
}

#[test]
fn relayed() {
    let message = mail(&["bob@b.example"]);
    let notice = notice(
        Kind::Relayed,
        vec![about(0, problem("250 2.0.0 Ok: queued as 4711"))],
    );
    golden(
        "relayed.eml",
        &written(&message, &notice, MAIL.as_bytes(), 5 * MIN),
    );
}

#[test]
fn failed_beyond_ascii() {
    let mut message = mail(&["jürgen+alt@b.example"]);
    message.sender = Sender {
        ret: Some(Ret::Full),
        smtputf8: true,
        ..Sender::new("änne@a.example")
    };
    let notice = notice(
        Kind::Failed,
        vec![about(
            0,
            problem("550 5.1.1 <jürgen+alt@b.example>: kein Postfach"),
        )],
    );
    let original = MAIL.replace("Ann <ann@", "Änne <änne@");
    let written = written(&message, &notice, original.as_bytes(), 5 * MIN);
    assert!(written.message.sender.smtputf8 && written.message.content.utf8_header);
    golden("failed-beyond-ascii.eml", &written);
}

/// The kind and the encoding of what comes back, and whether the notice has to be 8-bit.
fn returned(ret: Option<Ret>, kind: Kind, original: Original<'_>) -> (String, String, bool) {
    let mut message = mail(&["bob@b.example"]);
    message.sender.ret = ret;
    let notice = notice(kind, vec![about(0, problem("550 5.1.1 No"))]);
    let id = MessageId::from_time(at(1));
    let written = write(&writer(), id, &message, &notice, original, at(1)).expect("a notice");
    sound(&written, &message);
    let mail = MessageParser::new().parse(&written.body).expect("a mail");
    let part = mail.part(3).expect("a third part");
    let kind = part.content_type().expect("its type");
    let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default());
    let encoding = part
        .content_transfer_encoding()
        .expect("its encoding")
        .to_owned();
    (kind, encoding, written.message.content.eight_bit)
}

#[test]
fn what_comes_back() {
    let large = format!("{MAIL}{}", "all work and no play\r\n".repeat(3000));
    let long_line = format!("{MAIL}{}\r\n", "x".repeat(1200));
    let long_header = MAIL.replace("Lunch?", &"x".repeat(1200));
    let eight_bit = format!("{MAIL}Grüße\r\n");
    let utf8_header = MAIL.replace("Lunch?", "Käse?");
    let latin = [b"Subject: K\xE4se\r\n\r\n", b"body\r\n".as_slice()].concat();
    let whole = |start: &'static str| Original {
        start: start.as_bytes(),
        whole: true,
    };
    let of = |start: &'static [u8]| Original { start, whole: true };
    let leak = |text: String| -> &'static str { text.leak() };
    let (full, hdrs) = (Some(Ret::Full), Some(Ret::Hdrs));
    let (large, long_line, long_header) = (leak(large), leak(long_line), leak(long_header));
    let (eight_bit, utf8_header) = (leak(eight_bit), leak(utf8_header));
    let latin: &'static [u8] = latin.leak();
    for (ret, kind, original, expected, encoding) in [
        (full, Kind::Failed, whole(MAIL), "message/rfc822", "7bit"),
        (
            hdrs,
            Kind::Failed,
            whole(MAIL),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            None,
            Kind::Failed,
            whole(MAIL),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Delayed,
            whole(MAIL),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Delivered,
            whole(MAIL),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Relayed,
            whole(MAIL),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Failed,
            whole(large),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Failed,
            Original {
                whole: false,
                ..whole(MAIL)
            },
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Failed,
            whole(long_line),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Failed,
            whole(long_header),
            "text/rfc822-headers",
            "quoted-printable",
        ),
        (
            full,
            Kind::Failed,
            whole(eight_bit),
            "message/rfc822",
            "8bit",
        ),
        (
            hdrs,
            Kind::Failed,
            whole(eight_bit),
            "text/rfc822-headers",
            "7bit",
        ),
        (
            full,
            Kind::Failed,
            whole(utf8_header),
            "message/global",
            "quoted-printable",
        ),
        (
            hdrs,
            Kind::Failed,
            whole(utf8_header),
            "message/global-headers",
            "quoted-printable",
        ),
        (
            full,
            Kind::Failed,
            of(latin),
            "text/rfc822-headers",
            "quoted-printable",
        ),
        (full, Kind::Failed, of(b""), "message/rfc822", "7bit"),
        (
            hdrs,
            Kind::Failed,
            of(b"\0\r\n\x07\n"),
            "text/rfc822-headers",
            "7bit",
        ),
    ] {
        let is = returned(ret, kind, original);
        assert_eq!(
            is,
            (expected.to_owned(), encoding.to_owned(), encoding == "8bit"),
            "{ret:?} {kind:?}"
        );
    }
    assert!(large.len() > RETURN_MAX);
}

#[test]
fn nobody_answers_the_null_sender() {
    let mut message = mail(&["bob@b.example"]);
    let notice = notice(Kind::Failed, vec![about(0, problem("550 5.1.1 No"))]);
    let original = Original {
        start: b"",
        whole: true,
    };
    let about_nobody = Notice {
        about: vec![about(7, problem("550 5.1.1 No"))],
        ..notice.clone()
    };
    let id = MessageId(1);
    assert!(write(&writer(), id, &message, &about_nobody, original, at(0)).is_none());
    message.sender = Sender::default();
    assert!(write(&writer(), id, &message, &notice, original, at(0)).is_none());
}

#[test]
fn a_notice_can_not_be_closed_from_within() {
    let mut message = mail(&["bob@b.example"]);
    message.sender.ret = Some(Ret::Full);
    let id = MessageId::from_time(at(1));
    let evil = (0..50)
        .map(|n| format!("\r\n--=_{id}_{n:06}--"))
        .collect::<String>();
    let notice = notice(
        Kind::Failed,
        vec![about(0, problem(&format!("550 5.1.1 {evil}")))],
    );
    let written = written(&message, &notice, format!("{MAIL}{evil}\r\n").as_bytes(), 1);
    let mail = MessageParser::new().parse(&written.body).expect("a mail");
    let boundary = mail
        .content_type()
        .and_then(|kind| kind.attribute("boundary"));
    assert_eq!(boundary, Some(format!("=_{id}_000050").as_str()));
    assert_eq!(
        mail.part(0)
            .and_then(|part| part.sub_parts())
            .map(<[u32]>::len),
        Some(3)
    );
}
