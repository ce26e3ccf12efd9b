//! Rows as an administrator finds and forgets them.

use crate::tables::{furnished, limits, mail};
use crate::{Judge, Room, at, counts, greylisting, query, visit};
use policy::engine::{Counted, LimitRule, Rules, Scope, Session};
use policy::greylist::{Settings, Visit};
use policy::{Event, Stage, domains, greylist, mailbox, returns, slots};
use store::policy::{Filter, FindError, Records, Row};

/// A row, in few words.
fn told(row: &Row) -> String {
    match row {
        Row::Greylist(greylist::Stored::Known { origin, .. }) => format!("known {origin}"),
        Row::Greylist(greylist::Stored::Record {
            network,
            sender,
            recipient,
            ..
        }) => {
            format!("triplet {network} <{sender}> <{recipient}>")
        }
        Row::Slots(slots::Stored::Appointment { client, sender, .. }) => {
            format!("appointment {client} <{sender}>")
        }
        Row::Slots(slots::Stored::Calendar { rule, key, .. }) => format!("calendar {rule} {key}"),
        Row::Slots(slots::Stored::Clock { .. }) => "clock".to_owned(),
        Row::Returns(returns::Stored::Pair { client, sender, .. }) => {
            format!("told {client} <{sender}>")
        }
        Row::Returns(returns::Stored::Accepted { client, .. }) => format!("accepted {client}"),
        Row::Domain(domains::Stored { domain, .. }) => format!("domain {domain}"),
        Row::Mailbox(mailbox::Stored { mailbox, .. }) => format!("mailbox {mailbox}"),
        Row::Override(entry) => format!("{} {}", entry.action.name(), entry.subject),
    }
}

fn filter(words: &str) -> Filter {
    let mut filter = Filter::default();
    for (key, value) in words
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
    {
        match key {
            "client" => filter.client = value.parse().ok(),
            "origin" => filter.origin = value.parse().ok(),
            "sender" => filter.sender = Some(value.trim_matches(['<', '>']).to_owned()),
            "recipient" => filter.recipient = Some(value.to_owned()),
            _ => panic!("no such key: {key}"),
        }
    }
    filter
}

fn found(server: &Records, words: &str) -> Vec<String> {
    let rows = server.find(&filter(words), 100).unwrap();
    rows.iter().map(told).collect()
}

#[test]
fn rows_are_found_by_client_origin_sender_and_recipient() {
    let room = Room::new();
    let server = furnished(&room);
    let all = found(&server, "");
    assert_eq!(
        all,
        [
            "known 192.0.2.0/24",
            "triplet 203.0.113.0/24 <d@x.example> <b@y.example>",
            "appointment 192.0.2.8 <c@z.example>",
            "appointment 198.51.100.7 <>",
            "calendar rate b@y.example",
            "calendar quota x.example",
            "calendar quota z.example",
            "told 192.0.2.8/32 <c@z.example>",
            "told 203.0.113.7/32 <d@x.example>",
            "accepted 192.0.2.7/32",
            "mailbox b@y.example",
            "mailbox full@y.example",
            "deny client 192.0.2.128/25",
            "allow sender .friend.example",
        ]
    );
    for (words, expected) in [
        ("client=192.0.2.8/32", &[0, 2, 7][..]),
        ("client=192.0.2.0/24", &[0, 2, 7, 9, 12]),
        ("client=203.0.113.7/32", &[1, 8]),
        ("client=2001:db8::/32", &[]),
        ("origin=192.0.2.0/24", &[0]),
        ("origin=spf:x.example", &[]),
        ("sender=C@z.example", &[2, 7]),
        ("sender=z.example", &[2, 6, 7]),
        ("sender=.example", &[1, 2, 4, 5, 6, 7, 8, 13]),
        ("sender=.friend.example", &[13]),
        ("sender=<>", &[3]),
        ("recipient=b@y.example", &[1, 2, 3, 4, 7, 8, 10]),
        ("recipient=full@y.example", &[11]),
        ("sender=c@z.example recipient=b@y.example", &[2, 7]),
        ("client=203.0.113.0/24 recipient=b@y.example", &[1, 8]),
    ] {
        let expected: Vec<_> = expected.iter().map(|&n: &usize| all[n].as_str()).collect();
        assert_eq!(found(&server, words), expected, "{words}");
    }
    for most in [0, 1, 5, 13] {
        let rows = server.find(&Filter::default(), most).unwrap();
        assert_eq!(rows.len(), most);
    }
}

