//! `postdate policy serve` in postgrey's place, with its files of who is not greylisted.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;
use support::{LONG, PolicyServer, TempDir, pasted, repository, text, until};

const DUNNO: &str = "action=DUNNO\n\n";
const DEFERRED: &str =
    "action=DEFER_IF_PERMIT 4.2.0 TIME=300 Greylisted, try again in 300 seconds\n\n";

/// One question, of a client with these names in Postfix's words.
fn asked(port: u16, client: &str, name: &str, reverse: &str, recipient: &str) -> String {
    let mut wire = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    wire.set_read_timeout(Some(LONG)).expect("a time-out");
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={client}\nclient_name={name}\n\
         reverse_client_name={reverse}\nsender=a@far.test\nrecipient={recipient}\n\n"
    );
    wire.write_all(request.as_bytes()).expect("written");
    let mut said = Vec::new();
    let mut octets = [0; 1024];
    while !said.ends_with(b"\n\n") {
        let count = wire.read(&mut octets).expect("an answer");
        assert!(count > 0, "closed");
        said.extend_from_slice(&octets[..count]);
    }
    text(&said)
}

#[test]
fn postgreys_files_hold_by_confirmed_names_and_are_read_again() {
    let dir = TempDir::new();
    let clients = dir.write(
        "whitelist_clients",
        "# known pools\nfriend.test\n/^mx\\d+\\.pool\\.test$/\n10.1\n/(/\n",
    );
    let recipients = dir.write("whitelist_recipients", "list@\n");
    let tables = format!(
        "[greylist.postgrey]\nwhitelist_clients = [\"{}\", \"{}\"]\nwhitelist_recipients = [\"{}\"]\n\
         [checks]\nspf = \"off\"\n",
        clients.display(),
        dir.join("gone").display(),
        recipients.display(),
    );
    let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], &tables);
    let port = server.port();
    let bob = "bob@here.test";
    for (client, name, reverse, recipient, says) in [
        (
            "10.0.1.1",
            "mail.friend.test",
            "mail.friend.test",
            bob,
            DUNNO,
        ),
        ("10.0.2.1", "mx7.pool.test", "mx7.pool.test", bob, DUNNO),
        (
            "10.0.3.1",
            "MAIL.Friend.Test.",
            "mail.friend.test",
            bob,
            DUNNO,
        ),
        ("10.1.9.9", "unknown", "unknown", bob, DUNNO),
        ("10.0.4.1", "unknown", "unknown", "list@here.test", DUNNO),
        // A name that anybody can write into a zone of his own.
        ("10.0.5.1", "unknown", "mail.friend.test", bob, DEFERRED),
        (
            "10.0.6.1",
            "mail.notfriend.test",
            "mail.notfriend.test",
            bob,
            DEFERRED,
        ),
        ("10.0.7.1", "late.test", "late.test", bob, DEFERRED),
    ] {
        assert_eq!(
            asked(port, client, name, reverse, recipient),
            says,
            "{client} {name}"
        );
    }
    let log = server.log();
    let bad_line = format!("warning: {}: line 5: ", clients.display());
    assert_eq!(log.matches(&bad_line).count(), 1, "{log}");
    let unreadable = format!("error: {}: No such file", dir.join("gone").display());
    assert_eq!(log.matches(&unreadable).count(), 1, "{log}");

    fs::write(dir.join("gone"), "late.test\n").expect("written");
    fs::write(&clients, "# nobody any more\n").expect("written");
    server.process.signal(Signal::HUP);
    until("the reload", || {
        server
            .log()
            .contains("configuration reloaded")
            .then_some(())
    });
    assert_eq!(
        asked(port, "10.0.8.1", "late.test", "late.test", bob),
        DUNNO
    );
    assert_eq!(
        asked(
            port,
            "10.0.9.1",
            "mail.friend.test",
            "mail.friend.test",
            bob
        ),
        DEFERRED
    );
}

/// The page's table says which key is which; its block is what postgrey does by default.
#[test]
fn what_postgrey_does_by_default_is_a_configuration() {
    let dir = TempDir::new();
    let named = "inet:127.0.0.1:10023";
    let block = pasted("doors/postfix.md", "policy.toml postgrey");
    let server = PolicyServer::start(&dir, &[], &block.replace(named, "inet:127.0.0.1:0"));
    let port = server.port();
    let ask = |recipient| asked(port, "192.0.2.1", "unknown", "unknown", recipient);
    assert_eq!(ask("bob@here.test"), DEFERRED);
    let page = fs::read_to_string(repository("docs/doors/postfix.md")).expect("the page");
    let config = fs::read_to_string(&server.config).expect("its configuration");
    for key in ["delay", "window", "known_for", "known_after", "v4_prefix"] {
        assert!(page.contains(&format!("`greylist.{key}`")), "{key}");
        assert!(config.contains(&format!("\n{key} = ")), "{key}");
    }
}
