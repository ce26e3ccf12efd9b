//! What an administrator reads of a refusal: which rule it was, and why nobody was told a time.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use support::{Client, LONG, Node, PolicyServer, TempDir, content, text, until};

const SLOW: &str = "[greylist]\nmode = \"off\"\n\
    [[rates]]\nname = \"slow one\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"10/h burst 1\"\n";

#[track_caller]
fn recipient(node: &Node, from: &str) -> String {
    let mut client = Client::connect(node.address);
    client.ask(&format!("MAIL FROM:<{from}>"), "250 ");
    client.command("RCPT TO:<bob@here.test>").expect("a reply")
}

#[test]
fn the_log_names_the_limit_and_why_there_is_no_time() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", SLOW);
    let taken = Client::connect(node.address).mail("a@far.test", "bob@here.test", &content("one"));
    assert!(taken.expect("a reply").starts_with("250 "));
    for n in 1..=4 {
        let reply = recipient(&node, &format!("a{n}@far.test"));
        assert!(reply.starts_with("450 4.2.1 TIME="), "{reply}");
    }
    let line = node.logged(&["NOQUEUE: reject: RCPT", "<a1@far.test>"]);
    assert!(
        line.contains(", reason=recipient, rule=slow one, hint="),
        "{line}"
    );
    assert!(!line.contains("no_hint"), "{line}");

    let reply = recipient(&node, "a5@far.test");
    assert!(
        reply.starts_with("450 4.2.1 <bob@here.test>: "),
        "the network has its four places: {reply}"
    );
    let line = node.logged(&["NOQUEUE: reject: RCPT", "<a5@far.test>"]);
    assert!(
        line.contains(", reason=recipient, rule=slow one, no_hint=network-full (450 4.2.1 "),
        "{line}"
    );
}

#[test]
fn a_mail_that_no_time_will_do_for_is_refused_for_good() {
    let dir = TempDir::new();
    let node = Node::start(
        &dir,
        "node",
        "[log]\nformat = \"json\"\n\
         [[rates]]\nname = \"octets\"\ncount = \"octets\"\nper = \"sender\"\nlimit = \"1K/h\"\n",
    );
    let mut large = content("large");
    large.extend_from_slice(&b"x".repeat(2000));
    let reply = Client::connect(node.address).mail("a@far.test", "bob@here.test", &large);
    let reply = reply.expect("a reply");
    assert!(
        reply.starts_with("552 5.3.4 End-of-data rejected: "),
        "{reply}"
    );
    let line = node.logged(&["NOQUEUE: reject: END-OF-MESSAGE", "<a@far.test>"]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["reason"], "sender");
    assert_eq!(line["rule"], "octets");
    assert!(line.get("no_hint").is_none(), "{line}");
}

/// What would come back as a notice, to a sender that may be made up, is refused.
#[test]
fn an_alias_is_nobodys_where_it_leads_to_nobody() {
    let dir = TempDir::new();
    let node = Node::start(
        &dir,
        "node",
        "[local]\ndomains = [\"here.test\", \"b.test\"]\nmailboxes = { \"bob@here.test\" = \"mail/bob\" }\n\
         [aliases]\n\"sales\" = [\"bob\"]\n\"all\" = [\"bob\", \"bob@here.test\"]\n",
    );
    let mut client = Client::connect(node.address);
    client.ask("MAIL FROM:<a@far.test>", "250 ");
    client.ask("RCPT TO:<sales@here.test>", "250 ");
    client.ask("RCPT TO:<sales@b.test>", "550 5.1.1 ");
    client.ask("RCPT TO:<all@b.test>", "250 ");
}

#[test]
fn a_hint_that_is_turned_off_is_no_riddle() {
    let dir = TempDir::new();
    let node = Node::start(
        &dir,
        "node",
        "[greylist]\nmode = \"enforce\"\n[hints]\ngive = false\n",
    );
    assert!(recipient(&node, "a@far.test").starts_with("450 4.2.0 <bob@here.test>: "));
    let line = node.logged(&["NOQUEUE", "<a@far.test>"]);
    assert!(
        line.contains(", reason=greylist, no_hint=turned-off (450 "),
        "{line}"
    );
}

