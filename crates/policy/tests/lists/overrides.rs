//! What the operator allows and denies.

use policy::Moment;
use policy::greylist::Visit;
use policy::lists::{Action, Change, ENTRIES_MAX, Entry, Full, Overrides, Subject, SubjectError};
use proptest::prelude::*;
use std::time::Duration;

/// 2026-01-01 and so many seconds.
fn at(secs: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(Duration::from_secs(secs))
}

fn entry(subject: Subject, action: Action, until: Option<u64>) -> Entry {
    Entry {
        subject,
        action,
        until: until.map(at),
        note: String::new(),
        made: at(0),
    }
}

/// Makes a list of lines `allow|deny client|sender|recipient WHOM [until SECONDS]`.
fn list(lines: &str) -> Overrides {
    let mut overrides = Overrides::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let subject = Subject::parse(words[1], words[2]).expect(line);
        let action = Action::named(words[0]).expect(line);
        let until = words.get(4).map(|secs| secs.parse().expect(line));
        overrides
            .set(entry(subject, action, until))
            .expect("room for it");
    }
    overrides
}

/// What speaks on a visit: `CLIENT SENDER RECIPIENT -> allow client 192.0.2.0/24`.
fn check(lines: &str, visits: &str) {
    check_at(&mut list(lines), 0, visits);
}

fn check_at(overrides: &mut Overrides, secs: u64, visits: &str) {
    for line in visits
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (visit, expected) = line.split_once("->").expect(line);
        let words: Vec<_> = visit.split_whitespace().collect();
        let visit = Visit {
            client: words[0].parse().expect(line),
            sender: words[1].trim_matches(['<', '>']),
            recipient: words[2],
        };
        let found = overrides.judge(visit, at(secs));
        let said = found.map_or("nothing".to_owned(), |entry| {
            format!("{} {}", entry.action.name(), entry.subject)
        });
        assert_eq!(said, expected.trim(), "{line}");
    }
}

#[test]
fn the_most_specific_speaks() {
    check(
        "
        deny  client 192.0.2.0/24
        allow client 192.0.2.7
        allow client 192.0.2.64/26
        deny  client 2001:db8::/32
        allow client 2001:db8:0:1::/64
        deny  sender .example.org
        allow sender example.org
        allow sender lists.example.org
        deny  sender Spam@Example.org
        ",
        "
        192.0.2.8        a@b    c@d -> deny client 192.0.2.0/24
        ::ffff:192.0.2.8 a@b    c@d -> deny client 192.0.2.0/24
        192.0.2.7        a@b    c@d -> allow client 192.0.2.7/32
        192.0.2.65       a@b    c@d -> allow client 192.0.2.64/26
        192.0.3.8        a@b    c@d -> nothing
        2001:db8:1::     a@b    c@d -> deny client 2001:db8::/32
        2001:db8:0:1::9  a@b    c@d -> allow client 2001:db8:0:1::/64
        198.51.100.7     x@example.org         c@d -> allow sender example.org
        198.51.100.7     SPAM@example.org      c@d -> deny sender spam@example.org
        198.51.100.7     x@lists.example.org   c@d -> allow sender lists.example.org
        198.51.100.7     x@a.lists.example.org c@d -> deny sender .example.org
        198.51.100.7     x@www.example.org     c@d -> deny sender .example.org
        198.51.100.7     <>                    c@d -> nothing
        ",
    );
}

#[test]
fn the_recipient_speaks_before_the_client_and_the_client_before_the_sender() {
    check(
        "
        deny  client    192.0.2.0/24
        allow client    198.51.100.0/24
        allow sender    friend@example.org
        deny  sender    foe@example.org
        allow recipient postmaster@here.example
        deny  recipient gone@here.example
        ",
        "
        192.0.2.8    friend@example.org u@here.example          -> deny client 192.0.2.0/24
        192.0.2.8    foe@example.org    postmaster@here.example -> allow recipient postmaster@here.example
        198.51.100.7 foe@example.org    u@here.example          -> allow client 198.51.100.0/24
        198.51.100.7 foe@example.org    gone@here.example       -> deny recipient gone@here.example
        203.0.113.7  foe@example.org    u@here.example          -> deny sender foe@example.org
        203.0.113.7  friend@example.org u@here.example          -> allow sender friend@example.org
        ",
    );
}

