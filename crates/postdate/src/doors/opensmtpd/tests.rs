//! The lines of OpenSMTPD, well and badly.

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use super::line::{Line, MAX_LINE, Malformed, Question, Report, read};
use crate::doors::tests::Room;

#[test]
fn lines_of_every_version_are_read() {
    let report = |what| {
        Ok(Line::Report {
            session: "7641".to_owned(),
            what,
        })
    };
    let question = |what| {
        let (session, token) = ("7641".to_owned(), "1ef1".to_owned());
        Ok(Line::Question {
            session,
            token,
            what,
        })
    };
    let connected = |name: &str, confirmed, client: &str| {
        let client = client.parse().expect("an address");
        report(Report::Connected {
            name: name.to_owned(),
            confirmed,
            client,
        })
    };
    let mail = |sender: &str, size| {
        question(Question::Mail {
            sender: sender.to_owned(),
            size,
        })
    };
    for (line, expected) in [
        ("config|ready", Ok(Line::Ready)),
        ("config|smtpd-version|6.8.0p2", Ok(Line::Other)),
        (
            "report|0.6|1.5|smtp-in|link-connect|7641|mail.far.example|pass|192.0.2.1:33174|192.0.2.2:25",
            connected("mail.far.example", true, "192.0.2.1"),
        ),
        (
            "report|0.5|1.5|smtp-in|link-connect|7641|<unknown>|fail|[2001:db8::1]:33174|[::1]:25",
            connected("", false, "2001:db8::1"),
        ),
        (
            "report|0.7|1.5|smtp-in|link-connect|7641|localhost|pass|local:0|local:0",
            connected("localhost", true, "127.0.0.1"),
        ),
        (
            "report|0.7|1.5|smtp-in|link-disconnect|7641",
            report(Report::Disconnected),
        ),
        (
            "report|0.6|1.5|smtp-in|link-identify|7641|EHLO|mail.far.example",
            report(Report::Identified("mail.far.example".to_owned())),
        ),
        (
            "report|0.6|1.5|smtp-in|link-auth|7641|anna|pass",
            report(Report::User("anna".to_owned())),
        ),
        (
            "report|0.7|1.5|smtp-in|link-auth|7641|pass|anna",
            report(Report::User("anna".to_owned())),
        ),
        (
            "report|0.7|1.5|smtp-in|link-auth|7641|fail|anna",
            Ok(Line::Other),
        ),
        (
            "report|0.6|1.5|smtp-in|link-tls|7641|TLSv1.3",
            Ok(Line::Other),
        ),
        (
            "filter|0.6|1.5|smtp-in|ehlo|7641|1ef1|mail.far.example",
            question(Question::Helo("mail.far.example".to_owned())),
        ),
        (
            "filter|0.6|1.5|smtp-in|mail-from|7641|1ef1|<a|b@far.example> size=12 BODY=8BITMIME",
            mail("a|b@far.example", 12),
        ),
        ("filter|0.6|1.5|smtp-in|mail-from|7641|1ef1|<>", mail("", 0)),
        (
            "filter|0.6|1.5|smtp-in|rcpt-to|7641|1ef1|<\"x>y\"@here.example>",
            question(Question::Recipient("\"x>y\"@here.example".to_owned())),
        ),
        (
            "filter|0.6|1.5|smtp-in|commit|7641|1ef1",
            question(Question::Commit),
        ),
        (
            "filter|0.6|1.5|smtp-in|data-line|7641|1ef1|a|b",
            question(Question::Content(b"a|b".to_vec())),
        ),
        (
            "filter|0.6|1.5|smtp-in|data-line|7641|1ef1|",
            question(Question::Content(Vec::new())),
        ),
        (
            "filter|0.6|1.5|smtp-in|starttls|7641|1ef1|",
            question(Question::Other),
        ),
        (
            "filter|0.4|1.5|smtp-in|commit|1ef1|7641",
            Err(Malformed::Version("0.4".to_owned())),
        ),
        ("filter|0.6|1.5|smtp-in|commit|7641", Err(Malformed::Short)),
        ("report|0.6|1.5", Err(Malformed::Short)),
        ("", Ok(Line::Other)),
    ] {
        assert_eq!(read(line.as_bytes()), expected, "{line}");
    }
    let eight = read(b"filter|0.6|1.5|smtp-in|data-line|7641|1ef1|\xe4\xff");
    assert_eq!(eight, question(Question::Content(b"\xe4\xff".to_vec())));
}

