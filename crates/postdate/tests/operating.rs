//! What an administrator does with the binary, and what it says.

mod support;

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use support::{
    Client, LONG, Node, Sink, TempDir, content, free_port, now, repository, run, send, text, until,
};

/// A node with no way to `far.test`: mail for it waits.
fn with_waiting_mail(dir: &TempDir) -> (Node, String) {
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"far.test\" = \"127.0.0.1:{}\"\n",
        free_port()
    );
    let node = Node::start(dir, "node", &tables);
    let reply = send(
        node.address,
        "a@client.test",
        "b@far.test",
        &content("waits"),
    );
    let id = reply
        .trim_end()
        .rsplit(' ')
        .next()
        .expect("an id")
        .to_owned();
    node.logged(&["status=deferred"]);
    until("the attempt in the queue", || {
        node.queue()
            .iter()
            .any(|row| row["attempts"] == 1)
            .then_some(())
    });
    (node, id)
}

#[test]
fn nobody_relays_through_us_by_default() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<spammer@client.test>", "250 ");
    for to in [
        "victim@else.test",
        "victim%else.test@else.test",
        "@here.test:victim@else.test",
        "\"victim@else.test\"@else.test",
    ] {
        let reply = client.command(&format!("RCPT TO:<{to}>")).expect("a reply");
        assert!(reply.starts_with("55"), "{to} was answered {reply}");
    }
    client.ask("RCPT TO:<b@here.test>", "250 ");
}

#[test]
fn a_second_start_on_the_same_data_names_the_holder() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let output = node.command(&["serve"]);
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains(&node.process().id().to_string()), "{said}");
    // The first goes on.
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("still here"),
    );
}

#[test]
fn sigterm_finishes_what_is_under_way() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@client.test>", "250 ");
    client.ask("RCPT TO:<b@here.test>", "250 ");
    client.ask("DATA", "354 ");
    client
        .write(b"Subject: late\r\n\r\nthe beginning\r\n")
        .expect("written");
    node.process().signal(Signal::TERM);
    node.logged(&["stopping"]);
    client.write(b"the end\r\n.\r\n").expect("written");
    let reply = client.reply().expect("the end of what was under way");
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(node.process().ended(LONG).success());
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with("421 4."), "{rest}");
    // It is delivered now or after the next start.
    if node.mailbox("b").is_empty() {
        node.kill();
        node.run();
    }
    assert!(text(node.arrived("b").body()).contains("the end"));
}

#[test]
fn an_idle_client_does_not_hold_up_the_end() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let mut client = Client::connect(node.address);
    let began = now();
    assert!(node.stop().success());
    assert!(now() - began < Duration::from_secs(5));
    assert!(
        client
            .reply()
            .map_or(true, |reply| reply.starts_with("421 "))
    );
}

#[test]
fn a_mail_is_found_in_the_log_by_its_message_id() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mail = b"Message-ID:\r\n <one@client.test>\r\nSubject: x\r\n\r\nwords\r\n";
    let reply = send(node.address, "a@client.test", "b@here.test", mail);
    let line = node.logged(&["message-id=<one@client.test>,", "status=queued"]);
    let id = reply.rsplit(' ').next().expect("the queue id");
    assert!(line.contains(id), "{line}");
    let output = node.command_with(
        &["sendmail", "b@here.test"],
        b"Message-ID: <two@here.test>\n\nwords\n",
    );
    assert!(output.status.success(), "{output:?}");
    node.logged(&["message-id=<two@here.test>,", "status=queued"]);
}

#[test]
fn sighup_takes_a_configuration_whole_or_not_at_all() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let good = fs::read_to_string(&node.config).expect("the configuration");
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("before"),
    );
    // One part of it is good, another is not.
    let bad =
        good.replace("mode = \"off\"", "mode = \"enforce\"") + "[queue]\nfirst_backof = \"1s\"\n";
    fs::write(&node.config, bad).expect("written");
    node.process().signal(Signal::HUP);
    let said = node.logged(&["not reloaded"]);
    assert!(
        said.contains("first_backof") && said.contains("did you mean \"first_backoff\"?"),
        "{said}"
    );
    send(
        node.address,
        "a@client.test",
        "c@here.test",
        &content("the old one is in force"),
    );
    fs::write(
        &node.config,
        good.replace("mode = \"off\"", "delay = \"77s\""),
    )
    .expect("written");
    node.process().signal(Signal::HUP);
    node.logged(&["configuration reloaded"]);
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@client.test>", "250 ");
    client.ask("RCPT TO:<d@here.test>", "450 4.2.0 TIME=77 <d@here.test>: ");
}

