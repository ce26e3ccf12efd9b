//! What an administrator sees and changes of what the rules remember, with the server running and without it.

mod stored;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Client, Node, PolicyServer, TempDir, run, text, until};

const HOUR: &str = "[greylist]\ndelay = \"1h\"\n";

/// What the recipient is answered.
#[track_caller]
fn visit(node: &Node, from: &str, to: &str) -> String {
    let mut client = Client::connect(node.address);
    client.ask(&format!("MAIL FROM:<{from}>"), "250 ");
    client
        .command(&format!("RCPT TO:<{to}>"))
        .expect("a reply to RCPT")
}

/// A command that must do it; its standard output.
#[track_caller]
fn done(node: &Node, args: &[&str]) -> String {
    let output = policy(node, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    text(&output.stdout)
}

#[track_caller]
fn policy(node: &Node, args: &[&str]) -> Output {
    let args: Vec<_> = std::iter::once("policy")
        .chain(args.iter().copied())
        .collect();
    node.command(&args)
}

/// A command that must not; its exit code and standard error.
#[track_caller]
fn refused(node: &Node, args: &[&str]) -> (Option<i32>, String) {
    let output = policy(node, args);
    assert!(!output.status.success(), "{args:?}: {output:?}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    (output.status.code(), text(&output.stderr))
}

fn objects(lines: &str) -> Vec<Value> {
    let object = |line| serde_json::from_str(line).expect("JSON");
    lines.lines().map(object).collect()
}

/// Those of this kind: what was told a moment ago is among them.
#[track_caller]
fn shown(node: &Node, kind: &str) -> Vec<Value> {
    let mut all = objects(&done(node, &["show", "--json"]));
    all.retain(|one| one["kind"] == kind);
    assert!(!all.is_empty(), "no {kind} is shown");
    all
}

/// Seconds between two times of JSON.
fn secs(from: &Value, to: &Value) -> i64 {
    let time = |value: &Value| -> jiff::Timestamp {
        let text = value.as_str().expect("a time");
        text.parse().expect("a time")
    };
    time(to).as_second() - time(from).as_second()
}

#[test]
fn a_stranger_is_shown_until_it_is_forgotten() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", HOUR);
    assert_eq!(done(&node, &["show"]), "nothing is remembered\n");
    assert!(visit(&node, "anna@far.test", "bob@here.test").contains("TIME=3600 "));
    for with_server in [true, false] {
        if !with_server {
            visit(&node, "anna@far.test", "bob@here.test");
            shown(&node, "triplet");
            assert!(node.stop().success());
        }
        let triplets = shown(&node, "triplet");
        let triplet = &triplets[0];
        assert_eq!(triplets.len(), 1);
        for (key, expected) in [
            ("client", json!("127.0.0.0/24")),
            ("sender", json!("anna@far.test")),
            ("recipient", json!("bob@here.test")),
            ("passed", Value::Null),
        ] {
            assert_eq!(triplet[key], expected);
        }
        assert_eq!(secs(&triplet["first_seen"], &triplet["due"]), 3600);
        assert_eq!(secs(&triplet["first_seen"], &triplet["until"]), 2 * 86400);
        let told = &shown(&node, "told")[0];
        assert_eq!(
            (&told["client"], &told["state"]),
            (&json!("127.0.0.1"), &json!("waiting"))
        );

        let table = done(
            &node,
            &[
                "show",
                "--client",
                "127.0.0.9",
                "--sender",
                "<anna@far.test>",
            ],
        );
        let due = triplet["due"].as_str().expect("a time");
        let lines: Vec<_> = table.lines().collect();
        assert!(
            lines[0].starts_with("TRIPLET ") && lines[0].ends_with("FROM -> TO"),
            "{table}"
        );
        assert!(
            lines[1].starts_with("127.0.0.0/24 ") && lines[1].contains(due),
            "{table}"
        );
        assert!(
            lines[1].ends_with(" <anna@far.test> -> <bob@here.test>"),
            "{table}"
        );
        assert_eq!(
            lines.last(),
            Some(&"1 record"),
            "told is of 127.0.0.1 alone: {table}"
        );
        let others = ["show", "--recipient", "other.test"];
        assert_eq!(done(&node, &others), "nothing of that is remembered\n");

        let (code, said) = refused(&node, &["forget"]);
        assert_eq!(code, Some(2));
        assert!(
            said.contains("--client") && said.contains("--all"),
            "{said}"
        );
        // Both ways to write it, as allow and deny have them.
        let forget = |more: &[&str]| {
            let whom = if more.is_empty() {
                &["forget", "client", "127.0.0.1"][..]
            } else {
                &["forget", "--client", "127.0.0.1"]
            };
            done(&node, &[whom, more].concat())
        };
        let forgotten = if with_server {
            assert_eq!(forget(&[]), "forgotten: 1 triplet, 1 awaited return\n");
            node.logged(&["policy: operator=forget --client 127.0.0.1/32"]);
            forget(&["--json"])
        } else {
            let forgotten = forget(&["--json"]);
            assert_eq!(forget(&[]), "nothing of that is remembered\n");
            forgotten.replace(":1", ":0")
        };
        assert_eq!(
            objects(&forgotten),
            [
                json!({"known": 0, "triplet": 0, "appointment": 0, "calendar": 0, "mailbox": 0, "told": 0, "domain": 0})
            ]
        );
        assert_eq!(done(&node, &["show"]), "nothing is remembered\n");
    }
    node.run();
    assert!(visit(&node, "anna@far.test", "bob@here.test").contains("TIME=3600 "));
}

#[test]
fn the_operators_word_is_above_the_rules() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", HOUR);
    let (from, to) = ("anna@far.test", "bob@here.test");
    assert!(visit(&node, from, to).starts_with("450 "));
    let said = done(
        &node,
        &[
            "allow",
            "client",
            "127.0.0.1",
            "--for",
            "7d",
            "--note",
            "a partner",
        ],
    );
    assert!(
        said.starts_with("client 127.0.0.1/32 is allowed until 20"),
        "{said}"
    );
    assert!(visit(&node, from, to).starts_with("250 "));
    assert_eq!(
        done(&node, &["deny", "--recipient", "Bob@Here.test"]),
        "recipient bob@here.test is denied until it is removed\n"
    );
    assert!(
        visit(&node, from, to).starts_with("550 5.7.1 "),
        "the recipient speaks first"
    );
    assert!(visit(&node, from, "carol@here.test").starts_with("250 "));

    let (code, said) = refused(&node, &["allow", "--remove", "recipient", "bob@here.test"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(
            "is denied, not allowed: `postdate policy deny --remove recipient bob@here.test`"
        ),
        "{said}"
    );
    let (_, said) = refused(&node, &["deny", "--remove", "sender", "x.test"]);
    assert!(said.contains("has no entry of its own"), "{said}");
    let (code, said) = refused(&node, &["allow", "client", "here.test"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("is no address and no network"), "{said}");

    for with_server in [true, false] {
        if !with_server {
            assert!(node.stop().success());
        }
        let listed = &objects(&done(&node, &["allow", "--list", "--json"]))[0];
        for (key, expected) in [
            ("action", "allow"),
            ("about", "client"),
            ("value", "127.0.0.1"),
            ("note", "a partner"),
        ] {
            assert_eq!(listed[key], expected);
        }
        assert_eq!(secs(&listed["made"], &listed["until"]), 7 * 86400);
        let listed = done(&node, &["deny", "--list"]);
        assert!(
            listed.starts_with("ENTRY ") && listed.ends_with("\n1 entry\n"),
            "{listed}"
        );
        assert!(
            listed.contains("\ndeny    recipient  bob@here.test "),
            "{listed}"
        );
        let all = done(&node, &["forget", "--all"]);
        assert!(
            with_server || all == "nothing of that is remembered\n",
            "entries stay: {all}"
        );
    }
    let said = done(&node, &["allow", "recipient", "bob@here.test", "--json"]);
    assert_eq!(objects(&said)[0]["before"], "deny");
    let said = done(&node, &["allow", "--remove", "client", "127.0.0.1"]);
    assert_eq!(said, "client 127.0.0.1/32 is no longer allowed\n");
    node.run();
    assert!(visit(&node, from, to).starts_with("250 "));
    assert!(visit(&node, "eve@far.test", "carol@here.test").starts_with("450 "));
}

#[test]
fn limits_are_shown_with_their_counts_and_places() {
    let dir = TempDir::new();
    let rates = "[greylist]\nmode = \"off\"\n\
        [[rates]]\nname = \"slow\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"1/d burst 1\"\n\
        [[rates]]\nname = \"day\"\ncount = \"messages\"\nper = \"sender_domain\"\nlimit = \"100/d\"\n";
    let node = Node::start(&dir, "node", rates);
    for n in 0..2 {
        support::Client::connect(node.address)
            .mail(
                &format!("anna{n}@far.test"),
                "bob@here.test",
                &support::content("one"),
            )
            .expect("a reply");
    }
    let places = shown(&node, "appointment");
    assert_eq!(places.len(), 1);
    assert_eq!(
        (
            &places[0]["rule"],
            &places[0]["reason"],
            &places[0]["sender"]
        ),
        (
            &json!("slow"),
            &json!("recipient"),
            &json!("anna1@far.test")
        )
    );
    let counts = shown(&node, "calendar");
    let of = |rule: &str| counts.iter().find(|one| one["rule"] == rule).expect(rule);
    let slow = of("slow");
    assert_eq!(
        (&slow["key"], &slow["free"]),
        (&json!("bob@here.test"), &json!(0))
    );
    let day = of("day");
    assert_eq!(
        (&day["key"], &day["limit"]),
        (&json!("far.test"), &json!("100/d"))
    );
    assert!(day["used"].as_u64() >= Some(1) && secs(&day["counted"], &day["until"]) <= 86400);
    let table = done(&node, &["show", "--limit", "1"]);
    assert!(table.contains("… 1 more calendars: --limit"), "{table}");

    assert_eq!(
        done(&node, &["forget", "--recipient", "bob@here.test"]),
        "forgotten: 1 appointment, 1 limit's count\n"
    );
    assert!(
        visit(&node, "eve@far.test", "bob@here.test").starts_with("250 "),
        "there is room again"
    );
}

#[test]
fn recipients_that_share_an_appointment_find_it_each() {
    let dir = TempDir::new();
    let rates = "[greylist]\nmode = \"off\"\n\
        [[rates]]\nname = \"slow\"\ncount = \"messages\"\nper = \"sender\"\nlimit = \"1/d burst 1\"\n";
    let mut node = Node::start(&dir, "node", rates);
    let all = ["bob@here.test", "carol@here.test", "dan@here.test"];
    let come = |node: &Node, recipients: &[&str]| -> Vec<String> {
        let mut client = Client::connect(node.address);
        client.ask("MAIL FROM:<anna@far.test>", "250 ");
        let said = recipients.iter().map(|to| {
            let said = client.command(&format!("RCPT TO:<{to}>")).expect("a reply");
            said[..4].to_owned()
        });
        said.collect()
    };
    Client::connect(node.address)
        .mail("anna@far.test", all[0], &support::content("one"))
        .expect("a reply");
    assert_eq!(come(&node, &all), ["450 "; 3]);
    let asked = |node: &Node, to| objects(&done(node, &["show", "--recipient", to, "--json"]));
    for to in all {
        let found = asked(&node, to);
        let place = found.iter().find(|one| one["kind"] == "appointment");
        let place = place.expect("an appointment");
        assert_eq!(place["recipient"], all[0], "the first that was told");
        assert_eq!(place["recipients"], json!(all));
    }
    let table = done(&node, &["show", "--recipient", all[2]]);
    assert!(
        table.contains(
            " <anna@far.test> -> <bob@here.test>\n  and <carol@here.test>, <dan@here.test>\n"
        ),
        "{table}"
    );
    let forget = |node: &Node, to| done(node, &["forget", "--recipient", to]);
    let said = forget(&node, all[0]);
    assert!(said.starts_with("forgotten: 1 appointment"), "{said}");
    assert!(node.stop().success());
    let found = asked(&node, all[1]);
    assert_eq!(found[0]["recipients"], json!(all[1..]));
    for to in &all[1..] {
        let said = forget(&node, to);
        assert!(said.starts_with("forgotten: 1 appointment"), "{said}");
    }
    let left = objects(&done(&node, &["show", "--json"]));
    assert!(
        left.iter().all(|one| one["kind"] != "appointment"),
        "{left:?}"
    );
}

#[test]
fn statistics_say_how_hints_were_kept() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "[greylist]\ndelay = \"4s\"\n");
    assert_eq!(done(&node, &["stats"]), "no hints were given\n");
    let (from, to) = ("anna@far.test", "bob@here.test");
    assert!(visit(&node, from, to).starts_with("450 "));
    assert!(visit(&node, from, to).starts_with("450 "), "early");
    until("the time told", || {
        std::thread::sleep(Duration::from_millis(500));
        visit(&node, from, to).starts_with("250 ").then_some(())
    });
    let kept = until("the count", || {
        let sums = objects(&done(&node, &["stats", "--json", "--days", "2"]));
        (sums.len() == 2 && sums[0]["on_time"] == 1).then_some(sums)
    });
    assert_eq!(
        (&kept[0]["reason"], &kept[1]["reason"]),
        (&json!("greylist"), &json!("total"))
    );
    for sum in &kept {
        assert!(sum["early"].as_u64() >= Some(1), "{sum}");
        for (key, count) in [
            ("given", 1),
            ("on_time", 1),
            ("late", 0),
            ("never", 0),
            ("open", 0),
        ] {
            assert_eq!(sum[key], count, "{sum}");
        }
    }
    assert!(node.stop().success());
    let table = done(&node, &["stats"]);
    assert!(table.starts_with("REASON         GIVEN     EARLY   ON TIME      LATE     NEVER      OPEN\ngreylist           1 "), "{table}");
    assert!(
        table
            .lines()
            .last()
            .expect("a line")
            .starts_with("total              1 "),
        "{table}"
    );
}

