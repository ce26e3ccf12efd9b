//! Single steps of the plan.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::plan::{GiveUp, Next, Rules, after, backoff, first, later, under_way};
use queue::{Progress, State};
use retry_hint::{Hint, Holds, Tongue, Tongues};
use smtp::{Notify, Sender};

use crate::stage::{DAY, HOUR, MIN, at, hinted, holding, host, mail, notify, plain, secs};

fn row() -> Progress {
    first(&Rules::default(), &mail(&["bob@b.example"]), at(0), false)
}

fn next(row: &Progress, deferral: &queue::outcome::Deferral, now: u64) -> Progress {
    match after(&Rules::default(), row, deferral, at(now), 0.0) {
        Next::Wait(row) => row,
        Next::GiveUp(why) => panic!("{why:?}"),
    }
}

#[test]
fn a_new_row() {
    let row = row();
    assert_eq!(
        (row.due, row.wake(), row.expires),
        (at(0), at(0), at(5 * DAY))
    );
    assert_eq!(row.delay_notice, Some(at(4 * HOUR)));
    assert_eq!(
        (row.attempts, row.backoff_steps, row.state),
        (0, 0, State::Waiting)
    );

    let leased = first(&Rules::default(), &mail(&["bob@b.example"]), at(0), true);
    assert_eq!(
        leased,
        Progress {
            due: at(MIN),
            ..row
        }
    );
}

#[test]
fn who_wants_a_delay_notice() {
    let delay = |success, failure, delay| Notify::On {
        success,
        failure,
        delay,
    };
    for (what, wanted) in [
        (Notify::Unspecified, true),
        (delay(false, false, true), true),
        (delay(true, true, false), false),
        (Notify::Never, false),
    ] {
        let message = notify(mail(&["bob@b.example"]), what);
        let row = first(&Rules::default(), &message, at(0), false);
        assert_eq!(row.delay_notice.is_some(), wanted, "{what:?}");
    }
    let mut null = mail(&["bob@b.example"]);
    null.sender = Sender::default();
    let rules = Rules {
        notice_lifetime: Duration::from_secs(HOUR),
        ..Rules::default()
    };
    let row = first(&rules, &null, at(0), false);
    assert_eq!((row.delay_notice, row.expires), (None, at(HOUR)));
}

#[test]
fn the_back_off_doubles_up_to_its_ceiling() {
    let rules = Rules::default();
    for (steps, minutes) in [
        (0, 1),
        (1, 2),
        (5, 32),
        (6, 60),
        (31, 60),
        (32, 60),
        (u32::MAX, 60),
    ] {
        assert_eq!(
            backoff(&rules, steps),
            Duration::from_secs(minutes * MIN),
            "{steps}"
        );
    }
    let silly = Rules {
        first_backoff: Duration::ZERO,
        max_backoff: Duration::ZERO,
        ..Rules::default()
    };
    assert_eq!(backoff(&silly, 3), Duration::from_secs(1));
}

#[test]
fn a_hint_makes_an_appointment() {
    let row = next(&row(), &hinted(300), 10);
    let appointment = row.appointment.as_ref().expect("an appointment");
    assert_eq!(
        (row.due, row.attempts, row.backoff_steps, row.broken),
        (at(310), 1, 0, 0)
    );
    assert_eq!(
        (appointment.host, appointment.local, appointment.wait_secs),
        (Some(host(1)), Some([192, 0, 2, 200].into()), 300)
    );
    assert_eq!(
        row.last_reply.as_deref(),
        Some("450 4.2.0 TIME=300 Not now")
    );
    // What was read is kept as it was read.
    let row = next(&row, &hinted(u64::MAX), 310);
    assert_eq!(row.appointment.expect("an appointment").wait_secs, u64::MAX);
}

#[test]
fn spread_moves_forward_only() {
    for (spread, least, most) in [
        (0.0, 300_000, 300_000),
        (0.5, 300_500, 300_500),
        (1.0, 301_000, 301_000),
        (7.0, 301_000, 301_000),
        (-7.0, 300_000, 300_000),
        (f64::NAN, 300_000, 301_000),
        (f64::INFINITY, 300_000, 301_000),
    ] {
        let Next::Wait(row) = after(&Rules::default(), &row(), &hinted(300), at(0), spread) else {
            panic!("given up");
        };
        let millis = row.due.duration_since(at(0)).expect("later").as_millis();
        assert!((least..=most).contains(&millis), "{spread}: {millis}");
    }
}

#[test]
fn three_broken_appointments_and_the_back_off_has_its_way() {
    let mut row = next(&row(), &hinted(5), 0);
    let mut seen = vec![(row.broken, row.backoff_steps, secs(row.due))];
    for _ in 0..5 {
        row = next(&row, &hinted(5), secs(row.due));
        seen.push((row.broken, row.backoff_steps, secs(row.due)));
    }
    assert_eq!(
        seen,
        [
            (0, 0, 5),
            (1, 0, 10),
            (2, 0, 15),
            (3, 1, 75),
            (4, 2, 195),
            (5, 3, 435)
        ]
    );
    // A deferral without a hint ends the row of hints; the back-off goes on from where it was.
    let row = next(&row, &plain(), 435);
    assert_eq!(
        (row.broken, row.backoff_steps, secs(row.due)),
        (0, 4, 435 + 8 * MIN)
    );
    let row = next(&row, &hinted(5), secs(row.due));
    assert_eq!(
        (row.broken, row.backoff_steps, secs(row.due)),
        (0, 4, 435 + 8 * MIN + 5)
    );
}

