//! The operator's commands while the queue runs.

use std::time::Duration;

use queue::{MessageId, State};
use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{HOUR, MINUTE, SECOND, SENDER, pass, until};
use crate::operate::{Operation, online};

/// Says 450 for the first hour; each answer to RCPT takes two seconds.
fn busy(said: &str, at: Duration) -> Option<(String, Duration)> {
    let rcpt = said.starts_with("RCPT");
    let early = (rcpt && at < HOUR).then(|| ("450 4.2.0 TIME=1800 busy".to_owned(), 2 * SECOND));
    early.or_else(|| rcpt.then(|| ("250 2.1.5 ok".to_owned(), 2 * SECOND)))
}

fn state(node: &Node, id: MessageId) -> Option<State> {
    node.spool
        .get(id)
        .unwrap()
        .map(|entry| entry.rows[0].1.state)
}

#[tokio::test(start_paused = true)]
async fn held_mail_waits_for_its_release() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", busy);
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    let id = node.submit("u@a.example", "v@b.example").await;
    // While the attempt is under way: what comes of it is held.
    pass(SECOND).await;
    assert_eq!(
        online(&node.runner, Operation::Hold, Some(vec![id, MessageId(7)]))
            .await
            .unwrap(),
        [id]
    );
    assert_eq!(state(&node, id), Some(State::Held));
    pass(5 * SECOND).await;
    assert_eq!(state(&node, id), Some(State::Held));
    assert_eq!(node.queued()[0].rows[0].1.attempts, 1);
    pass(3 * HOUR).await;
    assert_eq!(far.heard("RCPT").len(), 1);
    online(&node.runner, Operation::Release, Some(vec![id]))
        .await
        .unwrap();
    until("the mail", 10 * SECOND, || far.mails().len() == 1).await;
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_wait_for_the_appointment() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", busy);
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    let mut ids = Vec::new();
    for i in 0..250 {
        ids.push(node.submit("u@a.example", &format!("v{i}@b.example")).await);
    }
    let attempts = || far.heard("RCPT").len();
    until("all first attempts", 5 * MINUTE, || attempts() == 250).await;
    pass(5 * SECOND).await;
    assert_eq!(
        online(&node.runner, Operation::Retry, Some(ids[..3].to_vec()))
            .await
            .unwrap(),
        ids[..3]
    );
    until("three more", 5 * SECOND, || attempts() == 253).await;
    pass(MINUTE).await;
    assert_eq!(attempts(), 253);
    let all = online(&node.runner, Operation::Retry, None).await.unwrap();
    assert_eq!(all, ids);
    until("all once more", 5 * MINUTE, || attempts() == 503).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_mail_is_gone_also_under_way() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", busy);
    let home = Far::willing(&net, "home.example", "192.0.2.3");
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    let first = node.submit("u@home.example", "v@b.example").await;
    pass(MINUTE).await;
    node.submit("u@home.example", "w@b.example").await;
    pass(SECOND).await;
    let done = online(&node.runner, Operation::Delete, None).await.unwrap();
    assert_eq!((done.len(), done[0]), (2, first));
    assert!(node.queued().is_empty());
    pass(2 * HOUR).await;
    assert_eq!(far.heard("RCPT").len(), 2);
    assert!(home.mails().is_empty(), "nobody is told");
    assert!(node.queued().is_empty());
    assert_eq!(node.runner.dispatcher().active(), 0);
}
