//! Two nodes: one greylists, the other comes back when it was told.

use store::memory::MemorySpool;

use super::far::Far;
use super::moody::Moody;
use super::net::Net;
use super::node::Node;
use super::{HOUR, SECOND, SENDER, until};

/// Takes mail for b.example, and passes it on to where the test can see it.
const RECEIVER: &str = "hostname = \"mx.b.example\"\n[local]\ndomains = []\nmailboxes = {}\n\
    [relay]\ndomains = [\"b.example\"]\n[delivery.routes]\n\"b.example\" = \"192.0.2.3:25\"\n";

#[tokio::test(start_paused = true)]
async fn a_greylisted_mail_is_delivered_on_the_second_attempt_at_the_time_it_was_told() {
    let net = Net::new();
    let mailbox = Far::willing(&net, "mailbox.example", "192.0.2.3");
    let receiver = Node::start(&net, "198.51.100.2", MemorySpool::default(), RECEIVER);
    net.add("b.example", "198.51.100.2", receiver.host());
    let sender = Node::start(&net, "192.0.2.1", MemorySpool::default(), SENDER);
    let id = sender.submit("u@a.example", "v@b.example").await;
    until("the first attempt", SECOND, || {
        sender.queued()[0].rows[0].1.attempts == 1
    })
    .await;
    let row = sender.spool.get(id).unwrap().unwrap().rows.remove(0).1;
    let reply = row.last_reply.unwrap();
    assert!(
        reply.starts_with(
            "450 4.2.0 TIME=300 <v@b.example>: Recipient address rejected: Greylisted"
        ),
        "{reply}"
    );
    until("the mail", HOUR, || !mailbox.mails().is_empty()).await;
    let (at, mail) = mailbox.mails().remove(0);
    assert!(at >= 300 * SECOND && at <= 302 * SECOND, "{at:?}");
    assert!(mail.contains("X-Greylist: delayed 30"), "{mail}");
    until("an empty queue", SECOND, || {
        sender.queued().is_empty() && receiver.queued().is_empty()
    })
    .await;
    assert_eq!(mailbox.mails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_does_not_make_an_appointment_late() {
    // Each change takes half a second to be durable, so that the schedule in the spool is behind what was decided.
    let net = Net::new();
    let busy = |wait: u32| {
        move |said: &str, at: std::time::Duration| {
            let early = said.starts_with("RCPT") && at < wait * SECOND;
            early.then(|| (format!("450 4.2.0 TIME={wait} not yet"), SECOND / 4))
        }
    };
    let waits = [7, 20, 21, 22, 23, 300];
    let hosts: Vec<_> = waits
        .iter()
        .map(|wait| {
            Far::add(
                &net,
                &format!("d{wait}.example"),
                &format!("192.0.2.{}", wait % 250),
                busy(*wait),
            )
        })
        .collect();
    let spool = Moody {
        takes: SECOND / 2,
        ..Moody::default()
    };
    let sender = Node::start(&net, "192.0.2.1", spool, SENDER);
    for wait in waits {
        sender
            .submit("u@a.example", &format!("v@d{wait}.example"))
            .await;
    }
    until("an empty queue", HOUR, || sender.queued().is_empty()).await;
    for (host, wait) in hosts.iter().zip(waits) {
        let told = host.heard("RCPT")[0];
        let came = host.heard("RCPT")[1];
        let late = came.saturating_sub(told + SECOND / 4 + wait * SECOND);
        assert!(
            came >= told + wait * SECOND && late <= 2 * SECOND,
            "TIME={wait}: told {told:?}, came {came:?}"
        );
        assert_eq!(host.heard("RCPT").len(), 2);
    }
}
