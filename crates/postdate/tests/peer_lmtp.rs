//! Dovecot, unmodified, keeps our mailboxes: we deliver to it by LMTP.

mod support;

use support::{Awkward, Client, Dovecot, Node, TempDir, until};

/// A node whose mailboxes are all behind this server.
fn before(dir: &TempDir, server: &str) -> Node {
    let tables = format!(
        "[local]\ndomains = [\"box.test\"]\nlmtp = \"{server}\"\n[queue]\nfirst_backoff = \"2s\"\n"
    );
    Node::start(dir, "node", &tables)
}

#[test]
fn dovecot_keeps_our_mail_as_it_is() {
    let dir = TempDir::new();
    let dovecot = Dovecot::start(&dir);
    let node = before(&dir, &format!("inet:127.0.0.1:{}", dovecot.port));
    Awkward::send_all(node.address, "box.test", true);
    Awkward::expect_all(|| dovecot.all_mails());
    let header = dovecot.all_mails()[0].header();
    assert!(header.contains("by node.test (Postdate)"), "{header}");
}

/// Two recipients of one mail, one of whom has no room.
#[test]
fn a_full_mailbox_waits_for_room_and_the_other_has_the_mail_once() {
    let dir = TempDir::new();
    let dovecot = Dovecot::start(&dir);
    let node = before(&dir, &format!("unix:{}", dovecot.socket.display()));
    let send = |subject: &str, octets: usize, recipients: &[&str]| {
        let mut client = Client::connect(node.address);
        client.ask("MAIL FROM:<a@client.test>", "250");
        for to in recipients {
            client.ask(&format!("RCPT TO:<{to}@box.test>"), "250");
        }
        client.ask("DATA", "354");
        let body = "0123456789abcde\r\n".repeat(octets / 17);
        client.ask(&format!("Subject: {subject}\r\n\r\n{body}."), "250");
    };
    send("first", 12_000, &["tiny"]);
    until("the first mail", || {
        (dovecot.mails("tiny").len() == 1).then_some(())
    });

    send("second", 12_000, &["tiny+tag", "roomy"]);
    let deferred = node.logged(&["to=<tiny+tag@box.test>", "attempt=1", "status=deferred"]);
    assert!(
        deferred.contains("dsn=4.2.2") && deferred.contains("452 4.2.2 <tiny+tag@box.test>"),
        "{deferred}"
    );
    let relay = format!("relay=unix:{}", dovecot.socket.display());
    let sent = node.logged(&["to=<roomy@box.test>", "status=sent"]);
    assert!(
        sent.contains(&relay) && sent.contains("attempt=1"),
        "{sent}"
    );
    // Still full: it waits for longer.
    node.logged(&["to=<tiny+tag@box.test>", "attempt=2", "status=deferred"]);
    assert_eq!(dovecot.mails("tiny").len(), 1);

    dovecot.empty("tiny");
    node.logged(&["to=<tiny+tag@box.test>", "status=sent"]);
    let there = dovecot.mails("tiny");
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].field("Subject").as_deref(), Some("second"));
    assert_eq!(dovecot.mails("roomy").len(), 1, "once");
    assert!(node.queue().is_empty());
}
