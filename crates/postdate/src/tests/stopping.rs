//! The end of a node, and its next start on the same mail.

use std::time::Duration;

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{MINUTE, SECOND, SENDER, pass, until};

/// Takes mail for b.example.
const TAKES: &str = "[greylist]\nmode = \"off\"\n[relay]\ndomains = [\"b.example\"]\n";

#[tokio::test(start_paused = true)]
async fn a_mail_under_way_is_taken_and_idle_clients_are_told() {
    let net = Net::new();
    let far = Far::willing(&net, "b.example", "192.0.2.2");
    let config = SENDER.to_owned() + TAKES;
    let spool = MemorySpool::default();
    let node = Node::start(&net, "192.0.2.1", spool.clone(), &config);
    let mut idle = node.client("192.0.2.9");
    idle.hello().await;
    let mut busy = node.client("192.0.2.9");
    busy.begin("u@a.example", "v@b.example").await;
    // Nobody reads what this one is told, so it is not waiting for a command when the end comes.
    let mut deaf = super::client::Client::new(node.wire("192.0.2.9", 64));
    deaf.write(&b"NOOP\r\n".repeat(10)).await;
    pass(SECOND).await;
    let began = net.at();
    let stopping = tokio::spawn(node.stop());
    pass(SECOND).await;
    let told = idle.reply().await;
    assert!(told.starts_with("421 4.3.2 "), "{told}");
    let told = deaf.rest().await;
    assert!(
        told.lines().last().unwrap().starts_with("421 4.3.2 "),
        "{told}"
    );
    pass(2 * SECOND).await;
    let queued = busy
        .ask(
            "Subject: late\r\n\r\nwords\r\n.",
            "250 2.0.0 Ok: queued as ",
        )
        .await;
    let told = busy.reply().await;
    assert!(told.starts_with("421 4.3.2 "), "{told}");
    stopping.await.unwrap();
    assert!(net.at() - began < 10 * SECOND, "{:?}", net.at() - began);
    assert!(far.mails().is_empty());
    // What was taken at the last moment is delivered by the next start.
    let node = Node::start(&net, "192.0.2.1", spool.restart(), &config);
    assert!(queued.ends_with(&node.queued()[0].message.id.to_string()));
    until("the mail", SECOND, || far.mails().len() == 1).await;
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn clients_without_content_on_its_way_are_told_at_once() {
    let net = Net::new();
    let config = SENDER.to_owned() + TAKES;
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    let mut clients = Vec::new();
    for said in [
        &[][..],
        &[("MAIL FROM:<u@a.example>", "250 ")],
        &[
            ("MAIL FROM:<u@a.example>", "250 "),
            ("RCPT TO:<v@c.example>", "5"),
        ],
        &[
            ("MAIL FROM:<u@a.example>", "250 "),
            ("RCPT TO:<v@b.example>", "250 "),
        ],
    ] {
        let mut client = node.client("192.0.2.9");
        client.hello().await;
        for (line, wanted) in said {
            client.ask(line, wanted).await;
        }
        clients.push(client);
    }
    pass(SECOND).await;
    let began = net.at();
    node.stop().await;
    assert!(net.at() - began <= SECOND, "{:?}", net.at() - began);
    for client in &mut clients {
        let told = client.rest().await;
        assert!(told.starts_with("421 4.3.2 "), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_stalls_or_never_ends_is_told_so_before_the_end() {
    let net = Net::new();
    let config = SENDER.to_owned() + TAKES;
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    let mut stalled = node.client("192.0.2.9");
    stalled.begin("u@a.example", "v@b.example").await;
    let mut endless = node.client("192.0.2.9");
    endless.begin("u@a.example", "v@b.example").await;
    let began = net.at();
    let stopping = tokio::spawn(node.stop());
    pass(3 * SECOND).await;
    endless.write(b"words\r\n").await;
    let told = stalled.reply().await;
    assert!(told.starts_with("421 4.3.2 "), "{told:?}");
    assert_eq!((net.at() - began).as_secs(), 5);
    for _ in 0..3 {
        pass(2 * SECOND).await;
        endless.write(b"words\r\n").await;
    }
    pass(3 * SECOND).await;
    endless.write(b"words\r\n").await;
    let told = endless.reply().await;
    assert_eq!((net.at() - began).as_secs(), 15);
    assert!(told.starts_with("421 4.3.2 "), "{told:?}");
    stopping.await.unwrap();
    assert!(net.at() - began < 20 * SECOND, "{:?}", net.at() - began);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let net = Net::new();
    let config = SENDER.to_owned() + TAKES;
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    let mut deaf = super::client::Client::new(node.wire("192.0.2.9", 64));
    deaf.write(&b"NOOP\r\n".repeat(10)).await;
    pass(SECOND).await;
    let began = net.at();
    node.stop().await;
    assert!(net.at() - began < 5 * SECOND, "{:?}", net.at() - began);
}

#[tokio::test(start_paused = true)]
async fn deliveries_under_way_are_finished_and_the_others_are_made_by_the_next_start() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", |said, _| {
        (said == ".").then(|| ("250 2.0.0 ok".to_owned(), 10 * SECOND))
    });
    let config = SENDER.to_owned() + "[delivery]\nsessions_per_host = 2\n";
    let spool = MemorySpool::default();
    let node = Node::start(&net, "192.0.2.1", spool.clone(), &config);
    for i in 0..10 {
        node.submit("u@a.example", &format!("v{i}@b.example")).await;
    }
    pass(5 * SECOND).await;
    node.stop().await;
    assert!(net.at() <= 13 * SECOND, "{:?}", net.at());
    assert_eq!(far.mails().len(), 2, "those that were under way");
    let node = Node::start(&net, "192.0.2.1", spool.restart(), &config);
    assert_eq!(node.queued().len(), 8);
    // At once, not after the back-off.
    until("the rest", 50 * SECOND, || far.mails().len() == 10).await;
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
    for i in 0..10 {
        assert_eq!(far.heard(&format!("RCPT TO:<v{i}@")).len(), 1, "mail {i}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_takes_too_long_is_made_again() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", |said, at| {
        let slow = said == "." && at < MINUTE;
        slow.then(|| ("450 4.3.0 late".to_owned(), 5 * MINUTE))
    });
    let spool = MemorySpool::default();
    let node = Node::start(&net, "192.0.2.1", spool.clone(), SENDER);
    node.submit("u@a.example", "v@b.example").await;
    pass(SECOND).await;
    node.stop().await;
    assert!(net.at() <= 22 * SECOND);
    pass(MINUTE).await;
    let node = Node::start(&net, "192.0.2.1", spool.restart(), SENDER);
    until("the mail", 2 * MINUTE, || far.mails().len() == 1).await;
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_being_written_at_the_end_is_kept() {
    let net = Net::new();
    let no = |said: &str, _| {
        said.starts_with("RCPT")
            .then(|| ("550 5.1.1 nobody".to_owned(), SECOND))
    };
    let far = Far::add(&net, "b.example", "192.0.2.2", no);
    let home = Far::willing(&net, "home.example", "192.0.2.3");
    let spool = super::moody::Moody {
        takes: SECOND / 2,
        ..Default::default()
    };
    let node = Node::start(&net, "192.0.2.1", spool.clone(), SENDER);
    node.submit("u@home.example", "v@b.example").await;
    until("the refusal", 5 * SECOND, || !far.heard("RCPT").is_empty()).await;
    node.stop().await;
    assert!(home.mails().is_empty());
    let node = Node::start(&net, "192.0.2.1", spool.inner.restart(), SENDER);
    until("the notice", Duration::from_secs(5), || {
        home.with("Action: failed").len() == 1
    })
    .await;
    pass(5 * MINUTE).await;
    assert_eq!(far.heard("RCPT").len(), 1, "it is not tried again");
    assert_eq!(home.mails().len(), 1);
    assert!(node.queued().is_empty());
}
