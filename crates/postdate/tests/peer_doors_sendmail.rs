//! Real Sendmail asks over milter, with the line that the page says to paste.

mod support;

use std::time::Duration;

use support::{PolicyServer, Sendmail, TempDir, now, pasted_with_port, refusal, swaks, until};

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