/// The queue commands do the same with the server running and stopped.
#[test]
fn the_queue_is_seen_and_moved() {
    for running in [true, false] {
        let dir = TempDir::new();
        let (mut node, id) = with_waiting_mail(&dir);
        if !running {
            assert!(node.stop().success());
        }
        let act = |operation: &str| {
            let output = node.command(&["queue", operation, "--json", &id]);
            assert!(
                output.status.success(),
                "running {running}, {operation}: {output:?}"
            );
            let done: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(done, serde_json::json!({"done": [id], "missing": []}));
        };
        let row = || node.queue().into_iter().next().unwrap_or_default();
        let waits = row();
        assert_eq!(
            (&waits["id"], &waits["from"], &waits["to"]),
            (
                &id.clone().into(),
                &"a@client.test".into(),
                &"b@far.test".into()
            )
        );
        assert_eq!(
            (&waits["state"], &waits["attempts"], &waits["hint"]),
            (&"waiting".into(), &1.into(), &serde_json::Value::Null)
        );
        for key in ["last_reply", "due", "expires", "tongue"] {
            assert!(waits.get(key).is_some(), "{key} in {waits}");
        }
        let shown = text(&node.command(&["queue", "show", &id]).stdout);
        assert!(
            shown.contains("a line with a dot") && shown.contains("<b@far.test>"),
            "{shown}"
        );
        let listed = text(&node.command(&["queue", "list"]).stdout);
        assert!(
            listed.contains(&id) && listed.contains("1 message"),
            "{listed}"
        );
        act("hold");
        until("the hold", || (row()["state"] == "held").then_some(()));
        act("release");
        until("the release", || {
            (row()["state"] == "waiting").then_some(())
        });
        act("retry");
        if running {
            until("a second attempt", || {
                (row()["attempts"] == 2).then_some(())
            });
        }
        act("delete");
        until("an empty queue", || node.queue().is_empty().then_some(()));
        let output = node.command(&["queue", "delete", "--json", &id]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("is not in the queue"));
        if running {
            for done in ["hold", "release", "retry", "delete"] {
                node.logged(&[&format!("queue: {id}: operator={done}")]);
            }
        }
    }
}

