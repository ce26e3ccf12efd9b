//! Real Exim asks through `${readsocket}`, with the ACL that the page says to paste.

mod support;

use std::process::Command;
use std::time::Duration;

use support::{
    Exim, Mail, PolicyServer, TempDir, free_port, now, pasted, pasted_with_port, refusal, run,
    said, swaks, text, until,
};

const GREYLIST: &str = "[greylist]\ndelay = \"3s\"\n";

#[track_caller]
fn appointment_kept(exim: &Exim) -> Mail {
    let server = ([127, 0, 0, 1], exim.port).into();
    let (_, dialogue) = swaks(server, "bob@exim.test", &[]);
    let told = now();
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 TIME=3 Greylisted, try again in 3 seconds"
    );
    until("its time to come", || {
        (now() - told >= Duration::from_secs(3)).then_some(())
    });
    let (code, dialogue) = swaks(server, "bob@exim.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
    until("the mail", || exim.mails().into_iter().next())
}

#[test]
fn an_acls_appointment_is_told_and_kept() {
    for tables in ["", "[policy]\npostfix_action = \"code\"\n"] {
        let dir = TempDir::new();
        let server = PolicyServer::start(
            &dir,
            &["--listen", "inet:127.0.0.1:0"],
            &format!("{GREYLIST}{tables}"),
        );
        let acl = pasted_with_port("doors/exim.md", "exim.conf", 10023, server.port());
        let exim = Exim::asking(&dir, 9, &acl, "");
        let field = appointment_kept(&exim)
            .field("X-Greylist")
            .expect("how long it waited");
        assert!(
            field.starts_with("delayed ") && field.contains(" at mx.test; "),
            "{field}"
        );
        let log = server.log();
        assert!(
            log.contains("from=<you@client.test>, to=<bob@exim.test>, proto=ESMTP, helo=<swaks.test>, reason=greylist, hint=3"),
            "{log}"
        );
    }
}

#[test]
fn exim_lets_mail_in_while_nobody_answers() {
    let dir = TempDir::new();
    let acl = pasted_with_port("doors/exim.md", "exim.conf", 10023, free_port());
    let exim = Exim::asking(&dir, 9, &acl, "");
    let server = ([127, 0, 0, 1], exim.port).into();
    let (code, dialogue) = swaks(server, "bob@exim.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
}

#[test]
fn exim_keeps_mail_out_while_nobody_answers_where_that_is_wanted() {
    const PAGE: &str = "doors/exim.md";
    let dir = TempDir::new();
    let acl = pasted_with_port(PAGE, "exim.conf", 10023, free_port());
    let closed = said(PAGE, "{action=451 4.3.0 Try again later}");
    let acl = acl.replace("{action=DUNNO}", closed);
    let exim = Exim::asking(&dir, 9, &acl, "");
    let (_, dialogue) = swaks(([127, 0, 0, 1], exim.port).into(), "bob@exim.test", &[]);
    assert_eq!(refusal(&dialogue), "451 4.3.0 Try again later");
}

#[test]
fn an_acl_asks_over_a_unix_socket_and_denies_for_good() {
    const PAGE: &str = "doors/exim.md";
    let dir = TempDir::new();
    let path = dir.join("policy.sock").display().to_string();
    let group = said(PAGE, "policy.socket_group = \"Debian-exim\"");
    let server = PolicyServer::start(
        &dir,
        &["--listen", &format!("unix:{path}")],
        &format!("{group}\n{GREYLIST}"),
    );
    let acl = pasted(PAGE, "exim.conf").replace(said(PAGE, "inet:127.0.0.1:10023"), &path);
    let exim = Exim::asking(&dir, 9, &acl, "");
    appointment_kept(&exim);
    let denied = run(
        Command::new(env!("CARGO_BIN_EXE_postdate"))
            .arg("--config")
            .arg(&server.config)
            .args(["policy", "deny", "sender", "you@client.test"]),
        b"",
    );
    assert!(denied.status.success(), "{}", text(&denied.stderr));
    let (_, dialogue) = swaks(([127, 0, 0, 1], exim.port).into(), "bob@exim.test", &[]);
    assert!(
        dialogue.contains("<** 550 5.7.1 Access denied"),
        "{dialogue}"
    );
}

/// Three mails of 600 KB against 1 MB an hour: the second goes over it, when its length is known.
#[test]
fn an_acl_at_the_end_of_the_content_counts_octets() {
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], OCTETS);
    let acl = pasted_with_port("doors/exim.md", "exim.conf", 10023, server.port());
    let data = pasted_with_port("doors/exim.md", "exim.conf data", 10023, server.port());
    let exim = Exim::asking(&dir, 9, &acl, &data);
    let address = ([127, 0, 0, 1], exim.port).into();
    let body = format!("{}\n", "x".repeat(60)).repeat(10_000);
    let mail = dir.write("mail.eml", format!("Subject: long\n\n{body}"));
    let mail = format!("@{}", mail.display());
    let (code, dialogue) = swaks(address, "bob@exim.test", &["--data", &mail]);
    assert_eq!(code, 0, "{dialogue}");
    let (_, dialogue) = swaks(address, "bob@exim.test", &["--data", &mail]);
    // Exim breaks a long reply into lines.
    let told = refusal(&dialogue);
    assert!(
        told.starts_with("450-4.7.0 TIME=") && told.contains(" Too much mail from your network"),
        "{told}"
    );
    let log = server.log();
    assert!(log.contains("reject: END-OF-MESSAGE: "), "{log}");
}

const OCTETS: &str = "[greylist]\nmode = \"off\"\n\
    [[rates]]\nname = \"o\"\ncount = \"octets\"\nper = \"client\"\nlimit = \"1M/h burst 1M\"\n";
