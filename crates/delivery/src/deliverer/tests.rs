//! Attempts over pipes, in virtual time.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use queue::outcome::HostEvent;
use queue::spool::BodyFile;
use smtp::client::Timeouts;
use smtp::{Content, Status};
use tokio::time::Instant;

use super::*;
use crate::fixture::{job, now};
use crate::route::fake::Zone;
use peer::Peers;

mod choice;
mod lmtp;
mod log;
mod peer;
mod starttls;

const ZONE: &str =
    "b.example MX 10 one.b.example.\nb.example MX 20 two.b.example.\none.b.example A 192.0.2.1
    two.b.example A 192.0.2.2\nbroken.example MX SERVFAIL\nnull.example MX 0 .";

const GREETING: &str = "S: 220 mx\nC: EHLO me.example\n";
const MAIL: &str =
    "C: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go
    C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 Ok\n";

fn settings() -> Settings {
    let secs = Duration::from_secs;
    Settings {
        helo: "me.example".to_owned(),
        hostname: "mx.me.example".to_owned(),
        local_addr: Some([192, 0, 2, 200].into()),
        tls: Tls::Opportunistic,
        timeouts: Timeouts {
            greeting: secs(300),
            command: secs(300),
            data: secs(120),
            block: secs(180),
            end_of_data: secs(600),
            quit: secs(5),
        },
        connect_timeout: secs(30),
        port: 25,
        tongues: Some(Tongues::default()),
        sessions_per_host: 2,
        mails_per_session: 2,
        session_age: secs(300),
        max_hosts: 10,
        maildir: local::Settings {
            resolve: Arc::new(|_| None),
            quotas: None,
        },
    }
}

struct Held(HashMap<HostKey, SystemTime>);

impl Holds for Held {
    fn held(&self, host: HostKey) -> Option<SystemTime> {
        self.0.get(&host).copied()
    }
}

fn none_held() -> Held {
    Held(HashMap::new())
}

fn host(last: u8) -> HostKey {
    HostKey(([192, 0, 2, last], 25).into())
}