#[test]
fn what_is_forgotten_is_gone_from_memory_and_file() {
    for (words, forgotten, gone) in [
        (
            "client=192.0.2.8/32",
            3,
            &["known", "appointment 192", "told 192"][..],
        ),
        ("client=203.0.113.7/32", 2, &["triplet 203", "told 203"]),
        ("sender=c@z.example", 1, &["appointment 192"]),
        (
            "sender=z.example",
            2,
            &["appointment 192", "calendar quota z"],
        ),
        ("sender=nobody@x.example", 0, &[]),
        (
            "recipient=b@y.example",
            5,
            &["triplet", "appointment", "calendar rate", "mailbox b"],
        ),
        (
            "",
            11,
            &[
                "known",
                "triplet",
                "appointment",
                "calendar",
                "told",
                "mailbox",
            ],
        ),
    ] {
        let room = Room::new();
        let server = furnished(&room);
        let mut left = found(&server, "");
        left.retain(|row| !gone.iter().any(|gone| row.starts_with(gone)));
        let count = server.forget(&filter(words), at(340)).unwrap();
        assert_eq!(
            (count, found(&server, "")),
            (forgotten, left.clone()),
            "{words}"
        );
        assert_eq!(
            server.forget(&filter(words), at(340)).unwrap(),
            0,
            "{words}"
        );
        server.close().unwrap();
        let server = room.open(at(341));
        assert_eq!(found(&server, ""), left, "{words}");
    }
}

#[test]
fn a_forgotten_appointments_place_is_the_next_ones() {
    let room = Room::new();
    let server = Records::open(&room.path(), limits(), at(0)).unwrap();
    let come = |sender| mail(&server, "192.0.2.8", sender, "b@y.example", at(0));
    assert_eq!(come("a@a.example"), "ok");
    assert_eq!(come("b@b.example"), "450 60");
    assert_eq!(come("c@c.example"), "450 120");
    assert_eq!(
        server.forget(&filter("sender=b@b.example"), at(0)).unwrap(),
        1
    );
    assert_eq!(come("d@d.example"), "450 60");
    assert_eq!(come("c@c.example"), "450 120", "a promise is not moved");
    assert_eq!(come("b@b.example"), "450 180");
}

/// One mail for these, in one session: what each is told.
fn mail_to(server: &Records, sender: &str, recipients: &[&str], secs: u64) -> Vec<String> {
    let event = |recipient| Event {
        stage: Stage::Recipient,
        client: "192.0.2.8".parse().unwrap(),
        helo: "mx.c.example",
        user: None,
        sender,
        recipient,
        size: 0,
    };
    server.with(at(secs), |engine, now| {
        let mut session = Session::default();
        let mut said = |recipient| {
            let verdict = engine.judge(&mut session, &event(recipient), now);
            verdict.refusal().map_or("ok".to_owned(), |refusal| {
                format!("{} {}", refusal.code, refusal.wait_secs.unwrap_or(0))
            })
        };
        let said = recipients.iter().map(|to| said(*to)).collect();
        engine.taken(&mut session, now);
        said
    })
}

