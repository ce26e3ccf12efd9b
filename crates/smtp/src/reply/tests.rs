use super::{Answer, MAX_LINE_LEN, Reply, Status, echo, misleads};
use proptest::prelude::*;

fn wire(reply: &Reply) -> String {
    let mut out = Vec::new();
    reply.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn wire_and_log_forms() {
    let check = |reply: Reply, on_wire: &str, in_log: &str| {
        assert_eq!(wire(&reply), on_wire);
        assert_eq!(reply.to_string(), in_log);
    };
    check(
        Reply::new(250, Status(2, 0, 0), "Ok"),
        "250 2.0.0 Ok\r\n",
        "250 2.0.0 Ok",
    );
    check(
        Reply::plain(354, "Go ahead"),
        "354 Go ahead\r\n",
        "354 Go ahead",
    );
    check(
        Reply::new(450, Status(4, 2, 0), "<a@b>: Greylisted").with_hint(300),
        "450 4.2.0 TIME=300 <a@b>: Greylisted\r\n",
        "450 4.2.0 TIME=300 <a@b>: Greylisted",
    );
    check(
        Reply::plain(421, "Too busy").with_hint(0),
        "421 TIME=0 Too busy\r\n",
        "421 TIME=0 Too busy",
    );
    check(
        Reply::new(450, Status(4, 2, 0), "one\ntwo\nthree").with_hint(u64::MAX),
        "450-4.2.0 TIME=18446744073709551615 one\r\n450-4.2.0 two\r\n450 4.2.0 three\r\n",
        "450 4.2.0 TIME=18446744073709551615 one two three",
    );
    check(Reply::plain(250, ""), "250\r\n", "250");
    check(
        Reply::new(250, Status(2, 1, 5), ""),
        "250 2.1.5\r\n",
        "250 2.1.5",
    );
    check(
        Reply::new(450, Status(4, 2, 0), "").with_hint(7),
        "450 4.2.0 TIME=7\r\n",
        "450 4.2.0 TIME=7",
    );
}

#[test]
fn only_a_transient_reply_tells_a_hint() {
    for code in [250, 354, 550] {
        let reply = Reply::plain(code, "text").with_hint(9);
        assert_eq!(wire(&reply), format!("{code} text\r\n"));
        assert_eq!(reply.to_string(), format!("{code} text"));
    }
}

#[test]
fn what_a_peer_said_can_not_break_a_line() {
    let reply = Reply::plain(550, "a\r\0\x1b[31m\u{85}\u{2028}b\x7f");
    assert_eq!(wire(&reply), "550 a[31mb\r\n");
    assert_eq!(reply.to_string(), "550 a[31mb");
}

#[test]
fn a_long_line_is_cut_between_two_characters() {
    let reply = Reply::new(450, Status(4, 2, 0), format!("x{}", "ü".repeat(400)));
    let wire = wire(&reply);
    assert_eq!(wire.len(), MAX_LINE_LEN - 1);
    assert!(wire.ends_with("ü\r\n"));
}

#[test]
fn statuses() {
    let check =
        |word: &str, expected: Option<Status>| assert_eq!(Status::parse(word), expected, "{word}");
    check("4.2.0", Some(Status(4, 2, 0)));
    check("5.999.999", Some(Status(5, 999, 999)));
    for word in [
        "", "4", "4.2", "4.2.0.0", "3.1.1", "4.2.", "4..0", "4.2.0 ", "4.+2.0", "4.1000.0", "x.y.z",
    ] {
        check(word, None);
    }
}

#[test]
fn answers() {
    let check = |raw: &str, code: u16, status: Option<Status>, log: &str, last: &str| {
        let answer = Answer::parse(raw).unwrap();
        assert_eq!((answer.code, answer.status), (code, status), "{raw:?}");
        assert_eq!(answer.to_string(), log);
        assert_eq!(answer.last_line(), last);
    };
    check("250", 250, None, "250", "250");
    check(
        "250 2.1.0 Ok\r\n",
        250,
        Some(Status(2, 1, 0)),
        "250 2.1.0 Ok",
        "250 2.1.0 Ok",
    );
    check(
        "450-first\n450-4.2.0 second\n450 4.3.0 third\n",
        450,
        Some(Status(4, 2, 0)),
        "450 first 4.2.0 second 4.3.0 third",
        "450 4.3.0 third",
    );
    check(
        "450-one\r\n550 5.1.1 two",
        550,
        Some(Status(5, 1, 1)),
        "550 one 5.1.1 two",
        "550 5.1.1 two",
    );
    check(
        "450 5.1.1 class differs",
        450,
        None,
        "450 5.1.1 class differs",
        "450 5.1.1 class differs",
    );
    check("250-\r\n250 \r\n", 250, None, "250", "250 ");
    check("550 é\x1b[0m", 550, None, "550 é[0m", "550 é\x1b[0m");
    for raw in [
        "",
        "\r\n",
        "25",
        "2500 x",
        "199 x",
        "600 x",
        "abc",
        "+25 x",
        "250-a\r\nb",
        "250x",
        "2é",
    ] {
        assert_eq!(Answer::parse(raw), None, "{raw:?}");
    }
}

#[test]
fn an_answer_keeps_its_lines_apart_by_crlf() {
    let answer = Answer::parse("250-a\n250-b\r\n250 c\n").unwrap();
    assert_eq!(answer.raw, "250-a\r\n250-b\r\n250 c");
}

#[test]
fn echoes() {
    let check = |words: &str, max: usize, expected: &str| assert_eq!(echo(words, max), expected);
    check("a@b.example", 96, "a@b.example");
    check("a\r\n250 b\0", 96, "a250 b");
    check("üüü", 5, "üü");
    check("abc", 0, "");
    // Shown as "a@good.test" where the overrides are obeyed, or as another word than it is.
    check("\u{202e}tset.doog@a", 96, "tset.doog@a");
    check("a\u{2066}b\u{2069}\u{200f}c@x", 96, "abc@x");
    check(
        "post\u{200b}mas\u{ad}ter\u{feff}\u{e0041}@x",
        96,
        "postmaster@x",
    );
    check("\u{61c}\u{180e}\u{2060}\u{fff9}", 96, "");
    // Letters of any script stay, and so do marks that stand on them.
    check(
        "дядя@пример, e\u{301}, ไทย, 日本",
        96,
        "дядя@пример, e\u{301}, ไทย, 日本",
    );
}

/// A control or a format character, as a regular expression knows them (General_Category Cc, Cf, Zl, Zp).
#[test]
fn what_misleads_is_what_unicode_calls_control_or_format() {
    let format = proptest::string::string_regex("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]{64}").unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&format, |drawn| {
            prop_assert!(drawn.chars().all(misleads), "{:?}", drawn);
            Ok(())
        })
        .unwrap();
    let seen =
        proptest::string::string_regex("[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Zs}]{64}").unwrap();
    runner
        .run(&seen, |drawn| {
            prop_assert!(!drawn.contains(misleads), "{:?}", drawn);
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn every_line_is_one_line_of_at_most_512_octets(text in "\\PC{0,30}([\\PC\r\n\0]{0,700})", hint in any::<Option<u64>>()) {
        let mut reply = Reply::new(450, Status(4, 2, 0), text);
        reply.hint = hint;
        let wire = wire(&reply);
        let body = wire.strip_suffix("\r\n").unwrap();
        for line in body.split("\r\n") {
            prop_assert!(line.len() <= MAX_LINE_LEN - 2);
            prop_assert!(!line.contains(char::is_control));
            prop_assert!(line.starts_with("450"));
        }
        prop_assert!(!reply.to_string().contains(char::is_control));
        let answer = Answer::parse(&wire).unwrap();
        prop_assert_eq!((answer.code, answer.status), (450, Some(Status(4, 2, 0))));
        prop_assert_eq!(answer.raw, body);
    }

    #[test]
    fn no_answer_makes_it_panic(raw in "\\PC*|[2-5][0-9]{2}[- \r\n\\PC]*") {
        if let Some(answer) = Answer::parse(&raw) {
            prop_assert!(!answer.to_string().contains(char::is_control));
        }
    }
}
