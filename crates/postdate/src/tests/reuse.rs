//! Many mails, few sessions.

use std::time::Duration;

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{MINUTE, SECOND, SENDER, pass, until};

#[tokio::test(start_paused = true)]
async fn mails_for_one_destination_share_sessions() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", |said, _| {
        (said == ".").then(|| ("250 2.0.0 ok".to_owned(), SECOND / 10))
    });
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    for i in 0..50 {
        node.submit("u@a.example", &format!("v{i}@b.example")).await;
    }
    until("all mail", MINUTE, || far.mails().len() == 50).await;
    assert!(far.sessions() <= 20, "{}", far.sessions());
}

#[tokio::test(start_paused = true)]
async fn an_open_session_takes_a_new_mail_at_once_and_is_closed_when_nobody_needs_it() {
    let net = Net::new();
    let far = Far::willing(&net, "b.example", "192.0.2.2");
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    for i in 0..10_u32 {
        let sent = net.at();
        node.submit("u@a.example", &format!("v{i}@b.example")).await;
        until("the mail", MINUTE, || far.mails().len() == i as usize + 1).await;
        let came = far.mails()[i as usize].0;
        assert!(
            came <= sent + Duration::from_millis(5),
            "mail {i} waited from {sent:?} to {came:?}"
        );
        pass(SECOND).await;
    }
    assert_eq!(far.sessions(), 1);
    assert!(far.heard("QUIT").is_empty());
    pass(5 * SECOND).await;
    assert_eq!(far.heard("QUIT").len(), 1);
}

/// One provider has many domains.
#[tokio::test(start_paused = true)]
async fn destinations_at_one_host_share_its_sessions() {
    let net = Net::new();
    let answer = |said: &str, _| {
        (said == ".").then(|| ("250 2.0.0 ok".to_owned(), Duration::from_millis(300)))
    };
    let far = Far::add(&net, "b.example", "192.0.2.2", answer);
    net.also("c.example", "192.0.2.2");
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    for i in 0..200 {
        let domain = if i % 4 == 0 { "c" } else { "b" };
        node.submit("u@a.example", &format!("v{i}@{domain}.example"))
            .await;
    }
    let began = net.at();
    until("all mail", MINUTE, || far.mails().len() == 200).await;
    // 20 at a time.
    let took = net.at() - began;
    assert!(took < Duration::from_millis(4500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_for_one_destination_does_not_shut_another_at_the_same_host_out() {
    let net = Net::new();
    let answer = |said: &str, _| (said == ".").then(|| ("250 2.0.0 ok".to_owned(), SECOND / 10));
    let far = Far::add(&net, "b.example", "192.0.2.2", answer);
    net.also("c.example", "192.0.2.2");
    let config = SENDER.to_owned() + "[delivery]\nsessions_per_host = 2\n";
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    for i in 0..600 {
        node.submit("u@a.example", &format!("v{i}@b.example")).await;
    }
    pass(SECOND).await;
    let sent = net.at();
    node.submit("u@a.example", "v@c.example").await;
    until("the other mail", MINUTE, || {
        far.heard("RCPT TO:<v@c.example>").len() == 1
    })
    .await;
    assert!(net.at() - sent < 3 * SECOND, "{:?}", net.at() - sent);
}
