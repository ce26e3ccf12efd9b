//! 5,000 clients against a capacity of 100 a second: with hints it is over when it can be.

#[path = "../../examples/overload/simulation.rs"]
mod simulation;

use crate::limit;
use simulation::{Clients, run};

#[test]
fn those_that_come_when_told_are_through_in_the_ideal_time() {
    for seed in 1..=5 {
        let outcome = run(5_000, limit("100/s burst 10"), Clients::Obey, seed);
        let gone = outcome.gone_after.as_secs_f64();
        let ideal = 5_000.0 / 100.0;
        assert_eq!(outcome.accepted, 5_000, "seed {seed}");
        // The rest of a second that is rounded up, and a second of spread.
        assert!(gone <= ideal * 1.05 + 2.0, "seed {seed}: {gone} s");
        assert!(
            gone >= ideal - 2.0,
            "seed {seed}: {gone} s is more than the capacity"
        );
        assert!(
            outcome.attempts_per_mail() <= 2.1,
            "seed {seed}: {outcome:?}"
        );
    }
}

#[test]
fn those_that_wait_as_they_like_take_many_times_as_long() {
    for how in [Clients::Ignore, Clients::Untold] {
        let outcome = run(5_000, limit("100/s burst 10"), how, 1);
        assert_eq!(outcome.accepted, 5_000, "{how:?}");
        assert!(outcome.gone_after.as_secs() > 500, "{how:?}: {outcome:?}");
        assert!(outcome.attempts_per_mail() > 3.0, "{how:?}: {outcome:?}");
    }
}