proptest! {
    #[test]
    fn no_line_is_too_strange_to_be_read(octets in prop::collection::vec(any::<u8>(), 0..200), fields in 0..9usize) {
        let known = b"filter|0.6|1.5|smtp-in|mail-from|7641|1ef1|".split_inclusive(|&octet| octet == b'|').take(fields);
        let line = [&known.collect::<Vec<_>>().concat(), &octets[..]].concat();
        let _ = read(&line);
    }
}

/// What the filter says to these lines, until it ends.
async fn said(room: &Room, header: bool, lines: &[u8]) -> (String, bool) {
    let (mut wire, ended) = room.opensmtpd(header);
    let (mut from, mut to) = tokio::io::split(&mut wire);
    let write = async {
        let written = to.write_all(lines).await;
        let _ = to.shutdown().await;
        written
    };
    let mut answers = Vec::new();
    let (_, read) = tokio::join!(write, from.read_to_end(&mut answers));
    read.expect("answers");
    (
        String::from_utf8_lossy(&answers).into_owned(),
        ended.await.expect("no panic").is_ok(),
    )
}

#[tokio::test(start_paused = true)]
async fn only_what_is_needed_is_registered() {
    for header in [false, true] {
        let (answers, _) = said(
            &Room::new(""),
            header,
            b"config|smtpd-version|6.8.0p2\nconfig|ready\n",
        )
        .await;
        assert!(
            answers.starts_with("register|report|smtp-in|link-connect\n"),
            "{answers}"
        );
        assert!(answers.ends_with("\nregister|ready\n"), "{answers}");
        assert_eq!(
            answers.contains("register|filter|smtp-in|data-line\n"),
            header
        );
        assert!(
            !answers.contains("|auth") && !answers.contains("tx-data"),
            "{answers}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn content_passes_as_it_is() {
    let room = Room::new("");
    let lines = b"filter|0.6|1.5|smtp-in|data-line|7|t|\xe4|\x00..\nfilter|0.6|1.5|smtp-in|data-line|7|t|\nfilter|0.6|1.5|smtp-in|data-line|7|t|.\n";
    let (mut wire, _) = room.opensmtpd(true);
    wire.write_all(lines).await.expect("written");
    let mut reader = tokio::io::BufReader::new(wire);
    for expected in [
        &b"filter-dataline|7|t|\xe4|\x00..\n"[..],
        b"filter-dataline|7|t|\n",
        b"filter-dataline|7|t|.\n",
    ] {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).await.expect("a line");
        assert_eq!(line, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_ends_the_filter_or_is_passed_over() {
    let good = "filter|0.6|1.5|smtp-in|rcpt-to|7|t|<postmaster>\n";
    for (lines, answered, fine) in [
        (format!("filter|0.6\n{good}"), true, true),
        (
            format!("report|0.6|x|smtp-in|link-connect\n\n\u{0}\u{1}|||||||||\n{good}"),
            true,
            true,
        ),
        (
            format!("filter|0.3|1.5|smtp-in|rcpt-to|t|7|<postmaster>\n{good}"),
            false,
            false,
        ),
        ("x".repeat(MAX_LINE + 5000), false, false),
        ("filter|0.6|1.5|smtp-in|rcpt-to|7|t".to_owned(), false, true),
    ] {
        let (answers, ended_well) = said(&Room::new(""), false, lines.as_bytes()).await;
        assert_eq!(
            answers.contains("filter-result|7|t|proceed\n"),
            answered,
            "{lines:.60}"
        );
        assert_eq!(ended_well, fine, "{lines:.60}");
    }
}

/// Sessions whose end is never told don't fill the memory; what can't be judged goes on.
#[tokio::test(start_paused = true)]
async fn sessions_are_bounded() {
    let room = Room::new("");
    let lines: String = (0..super::MAX_SESSIONS + 50)
        .map(|n| format!("filter|0.6|1.5|smtp-in|connect|{n:x}|t|x|192.0.2.1\n"))
        .collect();
    let (answers, _) = said(&room, false, lines.as_bytes()).await;
    assert_eq!(
        answers.matches("|t|proceed\n").count(),
        super::MAX_SESSIONS + 50
    );
}
