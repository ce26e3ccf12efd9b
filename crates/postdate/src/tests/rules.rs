//! Rates, load and full mailboxes, as a client at the SMTP door meets them.

use store::memory::MemorySpool;

use super::net::Net;
use super::node::Node;
use super::{SECOND, pass};

const HERE: &str = "hostname = \"mx.example\"\n[local]\ndomains = []\nmailboxes = {}\n[relay]\ndomains = [\"here.example\"]\n[greylist]\nmode = \"off\"\n";

const CONTENT: &str = "Subject: x\r\n\r\nx\r\n";

fn node(net: &Net, tables: &str) -> Node {
    let config = format!("{HERE}{tables}");
    Node::start(net, "198.51.100.2", MemorySpool::default(), &config)
}

/// What a client at this address hears last, of a mail sent as far as it gets.
async fn sent(node: &Node, client: &str, from: &str, to: &str, content: &str) -> String {
    let mut client = node.client(client);
    let greeting = client.reply().await;
    if !greeting.starts_with("220 ") {
        return greeting;
    }
    client.ask("EHLO client.example", "250-").await;
    for line in [
        format!("MAIL FROM:<{from}>"),
        format!("RCPT TO:<{to}>"),
        "DATA".to_owned(),
    ] {
        client.write(format!("{line}\r\n").as_bytes()).await;
        let reply = client.reply().await;
        if !reply.starts_with(['2', '3']) {
            return reply;
        }
    }
    client.write(format!("{content}.\r\n").as_bytes()).await;
    client.reply().await
}

const BOB: &str = "bob@here.example";

