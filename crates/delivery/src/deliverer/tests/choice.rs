//! Which host is asked, and whether any is.

use queue::progress::Appointment;
use retry_hint::Tongue;

use super::log::Log;
use super::*;

#[tokio::test(start_paused = true)]
async fn appointments_choose_the_host() {
    const MAIL: &str = "C: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<e@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go
        C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 Ok\n";
    let second: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}C: QUIT\nS: 221 bye").leak();
    let first: &'static str = format!(
        "{GREETING}S: 250 mx\n{}hang",
        MAIL.replace("e@b.example", "a@b.example")
    )
    .leak();
    let (deliverer, peers) = set_up(&[(2, second), (1, first)]);
    let mut job = to(&["e@b.example", "a@b.example"]);
    let with = |last| Appointment {
        host: Some(host(last)),
        local: None,
        wait_secs: 300,
        tongue: Tongue::Keyword,
    };
    job.rows[0].1.appointment = Some(with(2));
    let mut lane = deliverer.lane();
    let report = attempt(&deliverer, &mut lane, &job).await;
    let relays: Vec<_> = report
        .outcomes
        .iter()
        .map(|(index, outcome)| match outcome {
            Outcome::Delivered(done) => (*index, done.relay.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        relays,
        [
            (0, "two.b.example[192.0.2.2]:25"),
            (1, "one.b.example[192.0.2.1]:25")
        ]
    );
    drop(lane);
    peers.finish().await;

    // Also where the route is not known for the moment; but not where there is none any more.
    let (deliverer, peers) = set_up(&[]);
    for (domain, expected) in [
        (
            "a@broken.example",
            "192.0.2.2[192.0.2.2]:25 4.4.1 connect to 192.0.2.2[192.0.2.2]:25: Connection refused",
        ),
        (
            "a@null.example",
            "none 5.1.10 Domain null.example does not accept mail (nullMX)",
        ),
    ] {
        let mut job = to(&[domain]);
        job.rows[0].1.appointment = Some(with(2));
        assert_eq!(
            short(&attempt(&deliverer, &mut deliverer.lane(), &job).await),
            expected
        );
    }
    let report = attempt(
        &deliverer,
        &mut deliverer.lane(),
        &to(&["a@broken.example"]),
    )
    .await;
    assert!(
        short(&report).starts_with("none 4.4.3 "),
        "{}",
        short(&report)
    );
    peers.finish().await;
}

const MAIL: &str =
    "C: MAIL FROM:<c@d.example>\nS: 250 Ok\nC: RCPT TO:<a@b.example>\nS: 250 Ok\nC: DATA\nS: 354 go
    C: Subject: a\nC: \nC: ..x\nC: .\nS: 250 Ok\n";

/// To a@b.example, with an appointment at this host that was made from 192.0.2.`from`.
fn appointed(last: u8, from: u8) -> Job {
    let mut job = to(&["a@b.example"]);
    job.rows[0].1.appointment = Some(Appointment {
        host: Some(host(last)),
        local: Some([192, 0, 2, from].into()),
        wait_secs: 300,
        tongue: Tongue::Keyword,
    });
    job
}

#[tokio::test(start_paused = true)]
async fn an_appointment_is_made_and_kept_from_one_address() {
    const DEFERS: &str =
        "S: 220 mx\nC: EHLO me.example\nS: 250 mx\nC: MAIL FROM:<c@d.example>\nS: 250 Ok
        C: RCPT TO:<a@b.example>\nS: 450 4.2.0 TIME=300 Greylisted";
    let (deliverer, peers) = set_up(&[(1, DEFERS)]);
    let report = attempt(&deliverer, &mut deliverer.lane(), &to(&["a@b.example"])).await;
    let Outcome::Deferred(deferral) = &report.outcomes[0].1 else {
        panic!("{report:?}")
    };
    assert_eq!(deferral.host, Some(host(1)));
    assert_eq!(deferral.local, Some([192, 0, 2, 200].into()));
    peers.finish().await;

    // A session from another address won't do; one from the same will.
    let usual: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}C: QUIT\nS: 221 bye").leak();
    let other: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}{MAIL}hang").leak();
    let (deliverer, peers) = set_up(&[(1, usual), (1, other)]);
    let mut lane = deliverer.lane();
    for job in [to(&["a@b.example"]), appointed(1, 5), appointed(1, 5)] {
        let report = attempt(&deliverer, &mut lane, &job).await;
        assert!(short(&report).contains(" 250 Ok"), "{report:?}");
    }
    let from = |last: u8| (host(1).0, Some([192, 0, 2, last].into()));
    assert_eq!(peers.dialled(), [from(200), from(5)]);
    drop(lane);
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_appointment_from_an_address_that_is_gone_is_kept_from_another() {
    let takes: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}C: QUIT\nS: 221 bye").leak();
    let peers = Peers::without(5);
    peers.add(1, takes);
    peers.add(1, takes);
    let peers = Arc::new(peers);
    let deliverer = Deliverer::with_dial(settings(), Arc::new(Zone(ZONE)), peers.clone());
    let log = Log::start();
    for _ in 0..2 {
        let mut lane = deliverer.lane();
        let report = attempt(&deliverer, &mut lane, &appointed(1, 5)).await;
        assert!(short(&report).contains(" 250 Ok"), "{report:?}");
        deliverer.close(lane).await;
    }
    let lines = log.take();
    assert_eq!(lines.len(), 1, "told once: {lines:?}");
    assert!(lines[0].starts_with("192.0.2.5 is no address of this machine any more"));
    let from = |last: u8| (host(1).0, Some([192, 0, 2, last].into()));
    assert_eq!(peers.dialled(), [from(5), from(200), from(5), from(200)]);
    peers.finish().await;
}