fn set_up(dialogues: &[(u8, &'static str)]) -> (Deliverer, Arc<Peers>) {
    let peers = Arc::new(Peers::default());
    for (last, dialogue) in dialogues {
        peers.add(*last, dialogue);
    }
    (
        Deliverer::with_dial(settings(), Arc::new(Zone(ZONE)), peers.clone()),
        peers,
    )
}

fn to(recipients: &[&str]) -> Job {
    let domain = recipients[0].split_once('@').unwrap().1;
    job(
        Destination::Mx(domain.to_owned()),
        recipients,
        Content {
            size: 12,
            ..Content::default()
        },
    )
}

fn body() -> Body {
    Body::Inline(b"Subject: a\r\n\r\n.x\r\n"[..].into())
}

async fn attempt(deliverer: &Deliverer, lane: &mut Lane, job: &Job) -> Report {
    deliverer
        .attempt(lane, job, body(), &none_held(), now())
        .await
}

/// The only outcome, in short.
fn short(report: &Report) -> String {
    let [(_, outcome)] = &report.outcomes[..] else {
        panic!("{report:?}")
    };
    match outcome {
        Outcome::Delivered(done) => {
            format!("{} {} dsn={}", done.relay, done.reply, done.dsn_passed_on)
        }
        Outcome::Failed(problem) => {
            format!("{} {} {}", problem.relay, problem.status, problem.text)
        }
        Outcome::Deferred(Deferral { problem, .. }) => {
            format!("{} {} {}", problem.relay, problem.status, problem.text)
        }
        Outcome::NotTried { parked } => format!("{parked:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_pipelined_and_the_session_kept() {
    let (deliverer, peers) = set_up(&[(
        1,
        "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250-PIPELINING\nS: 250 DSN
        C: MAIL FROM:<c@d.example>\nC: RCPT TO:<a@b.example>\nC: RCPT TO:<e@b.example>\nC: DATA
        S: 250 Ok\nS: 250 Ok\nS: 450 4.2.0 TIME=300 Greylisted\nS: 354 go
        C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 2.0.0 queued as 1
        C: MAIL FROM:<c@d.example>\nC: RCPT TO:<e@b.example>\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 go
        C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 2.0.0 queued as 2\nC: QUIT\nS: 221 bye",
    )]);
    let mut lane = deliverer.lane();
    let report = attempt(&deliverer, &mut lane, &to(&["a@b.example", "e@b.example"])).await;
    let Outcome::Delivered(first) = &report.outcomes[0].1 else {
        panic!("{report:?}")
    };
    assert_eq!(first.relay, "one.b.example[192.0.2.1]:25");
    assert_eq!((first.status, first.dsn_passed_on), (Status(2, 0, 0), true));
    let Outcome::Deferred(second) = &report.outcomes[1].1 else {
        panic!("{report:?}")
    };
    assert_eq!(
        (second.hint.map(|hint| hint.wait_secs), second.host),
        (Some(300), Some(host(1)))
    );
    assert!(second.problem.remote);
    assert_eq!(report.hosts, [(host(1), HostEvent::Works)]);

    let report = attempt(&deliverer, &mut lane, &to(&["e@b.example"])).await;
    assert_eq!(
        short(&report),
        "one.b.example[192.0.2.1]:25 250 2.0.0 queued as 2 dsn=true"
    );
    deliverer.close(lane).await;
    peers.finish().await;
    assert_eq!(
        peers.dialled(),
        [(host(1).0, Some([192, 0, 2, 200].into()))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_has_room_for_so_many_mails() {
    let two: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}{MAIL}C: QUIT\nS: 221 bye").leak();
    let one: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}C: QUIT\nS: 221 bye").leak();
    let (deliverer, peers) = set_up(&[(1, two), (1, one)]);
    let mut lane = deliverer.lane();
    for _ in 0..3 {
        let report = attempt(&deliverer, &mut lane, &to(&["a@b.example"])).await;
        assert_eq!(
            short(&report),
            "one.b.example[192.0.2.1]:25 250 Ok dsn=false"
        );
    }
    // Nobody needs it: it grows old.
    let began = Instant::now();
    deliverer.idle(&mut lane).await;
    assert_eq!(began.elapsed(), settings().session_age);
    deliverer.idle(&mut lane).await;
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_makes_room_for_another_lane() {
    let one: &'static str =
        format!("{GREETING}S: 250 mx\n{MAIL}C: QUIT\nwait 1\nS: 221 bye").leak();
    let (deliverer, peers) = set_up(&[(1, one), (1, one)]);
    deliverer.configure(Settings {
        sessions_per_host: 1,
        ..settings()
    });
    let (mut first, mut second) = (deliverer.lane(), deliverer.lane());
    let job = to(&["a@b.example"]);
    let _ = attempt(&deliverer, &mut first, &job).await;
    let began = Instant::now();
    let (report, _) = tokio::join!(
        attempt(&deliverer, &mut second, &job),
        deliverer.idle(&mut first)
    );
    assert!(short(&report).contains(" 250 Ok"), "{}", short(&report));
    // Not before the other is closed: the host sees one at a time.
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    deliverer.close(second).await;
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_makes_room_for_another_lane_after_its_turn() {
    let mails = |count| -> &'static str {
        format!(
            "{GREETING}S: 250 mx\n{}C: QUIT\nS: 221 bye",
            MAIL.repeat(count)
        )
        .leak()
    };
    let (deliverer, peers) = set_up(&[(1, mails(20)), (1, mails(1)), (1, mails(1))]);
    deliverer.configure(Settings {
        sessions_per_host: 1,
        mails_per_session: 100,
        ..settings()
    });
    let (mut first, mut second) = (deliverer.lane(), deliverer.lane());
    let job = to(&["a@b.example"]);
    let _ = attempt(&deliverer, &mut first, &job).await;
    let other = async {
        let report = attempt(&deliverer, &mut second, &job).await;
        deliverer.close(second).await;
        report
    };
    let busy = async {
        for _ in 1..=20 {
            let report = attempt(&deliverer, &mut first, &job).await;
            assert!(short(&report).contains(" 250 Ok"), "{}", short(&report));
        }
    };
    let (report, ()) = tokio::join!(other, busy);
    assert!(short(&report).contains(" 250 Ok"), "{}", short(&report));
    deliverer.close(first).await;
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_that_the_host_closed_is_replaced() {
    let leaves: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}wait 2\nS: 421 idle").leak();
    let stays: &'static str =
        format!("{GREETING}S: 250 mx\n{MAIL}C: MAIL FROM:<c@d.example>").leak();
    let last: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}hang").leak();
    let (deliverer, peers) = set_up(&[(1, leaves), (1, stays), (1, last)]);
    let mut lane = deliverer.lane();
    assert!(
        short(&attempt(&deliverer, &mut lane, &to(&["a@b.example"])).await).contains(" 250 Ok")
    );
    let began = Instant::now();
    assert_eq!(deliverer.idle(&mut lane).await, None);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert!(
        short(&attempt(&deliverer, &mut lane, &to(&["a@b.example"])).await).contains(" 250 Ok")
    );
    // This one breaks only once the next mail has begun.
    let report = attempt(&deliverer, &mut lane, &to(&["a@b.example"])).await;
    assert!(short(&report).contains(" 250 Ok"));
    assert_eq!(report.hosts, [(host(1), HostEvent::Works)]);
    drop(lane);
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_in_the_words_of_postfix() {
    let check = async |first: &'static str, expected: &str| {
        let (deliverer, peers) = set_up(&[(1, first)]);
        let report = attempt(&deliverer, &mut deliverer.lane(), &to(&["a@b.example"])).await;
        let (key, event) = &report.hosts[0];
        assert_eq!(*key, host(1));
        assert_eq!(*event, HostEvent::Unreachable(expected.to_owned()));
        let (key, event) = &report.hosts[1];
        assert_eq!(*key, host(2));
        let refused = "connect to two.b.example[192.0.2.2]:25: Connection refused";
        assert_eq!(*event, HostEvent::Unreachable(refused.to_owned()));
        assert_eq!(
            short(&report),
            format!("two.b.example[192.0.2.2]:25 4.4.1 {refused}")
        );
        peers.finish().await;
    };
    check(
        "never answers",
        "connect to one.b.example[192.0.2.1]:25: Connection timed out",
    )
    .await;
    check(
        "",
        "lost connection with one.b.example[192.0.2.1] while receiving the initial server greeting",
    )
    .await;
    check(
        "wait 301",
        "conversation with one.b.example[192.0.2.1] timed out while receiving the initial server greeting",
    )
    .await;
    check(
        "S: 220 mx\nC: EHLO me.example",
        "lost connection with one.b.example[192.0.2.1] while performing the EHLO handshake",
    )
    .await;
    check(
        "S: 220 mx\nC: EHLO me.example\nS: 250 mx\nC: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>",
        "lost connection with one.b.example[192.0.2.1] while sending RCPT TO",
    )
    .await;
    check(
        "S: SSH-2.0-x",
        "one.b.example[192.0.2.1] gave no valid SMTP reply while receiving the initial server greeting: \"SSH-2.0-x\"",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn eight_bit_content_is_converted_for_a_host_that_lacks_it() {
    let (deliverer, peers) = set_up(&[(
        1,
        "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 SIZE\nC: MAIL FROM:<c@d.example> SIZE=97\nS: 250 Ok
        C: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go\nC: MIME-Version: 1.0
        C: Content-Type: text/plain\nC: Content-Transfer-Encoding: quoted-printable\nC: \nC: =FC\nC: .\nS: 250 Ok",
    )]);
    let content = Content {
        size: 60,
        eight_bit: true,
        ..Content::default()
    };
    let job = job(
        Destination::Mx("b.example".to_owned()),
        &["a@b.example"],
        content,
    );
    let body =
        Body::Inline(b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\xfc\r\n"[..].into());
    let report = deliverer
        .attempt(&mut deliverer.lane(), &job, body, &none_held(), now())
        .await;
    assert_eq!(
        short(&report),
        "one.b.example[192.0.2.1]:25 250 Ok dsn=false"
    );
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn content_that_can_not_be_read_to_convert_it_waits() {
    let (deliverer, peers) = set_up(&[(1, "S: 220 mx\nC: EHLO me.example\nS: 250 mx")]);
    let content = Content {
        size: 60,
        eight_bit: true,
        ..Content::default()
    };
    let job = job(
        Destination::Mx("b.example".to_owned()),
        &["a@b.example"],
        content,
    );
    #[derive(Debug)]
    struct Torn;
    impl BodyFile for Torn {
        fn open(&self) -> io::Result<Box<dyn io::Read + Send>> {
            Err(io::Error::other("bad sector"))
        }
        fn len(&self) -> u64 {
            60
        }
    }
    let body = Body::File(Arc::new(Torn));
    let report = deliverer
        .attempt(&mut deliverer.lane(), &job, body, &none_held(), now())
        .await;
    let expected = "one.b.example[192.0.2.1]:25 4.3.0 the message could not be read: bad sector";
    assert_eq!(short(&report), expected);
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_can_not_be_sent_is_blamed_on_whose_it_is() {
    const SESSION: &str = "S: 220 mx\nC: EHLO me.example\nS: 250 mx";
    let (deliverer, peers) = set_up(&[(1, SESSION), (1, SESSION)]);
    let mut bad_sender = to(&["a@b.example"]);
    Arc::get_mut(&mut bad_sender.message).unwrap().sender = smtp::Sender::new("c>@d.example");
    for (job, expected) in [
        (
            bad_sender,
            "5.1.7 the sender's address can't be put into an SMTP command",
        ),
        (
            to(&["a>@b.example"]),
            "5.1.3 the recipient's address can't be put into an SMTP command",
        ),
    ] {
        let report = attempt(&deliverer, &mut deliverer.lane(), &job).await;
        let expected = format!("one.b.example[192.0.2.1]:25 {expected}");
        assert_eq!(short(&report), expected);
    }
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn domains_go_as_a_labels_to_a_host_without_smtputf8() {
    let (deliverer, peers) = set_up(&[(
        1,
        "S: 220 mx\nC: EHLO me.example\nS: 250 mx\nC: MAIL FROM:<c@xn--mller-kva.example>\nS: 250 Ok
        C: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go\nC: Subject: a\nC: \nC: ..x\nC: .\nS: 250 Ok",
    )]);
    let mut job = to(&["a@b.example", "jürgen@b.example"]);
    let message = Arc::get_mut(&mut job.message).unwrap();
    message.sender = smtp::Sender {
        smtputf8: true,
        ..smtp::Sender::new("c@müller.example")
    };
    let report = attempt(&deliverer, &mut deliverer.lane(), &job).await;
    let mut outcomes = report.outcomes;
    outcomes.sort_by_key(|(index, _)| *index);
    let Outcome::Delivered(_) = &outcomes[0].1 else {
        panic!("{outcomes:?}")
    };
    let Outcome::Failed(problem) = &outcomes[1].1 else {
        panic!("{outcomes:?}")
    };
    assert_eq!(problem.status, Status(5, 6, 7));
    peers.finish().await;
}

#[derive(Debug)]
struct Big(u64);

impl BodyFile for Big {
    fn open(&self) -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(io::Read::take(io::repeat(b'x'), 300_000)))
    }
    fn len(&self) -> u64 {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_sent_whole_or_not_at_all() {
    const MAIL: &str = "S: 250 mx\nC: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA
        S: 354 go\neat 300000\n";
    let whole: &'static str = format!("{GREETING}{MAIL}C: \nC: .\nS: 250 Ok\nhang").leak();
    let half: &'static str = format!("{GREETING}{MAIL}hang").leak();
    let (deliverer, peers) = set_up(&[(1, whole), (1, half)]);
    let send = async |length| {
        let body = Body::File(Arc::new(Big(length)));
        let report = deliverer
            .attempt(
                &mut deliverer.lane(),
                &to(&["a@b.example"]),
                body,
                &none_held(),
                now(),
            )
            .await;
        short(&report)
    };
    assert_eq!(
        send(300_000).await,
        "one.b.example[192.0.2.1]:25 250 Ok dsn=false"
    );
    let expected =
        "one.b.example[192.0.2.1]:25 4.3.0 the message could not be read: unexpected end of file";
    assert_eq!(send(300_001).await, expected);
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_why_amid_the_content_is_heard() {
    let script: &'static str = format!(
        "{GREETING}S: 250 mx\nC: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA
        S: 354 go\neat 1000\nS: 552 5.3.4 too much"
    )
    .leak();
    let (deliverer, peers) = set_up(&[(1, script)]);
    let body = Body::File(Arc::new(Big(300_000)));
    let report = deliverer
        .attempt(
            &mut deliverer.lane(),
            &to(&["a@b.example"]),
            body,
            &none_held(),
            now(),
        )
        .await;
    assert_eq!(
        short(&report),
        "one.b.example[192.0.2.1]:25 5.3.4 552 5.3.4 too much"
    );
    peers.finish().await;
}

/// A second name of ours, at an address that only something in front of us has.
#[tokio::test(start_paused = true)]
async fn a_host_that_turns_out_to_be_ourselves_gets_no_mail() {
    const OURS: &str =
        "S: 220 mx.me.example ESMTP\nC: EHLO me.example\nS: 250-MX.me.example\nS: 250 HELP
        C: QUIT\nS: 221 bye";
    let (deliverer, peers) = set_up(&[(1, "S: 450 4.3.2 soon\nC: QUIT"), (2, OURS)]);
    let mut lane = deliverer.lane();
    let report = attempt(&deliverer, &mut lane, &to(&["a@b.example"])).await;
    assert_eq!(
        short(&report),
        "one.b.example[192.0.2.1]:25 4.3.2 450 4.3.2 soon"
    );
    peers.finish().await;

    // A next hop that the administrator named is meant, whatever its name.
    let relayed = format!(
        "{}{MAIL}hang",
        OURS.split("C: QUIT").next().unwrap_or_default()
    );
    let (deliverer, peers) = set_up(&[(2, relayed.leak())]);
    let mut job = to(&["a@b.example"]);
    job.destination = Destination::Relay {
        host: "192.0.2.2".to_owned(),
        port: 25,
    };
    let report = attempt(&deliverer, &mut deliverer.lane(), &job).await;
    assert!(short(&report).contains(" 250 Ok"), "{}", short(&report));
    peers.finish().await;
}
