//! What holds for all input.

use proptest::prelude::*;
use smtp::server::{Action, Ask, BareNewline, Decision, MAX_BODY};

use crate::driver::{Asked, Driver, settings};

const TO_CONTENT: &str =
    "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";

/// Everything that can be seen of a session that is fed so, and told yes to everything.
fn seen(octets: &[u8], bare_newline: BareNewline, piece_len: usize, size: u64) -> (Asked, String) {
    let mut settings = settings();
    settings.max_size = size;
    settings.max_header = 200;
    settings.max_text_line = 100;
    settings.max_command_line = 80;
    let mut driver = Driver::new(settings, bare_newline, piece_len);
    let mut seen = driver.accept_all();
    driver.feed(octets);
    seen.extend(driver.accept_all());
    driver.eof();
    seen.extend(driver.accept_all());
    (seen, String::from_utf8_lossy(&driver.output).into_owned())
}

fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in content.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out
}

/// Commands, parts of them, line ends of all kinds, content and noise.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "EHLO x\r\n", "HELO x\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n",
            "BDAT 5\r\n", "BDAT 3 LAST\r\n", "BDAT 0 LAST\r\n", "BDAT 99\r\n", "BDAT x\r\n", "RSET\r\n", "NOOP\r\n",
            "VRFY x\r\n", "STARTTLS\r\n", "QUIT\r\n", "Subject: x\r\n", "Received: x\r\n", "\r\n", ".\r\n",
            "\r\n.\r\n", "hello\r\n", "..\r\n", "GET / HTTP/1.1\r\n", TO_CONTENT,
        ]).prop_map(|s| s.as_bytes().to_vec()),
        3 => prop::sample::select(vec![
            "\n", "\r", "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n", ".", "\r\r\n", "\0",
        ]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..120),
        1 => Just(vec![b'x'; 130]),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn newlines() -> impl Strategy<Value = BareNewline> {
    prop_oneof![Just(BareNewline::Reject), Just(BareNewline::Normalize)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn how_octets_are_cut_makes_no_difference(octets in traffic(), newline in newlines(), piece in 1usize..40) {
        let whole = seen(&octets, newline, usize::MAX, 300);
        prop_assert_eq!(&seen(&octets, newline, 1, 300), &whole);
        prop_assert_eq!(&seen(&octets, newline, piece, 300), &whole);
    }

    #[test]
    fn content_is_never_cut_differently(noise in traffic(), newline in newlines(), piece in 1usize..40) {
        let octets = [TO_CONTENT.as_bytes(), b"DATA\r\n", &noise].concat();
        prop_assert_eq!(seen(&octets, newline, piece, 5000), seen(&octets, newline, usize::MAX, 5000));
    }

    #[test]
    fn noise_is_survived(octets in prop::collection::vec(any::<u8>(), 0..2000), newline in newlines()) {
        seen(&octets, newline, usize::MAX, 300);
    }

    #[test]
    fn content_arrives_octet_for_octet(
        lines in prop::collection::vec(prop_oneof!["\\PC{0,60}", "[.]{0,3}[a-z]{0,3}", Just(String::new())], 0..40),
        raw in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1usize..80,
    ) {
        let mut content = (lines.join("\r\n") + "\r\n").into_bytes();
        content.extend(raw.into_iter().filter(|b| !b"\r\n".contains(b)));
        content.extend_from_slice(b"\r\n");

        let wire = [TO_CONTENT.as_bytes(), b"DATA\r\n", &stuffed(&content), b".\r\nQUIT\r\n"].concat();
        let mut driver = Driver::new(settings(), BareNewline::Reject, piece);
        driver.accept_all();
        driver.feed(&wire);
        let by_data = driver.accept_all();

        let (first, last) = content.split_at(content.len() / 3);
        let chunks = [
            TO_CONTENT.as_bytes(),
            format!("BDAT {}\r\n", first.len()).as_bytes(), first,
            format!("BDAT {} LAST\r\n", last.len()).as_bytes(), last, b"QUIT\r\n",
        ].concat();
        let mut driver = Driver::new(settings(), BareNewline::Reject, piece);
        driver.accept_all();
        driver.feed(&chunks);
        let by_chunks = driver.accept_all();

        prop_assert_eq!(by_data.last(), Some(&(Some(Ask::Message), content)));
        prop_assert_eq!(by_chunks.last(), by_data.last());
    }

    /// Whatever stands in content, no command in it is carried out before the true end.
    #[test]
    fn nothing_is_smuggled(parts in prop::collection::vec(prop::sample::select(vec![
        "\n", "\r", "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n", "\r\n..\r\n", "text",
        "\r\nMAIL FROM:<evil@b.example>\r\n", "RCPT TO:<evil@d.example>\r\n", "DATA\r\n", "\r\n",
    ]), 0..12), newline in newlines(), piece in 1usize..20) {
        let mut noise = parts.concat();
        while noise.contains("\r\n.\r\n") {
            noise = noise.replace("\r\n.\r\n", "");
        }
        let noise = format!("x{noise}x\r\n.\r\n");
        let octets = [TO_CONTENT.as_bytes(), b"DATA\r\n", noise.as_bytes()].concat();
        let (asked, _) = seen(&octets, newline, piece, 5000);
        let mails = asked.iter().filter(|(ask, _)| *ask == Some(Ask::Mail)).count();
        prop_assert_eq!(mails, 1);
        if let (Some(Ask::Message), body) = asked.last().unwrap() {
            for end in ["\n.\n", "\r.\r"] {
                prop_assert!(!body.windows(3).any(|w| w == end.as_bytes()));
            }
        }
    }
}

/// A shell that takes nothing: the session stops reading, keeps its bound, and goes on where it stopped.
#[test]
fn content_that_is_not_taken_is_not_read() {
    for (newline, sent, stored) in [
        (BareNewline::Reject, "text\r\n", "text\r\n"),
        (BareNewline::Normalize, "\n", "\r\n"),
    ] {
        let mut driver = Driver::new(settings(), newline, usize::MAX);
        driver.accept_all();
        driver.feed(format!("{TO_CONTENT}DATA\r\n").as_bytes());
        driver.accept_all();
        let octets = format!("{}\r\n.\r\n", sent.repeat(100_000));
        let (session, now) = (&mut driver.session, driver.now);
        let (mut read, mut body) = (0, Vec::new());
        while read < octets.len() {
            read += session.receive(now, &octets.as_bytes()[read..]);
            assert_eq!(session.receive(now, &octets.as_bytes()[read..]), 0);
            assert!(session.body().len() <= MAX_BODY);
            body.extend_from_slice(session.body());
            session.body_taken();
        }
        assert_eq!(body.len(), stored.len() * 100_000 + 2);
        let Some(Action::Ask(ticket, Ask::Message)) = session.poll() else {
            panic!("the mail is whole");
        };
        session.decide(now, ticket, Decision::Accept);
        assert!(session.output().starts_with(b"250 "));
    }
}
