//! What programs on this machine get from `sendmail`, with the server running and without.

mod support;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Output;

use support::{Client, Node, Sink, TempDir, free_port, pasted, text, until};

const TWO: &str = "[local]\ndomains = [\"here.test\"]\nmailboxes = { \"b@here.test\" = \"mail/b\", \"c@here.test\" = \"mail/c\" }\n";
const MAIL: &[u8] = b"Subject: by sendmail\n\nwords\n";

#[track_caller]
fn exits(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
}

/// Does the same twice: with the server, and without it.
fn both_ways(tables: &str, act: impl Fn(&mut Node, bool)) {
    for running in [true, false] {
        let dir = TempDir::new();
        let mut node = Node::start(&dir, "node", tables);
        if !running {
            assert!(node.stop().success());
        }
        act(&mut node, running);
    }
}

/// A restart in the middle of a submission is no error for the program.
#[test]
fn a_server_that_goes_before_the_content_is_asked_again() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", TWO);
    assert!(node.stop().success());
    let path = node.data.join("submit.sock");
    let going = std::os::unix::net::UnixListener::bind(&path).expect("the socket");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = going.accept().expect("the program");
        let mut said = BufReader::new(stream.try_clone().expect("a clone")).lines();
        stream.write_all(b"220 here.test\r\n").expect("written");
        for reply in [
            "250 here.test",
            "250 Ok",
            "421 4.3.2 here.test Shutting down, come back soon",
        ] {
            let _ = said.next().expect("a command").expect("text");
            write!(stream, "{reply}\r\n").expect("written");
        }
        // One that came behind it is not even greeted.
        drop(stream);
        drop(going.accept());
        std::fs::remove_file(path).expect("removed");
    });
    let output = node.command_with(&["sendmail", "b@here.test"], MAIL);
    exits(&output, 0, &[]);
    server.join().expect("no panic");
    assert_eq!(node.queue().len(), 1);
}

/// Who asks a server again that has no descriptors left makes that worse.
#[test]
fn a_server_that_is_short_of_something_is_asked_once() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", TWO);
    assert!(node.stop().success());
    let path = node.data.join("submit.sock");
    let short = std::os::unix::net::UnixListener::bind(&path).expect("the socket");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = short.accept().expect("the program");
        // Whoever came again would find nobody, and leave the mail in the queue.
        std::fs::remove_file(path).expect("removed");
        let reply = b"421 4.3.2 System resources are short, try again later\r\n";
        stream.write_all(reply).expect("written");
    });
    let output = node.command_with(&["sendmail", "b@here.test"], MAIL);
    exits(&output, 75, &["421 4.3.2 System resources are short"]);
    server.join().expect("no panic");
    assert_eq!(node.queue().len(), 0);
}

/// A script never gets an error and a delivery.
#[test]
fn all_recipients_get_it_or_none_does() {
    both_ways(TWO, |node, running| {
        let to = [
            "sendmail",
            "b@here.test",
            "nobody@here.test",
            "x@here.test",
            "c@here.test",
        ];
        let output = node.command_with(&to, MAIL);
        exits(
            &output,
            67,
            &[
                "nothing was sent",
                "<nobody@here.test>",
                "<x@here.test>",
                "550 5.1.1",
            ],
        );
        assert!(
            !text(&output.stderr).contains("<b@here.test>"),
            "{output:?}"
        );
        assert_eq!(node.queue().len(), 0);
        let output = node.command_with(&["sendmail", "b@here.test", "c@here.test"], MAIL);
        exits(&output, 0, &[]);
        if !running {
            node.run();
        }
        node.arrived("c");
        node.arrived("b");
        assert_eq!((node.mailbox("b").len(), node.mailbox("c").len()), (1, 1));
    });
}

#[test]
fn more_recipients_than_the_network_may_name_are_one_mail() {
    let tables = format!(
        "[limits]\nrecipients = 100\n[delivery.routes]\n\"far.test\" = \"127.0.0.1:{}\"\n",
        free_port()
    );
    both_ways(&tables, |node, _| {
        let to: Vec<String> = (0..250).map(|n| format!("r{n}@far.test")).collect();
        let mail = format!("To: {}\nSubject: to all\n\nx\n", to.join(",\n\t"));
        exits(
            &node.command_with(&["sendmail", "-t"], mail.as_bytes()),
            0,
            &[],
        );
        let rows = node.queue();
        let ids: HashSet<String> = rows.iter().map(|row| row["id"].to_string()).collect();
        assert_eq!((rows.len(), ids.len()), (250, 1));
    });
}

