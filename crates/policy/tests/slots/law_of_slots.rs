//! The book keeps the law; books that don't are caught.

use crate::bent::{Bent, Fault};
use crate::keeper::{Keeper, Real, Seen, Visit};
use crate::law::{Event, Rules, VISITORS, check, events, rules};
use crate::{START, holder, party};
use policy::Moment;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

proptest! {
    #![proptest_config(Config::with_cases(2_000))]

    #[test]
    fn the_book_keeps_the_law(rules in rules(), events in events(false, true)) {
        let told = check(&mut Real::new(), &rules, &events);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    #[test]
    fn the_book_keeps_the_law_whatever_is_configured(rules in rules(), events in events(true, true)) {
        let told = check(&mut Real::new(), &rules, &events);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    #[test]
    fn no_clock_makes_it_panic(
        rules in prop::collection::vec(rules(), 1..4),
        visits in prop::collection::vec((0..VISITORS, any::<i64>(), any::<bool>()), 0..60),
    ) {
        let mut real = Real::new();
        for (n, (who, millis, taken)) in visits.into_iter().enumerate() {
            let now = Moment::from_millis(millis);
            let asks = rules[n % rules.len()].asks(who);
            let visit = Visit { holder: holder(who), party: party(who), asks: &asks };
            if let Seen::In { ticket, .. } = real.ask(&visit, now) {
                real.finish(ticket, taken, Moment::from_millis(millis ^ 0xFFFF));
            }
            if n % 10 == 9 {
                real.restart();
            }
        }
    }
}

/// Some run in the strategies' space breaks the law: which, after how many, and the smallest like it.
fn caught(make: impl Fn() -> Box<dyn Keeper>, cases: u32) -> Option<String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let seed = [7u8; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let played = std::cell::Cell::new(0);
    let space = (rules(), events(false, false));
    let run = runner.run(&space, |(rules, events): (Rules, Vec<Event>)| {
        played.set(played.get() + 1);
        check(&mut *make(), &rules, &events).map_err(TestCaseError::fail)
    });
    match run {
        Ok(()) => None,
        Err(TestError::Fail(breach, (rules, events))) => Some(format!(
            "seed {seed:?}, {} runs with shrinking\n  {breach}\n  {rules:?}\n  {events:?}",
            played.get()
        )),
        Err(abort) => panic!("{abort}"),
    }
}

#[test]
fn the_checker_accepts_the_book_itself() {
    assert_eq!(caught(|| Box::new(Real::new()), 1_000), None);
}

#[test]
fn bent_books_are_caught() {
    let exceeds = " within ";
    let table = [
        (Fault::ForgetsToReserve, exceeds),
        (Fault::MovesAtEarlyReturn, "is moved later"),
        (Fault::BooksAtEarlyReturn, "is booked twice"),
        (Fault::Strict, "is broken"),
        (Fault::ForgetsAtRestart, "is "),
        (Fault::CountsAnewAtRestart, exceeds),
        (Fault::RoundsDown, "is broken"),
        (Fault::GivesOneMore, exceeds),
        (Fault::LosesOnRelease, "is "),
        (Fault::ReleasesTwice, exceeds),
        (Fault::NoGrace, "is broken"),
        (Fault::AsksAgain, "is broken"),
    ];
    for (fault, breach) in table {
        let how = caught(|| Box::new(Bent::new(fault)), 4_000);
        let how = how.unwrap_or_else(|| panic!("the checker does not notice {fault:?}"));
        println!("{fault:?}: {how}\n");
        assert!(
            how.contains(breach),
            "{fault:?} is caught by accident: {how}"
        );
    }
}

#[test]
fn the_same_events_give_the_same_answers_and_rows() {
    let run = || {
        let mut real = Real::new();
        let rules = Rules {
            rate: crate::limit("3/10s burst 2"),
            quota: crate::limit("4/min"),
            octets: crate::limit("10/20s burst 8"),
            load: crate::limit("2/s burst 1"),
        };
        let mut told = Vec::new();
        for n in 0..2_000u32 {
            let who = n * 7 % VISITORS;
            let now = START.after(crate::millis(u64::from(n) * 397));
            let asks = rules.asks(who);
            let visit = Visit {
                holder: holder(who),
                party: party(who),
                asks: &asks,
            };
            let seen = real.ask(&visit, now);
            if let Seen::In { ticket, .. } = seen {
                real.finish(ticket, n % 3 > 0, now);
            }
            told.push(seen);
        }
        (told, real.rows)
    };
    assert_eq!(run(), run());
}