/// Each recipient of a mail that was told one time finds it, and what is taken back of one is the others' still.
#[test]
fn a_shared_appointment_is_each_recipients() {
    let room = Room::new();
    let per_client = LimitRule {
        of: Counted::Messages,
        per: Scope::Client,
        ..limits().limits.remove(0)
    };
    let rules = Rules {
        limits: vec![per_client],
        ..limits()
    };
    let open = |secs| Records::open(&room.path(), rules.clone(), at(secs)).unwrap();
    let (a, b, c) = ("a@y.example", "B@y.example", "c@z.example");
    let server = open(0);
    assert_eq!(mail_to(&server, "x@x.example", &[a], 0), ["ok"]);
    let told = mail_to(&server, "s@x.example", &[a, b, c], 0);
    assert_eq!(told, ["450 60"; 3]);
    server.close().unwrap();
    let server = open(1);
    let recipients = |words| -> Vec<Vec<String>> {
        let rows = server.find(&filter(words), 9).unwrap();
        let own = rows.into_iter().filter_map(|row| match row {
            Row::Slots(slots::Stored::Appointment { recipients, .. }) => Some(recipients),
            _ => None,
        });
        own.collect()
    };
    for words in [
        "recipient=a@y.example",
        "recipient=b@y.example",
        "recipient=z.example",
        "recipient=c@z.example sender=s@x.example client=192.0.2.0/24",
        "sender=s@x.example",
    ] {
        assert_eq!(recipients(words), [[a, b, c]], "{words}");
    }
    for words in [
        "recipient=d@y.example",
        "recipient=c@z.example sender=b@b.example",
    ] {
        assert_eq!(recipients(words), [[""; 0]; 0], "{words}");
    }
    let forget = |words| {
        server
            .forget_by_kind(&filter(words), at(2))
            .unwrap()
            .appointments
    };
    assert_eq!(forget("recipient=b@y.example"), 1);
    assert_eq!(recipients(""), [[a, c]]);
    assert_eq!(forget("recipient=b@y.example"), 0);
    // The one that is left out has a time of its own, the others keep theirs.
    assert_eq!(mail_to(&server, "s@x.example", &[b], 2), ["450 118"]);
    assert_eq!(mail_to(&server, "s@x.example", &[c], 60), ["ok"]);
    assert_eq!(recipients("recipient=y.example"), [[a], [b]]);
    // With its last one it goes.
    assert_eq!(forget("recipient=a@y.example"), 1);
    assert_eq!(recipients(""), [[b]]);
    assert_eq!(forget("client=192.0.2.8/32"), 1);
    assert_eq!(recipients(""), [[""; 0]; 0]);
    server.close().unwrap();
    assert_eq!(query(&room.path(), "SELECT count(*) || '' FROM guest"), "0");
}

/// What is told behind the content is told each of its recipients.
#[test]
fn who_is_told_behind_the_content_is_found_by_each_recipient() {
    let room = Room::new();
    let octets = LimitRule {
        of: Counted::Octets,
        per: Scope::Sender,
        limit: "600/h burst 10".parse().unwrap(),
        ..limits().limits.remove(0)
    };
    let rules = Rules {
        limits: vec![octets],
        ..limits()
    };
    let server = Records::open(&room.path(), rules, at(0)).unwrap();
    server.with(at(0), |engine, now| {
        let mut session = Session::default();
        for (stage, recipient, size) in [
            (Stage::Recipient, "a@y.example", 0),
            (Stage::Recipient, "b@y.example", 0),
            (Stage::Message, "", 300),
        ] {
            let event = Event {
                stage,
                client: "192.0.2.8".parse().unwrap(),
                helo: "mx.c.example",
                user: None,
                sender: "s@x.example",
                recipient,
                size,
            };
            let verdict = engine.judge(&mut session, &event, now);
            assert_eq!(verdict.refusal().is_some(), stage == Stage::Message);
        }
    });
    for words in ["recipient=a@y.example", "recipient=b@y.example"] {
        assert_eq!(
            found(&server, words),
            ["appointment 192.0.2.8 <s@x.example>"]
        );
    }
}

#[test]
fn many_are_forgotten_at_once() {
    let room = Room::new();
    let rules = greylisting(Settings {
        max_pending_per_network: usize::MAX,
        ..Settings::default()
    });
    let server = Records::open(&room.path(), rules, at(0)).unwrap();
    for n in 0..25_000 {
        let sender = format!("{n}@x.example");
        let visit = Visit {
            sender: &sender,
            ..visit(0)
        };
        server.judge(visit, at(0));
    }
    server.judge(visit(1), at(0));
    let forgotten = server
        .forget(&filter("client=192.0.2.0/24"), at(0))
        .unwrap();
    assert_eq!(forgotten, 25_000);
    assert_eq!(counts(&server), (1, 0));
    assert_eq!(found(&server, "").len(), 1);
}

#[test]
fn in_memory_there_is_nothing_to_look_into() {
    let server = Records::in_memory(Rules::default());
    let error = server.find(&Filter::default(), 1).unwrap_err();
    assert!(matches!(error, FindError::InMemory));
    let error = server.forget(&Filter::default(), at(0)).unwrap_err();
    assert!(matches!(error, FindError::InMemory));
}
