//! Records that a test made: of every kind, and of clients that never came back.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use policy::engine::{Counted, LimitRule, Rules, Scope, Session};
use policy::lists::{Action, Entry, Subject};
use policy::{Event, Stage};
use serde_json::json;
use store::policy::Records;

use super::support::{Node, TempDir, never_returned};
use super::{HOUR, done, objects, refused, secs};

/// One record of each kind, of the year 2040, so that none is over.
fn furnished(path: &Path) {
    let rules = Rules {
        limits: vec![LimitRule {
            name: "slow".to_owned(),
            of: Counted::Recipients,
            per: Scope::Recipient,
            limit: "1/h burst 1".parse().expect("a limit"),
        }],
        ..Rules::default()
    };
    let at = |secs: u64| UNIX_EPOCH + Duration::from_secs(2_208_988_800 + secs);
    let records = Records::open(path, rules, at(0)).expect("records");
    let visit = |client: &str, sender: &str, secs| {
        let event = Event {
            stage: Stage::Recipient,
            client: client.parse().expect("an address"),
            helo: "far.test",
            user: None,
            sender,
            recipient: "bob@here.test",
            size: 0,
        };
        records.with(at(secs), |engine, now| {
            engine.judge(&mut Session::default(), &event, now);
        });
    };
    visit("192.0.2.7", "anna@far.test", 0);
    visit("192.0.2.7", "anna@far.test", 300);
    visit("192.0.2.8", "carl@far.test", 301);
    visit("2001:db8::7", "\u{1b}[2Jeve@far.test", 302);
    records.with(at(303), |engine, now| {
        let hour = Duration::from_secs(3600);
        for mailbox in ["full@here.test", "was@here.test", "often@here.test"] {
            engine.mailboxes.full(mailbox, now);
        }
        for mailbox in ["was@here.test", "often@here.test"] {
            engine.mailboxes.room(mailbox, now.after(hour));
        }
        engine
            .mailboxes
            .full("often@here.test", now.after(2 * hour));
        let client = "192.0.2.7".parse().expect("an address");
        engine.domains.accepted(client, "anna@far.test", now);
        let entry = Entry {
            subject: Subject::client("198.51.100.0/24").expect("a network"),
            action: Action::Allow,
            until: Some(now.after(hour)),
            note: "ticket 4711".to_owned(),
            made: now,
        };
        engine.lists.set(entry).expect("room");
    });
    records.close().expect("written");
}

#[test]
fn a_seen_domain_is_shown_to_all_its_senders_and_forgotten_by_none_alone() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", HOUR);
    fs::create_dir(&node.data).expect("a directory");
    furnished(&node.data.join("policy.db"));
    let domains = |which: &[&str]| {
        let shown = done(&node, &[&["show", "--json"], which].concat());
        let mut all = objects(&shown);
        all.retain(|one| one["kind"] == "domain");
        all.len()
    };
    for (which, shown) in [
        (&["--sender", "far.test"][..], 1),
        (&["sender", "anna@mail.FAR.test"], 1),
        (&["sender", ".test"], 1),
        (&["--sender", "notfar.test"], 0),
        (&["client", "192.0.2.200"], 1),
        (&["client", "192.0.3.1"], 0),
        (&["recipient", "bob@here.test"], 0),
    ] {
        assert_eq!(domains(which), shown, "{which:?}");
    }
    done(&node, &["forget", "sender", "anna@far.test"]);
    assert_eq!(domains(&[]), 1, "others write from there too");
    let said = done(&node, &["forget", "sender", "far.test"]);
    assert!(said.ends_with("1 seen domain\n"), "{said}");
    assert_eq!(domains(&[]), 0);
}

#[test]
fn each_kind_has_its_table() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", HOUR);
    fs::create_dir(&node.data).expect("a directory");
    furnished(&node.data.join("policy.db"));
    assert_eq!(done(&node, &["show"]), TABLES);
    let of_client = done(&node, &["show", "--client", "198.51.100.9", "--json"]);
    assert_eq!(
        of_client,
        "{\"kind\":\"override\",\"action\":\"allow\",\"about\":\"client\",\"value\":\"198.51.100.0/24\",\
         \"until\":\"2040-01-01T01:05:03Z\",\"made\":\"2040-01-01T00:05:03Z\",\"note\":\"ticket 4711\"}\n"
    );
}

const TABLES: &str = "\
KNOWN                   PASSES  AT ONCE  LAST USED             UNTIL
192.0.2.0/24                 1  yes      2040-01-01T00:05:00Z  2040-02-06T00:05:00Z

