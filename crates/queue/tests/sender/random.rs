//! Any answers, at any time: the laws hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use queue::plan::{Rules, first, under_way};

use queue::{HoldKey, Outcome, Progress, State, Stretched};
use retry_hint::{Hint, Holds, Tongue, Tongues};

use crate::stage::{at, delivered, expire, hinted, host, mail, plain, problem, settle};

fn wait_secs() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..5, 0_u64..4000, 0_u64..400_000, any::<u64>()]
}

fn hint() -> impl Strategy<Value = Hint> {
    let tongue = prop_oneof![
        Just(Tongue::Keyword),
        Just(Tongue::Draft),
        Just(Tongue::Prose)
    ];
    let holds = prop_oneof![
        Just(Holds::Host),
        Just(Holds::Message),
        Just(Holds::Recipient),
        Just(Holds::Mailbox)
    ];
    (wait_secs(), tongue, holds).prop_map(|(wait_secs, tongue, holds)| Hint {
        wait_secs,
        tongue,
        holds,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        20 => hint().prop_map(|hint| {
            let mut deferral = hinted(hint.wait_secs);
            deferral.hint = Some(hint);
            Outcome::Deferred(deferral)
        }),
        10 => Just(Outcome::Deferred(plain())),
        2 => Just(Outcome::NotTried { parked: None }),
        1 => Just(Outcome::NotTried { parked: Some(HoldKey::Host(host(1))) }),
        1 => Just(delivered(false, false)),
        1 => Just(Outcome::Failed(problem("550 5.1.1 No"))),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..1_000_000).prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
        Just(Duration::ZERO),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let hints = prop_oneof![
        4 => Just(Some(Tongues { prose: true })),
        1 => Just(Some(Tongues { prose: false })),
        1 => Just(None),
    ];
    let attempts = prop_oneof![3 => Just(None), 1 => (0_u32..20).prop_map(Some)];
    let delay = prop_oneof![duration().prop_map(Some), Just(None)];
    (
        1_u64..600,
        1_u64..7200,
        0_u64..700_000,
        attempts,
        delay,
        hints,
    )
        .prop_map(
            |(first, max, lifetime, max_attempts, delay_notice_after, hints)| Rules {
                first_backoff: Duration::from_secs(first),
                max_backoff: Duration::from_secs(max.max(60)),
                lifetime: Duration::from_secs(lifetime),
                notice_lifetime: Duration::from_secs(lifetime),
                max_attempts,
                delay_notice_after,
                hints,
            },
        )
}

/// The time before which a row that was deferred so must not be tried, written apart from the plan.
fn told(rules: &Rules, outcome: &Outcome, now: SystemTime) -> Option<SystemTime> {
    let Outcome::Deferred(deferral) = outcome else {
        return None;
    };
    let (hint, tongues) = (deferral.hint?, rules.hints?);
    let ceiling = match (hint.tongue, hint.holds) {
        (Tongue::Prose, _) if !tongues.prose => return None,
        (Tongue::Keyword, Holds::Host) => 3600,
        _ => 2 * 24 * 3600,
    };
    Some(now + Duration::from_secs(hint.wait_secs.min(ceiling).max(1)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Never early; it ends, within the lifetime and one appointment; the attempts are bounded; a wake that brings
    /// nothing does not come again; each lease comes up later than it began.
    #[test]
    fn the_laws_of_the_sender(
        rules in rules(),
        outcomes in prop::collection::vec(outcome(), 1..40),
        spread in 0.0..=1.0_f64,
        late in prop::collection::vec(prop_oneof![3 => Just(0_u64), 1 => 0_u64..100_000], 1..10),
    ) {
        let message = mail(&["bob@b.example"]);
        let mut row = first(&rules, &message, at(0), false);
        let (mut not_before, mut not_tried, mut limited) = (None, false, false);
        let (mut attempts, mut now) = (0_u32, at(0));
        for round in 0.. {
            // Mail comes up late where the server was busy or down. Holds and limits of ours last ten minutes.
            let waits = std::mem::take(&mut not_tried);
            row.parked = None;
            now = now.max(row.wake()) + Duration::from_secs(late[round % late.len()] + u64::from(waits) * 600);
            prop_assert!(under_way(&rules, &row, now).wake() > now);
            prop_assert!(round < 60_000, "it never ends");
            let (mut settled, left) = expire(&rules, &message, vec![(0, row.clone())], now);
            if !left.is_empty() {
                if let Some(not_before) = not_before {
                    prop_assert!(now >= not_before, "early");
                }
                let outcome = outcomes[round % outcomes.len()].clone();
                not_tried = matches!(outcome, Outcome::NotTried { .. });
                limited |= outcome == Outcome::NotTried { parked: None };
                if !not_tried {
                    attempts += 1;
                    not_before = told(&rules, &outcome, now);
                }
                settled = settle(&rules, &message, &left, vec![(0, outcome)], now, spread);
            }
            prop_assert_eq!(settled.update.len() + settled.done.len(), 1);
            match settled.update.pop() {
                Some((_, next)) => {
                    prop_assert!(next.wake() > now, "a wake that comes again at once");
                    row = next;
                }
                None => break,
            }
        }
        // Never tried for longer than the lifetime, one appointment, and what the server itself was late; and as long as
        // the longest appointment where a limit of ours stood before the last attempt.
        let late: u64 = late.into_iter().max().unwrap_or(0) + 600;
        let limited = u64::from(limited) * (2 * 24 * 3600 + 600 + late);
        let longest = rules.lifetime + Duration::from_secs(2 * 24 * 3600 + 7200 + 2 * late + 2 + limited);
        prop_assert!(now <= at(0) + longest, "it lasted too long");
        // Three hints are obeyed at most between two steps of the back-off.
        prop_assert!(attempts <= 4 * row.backoff_steps + 4, "{attempts} attempts, {} steps", row.backoff_steps);
    }

    #[test]
    fn no_number_and_no_time_makes_it_panic(
        rules in (duration(), duration(), duration(), any::<Option<u32>>()),
        numbers in (any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>()),
        times in prop::collection::vec((any::<bool>(), 0_u64..=i64::MAX as u64), 5),
        outcome in outcome(),
        spread in any::<f64>(),
    ) {
        let rules = Rules {
            first_backoff: rules.0,
            max_backoff: rules.1,
            lifetime: rules.2,
            notice_lifetime: rules.2,
            max_attempts: rules.3,
            delay_notice_after: Some(rules.0),
            hints: Some(Tongues::default()),
        };
        let time = |(before, secs): (bool, u64)| {
            let by = Duration::from_secs(secs);
            if before { UNIX_EPOCH.checked_sub(by) } else { UNIX_EPOCH.checked_add(by) }.expect("64 bits of seconds")
        };
        let mut message = mail(&["bob@b.example"]);
        message.received = time(times[0]);
        let now = time(times[1]);
        let fresh = first(&rules, &message, now, true);
        let row = Progress {
            state: if numbers.3 { State::Waiting } else { State::Held },
            due: time(times[2]),
            expires: time(times[3]),
            attempts: numbers.0,
            backoff_steps: numbers.1,
            broken: numbers.2,
            stretched: Stretched { to_appointment: numbers.3, to_probe: numbers.0 > 5 },
            delay_notice: Some(time(times[4])),
            ..fresh
        };
        let _ = under_way(&rules, &row, now);
        let _ = expire(&rules, &message, vec![(0, row.clone())], now);
        let settled = settle(&rules, &message, &[(0, row)], vec![(0, outcome)], now, spread);
        prop_assert_eq!(settled.update.len() + settled.done.len(), 1);
    }
}

/// So many attempts at most, whatever is answered: every three hints that are obeyed cost a step of the back-off.
#[test]
fn attempts_are_bounded_by_the_back_off() {
    let rules = Rules::default();
    let message = mail(&["bob@b.example"]);
    let mut worst = 0;
    for period in 1..8 {
        let (mut row, mut attempts) = (first(&rules, &message, at(0), false), 0);
        loop {
            let now = row.wake();
            let (settled, left) = expire(&rules, &message, vec![(0, row)], now);
            let mut update = settled.update;
            if !left.is_empty() {
                attempts += 1;
                let deferral = if attempts % period == 0 {
                    plain()
                } else {
                    hinted(0)
                };
                let outcomes = vec![(0, Outcome::Deferred(deferral))];
                update = settle(&rules, &message, &left, outcomes, now, 0.0).update;
            }
            match update.pop() {
                Some((_, next)) => row = next,
                None => break,
            }
        }
        worst = worst.max(attempts);
    }
    // 126 without hints, and at most three obeyed hints between two steps.
    assert!((126..=126 * 4 + 4).contains(&worst), "{worst}");
}
