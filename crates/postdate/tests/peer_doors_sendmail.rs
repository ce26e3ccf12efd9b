//! Real Sendmail asks over milter, with the line that the page says to paste.

mod support;

use std::time::Duration;

use support::{
    PolicyServer, Sendmail, TempDir, free_port, now, pasted, pasted_with_port, refusal, said,
    swaks, until,
};

/// Sendmail puts its own words before ours too, so what is left to read is the time in prose.
#[test]
fn sendmails_clients_are_told_and_let_in_at_their_time() {
    let dir = TempDir::new();
    let server = PolicyServer::start(
        &dir,
        &["--milter", "inet:127.0.0.1:0"],
        "[greylist]\ndelay = \"3s\"\n",
    );
    let line = pasted_with_port("doors/milter.md", "sendmail.mc", 10024, server.port());
    let sendmail = Sendmail::start(&dir, line.trim());
    let at = ([127, 0, 0, 1], sendmail.port).into();
    let (_, dialogue) = swaks(at, "bob@sendmail.test", &[]);
    let told = now();
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 <bob@sendmail.test>... TIME=3 <bob@sendmail.test>: Recipient address rejected: Greylisted, \
         try again in 3 seconds; from=<you@client.test> to=<bob@sendmail.test> proto=SMTP helo=<swaks.test>"
    );
    until("its time to come", || {
        (now() - told >= Duration::from_secs(3)).then_some(())
    });
    let (code, dialogue) = swaks(at, "bob@sendmail.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
}

#[test]
fn sendmail_asks_over_a_unix_socket() {
    const PAGE: &str = "doors/milter.md";
    let dir = TempDir::new();
    let path = dir.join("milter").display().to_string();
    let line = said(PAGE, "policy.milter = [\"unix:/run/postdate/milter\"]");
    let line = line.replace("/run/postdate/milter", &path);
    let server = PolicyServer::start(&dir, &[], &format!("{line}\n"));
    let local = said(PAGE, "S=local:/run/postdate/milter");
    let local = local.replace("/run/postdate", "/mnt");
    let filter = pasted(PAGE, "sendmail.mc").replace("S=inet:10024@127.0.0.1", &local);
    assert!(filter.contains(&local), "{filter}");
    let sendmail = Sendmail::start(&dir, filter.trim());
    let (_, dialogue) = swaks(
        ([127, 0, 0, 1], sendmail.port).into(),
        "bob@sendmail.test",
        &[],
    );
    assert!(
        refusal(&dialogue).contains("... TIME=300 <bob@sendmail.test>: "),
        "{dialogue}"
    );
    drop(server);
}

#[test]
fn without_an_answer_sendmail_lets_mail_in_or_keeps_it_out() {
    const PAGE: &str = "doors/milter.md";
    for (flags, refused) in [("", false), ("F=T, ", true)] {
        let dir = TempDir::new();
        let line = pasted_with_port(PAGE, "sendmail.mc", 10024, free_port());
        said(PAGE, "with `F=T` in front of `T=` it is answered 451");
        let line = line.replace(" T=", &format!(" {flags}T="));
        let sendmail = Sendmail::start(&dir, line.trim());
        let (code, dialogue) = swaks(
            ([127, 0, 0, 1], sendmail.port).into(),
            "bob@sendmail.test",
            &[],
        );
        match refused {
            false => assert_eq!(code, 0, "{dialogue}"),
            true => assert!(refusal(&dialogue).starts_with("451 4."), "{dialogue}"),
        }
    }
}
