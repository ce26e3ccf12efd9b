//! What holds for every reply, whatever its octets.

use core::time::Duration;

use proptest::prelude::*;
use retry_hint::{Answered, Hint, Keyword, Tongue, Tongues, explain, read};

fn at_rcpt(reply: &[u8]) -> Option<Hint> {
    read(reply, Answered::Rcpt, Tongues::default())
}

/// Words that hints are made of, and what surrounds them, in an order that nobody thought of.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "450 ",
            "450-",
            "421 4.3.2 ",
            "4.2.0 ",
            "\r\n",
            "\n",
            "TIME=",
            "time=300",
            "retry=",
            "00:05:00",
            "expire=1",
            "try ",
            "again ",
            "in ",
            "after ",
            "for ",
            "5 ",
            "300 ",
            "minutes ",
            "seconds",
            "h",
            "1,800 ",
            "2.5 ",
            "greylisted ",
            "grey ",
            "wait ",
            "left ",
            "<",
            ">",
            "\"",
            "'",
            "\\",
            "@",
            "(",
            ")",
            ": ",
            " said: ",
            "451 ",
            "be back ",
            "not ",
            ": Recipient address rejected: ",
            "Retry-After: ",
            "99999999999999999999 ",
            "-",
            "1 day, ",
            "https://",
            "remaining",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn answered() -> impl Strategy<Value = Answered> {
    prop::sample::select(vec![
        Answered::Greeting,
        Answered::Ehlo,
        Answered::Mail,
        Answered::Rcpt,
        Answered::Data,
        Answered::EndOfData,
    ])
}

/// A mailbox within RFC 5321 §4.1.2 (and RFC 6531's letters), with words in its quoted form that would be a hint.
fn mailbox() -> impl Strategy<Value = String> {
    let atom = "[a-z0-9!#$%&'*+/=?^_`{|}~é-]{1,12}(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}){0,2}";
    let hints = prop::sample::select(vec![
        "try again in 9 seconds",
        "greylisted for 9 minutes",
        "TIME=9",
        ": Recipient address rejected: TIME=9 ",
        "retry=9",
        "> TIME=9",
        "said: 450 ",
        "wait 9 s",
        "(9s left)",
        "in 9 minutes",
    ]);
    let quoted = (
        "[ !#-\\[\\]-~]{0,12}",
        "(\\\\[ -~]){0,3}",
        hints,
        "[ !#-\\[\\]-~]{0,12}",
    )
        .prop_map(|(a, escaped, hint, b)| format!("\"{a}{escaped} {hint}{b}\""));
    let words = prop::sample::select(vec![
        "try.again.in.9.seconds",
        "retry=9",
        "TIME=9",
        "'try",
        "9s",
        "retry-after=9",
    ])
    .prop_map(str::to_owned);
    let domain = prop_oneof![
        "[a-z0-9]{1,10}(-[a-z0-9]{1,5})?\\.example",
        "\\[192\\.0\\.2\\.[0-9]{1,2}\\]",
        "\\[IPv6:2001:db8::[0-9a-f]{1,4}\\]"
    ];
    (
        prop_oneof![atom.prop_map(|local: String| local), quoted, words],
        domain,
    )
        .prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// Replies that echo an address, `{}`, where servers do.
const ECHOES: [&str; 16] = [
    "450 4.2.0 <{}>: Recipient address rejected: no",
    "450 4.2.0 <{}>: Recipient address rejected: Greylisted for 300 seconds",
    "450 4.2.0 <{}>: Sender address rejected: TIME=300 Greylisted",
    "450 4.2.0 TIME=300 <{}>: Recipient address rejected: Greylisted; from=<{}> to=<{}> proto=ESMTP helo=<x.example>",
    "450 4.7.1 Greylisted, try again in 5 minutes; to=<{}>",
    "450 4.7.1 {} has exceeded 100 messages per 60 minutes, try again later",
    "450 4.7.1 Mail to {} deferred for 5 minutes",
    "450 4.7.1 Greylisted for 300 seconds ({})",
    "450 4.7.1 no such user: {}",
    "450 4.7.1 {}: unknown",
    "450-4.7.1 about {}\r\n450 4.7.1 please try again in 300 seconds",
    "450-4.7.1 try again in 300 seconds\r\n450 4.7.1 {}",
    "450 4.7.1 {}... Greylisted retry=300",
    "450 4.7.1 please come back in {} minutes",
    "450 4.7.1 {} is deferred, try again in 5 minutes (policy 'new')",
    "450 4.7.1 deferred, '{}' is new, try again in 5 minutes",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_octets_are_read_without_panic_and_explained_as_read(
        head in prop::sample::select(vec!["", "450 ", "450 4.2.0 ", "451-4.7.1 ", "550 "]),
        junk in junk(),
        answered in answered(),
        prose in any::<bool>(),
    ) {
        let reply = [head.as_bytes(), &junk].concat();
        let tongues = Tongues { prose };
        let hint = read(&reply, answered, tongues);
        let why = explain(&reply, answered, tongues);
        prop_assert_eq!(why.hint(), hint);
        prop_assert_eq!(why.no_hint().is_none(), hint.is_some());
        prop_assert!(!why.to_string().is_empty());
        if let Some(bytes) = why.bytes() {
            prop_assert!(bytes.start < bytes.end && bytes.end <= reply.len(), "{:?} of {}", bytes, reply.len());
        }
        if !prose {
            prop_assert!(hint.is_none_or(|hint| hint.tongue != Tongue::Prose));
        }
    }

    #[test]
    fn plain_noise_is_read_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = at_rcpt(&noise);
    }

    #[test]
    fn what_is_written_is_read_back(secs in any::<u64>(), code in 400u16..500, status in "(4\\.[0-9]{1,3}\\.[0-9]{1,3} )?", text in "( [ -~]{0,40})?") {
        let reply = format!("{code} {status}{}{text}\r\n", Keyword(secs));
        let hint = at_rcpt(reply.as_bytes());
        prop_assert_eq!(hint.map(|hint| (hint.wait_secs, hint.tongue)), Some((secs, Tongue::Keyword)));
    }

    #[test]
    fn a_written_wait_is_never_short(wait in any::<Duration>()) {
        let Keyword(secs) = Keyword::from_duration(wait);
        prop_assert!(Duration::from_secs(secs) >= wait || secs == u64::MAX);
        prop_assert!(secs - wait.as_secs() <= 1);
    }

    #[test]
    fn only_4yz_has_a_hint(code in prop_oneof![200u16..400, 500u16..600], text in junk()) {
        let reply = [format!("{code} 4.2.0 TIME=300 Greylisted for 300 seconds ").as_bytes(), &text].concat();
        prop_assert_eq!(at_rcpt(&reply), None);
    }
}