#[tokio::test(start_paused = true)]
async fn a_recipients_rate_names_a_time_and_keeps_the_place() {
    let net = Net::new();
    let node = node(
        &net,
        "[[rates]]\nname = \"slow\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"1/min burst 1\"\n",
    );
    let first = sent(&node, "192.0.2.1", "a@c.example", BOB, CONTENT).await;
    assert!(first.starts_with("250 "), "{first}");
    let told = sent(&node, "192.0.2.1", "b@c.example", BOB, CONTENT).await;
    let wait: u64 = told
        .strip_prefix("450 4.2.1 TIME=")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_else(|| panic!("{told}"))
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{told}");
    assert_eq!(
        told.split_once(' ').unwrap().1.split_once(' ').unwrap().1,
        format!(
            "TIME={wait} <bob@here.example>: Recipient address rejected: Too much mail for this recipient, \
             try again in {wait} seconds; from=<b@c.example> to=<bob@here.example> proto=ESMTP helo=<client.example>"
        )
    );
    let early = sent(&node, "192.0.2.1", "b@c.example", BOB, CONTENT).await;
    assert_eq!(early, told);
    pass(SECOND * u32::try_from(wait).unwrap()).await;
    // Another one is there at that very moment, and has to wait behind.
    let other = sent(&node, "203.0.113.9", "x@c.example", BOB, CONTENT).await;
    assert!(other.starts_with("450 4.2.1 TIME="), "{other}");
    let kept = sent(&node, "192.0.2.1", "b@c.example", BOB, CONTENT).await;
    assert!(kept.starts_with("250 "), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn who_connects_too_often_hears_when_and_is_closed() {
    let net = Net::new();
    let node = node(
        &net,
        "[[rates]]\nname = \"calls\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"1/min burst 1\"\n",
    );
    let first = sent(&node, "192.0.2.1", "a@c.example", BOB, CONTENT).await;
    assert!(first.starts_with("250 "), "{first}");
    let mut client = node.client("192.0.2.1");
    let told = client.rest().await;
    assert!(told.starts_with("421 4.7.0 TIME="), "{told}");
    assert!(told.ends_with(" seconds\r\n"), "{told}");
    pass(60 * SECOND).await;
    let kept = sent(&node, "192.0.2.1", "a@c.example", BOB, CONTENT).await;
    assert!(kept.starts_with("250 "), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn under_load_strangers_are_spread_over_what_can_be_taken() {
    let net = Net::new();
    let node = node(&net, "[load]\ncapacity = \"1/s burst 1\"\n");
    let mut told = Vec::new();
    for n in 1..=4 {
        let client = format!("192.0.{n}.1");
        told.push(sent(&node, &client, "a@c.example", BOB, CONTENT).await);
    }
    assert!(told[0].starts_with("250 "), "{told:?}");
    for (n, reply) in told.iter().enumerate().skip(1) {
        assert!(
            reply.starts_with(&format!("421 4.3.2 TIME={n} ")),
            "{told:?}"
        );
    }
    pass(2 * SECOND).await;
    let kept = sent(&node, "192.0.3.1", "a@c.example", BOB, CONTENT).await;
    assert!(kept.starts_with("250 "), "{kept}");
}

/// A mail that is given up is charged to nobody.
#[tokio::test(start_paused = true)]
async fn a_mail_that_is_reset_took_nothing() {
    let net = Net::new();
    let node = node(
        &net,
        "[[rates]]\nname = \"one\"\ncount = \"messages\"\nper = \"sender\"\nlimit = \"1/d\"\n",
    );
    let mut client = node.client("192.0.2.1");
    client.hello().await;
    for _ in 0..3 {
        client.ask("MAIL FROM:<a@c.example>", "250 ").await;
        client.ask(&format!("RCPT TO:<{BOB}>"), "250 ").await;
        client.ask("RSET", "250 ").await;
    }
    client.ask("MAIL FROM:<a@c.example>", "250 ").await;
    client.ask(&format!("RCPT TO:<{BOB}>"), "250 ").await;
    client.ask("DATA", "354 ").await;
    client.ask(&format!("{CONTENT}."), "250 ").await;
    client.ask("MAIL FROM:<a@c.example>", "250 ").await;
    let told = client
        .ask(&format!("RCPT TO:<{BOB}>"), "450 4.7.0 TIME=")
        .await;
    assert!(
        told.contains("Sender address rejected: Too much mail from this sender"),
        "{told}"
    );
    // Somebody else's mail goes on over the same connection.
    client.ask("RSET", "250 ").await;
    client.ask("MAIL FROM:<b@c.example>", "250 ").await;
    client.ask(&format!("RCPT TO:<{BOB}>"), "250 ").await;
}

#[tokio::test(start_paused = true)]
async fn octets_are_counted_at_the_end_of_the_content() {
    let net = Net::new();
    let node = node(
        &net,
        "[[rates]]\nname = \"bulk\"\ncount = \"octets\"\nper = \"client\"\nlimit = \"60K/min burst 60K\"\n",
    );
    let big = format!("Subject: big\r\n\r\n{}", "x\r\n".repeat(15_000));
    let first = sent(&node, "192.0.2.1", "a@c.example", BOB, &big).await;
    assert!(first.starts_with("250 "), "{first}");
    let told = sent(&node, "192.0.2.1", "b@c.example", BOB, &big).await;
    assert!(told.starts_with("450 4.7.0 TIME="), "{told}");
    pass(60 * SECOND).await;
    let kept = sent(&node, "192.0.2.1", "b@c.example", BOB, &big).await;
    assert!(kept.starts_with("250 "), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_full_maildir_is_said_at_rcpt_and_in_the_words_that_are_set() {
    let net = Net::new();
    let root = tempfile::tempdir().unwrap();
    let config = format!(
        "hostname = \"mx.example\"\ndata_dir = \"{}\"\n[local]\ndomains = [\"here.example\"]\nquota = \"600\"\n\
         [local.mailboxes]\n\"bob@here.example\" = \"bob\"\n[greylist]\nmode = \"off\"\n\
         [replies.mailbox]\ntext = \"Voll[, wieder in {{seconds}} s]\"\n",
        root.path().display()
    );
    let node = Node::start(&net, "198.51.100.2", MemorySpool::default(), &config);
    let content = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(300));
    let first = sent(&node, "192.0.2.1", "a@c.example", BOB, &content).await;
    assert!(first.starts_with("250 "), "{first}");
    pass(10 * SECOND).await;
    let mut client = node.client("192.0.2.1");
    client.hello().await;
    client.ask("MAIL FROM:<a@c.example> SIZE=500", "250 ").await;
    let told = client.ask(&format!("RCPT TO:<{BOB}>"), "4").await;
    assert!(
        told.starts_with("452 4.2.2 <bob@here.example>: Recipient address rejected: Voll; from="),
        "{told}"
    );
}