#[test]
fn programs_send_by_sendmail_with_the_server_and_without() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let mail = b"To: b@here.test\nBcc: c@here.test\nSubject: by sendmail\n\nfirst\n.\nlast\n";
    let output = node.command_with(&["sendmail", "-t", "-i", "-f", "cron@here.test"], mail);
    assert!(output.status.success(), "{output:?}");
    let arrived = node.arrived("b");
    assert_eq!(arrived.body(), b"first\n.\nlast\n");
    assert_eq!(
        arrived.field("Return-Path").as_deref(),
        Some("<cron@here.test>")
    );
    assert!(!node.arrived("c").header().contains("Bcc"));
    // Without -i, a dot ends the mail; the recipient is an argument.
    let output = node.command_with(
        &["sendmail", "-fcron@here.test", "d@here.test"],
        b"Subject: dot\n\nfirst\n.\nlast\n",
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(node.arrived("d").body(), b"first\n");
    let session = b"EHLO local\r\nMAIL FROM:<cron@here.test>\r\nRCPT TO:<e@here.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n";
    let output = node.command_with(&["sendmail", "-bs"], session);
    assert!(
        output.status.success() && text(&output.stdout).contains("250 2.0.0 Ok: queued"),
        "{output:?}"
    );
    node.arrived("e");
    assert!(node.stop().success());
    let output = node.command_with(
        &["sendmail", "-i", "f@here.test"],
        b"Subject: while it was down\n\nx\n",
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(node.queue().len(), 1);
    node.run();
    node.arrived("f");
}

#[test]
fn a_wrong_configuration_is_named_to_the_line() {
    let dir = TempDir::new();
    let binary = env!("CARGO_BIN_EXE_postdate");
    for (config, expected) in [
        (
            "hostnam = \"x\"\n",
            ":1: unknown key \"hostnam\": did you mean \"hostname\"?",
        ),
        (
            "[greylist]\n\ndelay = \"5 apples\"\n",
            ":3: greylist.delay: ",
        ),
        (
            "[greylist]\nmode = \"sometimes\"\n",
            ":2: greylist.mode: \"sometimes\" is not known here: write enforce or observe or off",
        ),
        (
            "[queue]\nfirst_backoff = \"2h\"\n",
            ":2: queue.first_backoff: ",
        ),
    ] {
        let path = dir.write("bad.toml", config);
        let output = run(
            std::process::Command::new(binary)
                .args(["config", "check"])
                .arg(&path),
            b"",
        );
        let said = text(&output.stderr);
        assert!(
            !output.status.success() && said.contains(&format!("{}{expected}", path.display())),
            "{config:?}: {said}"
        );
    }
    let sample = run(
        std::process::Command::new(binary).args(["config", "sample"]),
        b"",
    );
    let path = dir.write("sample.toml", &sample.stdout);
    let output = run(
        std::process::Command::new(binary)
            .args(["config", "check"])
            .arg(&path),
        b"",
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_reply_of_the_field_is_read_by_the_command() {
    let table =
        fs::read_to_string(repository("crates/retry-hint/tests/replies.tsv")).expect("the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let input: String = rows.iter().map(|row| format!("{}\n", row[1])).collect();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postdate"));
    let output = run(command.args(["hint", "--json", "-"]), input.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let answers = text(&output.stdout);
    assert_eq!(answers.lines().count(), rows.len());
    for (row, answer) in rows.iter().zip(answers.lines()) {
        let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
        let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
        assert_eq!(keys.len(), 3, "{answer}");
        match row[2].parse::<u64>() {
            Ok(secs) if row[3] != "absolute" => assert_eq!(answer["wait_secs"], secs, "{row:?}"),
            _ => assert!(answer["wait_secs"].is_null(), "{row:?}: {answer}"),
        }
        assert_eq!(
            answer["wait_secs"].is_null(),
            answer["tongue"].is_null(),
            "{answer}"
        );
    }
}

#[test]
fn the_demo_shows_the_whole_loop() {
    let dir = TempDir::new();
    let began = now();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postdate"));
    let output = run(command.arg("demo").current_dir(dir.path()), b"");
    let took = now() - began;
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(took < Duration::from_secs(20), "{took:?}");
    for words in ["450 4.2.0 TIME=8", "Postfix", "Exim", "Haraka"] {
        assert!(shown.contains(words), "{words} is not in:\n{shown}");
    }
}

/// A sender that is refused for good is told so, and the notice is a mail from nobody.
#[test]
fn a_mail_that_fails_comes_back_as_a_notice() {
    let dir = TempDir::new();
    let sink = Sink::answering(Box::new(|line| {
        line.starts_with("RCPT")
            .then(|| "550 5.1.1 no such user".to_owned())
    }));
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"sink.test\" = \"{}\"\n",
        sink.address
    );
    let node = Node::start(&dir, "node", &tables);
    send(
        node.address,
        "sender@here.test",
        "nobody@sink.test",
        &content("fails"),
    );
    let notice = node.arrived("sender");
    assert_eq!(notice.field("Return-Path").as_deref(), Some("<>"));
    let body = text(notice.body());
    for words in [
        "Final-Recipient: rfc822;",
        "Action: failed",
        "Status: 5.1.1",
        "550 5.1.1 no such user",
        "Subject: fails",
    ] {
        assert!(body.contains(words), "{words} is not in:\n{body}");
    }
}

#[test]
fn aliases_tags_and_a_catch_all_find_their_mailbox() {
    let dir = TempDir::new();
    let tables = "[aliases]\n\"sales@here.test\" = [\"anna@here.test\", \"bob@here.test\"]\n\"@here.test\" = [\"rest@here.test\"]\n\
                  [local]\ndomains = [\"here.test\"]\n\
                  mailboxes = { \"anna@here.test\" = \"mail/anna\", \"bob@here.test\" = \"mail/bob\", \"rest@here.test\" = \"mail/rest\" }\n";
    let node = Node::start(&dir, "node", tables);
    for (to, mailboxes) in [
        ("sales", &["anna", "bob"][..]),
        ("anna+lists", &["anna"]),
        ("whoever", &["rest"]),
    ] {
        let before: Vec<usize> = mailboxes
            .iter()
            .map(|user| node.mailbox(user).len())
            .collect();
        send(
            node.address,
            "a@client.test",
            &format!("{to}@here.test"),
            &content(to),
        );
        for (user, before) in mailboxes.iter().zip(before) {
            until(&format!("the mail for {to} at {user}"), || {
                (node.mailbox(user).len() == before + 1).then_some(())
            });
        }
    }
}

#[test]
fn a_log_in_json_is_one_object_a_line() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[log]\nformat = \"json\"\n");
    let reply = send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("logged"),
    );
    let id = reply.trim_end().rsplit(' ').next().expect("an id");
    node.logged(&["\"status\":\"sent\"", id]);
    for line in node.log().lines() {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"));
        assert!(event.is_object());
    }
}