#[test]
fn a_mail_that_is_too_large_is_refused_whole() {
    both_ways("[limits]\nmessage_size = \"64KiB\"\n", |node, _| {
        let mut mail = MAIL.to_vec();
        mail.resize(64 * 1024 - 1000, b'x');
        exits(
            &node.command_with(&["sendmail", "b@here.test"], &mail),
            0,
            &[],
        );
        mail.resize(64 * 1024 + 1, b'x');
        let output = node.command_with(&["sendmail", "c@here.test"], &mail);
        exits(
            &output,
            65,
            &["nothing was sent", "limits.message_size", "65536"],
        );
        // With the line ends of the wire it is larger than it was.
        let output = node.command_with(&["sendmail", "c@here.test"], &b"x\n".repeat(25_000));
        exits(&output, 65, &["nothing was sent", "552 5.3.4"]);
        assert!(node.mailbox("c").is_empty());
        assert!(node.queue().iter().all(|row| row["to"] == "b@here.test"));
    });
}

#[test]
fn a_mail_that_was_queued_without_the_server_has_its_trace() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    assert!(node.stop().success());
    exits(
        &node.command_with(&["sendmail", "b@here.test"], MAIL),
        0,
        &[],
    );
    let row = node.queue().remove(0);
    let (due, received) = (row["due"].as_str(), row["received"].as_str());
    assert!(due <= received, "not due at once: {row}");
    node.run();
    let received = node.arrived("b").field("Received").expect("a trace field");
    let uid = rustix::process::getuid().as_raw();
    for words in [
        &format!("local user {uid}"),
        "by node.test",
        row["id"].as_str().expect("an id"),
    ] {
        assert!(received.contains(words), "{words} is not in {received}");
    }
}

#[test]
fn a_session_needs_no_server() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", TWO);
    assert!(node.stop().success());
    let session = b"EHLO local\r\nMAIL FROM:<cron@here.test>\r\nRCPT TO:<nobody@here.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n";
    let output = node.command_with(&["sendmail", "-bs"], session);
    exits(&output, 0, &[]);
    let said = text(&output.stdout);
    assert!(
        said.contains("550 5.1.1") && said.contains("250 2.0.0 Ok: queued"),
        "{said}"
    );
    node.run();
    node.arrived("b");
}

/// The queue belongs to one at a time; the others wait for their turn.
#[test]
fn programs_that_send_at_once_all_get_through() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    assert!(node.stop().success());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                exits(
                    &node.command_with(&["sendmail", "b@here.test"], MAIL),
                    0,
                    &[],
                )
            });
        }
    });
    assert_eq!(node.queue().len(), 8);
    node.run();
    until("all of them", || {
        (node.mailbox("b").len() == 8).then_some(())
    });
}

#[test]
fn what_went_wrong_is_in_the_exit_code() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    for (args, code, words) in [
        (
            &["sendmail", "b@here.test"][..],
            75,
            &["not running", "no such directory"][..],
        ),
        (
            &["sendmail", "-bs"],
            75,
            &["not running", "no such directory"],
        ),
        (&["sendmail"], 64, &["no recipients", "-t"]),
        (&["sendmail", "-t"], 64, &["no recipients", "To:"]),
        (&["sendmail", "-zzz"], 64, &["-z"]),
        (&["sendmail", "-bi"], 0, &[]),
    ] {
        exits(&node.command_with(args, MAIL), code, words);
    }
    std::fs::create_dir(&node.data).expect("a data directory");
    for to in [
        "b@here.test\r\nRCPT TO:<c@here.test",
        "b@here.test> NOTIFY=NEVER,",
        "b c@here.test",
    ] {
        let output = node.command_with(&["sendmail", to], MAIL);
        assert!(
            matches!(output.status.code(), Some(65 | 67)),
            "{to:?}: {output:?}"
        );
    }
    assert_eq!(node.queue().len(), 0);
}

