//! What an administrator tries first: swaks against a node that greylists.

mod support;

use std::time::Duration;

use support::{Node, TempDir, now, swaks, until};

/// A node that greylists for six seconds. Up to two seconds early counts as on time.
fn greylisting(dir: &TempDir) -> Node {
    Node::start(dir, "node", "[greylist]\ndelay = \"6s\"\n")
}

/// The reply to RCPT that swaks shows.
fn refusal(dialogue: &str) -> &str {
    let line = dialogue
        .lines()
        .find(|line| line.starts_with("<** 45") || line.starts_with("<~* 45"));
    line.map(|line| &line[4..])
        .unwrap_or_else(|| panic!("no refusal in:\n{dialogue}"))
}

#[test]
fn a_stranger_is_told_when_and_gets_in_then() {
    let dir = TempDir::new();
    let node = greylisting(&dir);
    let (_, dialogue) = swaks(node.address, "bob@here.test", &[]);
    let first = now();
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 TIME=6 <bob@here.test>: Recipient address rejected: Greylisted, try again in 6 seconds; \
         from=<you@client.test> to=<bob@here.test> proto=ESMTP helo=<swaks.test>"
    );
    // Too early: what remains is told, and the first visit stands.
    let remaining = until("a shorter wait", || {
        let (_, dialogue) = swaks(node.address, "bob@here.test", &[]);
        let reply = refusal(&dialogue).to_owned();
        (!reply.contains("TIME=6")).then_some(reply)
    });
    let told = (1..6)
        .find(|secs| remaining.starts_with(&format!("450 4.2.0 TIME={secs} <bob@here.test>: ")));
    let told = told.unwrap_or_else(|| panic!("{remaining}"));
    assert!(
        remaining.contains(&format!("try again in {told} seconds")),
        "{remaining}"
    );
    until("its time to come", || {
        (now() - first >= Duration::from_secs(6)).then_some(())
    });
    let (code, dialogue) = swaks(
        node.address,
        "bob@here.test",
        &["--body", "the body of the mail"],
    );
    assert_eq!(code, 0, "{dialogue}");
    let mail = node.arrived("bob");
    let waited = mail.field("X-Greylist").expect("how long it waited");
    let secs = waited
        .strip_prefix("delayed ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(
        secs.is_some_and(|secs: u32| (6..15).contains(&secs)),
        "{waited}"
    );
    let received = mail.field("Received").expect("a trace");
    assert!(
        received.starts_with("from swaks.test (")
            && received.contains("by node.test")
            && received.contains("with ESMTP id"),
        "{received}"
    );
    assert!(String::from_utf8_lossy(mail.body()).contains("the body of the mail"));
    // The network is known now.
    assert_eq!(swaks(node.address, "carol@here.test", &[]).0, 0);
}

#[test]
fn starttls_shows_in_the_reply_and_in_the_trace() {
    let dir = TempDir::new();
    let node = greylisting(&dir);
    let (_, dialogue) = swaks(node.address, "bob@here.test", &["--tls"]);
    assert!(dialogue.contains("=== TLS started"), "{dialogue}");
    assert!(
        refusal(&dialogue).ends_with("proto=ESMTPS helo=<swaks.test>"),
        "{dialogue}"
    );
    let (code, dialogue) = swaks(node.address, "postmaster@here.test", &["--tls"]);
    assert_eq!(code, 0, "the postmaster is never greylisted: {dialogue}");
    let received = node
        .arrived("postmaster")
        .field("Received")
        .expect("a trace");
    assert!(
        received.contains("with ESMTPS id") && received.contains("TLS"),
        "{received}"
    );
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let (code, dialogue) = swaks(
        node.address,
        "a@here.test,b@here.test,c@here.test",
        &["--pipeline"],
    );
    assert_eq!(code, 0, "{dialogue}");
    for user in ["a", "b", "c"] {
        node.arrived(user);
    }
}

#[test]
fn the_line_that_serve_prints_works_when_pasted() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[greylist]\ndelay = \"300s\"\n");
    let said = until("a line to paste", || {
        Some(node.said()).filter(|said| said.contains("swaks "))
    });
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("swaks "))
        .expect("the line");
    let output = support::run(std::process::Command::new("sh").arg("-c").arg(line), b"");
    let dialogue = support::text(&output.stdout);
    assert!(
        refusal(&dialogue).starts_with("450 4.2.0 TIME=300 <"),
        "{dialogue}"
    );
}