#[test]
fn a_policy_server_is_asked_in_the_same_way() {
    let dir = TempDir::new();
    let mut server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], HOUR);
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
        run(command.arg("-c").arg(&server.config).args(args), b"")
    };
    assert!(server.ask("192.0.2.1").contains("TIME=3600 "));
    let said = run(&["policy", "allow", "client", "192.0.2.0/24"]);
    assert!(said.status.success(), "{said:?}");
    assert!(server.ask("192.0.2.1").contains("DUNNO"));
    let said = run(&["policy", "forget", "--client", "192.0.2.0/24"]);
    assert_eq!(
        text(&said.stdout),
        "forgotten: 1 triplet, 1 awaited return\n",
        "{said:?}"
    );
    let said = run(&["queue", "retry", "--all"]);
    assert!(!said.status.success());
    assert!(
        text(&said.stderr).contains("which has no queue"),
        "{said:?}"
    );
    assert!(server.stop().success());
    let socket = dir.join("policy").join("control.sock");
    assert!(!socket.exists(), "it is gone with the server");
}

/// Also after a restart, and until it is taken back.
#[test]
fn notices_can_be_denied() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", HOUR);
    let to = "bob@here.test";
    assert!(visit(&node, "", to).starts_with("250 "));
    assert_eq!(
        done(&node, &["deny", "sender", "<>"]),
        "sender <> is denied until it is removed\n"
    );
    assert!(visit(&node, "", to).starts_with("550 5.7.1 "));
    assert!(visit(&node, "anna@far.test", to).starts_with("450 "));
    assert!(node.stop().success());
    node.run();
    assert!(visit(&node, "", to).starts_with("550 5.7.1 "));
    let shown = done(&node, &["show", "sender", "<>"]);
    assert!(shown.contains("deny"), "{shown}");
    assert_eq!(
        done(&node, &["deny", "--remove", "--sender", "<>"]),
        "sender <> is no longer denied\n"
    );
    assert!(visit(&node, "", to).starts_with("250 "));
}

