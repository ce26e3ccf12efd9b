//! Five days in a moment.

use queue::plan::{GiveUp, Rules};
use queue::settle::Kind;
use queue::{Outcome, Progress, State};
use retry_hint::Holds;
use smtp::Status;

use crate::stage::{DAY, HOUR, Life, MIN, ahead, at, delivered, hinted, holding, mail, plain};

fn life() -> Life {
    Life::new(Rules::default(), mail(&["bob@b.example"]))
}

fn gaps(attempts: &[u64]) -> Vec<u64> {
    attempts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn without_hints_the_back_off_runs_until_the_lifetime_ends() {
    let mut life = life();
    life.run(|_, _| Outcome::Deferred(plain()));

    let gaps = gaps(&life.attempts);
    assert_eq!(gaps[..6], [1, 2, 4, 8, 16, 32].map(|minutes| minutes * MIN));
    let (last, hours) = gaps[6..].split_last().expect("days of hours");
    assert!(hours.iter().all(|gap| *gap == HOUR));
    // 63 minutes of doubling, hours as they fit, and the last attempt at the very end.
    assert_eq!((hours.len(), *last), (118, 57 * MIN));
    assert_eq!(life.attempts.len(), 126);
    assert_eq!(life.attempts.last(), Some(&(5 * DAY)));

    let kinds: Vec<_> = life
        .notices
        .iter()
        .map(|(when, notice)| (*when, notice.kind))
        .collect();
    assert_eq!(kinds, [(4 * HOUR, Kind::Delayed), (5 * DAY, Kind::Failed)]);
    let about = &life.notices[1].1.about[0];
    assert_eq!(about.problem.status, Status(4, 4, 7));
    assert_eq!(about.problem.text, "450 4.2.0 Not now");
    assert_eq!(about.last_attempt, Some(at(5 * DAY)));
    let (_, last) = life.log.last().expect("a log");
    assert_eq!(
        (last.gave_up, last.attempt, last.due),
        (Some(GiveUp::Lifetime), 126, None)
    );
}

#[test]
fn the_delay_notice_says_when_it_is_tried_next() {
    let mut life = life();
    life.run(|_, _| Outcome::Deferred(plain()));
    let about = &life.notices[0].1.about[0];
    // 1 + 2 + … + 32 minutes, then every hour: 3:03 was the last before 4:00.
    assert_eq!(about.ahead, ahead(4 * HOUR + 3 * MIN, 5 * DAY));
    assert_eq!(about.problem.text, "450 4.2.0 Not now");
}

#[test]
fn a_delay_notice_that_falls_on_an_attempt_waits_for_what_it_gives() {
    let rules = Rules {
        delay_notice_after: Some(std::time::Duration::from_secs(3 * MIN)),
        ..Rules::default()
    };
    let mut late = Life::new(rules.clone(), mail(&["bob@b.example"]));
    late.run(|_, _| Outcome::Deferred(plain()));
    let (when, notice) = &late.notices[0];
    assert_eq!((*when, notice.kind), (3 * MIN, Kind::Delayed));
    assert_eq!(notice.about[0].ahead, ahead(7 * MIN, 5 * DAY));

    let mut well = Life::new(rules, mail(&["bob@b.example"]));
    well.run(|n, _| {
        if n == 3 {
            delivered(false, false)
        } else {
            Outcome::Deferred(plain())
        }
    });
    assert_eq!(
        (well.attempts, well.notices),
        (vec![0, MIN, 3 * MIN], vec![])
    );
}

#[test]
fn an_appointment_is_kept_to_the_second() {
    let mut life = life();
    life.spread = 1.0;
    life.run(|n, _| {
        if n == 1 {
            Outcome::Deferred(hinted(300))
        } else {
            delivered(false, false)
        }
    });
    assert_eq!(life.attempts, [0, 301]);
}

#[test]
fn an_appointment_of_a_day_is_kept_and_said_in_the_delay_notice() {
    let mut life = life();
    life.run(|n, _| {
        if n == 1 {
            Outcome::Deferred(hinted(DAY))
        } else {
            delivered(false, false)
        }
    });
    assert_eq!(life.attempts, [0, DAY]);
    let (when, notice) = &life.notices[0];
    assert_eq!((*when, notice.kind), (4 * HOUR, Kind::Delayed));
    assert_eq!(notice.about[0].ahead, ahead(DAY, 5 * DAY));
}

#[test]
fn a_hint_costs_neither_back_off_nor_attempts() {
    let rules = Rules {
        max_attempts: Some(3),
        ..Rules::default()
    };
    let mut life = Life::new(rules, mail(&["bob@b.example"]));
    // Two hints, a plain deferral, two hints, …: no three appointments broken in a row.
    life.run(|n, _| Outcome::Deferred(if n % 3 == 0 { plain() } else { hinted(300) }));
    assert_eq!(
        gaps(&life.attempts),
        [300, 300, MIN, 300, 300, 2 * MIN, 300, 300]
    );
    let (_, last) = life.log.last().expect("a log");
    assert_eq!(last.gave_up, Some(GiveUp::Attempts));
}

#[test]
fn time_1_for_ever_is_no_busy_loop() {
    for holds in [
        Holds::Recipient,
        Holds::Message,
        Holds::Host,
        Holds::Mailbox,
    ] {
        for wait in [0, 1] {
            let mut life = life();
            life.run(|_, _| Outcome::Deferred(holding(wait, holds)));
            assert_eq!(life.attempts[..7], [0, 1, 2, 3, 63, 183, 423]);
            // As many as without hints, and the three appointments. It ends when its lifetime does.
            assert_eq!(life.attempts.len(), 126 + 3, "{holds:?}");
            assert_eq!(life.attempts.last(), Some(&(5 * DAY)));
        }
    }
}

#[test]
fn a_hint_that_is_longer_than_the_back_off_wins_also_when_it_is_not_trusted() {
    let mut life = life();
    life.run(|_, _| Outcome::Deferred(hinted(2 * HOUR)));
    assert!(
        gaps(&life.attempts).iter().all(|gap| *gap == 2 * HOUR),
        "{:?}",
        life.attempts
    );
    // The last at the end of its lifetime.
    assert_eq!(life.attempts.len(), 61);
}

#[test]
fn an_appointment_past_the_lifetime_stretches_it_once() {
    let mut failed = life();
    failed.run(|_, _| Outcome::Deferred(hinted(2 * DAY)));
    assert_eq!(failed.attempts, [0, 2 * DAY, 4 * DAY, 6 * DAY]);
    let about = &failed.notices.last().expect("a notice").1.about[0];
    assert_eq!(about.problem.status, Status(4, 4, 7));
    assert_eq!(about.problem.text, "450 4.2.0 TIME=172800 Not now");

    let mut last_minute = life();
    last_minute.run(|_, now| match now {
        432_000 => Outcome::Deferred(hinted(600)),
        432_600 => delivered(false, false),
        _ => Outcome::Deferred(plain()),
    });
    assert_eq!(last_minute.attempts.last(), Some(&(5 * DAY + 600)));
    assert_eq!(last_minute.notices.len(), 1, "the delay only");
}

#[test]
fn waits_beyond_belief_are_cut() {
    for (holds, longest) in [
        (Holds::Recipient, 2 * DAY),
        (Holds::Message, 2 * DAY),
        (Holds::Mailbox, 2 * DAY),
        (Holds::Host, HOUR),
    ] {
        for wait in [longest, longest + 1, u64::MAX] {
            let mut life = life();
            life.run(|n, _| {
                if n == 1 {
                    Outcome::Deferred(holding(wait, holds))
                } else {
                    delivered(false, false)
                }
            });
            assert_eq!(life.attempts, [0, longest], "{holds:?} {wait}");
        }
    }
}

#[test]
fn so_many_attempts_and_no_more() {
    for max in 1..5 {
        let rules = Rules {
            max_attempts: Some(max),
            ..Rules::default()
        };
        let mut life = Life::new(rules, mail(&["bob@b.example"]));
        life.run(|_, _| Outcome::Deferred(plain()));
        assert_eq!(life.attempts.len(), max as usize);
        assert_eq!(
            life.log.last().expect("a log").1.gave_up,
            Some(GiveUp::Attempts)
        );
        assert_eq!(life.notices[0].1.about[0].problem.status, Status(4, 4, 7));
    }
}

#[test]
fn held_and_parked_mail_is_late_and_expires() {
    let held = |row: Progress| Progress {
        state: State::Held,
        ..row
    };
    let parked = |row: Progress| Progress {
        parked: "host 192.0.2.1:25".parse().ok(),
        ..row
    };
    for change in [&held as &dyn Fn(Progress) -> Progress, &parked] {
        let mut life = life();
        life.row = life.row.take().map(change);
        life.run(|_, _| panic!("attempted"));
        let kinds: Vec<_> = life
            .notices
            .iter()
            .map(|(when, notice)| (*when, notice.kind))
            .collect();
        assert_eq!(kinds, [(4 * HOUR, Kind::Delayed), (5 * DAY, Kind::Failed)]);
        let about = &life.notices[1].1.about[0];
        assert_eq!(
            (about.problem.status, about.last_attempt),
            (Status(4, 4, 7), None)
        );
        assert_eq!(
            life.log.last().expect("a log").1.gave_up,
            Some(GiveUp::Lifetime)
        );
    }
}

#[test]
fn what_waits_for_limits_of_ours_counts_nothing_and_makes_its_last_attempt() {
    let mut life = life();
    life.rules.lifetime = std::time::Duration::from_secs(10);
    life.row = Some(queue::plan::first(&life.rules, &life.message, at(0), false));
    life.run(|_, now| match now {
        20 => Outcome::Deferred(plain()),
        _ => Outcome::NotTried { parked: None },
    });
    assert_eq!(life.attempts, (0..=20).collect::<Vec<_>>());
    let (when, last) = life.log.last().expect("a log");
    assert_eq!(
        (*when, last.attempt, last.gave_up),
        (20, 1, Some(GiveUp::Lifetime))
    );
}

#[test]
fn what_waits_for_limits_of_ours_ends_two_days_after_its_lifetime() {
    let life = life();
    let row = Progress {
        due: at(5 * DAY),
        ..life.row.clone().expect("a row")
    };
    let settle = |now| {
        let outcomes = vec![(0, Outcome::NotTried { parked: None })];
        let rows = [(0, row.clone())];
        crate::stage::settle(&life.rules, &life.message, &rows, outcomes, at(now), 0.0)
    };
    let end = 7 * DAY + 600;
    let row = &settle(end - 1).update[0].1;
    assert_eq!((row.due, row.expires), (at(end), at(end)));
    let settled = settle(end);
    assert_eq!((settled.done, settled.update), (vec![0], vec![]));
    assert_eq!(settled.log[0].gave_up, Some(GiveUp::Lifetime));
}

#[test]
fn after_an_outage_it_is_tried_once_more() {
    let mut life = life();
    let row = life.row.clone().expect("a row");
    // Due within the lifetime, but the server was down until the sixth day.
    let (settled, left) = crate::stage::expire(
        &life.rules,
        &life.message,
        vec![(0, row.clone())],
        at(6 * DAY),
    );
    assert!(settled.done.is_empty() && settled.notices.is_empty());
    assert_eq!(left, [(0, row)]);
    let outcomes = vec![(0, Outcome::Deferred(plain()))];
    let settled = crate::stage::settle(
        &life.rules,
        &life.message,
        &left,
        outcomes,
        at(6 * DAY),
        0.0,
    );
    assert_eq!(settled.done, [0]);
    life.row = None;
}
