//! Exim and OpenSMTPD, unmodified: we deliver to them, and they relay through us. Awkward content stays as it is.

mod support;

use support::{Awkward, Exim, Node, OpenSmtpd, Postfix, TempDir, free_port, until};

/// A node that relays for this machine, and knows one way.
fn relaying(dir: &TempDir, domain: &str, port: u16) -> Node {
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"{domain}\" = \"127.0.0.1:{port}\"\n"
    );
    Node::start(dir, "node", &tables)
}

/// All mails went at the first attempt. They may have arrived before that is logged.
#[track_caller]
fn sent_at_once(node: &Node) {
    let sent: Vec<String> = until("all to be sent", || {
        let log = node.log();
        let sent = log.lines().filter(|line| line.contains("status=sent"));
        let sent: Vec<String> = sent.map(str::to_owned).collect();
        (sent.len() == Awkward::all().len()).then_some(sent)
    });
    assert!(
        sent.iter().all(|line| line.contains("attempt=1")),
        "{sent:#?}"
    );
}

#[test]
fn exim_takes_our_mail_as_it_is() {
    let dir = TempDir::new();
    let exim = Exim::start(&dir, free_port());
    let node = relaying(&dir, "exim.test", exim.port);
    Awkward::send_all(node.address, "exim.test", true);
    Awkward::expect_all(|| exim.mails());
    sent_at_once(&node);
    let header = exim.mails()[0].header();
    assert!(header.contains("by node.test (Postdate)"), "{header}");
}

#[test]
fn opensmtpd_takes_our_mail_as_it_is() {
    let dir = TempDir::new();
    let opensmtpd = OpenSmtpd::start(&dir, free_port());
    let node = relaying(&dir, "opensmtpd.test", opensmtpd.port);
    Awkward::send_all(node.address, "opensmtpd.test", true);
    Awkward::expect_all(|| opensmtpd.mails());
    sent_at_once(&node);
    let header = opensmtpd.mails()[0].header();
    assert!(header.contains("by node.test (Postdate)"), "{header}");
}

#[test]
fn postfix_takes_our_mail_as_it_is() {
    let dir = TempDir::new();
    let postfix = Postfix::start(&dir, "");
    let node = relaying(&dir, "postfix.test", postfix.port);
    Awkward::send_all(node.address, "postfix.test", true);
    Awkward::expect_all(|| postfix.mails());
    sent_at_once(&node);
}

/// Exim sends by BDAT to whoever offers it.
#[test]
fn what_exim_sends_arrives_as_it_was() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let exim = Exim::start(&dir, node.port());
    Awkward::send_all(([127, 0, 0, 1], exim.port).into(), "here.test", true);
    arrives_at(&node, "(Exim ");
    until("Exim to have sent all by BDAT", || {
        let log = exim.log();
        let sent = log.lines().filter(|line| line.contains(" K C=\"250 "));
        (sent.count() == Awkward::all().len()).then_some(())
    });
}

#[test]
fn what_opensmtpd_sends_arrives_as_it_was() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    let opensmtpd = OpenSmtpd::start(&dir, node.port());
    Awkward::send_all(([127, 0, 0, 1], opensmtpd.port).into(), "here.test", false);
    arrives_at(&node, "(OpenSMTPD)");
}

#[track_caller]
fn arrives_at(node: &Node, by: &str) {
    let mails = || {
        let names = Awkward::all().into_iter().map(|mail| mail.name);
        names.flat_map(|name| node.mailbox(name)).collect()
    };
    Awkward::expect_all(mails);
    let header = mails()[0].header();
    assert!(
        header.contains("by node.test (Postdate)") && header.contains(by),
        "{header}"
    );
}
