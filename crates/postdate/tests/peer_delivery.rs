//! We deliver to Exim and to OpenSMTPD, unmodified.

mod support;

use support::{Exim, Node, OpenSmtpd, Sink, TempDir, lf, send, until};

/// 8-bit octets, dots, and a line of 998 octets.
fn awkward() -> Vec<u8> {
    let mut mail = b"From: <a@client.test>\r\nSubject: awkward\r\n\r\n.\r\n..\r\n.dot\r\n\xe4\xf6\xfc\xff\r\n\r\n".to_vec();
    mail.extend(std::iter::repeat_n(b'x', 998));
    mail.extend_from_slice(b"\r\nthe end\r\n");
    mail
}

fn relaying(dir: &TempDir, domain: &str, port: u16) -> Node {
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"{domain}\" = \"127.0.0.1:{port}\"\n"
    );
    Node::start(dir, "node", &tables)
}

#[test]
fn exim_takes_our_mail_as_it_is() {
    let dir = TempDir::new();
    let exim = Exim::start(&dir);
    let node = relaying(&dir, "exim.test", exim.port);
    send(node.address, "a@client.test", "b@exim.test", &awkward());
    let sent = node.logged(&["status=sent"]);
    assert!(sent.contains("attempt=1"), "{sent}");
    let mail = exim.arrived();
    assert_eq!(mail.body(), lf(support::body_of(&awkward())));
    assert!(
        mail.header().contains("by node.test (Postdate)"),
        "{}",
        mail.header()
    );
}

#[test]
fn opensmtpd_takes_our_mail_as_it_is() {
    let dir = TempDir::new();
    let sink = Sink::start();
    let opensmtpd = OpenSmtpd::start(&dir, &sink);
    let node = relaying(&dir, "opensmtpd.test", opensmtpd.port);
    send(
        node.address,
        "a@client.test",
        "b@opensmtpd.test",
        &awkward(),
    );
    let sent = node.logged(&["status=sent"]);
    assert!(sent.contains("attempt=1"), "{sent}");
    let taken = until("the mail behind OpenSMTPD", || sink.taken().pop());
    assert_eq!(taken.to, ["b@opensmtpd.test"]);
    assert_eq!(
        support::body_of(&taken.content),
        support::body_of(&awkward())
    );
}