#[test]
fn an_attempt_before_its_time_breaks_no_appointment() {
    let row = next(&row(), &hinted(300), 0);
    let again = next(&row, &hinted(200), 100);
    assert_eq!((again.broken, again.due), (0, at(300)));
    // Without a hint the appointment stands, but the back-off has advanced.
    let unanswered = next(&row, &plain(), 100);
    assert_eq!((unanswered.due, unanswered.backoff_steps), (at(300), 1));
    assert_eq!(unanswered.appointment, row.appointment);
    // A back-off that is longer than the appointment is obeyed as well.
    let late = next(&row, &plain(), 299);
    assert_eq!(late.due, at(299 + MIN));
}

#[test]
fn hints_can_be_left_unread() {
    let prose = |wait_secs| {
        let mut deferral = hinted(wait_secs);
        deferral.hint = Some(Hint {
            wait_secs,
            tongue: Tongue::Prose,
            holds: Holds::Recipient,
        });
        deferral
    };
    let none = Rules {
        hints: None,
        ..Rules::default()
    };
    let strict = Rules {
        hints: Some(Tongues { prose: false }),
        ..Rules::default()
    };
    for (rules, deferral, due) in [
        (&none, hinted(300), 60),
        (&none, prose(300), 60),
        (&strict, hinted(300), 300),
        (&strict, prose(300), 60),
        (&Rules::default(), prose(300), 300),
    ] {
        let Next::Wait(row) = after(rules, &row(), &deferral, at(0), 0.0) else {
            panic!("given up");
        };
        assert_eq!(
            (secs(row.due), row.appointment.is_some()),
            (due, due == 300)
        );
    }
}

#[test]
fn only_a_keyword_holds_a_host() {
    let mut deferral = holding(DAY, Holds::Host);
    assert_eq!(next(&row(), &deferral, 0).due, at(HOUR));
    deferral.hint = deferral.hint.map(|hint| Hint {
        tongue: Tongue::Draft,
        ..hint
    });
    assert_eq!(next(&row(), &deferral, 0).due, at(DAY));
}

#[test]
fn a_second_appointment_past_the_lifetime_is_never_early() {
    let told = Progress {
        delay_notice: None,
        ..row()
    };
    let row = next(&told, &hinted(DAY), 5 * DAY - 10);
    assert_eq!(
        (row.stretched.to_appointment, row.due, row.expires),
        (true, at(6 * DAY - 10), at(6 * DAY - 10))
    );
    // The operator tries it at once, and is told to wait a day more: beyond the stretched lifetime.
    let row = next(&row, &hinted(DAY), 5 * DAY);
    assert_eq!(
        (row.due, row.expires, row.wake()),
        (at(6 * DAY), at(6 * DAY - 10), at(6 * DAY - 10))
    );
    // The stretched lifetime is over with its one attempt, whatever is told then.
    let over = after(
        &Rules::default(),
        &Progress {
            due: row.expires,
            ..row
        },
        &hinted(1),
        at(6 * DAY - 10),
        0.0,
    );
    assert_eq!(over, Next::GiveUp(GiveUp::Lifetime));
}

#[test]
fn a_lease_is_durable_and_comes_up_later() {
    let rules = Rules::default();
    let parked = Progress {
        parked: "busy b.example".parse().ok(),
        backoff_steps: 3,
        ..row()
    };
    let lease = under_way(&rules, &parked, at(100));
    assert_eq!((lease.due, lease.parked.clone()), (at(100 + 8 * MIN), None));
    assert_eq!((lease.attempts, lease.backoff_steps), (0, 3));

    // An appointment that the operator's attempt comes before is kept also if that attempt leaves no trace.
    let early = next(&row(), &hinted(300), 0);
    assert_eq!(under_way(&rules, &early, at(10)).due, at(300));

    // The last attempt, at the end of the lifetime, is not made again: it is given up when the lease comes up.
    let last = Progress {
        due: at(5 * DAY),
        ..row()
    };
    let lease = under_way(&rules, &last, at(5 * DAY));
    assert_eq!(lease.wake(), at(5 * DAY + MIN));
    let (settled, left) = crate::stage::expire(
        &rules,
        &mail(&["bob@b.example"]),
        vec![(0, lease.clone())],
        lease.wake(),
    );
    assert_eq!((settled.done, left), (vec![0], vec![]));

    // But what was parked is leased at its end only to wait for its hold's probe: should that be lost, it is tried.
    let parked = Progress {
        parked: Some("host 192.0.2.1:25".parse().expect("a key")),
        expires: at(5 * DAY),
        ..row()
    };
    let lease = under_way(&rules, &parked, at(5 * DAY));
    let rows = vec![(0, lease.clone())];
    let message = mail(&["bob@b.example"]);
    let (settled, left) = crate::stage::expire(&rules, &message, rows, lease.wake());
    assert_eq!((settled.done, left), (vec![], vec![(0, lease)]));
}

#[test]
fn times_at_the_end_of_time() {
    let end = later(UNIX_EPOCH, Duration::MAX);
    assert_eq!(later(end, Duration::MAX), end);
    assert_eq!(
        later(end - Duration::from_secs(1), Duration::from_secs(1)),
        end
    );
    let beyond = end + Duration::from_secs(100);
    assert_eq!(later(beyond, Duration::from_secs(1)), beyond);
    let rules = Rules {
        lifetime: Duration::MAX,
        first_backoff: Duration::MAX,
        max_backoff: Duration::MAX,
        delay_notice_after: Some(Duration::MAX),
        ..Rules::default()
    };
    let row = first(&rules, &mail(&["bob@b.example"]), at(0), false);
    assert_eq!((row.expires, row.delay_notice), (end, Some(end)));
    let Next::Wait(row) = after(&rules, &row, &plain(), at(0), 0.0) else {
        panic!("given up");
    };
    assert_eq!(row.due, end);
    let _: SystemTime = under_way(&rules, &row, beyond).wake();
}
