//! Days of a host that never takes the mail.

use std::time::Duration;

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{DAY, HOUR, MINUTE, SECOND, SENDER, until};

fn never(said: &str, _: Duration) -> Option<(String, Duration)> {
    said.starts_with("RCPT")
        .then(|| ("450 4.2.0 not today".to_owned(), Duration::ZERO))
}

/// 1, 2, 4, … minutes, an hour at most, until five days are over.
fn schedule() -> Vec<Duration> {
    let (mut times, mut next, mut step) = (vec![], Duration::ZERO, MINUTE);
    while next < 5 * DAY {
        times.push(next);
        next += step;
        step = (step * 2).min(HOUR);
    }
    times.push(5 * DAY);
    times
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_the_back_off_and_the_sender_is_told_twice() {
    let net = Net::new();
    let far = Far::add(&net, "b.example", "192.0.2.2", never);
    let home = Far::willing(&net, "home.example", "192.0.2.3");
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    node.submit("u@home.example", "v@b.example").await;
    until("the end", 6 * DAY, || node.queued().is_empty()).await;
    let attempts = far.heard("RCPT");
    let planned = schedule();
    assert_eq!(attempts.len(), planned.len());
    for (at, planned) in attempts.iter().zip(&planned) {
        assert!(
            at >= planned && *at < *planned + 2 * SECOND,
            "{at:?}, planned {planned:?}"
        );
    }
    let delayed = home.with("Action: delayed");
    assert_eq!(delayed.len(), 1);
    let (at, notice) = &delayed[0];
    let told_at = planned.iter().find(|at| **at >= 4 * HOUR).unwrap();
    assert!(*at >= 4 * HOUR && *at < *told_at + 2 * SECOND, "{at:?}");
    // The attempt after this one: 2027-01-15 08:00 and so much.
    let next = planned.iter().find(|due| **due > *at).unwrap().as_secs();
    let clock = format!("{:02}:{:02}", 8 + next / 3600, next % 3600 / 60);
    assert!(notice.contains(&clock), "no {clock} in {notice}");
    let failed = home.with("Action: failed");
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].0 >= 5 * DAY && failed[0].0 < 5 * DAY + 2 * SECOND,
        "{:?}",
        failed[0].0
    );
    assert!(
        failed[0].1.contains("450 4.2.0 not today"),
        "{}",
        failed[0].1
    );
    assert_eq!(home.mails().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_nobody_takes_is_dropped_and_logged() {
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.subscriber());
    let net = Net::new();
    let no = |said: &str, _| {
        said.starts_with("RCPT")
            .then(|| ("550 5.1.1 nobody".to_owned(), Duration::ZERO))
    };
    Far::add(&net, "b.example", "192.0.2.2", no);
    let home = Far::add(&net, "home.example", "192.0.2.3", no);
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    node.submit("u@home.example", "v@b.example").await;
    until("the end", MINUTE, || {
        node.queued().is_empty() && !home.heard("RCPT").is_empty()
    })
    .await;
    super::pass(DAY).await;
    assert_eq!(home.heard("RCPT").len(), 1);
    assert!(node.queued().is_empty());
    let log = log.text();
    let bounced =
        |line: &&str| line.contains("to=<u@home.example>") && line.contains("status=\"bounced\"");
    assert_eq!(log.lines().filter(bounced).count(), 1, "{log}");
    let dropped = |line: &&str| line.contains("dropped, mail from <>");
    assert_eq!(log.lines().filter(dropped).count(), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn mail_that_ends_behind_others_says_what_its_host_said() {
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.subscriber());
    let net = Net::new();
    let reply = "421 4.3.2 down for maintenance";
    let far = Far::add(&net, "b.example", "192.0.2.2", move |said, _| {
        said.is_empty().then(|| (reply.to_owned(), Duration::ZERO))
    });
    let home = Far::willing(&net, "home.example", "192.0.2.3");
    let queue = "[queue]\nlifetime = \"20s\"\ndelay_notice = \"10s\"\n";
    let config = format!("{SENDER}{queue}");
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    node.submit("u@home.example", "v@b.example").await;
    super::pass(SECOND).await;
    for _ in 0..3 {
        node.submit("u@home.example", "v@b.example").await;
    }
    until("the end", HOUR, || node.queued().is_empty()).await;
    assert!(far.sessions() < 4, "not one for each");
    for action in ["delayed", "failed"] {
        let notices = home.with(&format!("Action: {action}"));
        assert_eq!(notices.len(), 4, "{action}");
        for (_, notice) in notices {
            assert!(notice.contains(reply), "{notice}");
            assert!(notice.contains("Remote-MTA: dns; "), "{notice}");
            assert!(notice.contains("answered:"), "{notice}");
        }
    }
    let log = log.text();
    assert!(!log.contains("status=\"bounced\""), "{log}");
    assert_eq!(log.matches("status=\"expired\"").count(), 4, "{log}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(&self) -> impl tracing::Subscriber + use<> {
        let log = self.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
