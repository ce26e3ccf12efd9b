//! Notices about hostile peers, clients and mail: the structure stands.

use std::time::{Duration, UNIX_EPOCH};

use mail_parser::{MessageParser, MimeHeaders as _, PartType};
use proptest::prelude::*;
use queue::MessageId;
use queue::notice::{Original, write};
use queue::outcome::Problem;
use queue::settle::{About, Ahead, Kind};
use smtp::{Recipient, Ret};

use crate::notices::{MAIL, about, notice, sound, writer};
use crate::stage::{mail, problem};

/// The unfolded fields of the second part, group by group.
fn groups(body: &[u8]) -> Vec<Vec<(String, String)>> {
    let mail = MessageParser::new().parse(body).expect("a mail");
    assert_eq!(
        mail.content_type()
            .and_then(|kind| kind.attribute("report-type")),
        Some("delivery-status")
    );
    let parts = mail
        .part(0)
        .and_then(|part| part.sub_parts())
        .expect("parts")
        .to_vec();
    assert_eq!(parts, [1, 2, 3]);
    let text = match &mail.part(2).expect("a second part").body {
        PartType::Text(text) => text.to_string(),
        PartType::Binary(octets) => String::from_utf8(octets.to_vec()).expect("ASCII"),
        other => panic!("{other:?}"),
    };
    assert!(text.is_ascii());
    let unfolded = text.replace("\r\n ", " ");
    let group = |group: &str| -> Vec<(String, String)> {
        let fields = group
            .lines()
            .map(|line| line.split_once(": ").expect("a field"));
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    unfolded.trim_end().split("\r\n\r\n").map(group).collect()
}

fn hostile() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[ -~]{0,30}",
        "\\PC{0,10}",
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("\n--=_".to_owned()),
        Just("\r\nAction: delivered\r\n".to_owned()),
        Just("\0\u{7}\u{1b}[2J\u{85}\u{2028}".to_owned()),
        (0_usize..3000).prop_map(|n| "x".repeat(n)),
        (0_usize..300).prop_map(|n| "é".repeat(n)),
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_words_stay_words(
        reply in hostile(),
        address in "\\PC{1,80}",
        (orcpt, envid, relay) in (prop::option::of(hostile()), prop::option::of(hostile()), hostile()),
        start in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            hostile().prop_map(String::into_bytes),
            hostile().prop_map(|text| format!("{MAIL}{text}\r\n").into_bytes()),
        ],
        (ret, whole, remote) in (prop::option::of(Just(Ret::Full)), any::<bool>(), any::<bool>()),
        kind in prop_oneof![Just(Kind::Failed), Just(Kind::Delayed), Just(Kind::Delivered), Just(Kind::Relayed)],
        now in 0_i64..=i64::MAX,
    ) {
        let mut message = mail(&[]);
        message.sender.ret = ret;
        message.sender.envid = envid;
        message.recipients = vec![
            Recipient { orcpt, ..Recipient::new(address.as_str()) },
            Recipient::new("bob@b.example"),
        ];
        let now = UNIX_EPOCH + Duration::from_secs(now.unsigned_abs());
        let hostile = Problem { relay, remote, ..problem(&reply) };
        let ahead = Some(Ahead { next: Some(now), until: now });
        let about = vec![About { ahead, ..about(0, hostile) }, About { ahead, ..about(1, problem("550 5.1.1 No")) }];
        let original = Original { start: &start, whole };
        let written = write(&writer(), MessageId(7), &message, &notice(kind, about), original, now);
        let written = written.expect("a notice");
        sound(&written, &message);

        let groups = groups(&written.body);
        let names = |group: &[(String, String)]| group.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        prop_assert_eq!(groups.len(), 3);
        prop_assert_eq!(&groups[0][0], &("Reporting-MTA".to_owned(), "dns; mx.a.example".to_owned()));
        let mut of_hostile = names(&groups[1]);
        of_hostile.retain(|name| !matches!(name.as_str(), "Original-Recipient" | "Remote-MTA" | "Final-Recipient"));
        let mut expected = vec!["Action", "Status", "Diagnostic-Code", "Last-Attempt-Date"];
        if kind == Kind::Delayed {
            expected.push("Will-Retry-Until");
        }
        prop_assert_eq!(&of_hostile, &expected);
        let mut full = vec!["Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"];
        full.extend(expected.get(4));
        prop_assert_eq!(names(&groups[2]), full);
        prop_assert_eq!(groups[2][0].1.as_str(), "rfc822; bob@b.example");

        let mail = MessageParser::new().parse(&written.body).expect("a mail");
        let subject = mail.subject().expect("a subject");
        prop_assert!(subject.starts_with("Your mail "));
        prop_assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
        prop_assert!(mail.body_text(0).expect("words").starts_with("This is the mail server mx.a.example."));
    }
}