/// The same over TCP: all of 127/8 is this machine, and the host sees where a connection starts.
#[tokio::test]
async fn an_appointed_host_sees_the_address_that_it_told_to_come_back() {
    use tokio::io::AsyncWriteExt;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let settings = Settings {
        local_addr: None,
        ..settings()
    };
    let deliverer = Deliverer::new(settings, Arc::new(Zone(ZONE)));
    let relay = Destination::Relay {
        host: addr.ip().to_string(),
        port: addr.port(),
    };
    for (local, expected) in [
        (None, "127.0.0.1"),
        (Some("127.0.0.5"), "127.0.0.5"),
        (Some("192.0.2.5"), "127.0.0.1"),
    ] {
        let mut job = job(relay.clone(), &["a@b.example"], Content::default());
        job.rows[0].1.appointment = local.map(|local| Appointment {
            host: Some(HostKey(addr)),
            local: Some(local.parse().unwrap()),
            wait_secs: 300,
            tongue: Tongue::Keyword,
        });
        let mut lane = deliverer.lane();
        let host = async {
            let (mut stream, seen) = listener.accept().await.unwrap();
            stream.write_all(b"450 TIME=7 later\r\n").await.unwrap();
            seen.ip()
        };
        let (report, seen) = tokio::join!(attempt(&deliverer, &mut lane, &job), host);
        assert_eq!(seen.to_string(), expected);
        let Outcome::Deferred(deferral) = &report.outcomes[0].1 else {
            panic!("{report:?}")
        };
        assert_eq!(deferral.local, Some(seen));
    }
}