#[test]
fn the_policy_door_says_the_same() {
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], SLOW);
    let mut wire = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    wire.set_read_timeout(Some(LONG)).expect("a time-out");
    let mut ask = |n: u32| {
        let request = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\ninstance={n}\n\
             sender=a{n}@far.test\nrecipient=b@here.test\n\n"
        );
        wire.write_all(request.as_bytes()).expect("written");
        let mut said = [0; 512];
        let count = wire.read(&mut said).expect("an answer");
        text(&said[..count])
    };
    assert_eq!(ask(0), "action=DUNNO\n\n");
    for n in 1..=4 {
        assert!(ask(n).contains(" TIME="));
    }
    assert!(!ask(5).contains("TIME="));
    for (sender, fields) in [
        ("<a4@far.test>", ", reason=recipient, rule=slow one, hint="),
        (
            "<a5@far.test>",
            ", reason=recipient, rule=slow one, no_hint=network-full (450 4.2.1 ",
        ),
    ] {
        let line = until("the line", || {
            let log = server.log();
            let mut lines = log.lines();
            lines.find(|line| line.contains(sender)).map(str::to_owned)
        });
        assert!(line.contains(fields), "{line}");
    }
}

#[test]
fn a_flood_at_the_door_is_counted() {
    for (tables, refused) in [
        (
            "[[rates]]\nname = \"few\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"1/d burst 1\"\n",
            "reason=client, rule=few",
        ),
        (
            "[load]\ncapacity = \"1/d burst 1\"\n",
            "reason=load, rule=load",
        ),
        (
            "[limits]\nconnections_per_client = 1\n",
            "limits.connections_per_client",
        ),
    ] {
        let dir = TempDir::new();
        let mut node = Node::start(&dir, "node", tables);
        let _inside = Client::connect(node.address);
        for _ in 0..20 {
            let refused = Client::greeted(node.address).map(drop).expect_err("421");
            assert!(refused.to_string().starts_with("421 "), "{refused}");
        }
        assert!(node.stop().success());
        let log = node.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(refused)).collect();
        assert_eq!(lines.len(), 2, "one line, and the count: {log}");
        assert!(lines[0].contains("client=[127.0.0.1]:"), "{}", lines[0]);
        if !refused.starts_with("limits") {
            let at = lines[0].contains("smtp: NOQUEUE: reject: CONNECT: ");
            assert!(at, "{}", lines[0]);
        }
        assert!(
            lines[1].contains("smtp: 19 more connections were refused in ")
                && lines[1].ends_with(&format!(" s: {refused}")),
            "{}",
            lines[1]
        );
    }
}

/// Postfix's `smtpd_delay_reject`: by default the log says whose mail it was.
#[test]
fn what_needs_no_recipient_is_refused_at_helo_and_mail_where_that_is_wanted() {
    let dir = TempDir::new();
    let deny = |node: &Node, whom: &[&str]| {
        let output = node.command(&[&["policy", "deny"], whom].concat());
        assert!(output.status.success(), "{output:?}");
    };
    let node = Node::start(&dir, "late", "");
    deny(&node, &["client", "127.0.0.0/8"]);
    let reply = recipient(&node, "a@far.test");
    let words = "550 5.7.1 <bob@here.test>: Client host rejected: Access denied; ";
    assert!(reply.starts_with(words), "{reply}");
    node.logged(&["NOQUEUE: reject: RCPT", "<a@far.test>", "<bob@here.test>"]);

    let node = Node::start(&dir, "early", "[policy]\ndelay_reject = false\n");
    deny(&node, &["sender", "bad@far.test"]);
    let mut client = Client::connect(node.address);
    client.ask(
        "MAIL FROM:<bad@far.test>",
        "550 5.7.1 <bad@far.test>: Sender address rejected: Access denied; ",
    );
    client.ask("RCPT TO:<bob@here.test>", "503 ");
    client.ask("MAIL FROM:<good@far.test>", "250 ");
    client.ask("RCPT TO:<bob@here.test>", "250 ");
    node.logged(&[
        "NOQUEUE: reject: MAIL",
        "from=<bad@far.test>",
        "reason=denied",
    ]);

    deny(&node, &["client", "127.0.0.0/8"]);
    let mut client = Client::greeted(node.address).expect("a greeting");
    assert_eq!(
        client.command("EHLO mx.far.test").expect("a reply"),
        "550 5.7.1 <mx.far.test>: Client host rejected: Access denied; proto=ESMTP helo=<mx.far.test>"
    );
    client.ask("MAIL FROM:<good@far.test>", "503 ");
    client.ask("QUIT", "221 ");
    node.logged(&[
        "NOQUEUE: reject: HELO",
        "helo=<mx.far.test>",
        "reason=denied",
    ]);
}
