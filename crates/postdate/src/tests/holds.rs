//! A host that asks everybody to wait.

use std::time::Duration;

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{HOUR, MINUTE, SECOND, SENDER, pass, until};

#[tokio::test(start_paused = true)]
async fn one_session_probes_before_the_rest_follow() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", |said, at| {
        let greets = said.is_empty() && at < 10 * MINUTE;
        // The probe takes its time, so that whoever does not wait for it is seen.
        let slow = said == "." && at < 11 * MINUTE;
        greets
            .then(|| ("421 4.3.2 TIME=600 come back".to_owned(), Duration::ZERO))
            .or_else(|| slow.then(|| ("250 2.0.0 ok".to_owned(), MINUTE + SECOND)))
    });
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    node.submit("u@a.example", "v0@b.example").await;
    pass(SECOND).await;
    for i in 1..30 {
        node.submit("u@a.example", &format!("v{i}@b.example")).await;
    }
    pass(9 * MINUTE).await;
    assert_eq!(far.sessions(), 1, "nobody else goes there meanwhile");
    until("all mail", HOUR, || far.mails().len() == 30).await;
    let sessions = far.heard("");
    assert!(
        sessions[1] >= 10 * MINUTE && sessions[1] <= 10 * MINUTE + 2 * SECOND,
        "{:?}",
        sessions[1]
    );
    let through = far.mails()[0].0;
    assert!(
        sessions[2..].iter().all(|at| *at >= through),
        "the probe was through at {through:?}: {sessions:?}"
    );
    assert!(far.mails()[29].0 <= through + 2 * SECOND);
    until("an empty queue", SECOND, || node.queued().is_empty()).await;
}