#[tokio::test(start_paused = true)]
async fn an_appointed_host_that_is_held_or_down_is_not_waited_for() {
    let takes: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}hang").leak();
    let held = Held(HashMap::from([(host(1), now() + Duration::from_secs(60))]));
    for held in [held, none_held()] {
        let (deliverer, peers) = set_up(&[(2, takes)]);
        let mut lane = deliverer.lane();
        let report = deliverer
            .attempt(&mut lane, &appointed(1, 200), body(), &held, now())
            .await;
        let expected = "two.b.example[192.0.2.2]:25 250 Ok dsn=false";
        assert_eq!(short(&report), expected);
        drop(lane);
        peers.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn holds_and_slots_stand_before_an_attempt() {
    const WAITS: &str = "S: 220 mx\nC: EHLO me.example\nwait 60";
    let (deliverer, peers) = set_up(&[(1, WAITS), (1, WAITS)]);
    let later = now() + Duration::from_secs(60);
    let held = Held(HashMap::from([
        (host(1), later),
        (host(2), later + Duration::from_secs(1)),
    ]));
    let job = to(&["a@b.example"]);
    let report = deliverer
        .attempt(&mut deliverer.lane(), &job, body(), &held, now())
        .await;
    assert_eq!(
        report.outcomes,
        [(
            0,
            Outcome::NotTried {
                parked: Some(queue::HoldKey::Host(host(1)))
            }
        )]
    );
    assert!(peers.dialled().is_empty());

    let others: Vec<_> = (0..2)
        .map(|_| {
            let (deliverer, job) = (deliverer.clone(), job.clone());
            tokio::spawn(async move { attempt(&deliverer, &mut deliverer.lane(), &job).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    let report = attempt(&deliverer, &mut deliverer.lane(), &job).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(
        report,
        Report {
            outcomes: vec![(0, Outcome::NotTried { parked: None })],
            hosts: Vec::new()
        }
    );
    for other in others {
        assert_eq!(other.await.unwrap().hosts.len(), 2);
    }
    peers.finish().await;
}

#[tokio::test(start_paused = true)]
async fn mail_for_a_host_without_a_place_goes_to_its_equal_at_once() {
    const EQUALS: &str = "b.example MX 10 one.b.example.\nb.example MX 10 two.b.example.
        one.b.example A 192.0.2.1\ntwo.b.example A 192.0.2.2";
    const WAITS: &str = "S: 220 mx\nC: EHLO me.example\nwait 60";
    let (_, peers) = set_up(&[(1, WAITS), (1, WAITS), (2, WAITS), (2, WAITS)]);
    let deliverer = Deliverer::with_dial(settings(), Arc::new(Zone(EQUALS)), peers.clone());
    let others: Vec<_> = (0..4)
        .map(|_| {
            let deliverer = deliverer.clone();
            let job = to(&["a@b.example"]);
            tokio::spawn(async move { attempt(&deliverer, &mut deliverer.lane(), &job).await })
        })
        .collect();
    let began = Instant::now();
    while peers.dialled().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    let mut dialled: Vec<_> = peers.dialled().iter().map(|(addr, _)| *addr).collect();
    dialled.sort();
    assert_eq!(dialled, [host(1).0, host(1).0, host(2).0, host(2).0]);
    for other in others {
        other.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_a_host_names_between_two_mails_is_heard() {
    const TOLD: &str = "421 4.3.2 TIME=60 restart";
    let leaves: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}wait 2\nS: {TOLD}").leak();
    let takes: &'static str = format!("{GREETING}S: 250 mx\n{MAIL}hang").leak();
    let refused = |hint| {
        let reply = TOLD.to_owned();
        HostEvent::Refused { reply, hint }
    };
    let hint = retry_hint::read(
        TOLD.as_bytes(),
        retry_hint::Answered::Mail,
        Tongues::default(),
    );
    let (deliverer, peers) = set_up(&[(1, leaves), (1, leaves), (2, takes)]);
    // While nobody wants the session, and while a mail comes for it.
    let mut lane = deliverer.lane();
    let job = to(&["a@b.example"]);
    let _ = attempt(&deliverer, &mut lane, &job).await;
    let heard = Unasked {
        host: host(1),
        relay: "one.b.example[192.0.2.1]:25".to_owned(),
        event: refused(hint),
    };
    assert_eq!(deliverer.idle(&mut lane).await, Some(heard));
    let _ = attempt(&deliverer, &mut lane, &job).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let report = attempt(&deliverer, &mut lane, &job).await;
    assert_eq!(
        short(&report),
        "two.b.example[192.0.2.2]:25 250 Ok dsn=false"
    );
    assert_eq!(
        report.hosts,
        [(host(1), refused(hint)), (host(2), HostEvent::Works)]
    );
    drop(lane);
    peers.finish().await;
}