TRIPLET                 FIRST SEEN            DUE                   UNTIL                 PASSED                FROM -> TO
2001:db8::/64           2040-01-01T00:05:02Z  2040-01-01T00:10:02Z  2040-01-03T00:05:02Z  -                     <[2jeve@far.test> -> <bob@here.test>

APPOINTMENT             ASKED                 DUE                   UNTIL                 RULE              REASON     FROM -> TO
192.0.2.8               2040-01-01T00:05:01Z  2040-01-01T01:00:00Z  2040-01-01T01:54:59Z  slow              client     <carl@far.test> -> <bob@here.test>

CALENDAR                LIMIT                 COUNT                 COUNTED AT            KEY
slow                    1/h burst 1           0 free                2040-01-01T00:05:01Z  bob@here.test

TOLD                    WHEN                  UNTIL                 STATE     FROM -> TO
2001:db8::/64           2040-01-01T00:05:02Z  2040-01-03T00:05:02Z  waiting   <[2Jeve@far.test> -> <bob@here.test>

ACCEPTED                LAST                  UNTIL
192.0.2.7               2040-01-01T00:05:00Z  2040-02-06T00:05:00Z

SEEN DOMAIN                       LAST                  UNTIL                 BROUGHT BY
far.test                          2040-01-01T00:05:03Z  2040-02-06T00:05:03Z  192.0.2.0/24

MAILBOX                           FULL SINCE            UNTIL                 HINT  WAS FULL FOR
full@here.test                    2040-01-01T00:05:03Z  2040-01-01T00:20:03Z  no    -
was@here.test                     -                     -                     no    60m
often@here.test                   2040-01-01T02:05:03Z  2040-01-01T03:05:03Z  yes   60m

ENTRY   ABOUT      VALUE                             UNTIL                 MADE                  NOTE
allow   client     198.51.100.0/24                   2040-01-01T01:05:03Z  2040-01-01T00:05:03Z  ticket 4711
11 records
";

#[test]
fn who_never_returned_is_listed_and_written_as_a_zone() {
    let dir = TempDir::new();
    let mut node = Node::prepared(&dir, "node", "127.0.0.1:0", HOUR);
    assert_eq!(done(&node, &["never-returned"]), "nobody\n");
    fs::create_dir(&node.data).expect("a directory");
    never_returned(&node.data.join("policy.db"));
    for with_server in [false, true] {
        if with_server {
            node.run();
        }
        let listed = objects(&done(&node, &["never-returned", "--json"]));
        let told: Vec<_> = listed
            .iter()
            .map(|one| {
                (
                    one["client"].as_str().expect("text"),
                    one["pairs"].as_u64(),
                    one["days"].as_u64(),
                    one["listed"] == true,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("192.0.2.7", Some(6), Some(2), true),
                ("192.0.2.8", Some(1), Some(1), false),
                ("2001:db8::/64", Some(6), Some(2), true),
            ]
        );
        assert_eq!(secs(&listed[0]["first"], &listed[0]["last"]), 86400 + 5);
        let table = done(&node, &["never-returned"]);
        assert!(
            table.starts_with("CLIENT ") && table.ends_with("\n3 clients, 2 listed\n"),
            "{table}"
        );
        assert!(
            table.contains("\n192.0.2.7                   6      2  20"),
            "{table}"
        );

        let zone = |more: &[&str]| done(&node, &[&["never-returned", "--zone"], more].concat());
        let bind = zone(&["bind", "--origin", "bl.example.org", "--ttl", "30m"]);
        for line in [
            "$ORIGIN bl.example.org.",
            "$TTL 1800",
            "@ IN NS node.test.",
            "7.2.0.192 A 127.0.0.2",
            "7.2.0.192 TXT \"192.0.2.7 never came back when it was asked to wait\"",
            "*.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.2",
        ] {
            assert!(
                bind.lines().any(|one| one == line),
                "{line} is not in {bind}"
            );
        }
        assert!(
            bind.contains("@ IN SOA node.test. hostmaster.bl.example.org. 1"),
            "{bind}"
        );
        assert!(!bind.contains("8.2.0.192"), "not enough for that: {bind}");
        let rbldnsd = zone(&[
            "rbldnsd",
            "--only",
            "v4",
            "--text",
            "see https://example.org/?$",
            "--server",
            "ns.example.org.",
        ]);
        assert!(
            rbldnsd.contains("\n127.0.0.2\n192.0.2.7\n$DATASET ip6trie @\n"),
            "{rbldnsd}"
        );
        assert!(rbldnsd.contains("\n$NS 3600 ns.example.org\n"), "{rbldnsd}");
        assert!(
            rbldnsd.contains("\n:127.0.0.2:see https://example.org/?$\n"),
            "{rbldnsd}"
        );
        assert!(!rbldnsd.contains("2001:db8"), "{rbldnsd}");
    }
    let (code, said) = refused(
        &node,
        &[
            "never-returned",
            "--zone",
            "bind",
            "--origin",
            "bl.example.org\n@ A 192.0.2.1",
        ],
    );
    assert_eq!(code, Some(2));
    assert!(said.contains("write a domain"), "{said}");
    assert_eq!(
        done(&node, &["forget", "--client", "192.0.2.7"]),
        "forgotten: 6 awaited returns\n"
    );
    let left = objects(&done(&node, &["never-returned", "--json", "--listed"]));
    assert_eq!(
        (left.len(), &left[0]["client"]),
        (1, &json!("2001:db8::/64"))
    );
}