#[test]
fn an_entry_ends_and_uncovers_what_is_less_specific() {
    let mut overrides = list(
        "
        deny  sender example.org
        allow sender a@example.org until 60
        deny  client 192.0.2.0/24
        allow client 192.0.2.7 until 90
        ",
    );
    let visits = |sender: &str, client: &str| {
        format!("198.51.100.7 a@example.org x@y -> {sender}\n192.0.2.7 b@b.example x@y -> {client}")
    };
    let allowed = "allow client 192.0.2.7/32";
    check_at(
        &mut overrides,
        60,
        &visits("allow sender a@example.org", allowed),
    );
    check_at(
        &mut overrides,
        61,
        &visits("deny sender example.org", allowed),
    );
    check_at(
        &mut overrides,
        91,
        &visits("deny sender example.org", "deny client 192.0.2.0/24"),
    );
    let drops = overrides
        .take_changes()
        .into_iter()
        .filter(|change| matches!(change, Change::Drop { .. }));
    assert_eq!(drops.count(), 2);
    assert_eq!(overrides.len(), 2);
}

#[test]
fn a_later_word_replaces_an_earlier_one_and_can_be_taken_back() {
    let mut overrides = list("deny client 192.0.2.7\nallow client ::ffff:192.0.2.7/128");
    check_at(
        &mut overrides,
        0,
        "192.0.2.7 a@b c@d -> allow client 192.0.2.7/32",
    );
    let subject = Subject::client("192.0.2.7/32").unwrap();
    assert_eq!(overrides.remove(&subject).unwrap().action, Action::Allow);
    assert_eq!(overrides.remove(&subject), None);
    check_at(&mut overrides, 0, "192.0.2.7 a@b c@d -> nothing");
    assert!(overrides.is_empty());
}

#[test]
fn rows_come_back() {
    let mut overrides = list(
        "
        deny  sender example.org
        allow client 192.0.2.0/24 until 60
        allow client 192.0.2.7 until 600
        allow recipient gone@example.org
        ",
    );
    overrides.remove(&Subject::recipient("gone@example.org").unwrap());
    let mut rows = std::collections::BTreeMap::new();
    for change in overrides.take_changes() {
        match change {
            Change::Keep(entry) => rows.insert(entry.subject.clone(), entry),
            Change::Drop { subject } => rows.remove(&subject),
        };
    }
    assert_eq!(
        rows.values().collect::<Vec<_>>(),
        overrides.entries().collect::<Vec<_>>()
    );
    let mut again = Overrides::default();
    again.restore(rows.into_values(), at(61));
    let ended = Subject::client("192.0.2.0/24").unwrap();
    assert_eq!(
        again.take_changes(),
        [Change::Drop { subject: ended }],
        "it ended meanwhile"
    );
    check_at(
        &mut again,
        61,
        "
        192.0.2.7 a@b c@d -> allow client 192.0.2.7/32
        192.0.2.8 a@b c@d -> nothing
        192.0.2.8 a@example.org c@d -> deny sender example.org
        ",
    );
}

#[test]
fn there_is_an_end_to_it() {
    let mut overrides = Overrides::default();
    let nth = |n: usize| Subject::Client(std::net::Ipv4Addr::from_bits(n as u32).into_net());
    for n in 0..ENTRIES_MAX {
        overrides.set(entry(nth(n), Action::Deny, None)).unwrap();
    }
    let more = entry(nth(ENTRIES_MAX), Action::Deny, None);
    assert_eq!(overrides.set(more), Err(Full));
    overrides
        .set(entry(nth(0), Action::Allow, None))
        .expect("a change of one");

    let mut overrides = Overrides::default();
    let mut long = entry(nth(0), Action::Deny, None);
    long.note = format!(" one\ntwo {}", "é".repeat(300));
    overrides.set(long).unwrap();
    let note = &overrides.entries().next().unwrap().note;
    assert!(note.starts_with("one two é") && note.len() <= Entry::NOTE_MAX);
}

trait IntoNet {
    fn into_net(self) -> ipnet::IpNet;
}

impl IntoNet for std::net::Ipv4Addr {
    fn into_net(self) -> ipnet::IpNet {
        ipnet::IpNet::from(std::net::IpAddr::V4(self))
    }
}