#[test]
fn whom_it_is_about_is_written_in_the_same_ways_everywhere() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", HOUR);
    visit(&node, "anna@far.test", "bob@here.test");
    let flag = done(&node, &["show", "--sender", "anna@far.test"]);
    assert!(flag.ends_with("\n2 records\n"), "{flag}");
    assert_eq!(done(&node, &["show", "sender", "anna@far.test"]), flag);
    let both = ["show", "client", "127.0.0.1", "--sender", "anna@far.test"];
    assert_eq!(done(&node, &both), flag);
    for (args, words) in [
        (&["forget", "client"][..], "<VALUE>"),
        (
            &["forget", "127.0.0.1"],
            "possible values: client, sender, recipient",
        ),
        (
            &["forget", "client", "here.test"],
            "is no address and no network",
        ),
        (
            &["show", "client", "127.0.0.1", "--client", "127.0.0.2"],
            "client is there twice",
        ),
        (&["allow"], "--client <IP|NET>"),
        (&["allow", "client"], "<VALUE>"),
        (
            &["allow", "--client", "here.test"],
            "is no address and no network",
        ),
        (
            &["deny", "client", "127.0.0.1", "--sender", "a.test"],
            "cannot be used with",
        ),
    ] {
        let (code, said) = refused(&node, args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn what_is_in_the_way_is_said() {
    let dir = TempDir::new();
    let mut node = Node::prepared(&dir, "node", "127.0.0.1:0", HOUR);
    for args in [&["allow", "sender", "a.test"][..], &["forget", "--all"]] {
        let (_, said) = refused(&node, args);
        assert!(said.contains("there is no such directory"), "{said}");
    }
    assert!(!node.data.exists(), "it is the server that makes it");

    node.run();
    visit(&node, "anna@far.test", "bob@here.test");
    for args in [
        &["show", "--json"][..],
        &["stats"],
        &["never-returned"],
        &["allow", "sender", "a.test"],
    ] {
        let output = as_another(&dir, &node, args);
        let said = text(&output.stderr);
        let data = node.data.display().to_string();
        assert!(!output.status.success(), "{args:?}");
        assert!(
            said.contains(&data) && said.contains("not permitted: run this as the server's user"),
            "{said}"
        );
    }

    assert!(node.stop().success());
    // The layout's number, in SQLite's header.
    let path = node.data.join("policy.db");
    let mut octets = fs::read(&path).expect("the records");
    octets[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&path, octets).expect("written");
    for args in [
        &["show"][..],
        &["stats"],
        &["never-returned"],
        &["forget", "--all"],
    ] {
        let (code, said) = refused(&node, args);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("written by a newer release (layout 99"),
            "{said}"
        );
    }
}

/// Runs it as a user who may not read the data.
fn as_another(dir: &TempDir, node: &Node, args: &[&str]) -> Output {
    let root = rustix::process::getuid().is_root();
    let mode = |mode| fs::set_permissions(&node.data, fs::Permissions::from_mode(mode));
    let mut command;
    if root {
        // The one that was built may lie where nobody else may look.
        let program = dir.join("postdate");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_postdate"), &program).expect("a copy");
        }
        command = Command::new(program);
        command.uid(65_534).gid(65_534);
    } else {
        mode(0o000).expect("permissions");
        command = Command::new(env!("CARGO_BIN_EXE_postdate"));
    }
    let output = run(
        command
            .arg("--config")
            .arg(&node.config)
            .arg("policy")
            .args(args),
        b"",
    );
    if !root {
        mode(0o700).expect("permissions");
    }
    output
}
