//! Real Exim asks through `${readsocket}`, with the ACL that the page says to paste.

mod support;

use std::time::Duration;

use support::{
    Exim, Mail, PolicyServer, TempDir, free_port, now, pasted_with_port, refusal, swaks, until,
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
        let exim = Exim::asking(&dir, 9, &acl);
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
    let exim = Exim::asking(&dir, 9, &acl);
    let server = ([127, 0, 0, 1], exim.port).into();
    let (code, dialogue) = swaks(server, "bob@exim.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
}
