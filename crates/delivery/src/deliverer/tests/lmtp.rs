//! A server of mailboxes.

use queue::route::LmtpServer;
use retry_hint::{Hint, Holds, Tongue};

use super::*;

const LMTP: &str = "S: 220 mail\nC: LHLO me.example\nS: 250-mail\nS: 250 PIPELINING\n";

fn socket(recipients: &[&str]) -> Job {
    let server = LmtpServer::Socket("/run/lmtp".to_owned());
    Job {
        destination: Destination::Lmtp(server),
        ..to(recipients)
    }
}

fn dialogue(rest: &str) -> &'static str {
    format!("{LMTP}{rest}").leak()
}

fn outcomes(report: &Report) -> Vec<&Outcome> {
    report.outcomes.iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn each_recipient_has_its_own_outcome() {
    let (deliverer, peers) = set_up(&[(
        1,
        dialogue(
            "C: MAIL FROM:<c@d.example>\nC: RCPT TO:<a@b.example>\nC: RCPT TO:<e@b.example>\nC: RCPT TO:<f@b.example>
            S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go
            C: Subject: a\nC: \nC: ..x\nC: .
            S: 250 2.0.0 Saved\nS: 452 4.2.2 TIME=600 Mailbox is full\nS: 550 5.7.1 no\nC: QUIT\nS: 221 bye",
        ),
    )]);
    let mut lane = deliverer.lane();
    let job = socket(&["a@b.example", "e@b.example", "f@b.example"]);
    let report = attempt(&deliverer, &mut lane, &job).await;
    let [
        Outcome::Delivered(saved),
        Outcome::Deferred(full),
        Outcome::Failed(refused),
    ] = outcomes(&report)[..]
    else {
        panic!("{report:?}")
    };
    assert_eq!(saved.relay, "unix:/run/lmtp");
    assert_eq!(saved.reply, "250 2.0.0 Saved");
    assert!(saved.local, "its last step");
    assert_eq!(full.problem.status, Status(4, 2, 2));
    let hint = Hint {
        wait_secs: 600,
        tongue: Tongue::Keyword,
        holds: Holds::Recipient,
    };
    assert_eq!(full.hint, Some(hint));
    assert_eq!(refused.text, "550 5.7.1 no");
    deliverer.close(lane).await;
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_stands_when_the_session_breaks() {
    let (deliverer, peers) = set_up(&[(
        1,
        dialogue(
            "C: MAIL FROM:<c@d.example>\nC: RCPT TO:<a@b.example>\nC: RCPT TO:<e@b.example>
            S: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go
            C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 2.0.0 Saved",
        ),
    )]);
    let mut lane = deliverer.lane();
    let report = attempt(
        &deliverer,
        &mut lane,
        &socket(&["a@b.example", "e@b.example"]),
    )
    .await;
    let [Outcome::Delivered(_), Outcome::Deferred(unknown)] = outcomes(&report)[..] else {
        panic!("{report:?}")
    };
    assert_eq!(
        unknown.problem.text,
        "lost connection with unix:/run/lmtp while sending end of data -- message may be sent more than once"
    );
    peers.finish().await;
}

/// Somebody's mistake in a configuration sends no mail back.
#[tokio::test(start_paused = true)]
async fn where_lmtp_is_not_spoken_mail_waits() {
    let (deliverer, peers) = set_up(&[(
        1,
        "S: 220 mx ESMTP\nC: LHLO me.example\nS: 500 5.5.1 what?\nC: QUIT",
    )]);
    let mut lane = deliverer.lane();
    let report = attempt(&deliverer, &mut lane, &socket(&["a@b.example"])).await;
    assert_eq!(short(&report), "unix:/run/lmtp 4.5.1 500 5.5.1 what?");
    assert!(matches!(
        &report.outcomes[0].1,
        Outcome::Deferred(deferral) if deferral.hint.is_none()
    ));
    let [(held, HostEvent::Refused { hint: None, .. })] = &report.hosts[..] else {
        panic!("{:?}", report.hosts)
    };
    assert_eq!(held.to_string(), "[100::7b83:80c5:5868:fe0f]:0");
    peers.finish().await;
}

/// It is no host with a family of addresses: our own is for the world outside.
#[tokio::test(start_paused = true)]
async fn our_outside_address_is_not_used_for_a_server_of_mailboxes() {
    let (deliverer, peers) = set_up(&[]);
    let mut lane = deliverer.lane();
    let host = LmtpServer::Host {
        host: "192.0.2.1".to_owned(),
        port: 24,
    };
    let job = Job {
        destination: Destination::Lmtp(host),
        ..to(&["a@b.example"])
    };
    let report = attempt(&deliverer, &mut lane, &job).await;
    assert_eq!(
        short(&report),
        "192.0.2.1[192.0.2.1]:24 4.4.1 connect to 192.0.2.1[192.0.2.1]:24: Connection refused"
    );
    assert_eq!(peers.dialled(), [(([192, 0, 2, 1], 24).into(), None)]);
}