proptest! {
    // Each case reads 32 replies.
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_echoed_address_changes_nothing(mailbox in mailbox()) {
        for echo in ECHOES {
            let with = |address: &str| at_rcpt(echo.replace("{}", address).as_bytes());
            prop_assert_eq!(with(&mailbox), with("bob@b.example"), "{}", echo.replace("{}", &mailbox));
        }
    }
}

/// Time is in proportion to the length: were it the square, this test would take hours.
#[test]
fn hostile_length() {
    let few_words = [
        "a", "<", "\"", "'a@ ", "`", "' \"", "'\" ", "a,b,", "5m", "((", "TIME=", "retry=",
        ": 450 ", "\n", "\n450 ", "9", "1h", "x://", "@ ", "\\", "<\" ", "-", ":", "1:",
    ];
    let many_words = [
        "a ",
        "'a ",
        "5 ",
        "try again ",
        "greylisted ",
        "greylisted for ",
        "in 5 ",
        "1 day, ",
        "said ",
        "a\n",
        "wait for ",
        "5 minutes ",
        "again ",
        "sending again ",
        "temporarily rejected ",
        "- ",
        "you will be blocked for 5 minutes ",
        "remote ",
        "bitte warten sie ",
    ];
    let sized = few_words
        .map(|piece| (piece, 100_000))
        .into_iter()
        .chain(many_words.map(|piece| (piece, 6_000)));
    for (piece, length) in sized {
        let reply = format!("450 4.7.1 {}", piece.repeat(length / piece.len()));
        let why = explain(reply.as_bytes(), Answered::Rcpt, Tongues::default());
        assert_eq!(why.hint(), at_rcpt(reply.as_bytes()), "{piece:?}");
    }
}
