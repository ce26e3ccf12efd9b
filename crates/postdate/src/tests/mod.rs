//! Whole nodes on paused time: in-memory connections, the memory spool, names and hosts that a test makes up. Days
//! pass in milliseconds.

mod client;
mod far;
mod moody;
mod net;
mod node;

mod appointment;
mod crowds;
mod days;
mod greylisting;
mod holds;
mod hostile;
mod mailboxes;
mod operator;
mod reuse;
mod rules;
mod stopping;
mod storage;
pub(crate) mod through_smtp;
mod trace;

use std::time::Duration;

/// A node that has no mailboxes and takes mail only from its own machine.
const SENDER: &str = "hostname = \"a.example\"\n[local]\ndomains = []\nmailboxes = {}\n";

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Waits in virtual time until it is so, at most `limit`.
async fn until(what: &str, limit: Duration, mut so: impl FnMut() -> bool) {
    let began = tokio::time::Instant::now();
    let step = (limit / 10_000).max(Duration::from_millis(10));
    while !so() {
        assert!(began.elapsed() <= limit, "{what}: not within {limit:?}");
        tokio::time::sleep(step).await;
    }
}

/// Waits in virtual time.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
