//! A spool that is full, or out of order.

use queue::spool::{Spool as _, SpoolError};
use store::memory::MemorySpool;

use super::far::Far;
use super::moody::Moody;
use super::net::Net;
use super::node::Node;
use super::{HOUR, MINUTE, SECOND, SENDER, pass, until};

#[tokio::test(start_paused = true)]
async fn a_full_spool_says_so_and_when_there_will_be_room_once_that_is_known() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", |said, at| {
        (said.starts_with("RCPT") && at < MINUTE)
            .then(|| ("450 4.2.0 TIME=60 wait".to_owned(), SECOND / 100))
    });
    let config = SENDER.to_owned()
        + "[limits]\nmin_free = \"2KiB\"\n[relay]\ndomains = [\"b.example\"]\n[greylist]\nmode = \"off\"\n";
    let spool = MemorySpool::new(Some(4096));
    let node = Node::start(&net, "192.0.2.1", spool.clone(), &config);
    // By its announced size.
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    client
        .ask(
            "MAIL FROM:<u@a.example> SIZE=3000",
            "452 4.3.1 Insufficient system storage",
        )
        .await;
    // By what is there.
    while spool.free_octets().unwrap() >= 2048 {
        node.submit("u@a.example", "v@b.example").await;
    }
    let full = node.queued().len();
    let told = client
        .ask(
            "MAIL FROM:<u@a.example>",
            "452 4.3.1 Insufficient system storage",
        )
        .await;
    assert!(!told.contains("TIME="), "nothing was measured yet: {told}");
    until("the queue to drain", HOUR, || far.mails().len() == full).await;
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    client.ask("MAIL FROM:<u@a.example>", "250 ").await;
    client.ask("RSET", "250 ").await;
    // Somebody works with the spool, so it sees how fast it drains.
    pass(6 * SECOND).await;
    node.submit("u@a.example", "v@b.example").await;
    assert!(spool.drain_rate().is_some());
    let told = client
        .ask("MAIL FROM:<u@a.example> SIZE=3000", "452 4.3.1 TIME=")
        .await;
    assert_eq!(
        told,
        "452 4.3.1 TIME=60 Insufficient system storage, try again in 60 seconds"
    );
    // The same mail, while there is no room, is one hint; when there is, it was kept.
    pass(10 * SECOND).await;
    client
        .ask("MAIL FROM:<u@a.example> SIZE=3000", "452 4.3.1 TIME=")
        .await;
    pass(60 * SECOND).await;
    client.ask("MAIL FROM:<u@a.example>", "250 ").await;
    let counts = node.judge().records.with(node.judge().now(), |engine, _| {
        engine.stats.sum(policy::Reason::Storage, 0, i64::MAX)
    });
    assert_eq!((counts.given, counts.early, counts.on_time), (1, 1, 1));
}

/// Full or out of order, at MAIL or at the end: it is one reason, and said as configured.
#[tokio::test(start_paused = true)]
async fn what_can_not_be_stored_is_refused_in_the_administrators_words() {
    let net = Net::new();
    let config = SENDER.to_owned()
        + "[limits]\nmin_free = \"2KiB\"\n[relay]\ndomains = [\"b.example\"]\n[greylist]\nmode = \"off\"\n\
           [replies.storage]\ncode = 451\nstatus = \"4.3.0\"\ntext = \"Voll[, wieder in {seconds} s]\"\n";
    let node = Node::start(&net, "192.0.2.1", MemorySpool::new(Some(4096)), &config);
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    let told = client
        .ask("MAIL FROM:<u@a.example> SIZE=3000", "451 4.3.0 Voll")
        .await;
    assert_eq!(told, "451 4.3.0 Voll");
    let spool = Moody::default();
    let node = Node::start(&net, "192.0.2.1", spool.clone(), &config);
    for trouble in [
        SpoolError::Sick("fsync of spool".to_owned()),
        SpoolError::Full,
        SpoolError::Short("no file descriptors".to_owned()),
    ] {
        let mut client = node.client("192.0.2.9");
        client.begin("u@a.example", "v@b.example").await;
        spool.suffer(Some(trouble));
        let told = client.ask("words\r\n.", "451 4.3.0 Voll").await;
        assert_eq!(told, "451 4.3.0 Voll");
        spool.suffer(None);
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_does_not_fit_is_refused_at_its_end() {
    let net = Net::new();
    let config = SENDER.to_owned()
        + "[limits]\nmin_free = \"1KiB\"\n[relay]\ndomains = [\"b.example\"]\n[greylist]\nmode = \"off\"\n";
    let node = Node::start(&net, "192.0.2.1", MemorySpool::new(Some(4096)), &config);
    let mut client = node.client("192.0.2.9");
    client.begin("u@a.example", "v@b.example").await;
    client
        .write(&b"more than there is room for\r\n".repeat(1000))
        .await;
    client.ask(".", "452 4.3.1 ").await;
    assert!(node.queued().is_empty());
    assert_eq!(node.runner.dispatcher().active(), 0);
    client.ask("NOOP", "250 ").await;
}

#[tokio::test(start_paused = true)]
async fn a_sick_spool_acknowledges_nothing() {
    let net = Net::new();
    let far = Far::willing(&net, "b.example", "192.0.2.2");
    let config =
        SENDER.to_owned() + "[relay]\ndomains = [\"b.example\"]\n[greylist]\nmode = \"off\"\n";
    let spool = Moody::default();
    let node = Node::start(&net, "192.0.2.1", spool.clone(), &config);
    for (trouble, reply) in [
        (
            SpoolError::Sick("fsync of spool".to_owned()),
            "452 4.3.1 Mail storage is out of order, try again later",
        ),
        (SpoolError::Full, "452 4.3.1 Insufficient system storage"),
        // Nothing measures when there are descriptors again: no hint, though a drain may be known.
        (
            SpoolError::Short("no file descriptors".to_owned()),
            "452 4.3.1 System resources are short, try again later",
        ),
    ] {
        let mut client = node.client("192.0.2.9");
        client.begin("u@a.example", "v@b.example").await;
        spool.suffer(Some(trouble));
        client.ask("words\r\n.", reply).await;
        pass(MINUTE).await;
        assert!(far.mails().is_empty());
        assert_eq!(node.runner.dispatcher().active(), 0);
        spool.suffer(None);
    }
    node.submit("u@a.example", "v@b.example").await;
    until("the mail", SECOND, || far.mails().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_bounce_that_can_not_be_kept_is_made_later() {
    let net = Net::new();
    let spool = Moody::default();
    let far = Far::add(&net, "b.example", "192.0.2.2", {
        let spool = spool.clone();
        move |said, at| {
            if !said.starts_with("RCPT") {
                return None;
            }
            spool.suffer((at < SECOND).then_some(SpoolError::Full));
            Some(("550 5.1.1 nobody".to_owned(), SECOND))
        }
    });
    let home = Far::willing(&net, "home.example", "192.0.2.3");
    let node = Node::start(&net, "192.0.2.1", spool.clone(), SENDER);
    node.submit("u@home.example", "v@b.example").await;
    pass(5 * SECOND).await;
    spool.suffer(None);
    until("the notice", HOUR, || {
        home.with("Action: failed").len() == 1
    })
    .await;
    assert_eq!(far.heard("RCPT").len(), 2);
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
}
