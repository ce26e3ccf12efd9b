//! Clients that misbehave, on real sockets: what they are told, and that the server goes on.

mod support;

use std::net::Shutdown;

use support::{Client, Node, TempDir, content, send, text, until};

fn in_content(node: &Node) -> Client {
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@client.test>", "250 ");
    client.ask("RCPT TO:<b@here.test>", "250 ");
    client.ask("DATA", "354 ");
    client
}

/// SMTP smuggling: what a lenient server takes for the end of a mail is none.
#[test]
fn a_bare_newline_never_ends_a_mail() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r\r\n",
        "\r.\r\n",
    ] {
        let mut client = in_content(&node);
        let smuggled = "MAIL FROM:<smuggled@client.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx";
        client
            .write(format!("Subject: a\r\n\r\nx{end}{smuggled}\r\n.\r\n").as_bytes())
            .expect("written");
        let reply = client.reply().expect("one reply");
        assert!(
            reply.starts_with("55") || reply.starts_with("521"),
            "{end:?} was answered {reply}"
        );
        // There was one reply: the next is to the next command, if the connection is still open.
        if let Ok(reply) = client.command("RSET") {
            assert!(reply.starts_with("250 "), "{end:?}: {reply}");
        }
    }
    assert!(node.mailbox("b").is_empty() && node.queue().is_empty());
}

#[test]
fn old_devices_may_be_allowed_bare_newlines() {
    let dir = TempDir::new();
    let node = Node::start(
        &dir,
        "node",
        "[limits]\nbare_newline_normalize = [\"127.0.0.0/8\"]\n",
    );
    let mut client = in_content(&node);
    client
        .write(b"Subject: old\n\nfirst\n.\nlast\r\n.\r\n")
        .expect("written");
    assert!(client.reply().expect("a reply").starts_with("250 "));
    assert_eq!(node.arrived("b").body(), b"first\n.\nlast\n");
}

#[test]
fn one_client_can_not_take_all_connections() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[limits]\nconnections_per_client = 2\n");
    let first = Client::connect(node.address);
    let _second = Client::connect(node.address);
    let refusal = Client::greeted(node.address)
        .err()
        .expect("a refusal")
        .to_string();
    assert!(refusal.starts_with("421 "), "{refusal}");
    drop(first);
    until("a place", || Client::greeted(node.address).ok());
}

#[test]
fn too_large_is_said_at_mail_and_at_the_end() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[limits]\nmessage_size = \"64KiB\"\n");
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@client.test> SIZE=70000", "552 5.3.4 ");
    let large = [&content("large")[..], &b"0123456789abcde\r\n".repeat(5000)].concat();
    let reply = client
        .mail("a@client.test", "b@here.test", &large)
        .expect("a reply");
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    let reply = client
        .mail("a@client.test", "b@here.test", &content("small"))
        .expect("a reply");
    assert!(reply.starts_with("250 "), "{reply}");
}

#[test]
fn a_half_closed_connection_still_hears_its_answers() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mut client = Client::greeted(node.address).expect("a greeting");
    let mail = "EHLO x\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\n";
    client.write(mail.as_bytes()).expect("written");
    for expected in ["250", "250", "250", "354"] {
        assert!(client.reply().expect("a reply").starts_with(expected));
    }
    client
        .write(b"Subject: half\r\n\r\nx\r\n.\r\nQUIT\r\n")
        .expect("written");
    client.shutdown(Shutdown::Write);
    assert!(client.reply().expect("a reply").starts_with("250 "));
    node.arrived("b");
}

/// A content that is cut off is no mail.
#[test]
fn a_connection_that_breaks_in_a_mail_leaves_nothing() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mut client = in_content(&node);
    client
        .write(b"Subject: cut\r\n\r\nthe beginning\r\n")
        .expect("written");
    client.shutdown(Shutdown::Both);
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("whole"),
    );
    assert!(text(&node.arrived("b").octets).contains("Subject: whole"));
    until("an empty queue", || node.queue().is_empty().then_some(()));
    assert_eq!(node.mailbox("b").len(), 1);
}

#[test]
fn garbage_ends_the_connection_and_not_the_server() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[limits]\nerrors = 5\n");
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\0\r\n",
    ] {
        let mut client = Client::greeted(node.address).expect("a greeting");
        for _ in 0..20 {
            // The server may have closed already.
            let _ = client.write(garbage);
        }
        let said = client.rest_lossy();
        assert!(
            (said.contains("50") || said.contains("521 ")) && said.lines().count() <= 8,
            "{said}"
        );
    }
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("after the garbage"),
    );
}

/// Letters that are not seen, or that turn the words around them.
#[test]
fn what_would_mislead_a_reader_is_in_no_reply_and_in_no_line_of_the_log() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@client.test> SMTPUTF8", "250 ");
    let reply = client.ask(
        "RCPT TO:<b\u{202e}tset.ereh@moc\u{200b}.\u{2066}far.test>",
        "554 5.7.1 <btset.ereh@moc.far.test>: Relay access denied",
    );
    assert!(!reply.contains('\u{202e}'));
    node.logged(&["NOQUEUE: reject: RCPT", "to=<btset.ereh@moc.far.test>"]);
    client.ask("RCPT TO:<b@here.test>", "250 ");
    client.ask("RSET", "250 ");
    client.ask("MAIL FROM:<\u{202e}a@client.test> SMTPUTF8", "250 ");
    client.ask("RCPT TO:<b@here.test>", "250 ");
    client.ask("DATA", "354 ");
    client.ask("Subject: x\r\n\r\nx\r\n.", "250 ");
    node.arrived("b");
    node.logged(&["status=queued", "from=<a@client.test>"]);
    let log = node.log();
    assert!(!log.contains(['\u{202e}', '\u{200b}', '\u{2066}']), "{log}");
}

#[test]
fn a_handshake_that_fails_is_logged_with_the_client_as_everywhere() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let mut client = Client::connect(node.address);
    client.ask("STARTTLS", "220 ");
    client.write(b"NOOP in clear\r\n\r\n").expect("written");
    client.rest_lossy();
    node.logged(&["client=[127.0.0.1]:", "TLS handshake failed"]);
}
