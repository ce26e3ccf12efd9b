//! `postdate policy check`: what the DNS says of a client and a sender, with a name server on loopback.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use support::{NameServer, TempDir, run, text};

const ZONE: &str = "\
    a.example TXT v=spf1 include:_spf.a.example -all
    a.example MX 10 mx.a.example
    _spf.a.example TXT v=spf1 ip4:192.0.2.0/24 -all
    wide.example TXT v=spf1 +all
    1.2.0.192.in-addr.arpa PTR mx.a.example
    mx.a.example A 192.0.2.1
    3.2.0.192.in-addr.arpa PTR mail.google.example
    mail.google.example A 198.51.100.1
    3.2.0.192.bl.example A 127.0.0.2
    dead.example SERVFAIL";

fn configured(dir: &TempDir, server: &NameServer) -> PathBuf {
    let path = dir.join("postdate.toml");
    let text = format!(
        "[delivery]\nname_servers = [\"{}\"]\n[[checks.blocklists]]\nzone = \"bl.example\"\nscore = 4\n",
        server.address
    );
    fs::write(&path, text).expect("written");
    path
}

fn check(zone: &str, args: &[&str]) -> Output {
    let dir = TempDir::new();
    let server = NameServer::start(zone);
    let config = configured(&dir, &server);
    let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
    command.args(["policy", "check", "--config"]).arg(config);
    run(command.args(args), b"")
}

#[test]
fn a_good_sender() {
    let output = check(ZONE, &["192.0.2.1", "--sender", "anna@a.example"]);
    assert_eq!(
        text(&output.stdout),
        "\
reverse name    mx.a.example, leads back to the client
lists           on no blocklist, score 0
SPF             pass for a.example, grouped as spf:a.example
sender domain   takes mail
"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_bad_one() {
    let output = check(ZONE, &["192.0.2.3", "--sender", "x@wide.example"]);
    assert_eq!(
        text(&output.stdout),
        "\
reverse name    mail.google.example, does not lead back to the client
lists           on bl.example, score 4
SPF             pass for wide.example, by a rule too wide to group by
sender domain   takes no mail
"
    );
}

#[test]
fn what_has_no_answer_says_when_it_is_asked_again() {
    let output = check(ZONE, &["192.0.2.9", "--sender", "x@dead.example", "--json"]);
    assert_eq!(
        text(&output.stdout),
        "{\"lists\":{\"allowed\":false,\"score\":0,\"zones\":[]},\
         \"reverse\":{\"confirmed\":false,\"name\":null},\
         \"sender_domain\":{\"failed\":true,\"retry_secs\":5},\
         \"spf\":{\"failed\":true,\"retry_secs\":5}}\n"
    );
    assert_eq!(output.status.code(), Some(75));
}

#[test]
fn nothing_is_asked_about_a_private_client() {
    let output = check("", &["127.0.0.1", "--sender", "anna@a.example"]);
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        "postdate: 127.0.0.1 is an address that only its own network knows: nothing is looked up\n"
    );
}
