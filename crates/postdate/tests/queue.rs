//! What an administrator sees of the queue, and what a sender is told.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use support::{Client, Node, Sink, TempDir, content, run, send, text, until};

#[test]
fn parked_mail_shows_when_its_hold_ends() {
    let dir = TempDir::new();
    let sink = Sink::answering(Box::new(|line| {
        let greets = line.starts_with("EHLO") || line.starts_with("HELO");
        greets.then(|| "421 4.3.2 TIME=600 Come back in ten minutes".to_owned())
    }));
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"sink.test\" = \"127.0.0.1:{}\"\n",
        sink.port()
    );
    let node = Node::start(&dir, "node", &tables);
    for to in ["b@sink.test", "c@sink.test"] {
        send(node.address, "a@client.test", to, &content("waits"));
        until("parked", || {
            let parked = |row: &serde_json::Value| row["to"] == to && row["state"] == "parked";
            node.queue().iter().any(parked).then_some(())
        });
    }
    let queue = node.queue();
    let host = format!("host 127.0.0.1:{}", sink.port());
    let until = queue[1]["parked_until"].as_str().expect("a time");
    assert_eq!(queue[1]["parked"], host.as_str());
    assert_eq!(queue[1]["attempts"], 0, "only the first asked");
    let said = "421 4.3.2 TIME=600 Come back in ten minutes";
    assert_eq!(queue[1]["last_reply"], said, "what its host was told");
    assert_eq!(queue[1]["due"], until, "not before the hold ends");

    let holds = text(&node.command(&["queue", "holds", "--json"]).stdout);
    let hold: serde_json::Value = serde_json::from_str(&holds).expect("one object");
    assert_eq!(
        (&hold["hold"], &hold["until"], &hold["appointment"]),
        (&host.as_str().into(), &until.into(), &true.into())
    );
    let holds = text(&node.command(&["queue", "holds"]).stdout);
    for words in [&host, until, said, "1 hold\n"] {
        assert!(holds.contains(words), "{words} is not in: {holds}");
    }

    let listed = text(&node.command(&["queue", "list"]).stdout);
    let line = format!("waits for {host} until {until}");
    assert_eq!(listed.matches(&line).count(), 2, "{listed}");
    assert_eq!(listed.matches(said).count(), 2, "{listed}");
    assert!(listed.contains("9m5"), "in less than ten minutes: {listed}");
    let id = queue[0]["id"].as_str().expect("an id");
    let shown = text(&node.command(&["queue", "show", id]).stdout);
    assert!(
        shown.contains(&line) && shown.contains("parked, 1 attempt, due "),
        "{shown}"
    );
}

#[test]
fn mail_under_attempt_is_active() {
    let dir = TempDir::new();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let sink = Sink::answering(Box::new(move |line| {
        line.starts_with("RCPT").then(|| {
            let _ = wait.recv();
            "450 4.2.0 Later".to_owned()
        })
    }));
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"sink.test\" = \"127.0.0.1:{}\"\n",
        sink.port()
    );
    let node = Node::start(&dir, "node", &tables);
    send(
        node.address,
        "a@client.test",
        "b@sink.test",
        &content("waits"),
    );
    let asked = || {
        sink.commands()
            .iter()
            .any(|(_, line)| line.starts_with("RCPT"))
    };
    until("the attempt", || asked().then_some(()));
    assert_eq!(node.queue()[0]["state"], "active");
    let id = node.queue()[0]["id"].as_str().expect("an id").to_owned();
    let shown = text(&node.command(&["queue", "show", &id]).stdout);
    assert!(shown.contains("active, 0 attempts"), "{shown}");
    drop(go_on);
    until("the answer", || {
        (node.queue()[0]["state"] == "waiting").then_some(())
    });
    assert_eq!(node.queue()[0]["last_reply"], "450 4.2.0 Later");
}

#[test]
fn somebody_else_is_told_whose_the_queue_is() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let refused = |output: Output| {
        assert!(!output.status.success(), "{output:?}");
        let said = text(&output.stderr);
        let data = node.data.display().to_string();
        let words = "not permitted: run this as the server's user";
        assert!(said.contains(&data) && said.contains(words), "{said}");
    };
    refused(as_another(&dir, &node, &["queue", "list"]));
    refused(as_another(&dir, &node, &["queue", "list", "--json"]));
    refused(as_another(&dir, &node, &["queue", "retry", "--all"]));
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
    let output = run(command.arg("--config").arg(&node.config).args(args), b"");
    if !root {
        mode(0o700).expect("permissions");
    }
    output
}

#[test]
fn one_notice_for_all_recipients_that_fail_together() {
    let dir = TempDir::new();
    let sink = || {
        Sink::answering(Box::new(|line| {
            let to = line.starts_with("RCPT");
            to.then(|| "550 5.1.1 No such user".to_owned())
        }))
    };
    let (one, other) = (sink(), sink());
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"one.test\" = \"127.0.0.1:{}\"\n\"other.test\" = \"127.0.0.1:{}\"\n",
        one.port(),
        other.port()
    );
    let node = Node::start(&dir, "node", &tables);
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<b@here.test>", "250 ");
    let many = (0..250).map(|n| format!("r{n}@one.test"));
    let all: Vec<String> = many
        .chain((0..3).map(|n| format!("r{n}@other.test")))
        .collect();
    for to in &all {
        client.ask(&format!("RCPT TO:<{to}>"), "250 ");
    }
    client.ask("DATA", "354 ");
    client.ask("Subject: to many\r\n\r\nhello\r\n.", "250 ");
    let notice = text(node.arrived("b").body());
    for to in &all {
        let recipient = format!("Final-Recipient: rfc822; {to}");
        assert!(notice.contains(&recipient), "{to} is not in {notice}");
    }
    until("an empty queue", || node.queue().is_empty().then_some(()));
    assert_eq!(node.mailbox("b").len(), 1);
}

/// In another directory than the server's: nobody must read that as "no mail waits".
#[test]
fn a_queue_that_was_never_there_is_not_merely_empty() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    for (args, words) in [
        (&["queue", "list"][..], "the queue is empty\n"),
        (&["queue", "list", "--json"], ""),
        (&["queue", "retry", "--all"], "0 messages\n"),
        (
            &["queue", "holds"],
            "no mail waits for a host or a mailbox\n",
        ),
        (&["policy", "show"], "nothing is remembered\n"),
    ] {
        let output = node.command(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(text(&output.stdout), words, "{args:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains(&node.data.display().to_string()) && said.contains("-c"),
            "{args:?}: {said}"
        );
    }
    let output = node.command(&["queue", "delete"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--all"), "{output:?}");
}
