//! What a stranger is told at RCPT, as configured.

use store::memory::MemorySpool;

use super::net::Net;
use super::node::Node;
use super::{SECOND, pass};

const HERE: &str = "hostname = \"mx.example\"\n[local]\ndomains = [\"here.example\"]\n\
    mailboxes = { \"*@here.example\" = \"mail/{user}\" }\n";

fn node(net: &Net, tables: &str) -> Node {
    let config = format!("{HERE}{tables}");
    Node::start(net, "198.51.100.2", MemorySpool::default(), &config)
}

/// What a client at this address hears to its RCPT.
async fn told(node: &Node, client: &str, from: &str, to: &str) -> String {
    let mut client = node.client(client);
    client.hello().await;
    client.ask(&format!("MAIL FROM:<{from}>"), "250 ").await;
    client.write(format!("RCPT TO:<{to}>\r\n").as_bytes()).await;
    client.reply().await
}

const STRANGER: &str = "192.0.2.9";
const FROM: &str = "a@far.example";
const TO: &str = "b@here.example";

#[tokio::test(start_paused = true)]
async fn the_configured_code_and_text_are_used_with_a_time_and_without() {
    let own =
        "[greylist]\ncode = 451\nstatus = \"4.7.1\"\ntext = \"Komm[ in {seconds} s] wieder\"\n";
    let plain = "[greylist]\ntext = \"See https://here.example/why\"\n";
    let off = "[hints]\ngive = false\n";
    for (tables, begins, words) in [
        (
            String::new(),
            "450 4.2.0 TIME=300",
            "Greylisted, try again in 300 seconds",
        ),
        (off.to_owned(), "450 4.2.0", "Greylisted, try again"),
        (own.to_owned(), "451 4.7.1 TIME=300", "Komm in 300 s wieder"),
        (own.to_owned() + off, "451 4.7.1", "Komm wieder"),
        (
            plain.to_owned(),
            "450 4.2.0 TIME=300",
            "See https://here.example/why",
        ),
        (
            plain.to_owned() + off,
            "450 4.2.0",
            "See https://here.example/why",
        ),
    ] {
        let net = Net::new();
        let node = node(&net, &tables);
        assert_eq!(
            told(&node, STRANGER, FROM, TO).await,
            format!(
                "{begins} <b@here.example>: Recipient address rejected: {words}; \
                 from=<a@far.example> to=<b@here.example> proto=ESMTP helo=<client.example>"
            ),
            "{tables}"
        );
    }
}

/// Beyond the bound nothing is recorded, so no time can be told.
#[tokio::test(start_paused = true)]
async fn who_is_not_recorded_is_told_no_time_in_the_configured_words() {
    let net = Net::new();
    let tables = "[greylist]\nmax_pending_per_network = 1\ncode = 451\ntext = \"Wait[ {seconds} s] outside\"\n";
    let node = node(&net, tables);
    let first = told(&node, STRANGER, FROM, TO).await;
    assert!(
        first.starts_with("451 4.2.0 TIME=300 ") && first.contains(": Wait 300 s outside;"),
        "{first}"
    );
    let second = told(&node, STRANGER, "other@far.example", TO).await;
    assert!(
        second.starts_with(
            "451 4.2.0 <b@here.example>: Recipient address rejected: Wait outside; from="
        ),
        "{second}"
    );
}

/// An address has several spellings, and a retry may use another one.
#[tokio::test(start_paused = true)]
async fn the_same_mailbox_written_otherwise_keeps_the_appointment() {
    let net = Net::new();
    let node = node(&net, "");
    let first = told(&node, STRANGER, FROM, TO).await;
    assert!(first.starts_with("450 4.2.0 TIME=300 "), "{first}");
    pass(100 * SECOND).await;
    let early = told(&node, STRANGER, "\"A\"@FAR.example", "\"b\"@Here.example").await;
    assert!(
        early.starts_with("450 4.2.0 TIME=200 <\"b\"@Here.example>: "),
        "{early}"
    );
    pass(200 * SECOND).await;
    let kept = told(&node, STRANGER, "\"\\a\"@far.example", "B@here.example").await;
    assert!(kept.starts_with("250 "), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn the_postmaster_is_reached_at_once_however_it_is_written() {
    let net = Net::new();
    let node = node(&net, "");
    for to in [
        "postmaster",
        "PostMaster",
        "postmaster@here.example",
        "POSTMASTER@HERE.EXAMPLE",
        "\"postmaster\"@here.example",
        "\"Post\\master\"@here.example",
    ] {
        let reply = told(&node, STRANGER, FROM, to).await;
        assert!(reply.starts_with("250 "), "{to}: {reply}");
    }
    for (to, reply) in [
        ("postmaster2@here.example", "450 4.2.0 TIME=300 "),
        ("postmaster@elsewhere.example", "554 5.7.1 "),
    ] {
        let told = told(&node, STRANGER, FROM, to).await;
        assert!(told.starts_with(reply), "{to}: {told}");
    }
}