/// What README says to put into a file for a domain of one's own, on this machine's loopback.
fn own_domain(dir: &TempDir, tables: &str) -> Node {
    let node = Node::prepared(dir, "node", "127.0.0.1:0", "");
    let text = pasted("../README.md", "toml")
        .replace("/var/lib/postdate", &node.data.display().to_string())
        .replace("0.0.0.0:25", "127.0.0.1:0")
        .replace("certificate = ", "# certificate = ")
        .replace("key = ", "# key = ");
    let text = format!("{text}[greylist]\nmode = \"off\"\n{tables}");
    std::fs::write(&node.config, text).expect("a configuration");
    node
}

/// cron writes to `root`, and our notices are answered: with the host's name behind it, which is no domain of anybody.
#[test]
fn the_hosts_own_name_leads_to_the_mailboxes_of_readmes_configuration() {
    let dir = TempDir::new();
    let mut node = own_domain(&dir, "");
    node.run();
    for to in [
        "root",
        "anna",
        "root@localhost",
        "Anna+tag@Mail.example.org",
        "postmaster",
        "MAILER-DAEMON@mail.example.org",
    ] {
        exits(&node.command_with(&["sendmail", to], MAIL), 0, &[]);
    }
    until("all of them", || {
        (node.mailbox("anna").len() == 6).then_some(())
    });
    let output = node.command_with(&["sendmail", "nobody"], MAIL);
    exits(&output, 67, &["<nobody@mail.example.org>", "550 5.1.1"]);
    let mut stranger = Client::connect(node.address);
    for (to, expected) in [
        ("mailer-daemon@mail.example.org", "250"),
        ("root@mail.example.org", "250"),
        ("postmaster@mail.example.org", "250"),
        ("postmaster", "250"),
        ("nobody@mail.example.org", "550 5.1.1"),
        ("root@other.example.org", "554 5.7.1"),
    ] {
        let got = stranger.mail("a@b.example", to, b"Subject: x\r\n\r\nx\r\n");
        let reply = got.expect("a reply");
        assert!(reply.starts_with(expected), "{to}: {reply}");
        stranger.ask("RSET", "250");
    }
    until("the stranger's four", || {
        (node.mailbox("anna").len() == 10).then_some(())
    });
}

/// What can't be delivered for a program comes back to its user.
#[test]
fn a_notice_for_a_program_reaches_its_user() {
    let dir = TempDir::new();
    let far = Sink::answering(Box::new(|line| {
        (line.starts_with("RCPT")).then(|| "550 5.1.1 gone".to_owned())
    }));
    let routes = format!("[delivery.routes]\n\"far.test\" = \"{}\"\n", far.address);
    let mut node = own_domain(&dir, &routes);
    node.run();
    let args = ["sendmail", "-f", "root", "x@far.test"];
    exits(&node.command_with(&args, MAIL), 0, &[]);
    let notice = node.arrived("anna");
    let to = notice.field("To").expect("a To field");
    assert!(to.contains("root@mail.example.org"), "{to}");
}

#[test]
fn q_tries_all_that_waits() {
    let far = Sink::answering(Box::new(|line| {
        (line.starts_with("RCPT")).then(|| "450 4.2.0 TIME=300 later".to_owned())
    }));
    let routes = format!("[delivery.routes]\n\"far.test\" = \"{}\"\n", far.address);
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", &routes);
    exits(
        &node.command_with(&["sendmail", "x@far.test"], MAIL),
        0,
        &[],
    );
    let tried = |times: i64| {
        until("an attempt", || {
            (node.queue()[0]["attempts"] == times).then_some(())
        });
    };
    tried(1);
    exits(&node.command_with(&["sendmail", "-q"], b""), 0, &[]);
    tried(2);
}

/// RFC 5321 §4.5.1: also where another server has the mail of the host's name.
#[test]
fn the_postmaster_without_a_domain_has_a_mailbox() {
    let dir = TempDir::new();
    let elsewhere = "[local]\ndomains = []\nmailboxes = {}\n[relay]\ndomains = [\"node.test\"]\n";
    let node = Node::start(&dir, "node", elsewhere);
    let mut stranger = Client::connect(node.address);
    let reply = stranger.mail("a@b.example", "postmaster", b"Subject: x\r\n\r\nx\r\n");
    assert!(reply.expect("a reply").starts_with("250"));
    node.arrived("postmaster");
}

#[test]
fn help_is_given() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    let output = node.command(&["sendmail", "--help"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("-bs") && said.contains("67"), "{said}");
}
