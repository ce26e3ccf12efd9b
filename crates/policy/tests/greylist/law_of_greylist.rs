//! The table keeps the law; rules that don't are caught.

use crate::law::{
    Event, Judge, Plain, Pooled, Real, Step, check, events, settings, true_step, visit,
};
use crate::{DAY, secs, start};
use policy::greylist::rule::Outcome;
use policy::greylist::{Known, Moment, Record, Settings, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::time::Duration;

proptest! {
    #![proptest_config(Config::with_cases(1_000))]

    #[test]
    fn the_table_keeps_the_law(settings in settings(), events in events()) {
        let told = check(&mut Real::new(&settings), &settings, &events);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    /// Whatever is proved at each visit, or not: each client is let in at the time it was told.
    #[test]
    fn the_table_keeps_the_law_for_pools(
        settings in settings(),
        events in events(),
        proofs in prop::collection::vec(0usize..7, 1..40),
    ) {
        let told = check(&mut Pooled::new(&settings, proofs), &settings, &events);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    #[test]
    fn the_table_does_what_the_rule_says(settings in settings(), events in events()) {
        let known_for = settings.known_for;
        let cut = |next: &Settings| Settings { v4_prefix: 24, known_for, ..next.clone() };
        let mut real = Real::new(&cut(&settings));
        let mut plain = Plain::new(&cut(&settings), true_step);
        let mut now = start();
        for event in events {
            match event {
                Event::Pass(millis) => now += Duration::from_millis(millis),
                Event::Reload(next) => {
                    real.configure(&cut(&next));
                    plain.configure(&cut(&next));
                }
                Event::Visit { client, sender } => {
                    let visit = visit((client, sender));
                    prop_assert_eq!(real.judge(visit, now), plain.judge(visit, now));
                }
                Event::Return { .. } | Event::Restart => {}
            }
        }
    }

    #[test]
    fn no_clock_makes_it_panic_or_tell_more_than_the_delay(
        settings in settings(),
        visits in prop::collection::vec((0u8..4, 0u8..3, any::<i32>(), settings_maybe()), 0..40),
    ) {
        let mut settings = settings;
        let mut real = Real::new(&settings);
        for (client, sender, millis, reload) in visits {
            if let Some(next) = reload {
                settings = next;
                real.configure(&settings);
            }
            let span = Duration::from_millis(u64::from(millis.unsigned_abs()));
            let now = if millis < 0 { start() - span } else { start() + span };
            if let Verdict::Defer { wait_secs: Some(wait), .. } = real.judge(visit((client, sender)), now) {
                prop_assert!(secs(wait) < settings.delay + secs(1), "{wait}");
            }
        }
    }

    #[test]
    fn bounds_hold(
        bounds in (0usize..6, 0usize..12, 0usize..3, 1u32..3),
        visits in prop::collection::vec((0u8..4, 0u8..3, 0u64..200), 0..120),
    ) {
        let (per_network, over_all, max_known, known_after) = bounds;
        let settings = Settings {
            max_pending_per_network: per_network,
            max_pending: over_all,
            max_known,
            known_after,
            window: secs(900),
            known_for: secs(1_200),
            ..Settings::default()
        };
        let mut real = Real::new(&settings);
        let mut now = start();
        for (client, sender, pause) in visits {
            now += secs(pause);
            let before = real.table.pending();
            real.judge(visit((client, sender)), now);
            let after = real.table.pending();
            prop_assert!(after <= over_all && after <= 3 * per_network && after <= before + 1);
            prop_assert!(real.table.known() <= max_known.max(1));
        }
    }
}

fn settings_maybe() -> impl Strategy<Value = Option<Settings>> {
    prop::option::weighted(0.2, settings())
}

/// Some run in the strategy's space breaks the law.
fn caught(broken: Step) -> Option<String> {
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let run = runner.run(&(settings(), events()), |(settings, events)| {
        check(&mut Plain::new(&settings, broken), &settings, &events).map_err(TestCaseError::fail)
    });
    run.err().map(|breach| breach.to_string())
}

#[test]
fn the_checker_accepts_the_rule_itself() {
    assert_eq!(caught(true_step), None);
}

/// An early retry starts the wait anew, as some greylisters do.
fn restarts(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    match true_step(settings, record, known, now) {
        Outcome {
            verdict: Verdict::Defer { .. },
            ..
        } => true_step(settings, None, known, now),
        other => other,
    }
}

/// A longer delay takes what was told back.
fn lengthens(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    let record = record.map(|record| Record {
        due: record.first_seen.after(settings.delay),
        ..record
    });
    true_step(settings, record, known, now)
}

/// Nobody may be early.
fn strict(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    let late = record.map(|record| Record {
        due: record.due.after(secs(2)),
        ..record
    });
    true_step(settings, late, known, now)
}

/// The rest is rounded down.
fn rounds_down(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    let mut outcome = true_step(settings, record, known, now);
    if let Verdict::Defer {
        wait_secs: Some(wait),
        ..
    } = &mut outcome.verdict
    {
        *wait -= 1;
    }
    outcome
}

/// A shorter window ends what was told.
fn closes(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    let record = record.map(|record| Record {
        until: record.until.min(record.first_seen.after(settings.window)),
        ..record
    });
    true_step(settings, record, known, now)
}

/// More than the delay is told.
fn exaggerates(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    let mut outcome = true_step(settings, record, known, now);
    if let Verdict::Defer {
        wait_secs: Some(wait),
        first: true,
    } = &mut outcome.verdict
    {
        *wait += 1;
    }
    outcome
}

#[test]
fn broken_rules_are_caught() {
    let broken: [(&str, Step); 6] = [
        ("restarts", restarts),
        ("lengthens", lengthens),
        ("strict", strict),
        ("rounds down", rounds_down),
        ("closes", closes),
        ("exaggerates", exaggerates),
    ];
    for (name, step) in broken {
        assert!(
            caught(step).is_some(),
            "the checker does not notice: {name}"
        );
    }
}

#[test]
fn the_same_visits_give_the_same_verdicts_and_changes() {
    let run = || {
        let settings = Settings {
            max_pending: 5,
            max_known: 2,
            ..Settings::default()
        };
        let mut real = crate::table(settings);
        let mut told = Vec::new();
        for n in 0..500u64 {
            let who = ((n * 7 % 4) as u8, (n * 5 % 3) as u8);
            told.push(real.judge(visit(who), start() + secs(n * 97) + DAY / 3));
        }
        (told, real.take_changes())
    };
    assert_eq!(run(), run());
}