/// Notices can be denied, and nobody else with them.
#[test]
fn the_null_sender_is_a_sender() {
    check(
        "
        deny sender <>
        allow recipient postmaster@d
        ",
        "
        198.51.100.7 <>          c@d          -> deny sender <>
        198.51.100.7 <>          postmaster@d -> allow recipient postmaster@d
        198.51.100.7 a@x.example c@d          -> nothing
        198.51.100.7 a           c@d          -> nothing
        198.51.100.7 a@          c@d          -> nothing
        ",
    );
}

#[test]
fn whom_a_text_names() {
    #[rustfmt::skip]
    let table = [
        ("client",    "192.0.2.7",         Some("client 192.0.2.7/32")),
        ("client",    " 192.0.2.7/24 ",    Some("client 192.0.2.0/24")),
        ("client",    "::ffff:192.0.2.0/120", Some("client 192.0.2.0/24")),
        ("client",    "2001:DB8::1/32",    Some("client 2001:db8::/32")),
        ("client",    "192.0.2",           None),
        ("client",    "192.0.2.7/33",      None),
        ("client",    "example.org",       None),
        ("sender",    "User@Example.ORG",  Some("sender user@example.org")),
        ("sender",    "@example.org",      Some("sender example.org")),
        ("sender",    ".example.org",      Some("sender .example.org")),
        ("sender",    "\"A b\"@example.org", Some("sender \"a b\"@example.org")),
        ("recipient", "<\"a\\ b\"@x.example>", Some("recipient \"a b\"@x.example")),
        ("sender",    "a b@example.org",   None),
        ("sender",    "\"a b@example.org", None),
        ("sender",    "\"a b\"",           None),
        ("sender",    "a@[192.0.2.7]",     Some("sender a@[192.0.2.7]")),
        ("sender",    "Bücher.example",    Some("sender xn--bcher-kva.example")),
        ("sender",    "<User@example.org>", Some("sender user@example.org")),
        ("sender",    " <> ",              Some("sender <>")),
        ("recipient", "<>",                None),
        ("sender",    "",                  None),
        ("sender",    "@",                 None),
        ("sender",    "a@",                None),
        ("sender",    "..example.org",     None),
        ("sender",    "example..org",      None),
        ("sender",    "a@.example.org",    None),
        ("sender",    "a\u{0}@example.org", None),
        ("recipient", "u@here.example",    Some("recipient u@here.example")),
        ("helo",      "u@here.example",    None),
    ];
    for (kind, text, expected) in table {
        let found = Subject::parse(kind, text)
            .ok()
            .map(|subject| subject.to_string());
        assert_eq!(found.as_deref(), expected, "{kind} {text:?}");
    }
    assert_eq!(
        Subject::client("192.0.2").unwrap_err().to_string(),
        "\"192.0.2\" is no address and no network, like 192.0.2.7, 192.0.2.0/24, 2001:db8::/32"
    );
    assert_eq!(
        Subject::parse("helo", "x"),
        Err(SubjectError::Kind("helo".into()))
    );
}

proptest! {
    /// Any text is a subject or none; what it is called is read back as the same.
    #[test]
    fn what_is_shown_is_read(kind in "client|sender|recipient", text in "\\PC{0,60}|[0-9a-f.:/]{0,40}|[a-zA-Z@.]{0,20}") {
        if let Ok(subject) = Subject::parse(&kind, &text) {
            prop_assert_eq!(Subject::parse(subject.kind(), &subject.text()), Ok(subject));
        }
    }

    /// Whatever is in the list: the network that speaks holds the client, and no longer one does.
    #[test]
    fn the_longest_network_speaks(
        nets in proptest::collection::vec((any::<u8>(), 0u8..=32), 0..20), client: u8,
    ) {
        let mut overrides = Overrides::default();
        let net = |host: u8, length: u8| {
            ipnet::IpNet::new([192, 0, 2, host].into(), length).unwrap().trunc()
        };
        for (host, length) in &nets {
            let subject = Subject::Client(net(*host, *length));
            overrides.set(entry(subject, Action::Allow, None)).unwrap();
        }
        let client: std::net::IpAddr = [192, 0, 2, client].into();
        let expected = nets
            .iter()
            .map(|(host, length)| net(*host, *length))
            .filter(|net| net.contains(&client))
            .max_by_key(ipnet::IpNet::prefix_len);
        let found = overrides.judge_client(client, at(0)).map(|entry| entry.subject.clone());
        prop_assert_eq!(found, expected.map(Subject::Client));
    }
}
