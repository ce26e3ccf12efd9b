//! STARTTLS, and what follows when nothing comes of it.

use super::log::Log;
use super::*;

const MAIL: &str =
    "C: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go
    C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 Ok\nC: QUIT\nS: 221 bye\n";
const OFFER: &str = "S: 250-mx\nS: 250 STARTTLS\n";

/// The version of TLS that a mail went over, and how long the attempt took.
async fn deliver(deliverer: &Deliverer) -> (Option<&'static str>, Duration) {
    let began = Instant::now();
    let mut lane = deliverer.lane();
    let report = attempt(deliverer, &mut lane, &to(&["a@b.example"])).await;
    let took = began.elapsed();
    deliverer.close(lane).await;
    assert_eq!(report.hosts, [(host(1), HostEvent::Works)]);
    let [(0, Outcome::Delivered(done))] = &report.outcomes[..] else {
        panic!("{report:?}")
    };
    (done.tls, took)
}

#[tokio::test(start_paused = true)]
async fn a_mail_says_whether_it_went_over_tls() {
    let secure: &'static str = format!(
        "{GREETING}{OFFER}C: STARTTLS\nS: 220 go\nTLS\nC: EHLO me.example\nS: 250 mx\n{MAIL}"
    )
    .leak();
    let refuses: &'static str =
        format!("{GREETING}{OFFER}C: STARTTLS\nS: 454 not now\n{MAIL}").leak();
    let (deliverer, peers) = set_up(&[(1, secure), (1, refuses)]);
    assert_eq!(deliver(&deliverer).await.0, Some("TLSv1.3"));
    assert_eq!(deliver(&deliverer).await.0, None);
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_whether_it_came_over_tls() {
    let refusal = |code: u16| {
        format!(
            "C: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: {code} no\nhang"
        )
    };
    let secure: &'static str = format!(
        "{GREETING}{OFFER}C: STARTTLS\nS: 220 go\nTLS\nC: EHLO me.example\nS: 250 mx\n{}",
        refusal(550)
    )
    .leak();
    let clear: &'static str = format!("{GREETING}S: 250 mx\n{}", refusal(450)).leak();
    let (deliverer, peers) = set_up(&[(1, secure), (1, clear)]);
    let tls = async || {
        let report = attempt(&deliverer, &mut deliverer.lane(), &to(&["a@b.example"])).await;
        match &report.outcomes[..] {
            [(0, Outcome::Failed(problem))] => problem.tls,
            [(0, Outcome::Deferred(deferral))] => deferral.problem.tls,
            _ => panic!("{report:?}"),
        }
    };
    assert_eq!(tls().await, Some("TLSv1.3"));
    assert_eq!(tls().await, Some("none"));
    peers.finish().await;
}

/// Whatever goes wrong behind STARTTLS: once more, in clear, over a new connection.
#[tokio::test(start_paused = true)]
async fn where_no_tls_comes_of_it_the_mail_goes_in_clear() {
    for (goes_wrong, secs, why) in [
        (
            "S: 220 go\nno TLS",
            0,
            "handshake failed: received fatal alert: HandshakeFailure",
        ),
        ("S: 220 go", 0, "handshake failed: broken pipe"),
        ("S: 220 go\nwait 400", 300, "timed out"),
        (
            "220 and a reply behind it",
            0,
            "more than a reply to STARTTLS came before the handshake",
        ),
        ("wait 400", 300, "timed out"),
        ("", 0, "connection lost at STARTTLS"),
        ("S: what?", 0, "no valid reply to STARTTLS: \"what?\""),
    ] {
        let log = Log::start();
        let first: &'static str = format!("{GREETING}{OFFER}C: STARTTLS\n{goes_wrong}").leak();
        let clear: &'static str = format!("{GREETING}{OFFER}{MAIL}").leak();
        let (deliverer, peers) = set_up(&[(1, first), (1, clear)]);
        let (tls, took) = deliver(&deliverer).await;
        assert_eq!((tls, took.as_secs()), (None, secs), "{goes_wrong:?}");
        let lines = log.take();
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        let expected = format!("STARTTLS failed ({why}), sent in clear");
        assert!(line.contains(&expected), "{line}");
        assert!(line.contains("relay=one.b.example[192.0.2.1]:25"), "{line}");
        peers.finish().await;
    }
}
