//! Which host is asked, and whether any is.

use queue::progress::Appointment;
use retry_hint::Tongue;

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
