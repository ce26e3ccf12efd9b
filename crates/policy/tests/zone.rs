//! A dead zone is asked seldom, and whoever needs it is told when.

use policy::Moment;
use policy::zone::{Ask, BACKOFF_MAX, LOOK_UP_MAX, WAIT_MIN, ZONES_MAX, Zones};
use proptest::prelude::*;
use std::time::Duration;

/// 2026-01-01 and so many seconds.
fn at(secs: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(Duration::from_secs(secs))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_back_off_doubles_to_five_minutes() {
    let mut zones = Zones::default();
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(zones.ask("dead.example", at(now)), Ask::Now);
        zones.failed("dead.example", None, at(now));
        let wait = zones.wait("dead.example", at(now)).unwrap().as_secs();
        assert_eq!(zones.due("dead.example", at(now)), Some(at(now + wait)));
        waits.push(wait);
        now += wait;
        assert_eq!(zones.due("dead.example", at(now)), None);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    zones.worked("dead.example");
    assert_eq!(zones.wait("dead.example", at(now)), None, "it is well");
    zones.failed("dead.example", None, at(now));
    assert_eq!(zones.wait("dead.example", at(now)), Some(secs(5)), "anew");
}

#[test]
fn a_resolver_that_names_a_time_is_heard_within_bounds() {
    #[rustfmt::skip]
    let table = [
        (None,         5),
        (Some(0),      5),
        (Some(3),      5),
        (Some(60),    60),
        (Some(900),  300),
        (Some(u64::MAX), 300),
    ];
    for (ttl, wait) in table {
        let mut zones = Zones::default();
        zones.failed("dead.example", ttl.map(Duration::from_secs), at(0));
        assert_eq!(
            zones.wait("dead.example", at(0)),
            Some(secs(wait)),
            "{ttl:?}"
        );
    }
}

#[test]
fn a_thousand_clients_cause_one_look_up_each_time() {
    let mut zones = Zones::default();
    let mut asked = 0;
    // A thousand clients, one each 100 ms on average, over 1,000 s; a look-up takes 4 s to fail.
    let mut fails = None;
    for tenth in 0..10_000u64 {
        let now = at(0).after(Duration::from_millis(tenth * 100));
        if fails.is_some_and(|when| now >= when) {
            zones.failed("Dead.Example.", None, now);
            fails = None;
        }
        if zones.ask("dead.example", now) == Ask::Now && fails.is_none() {
            asked += 1;
            fails = Some(now.after(secs(4)));
        }
    }
    // At 0, and then 4 s later each time: + 5, 10, 20, 40, 80, 160, 300, 300.
    assert_eq!(asked, 9);
}

#[test]
fn side_by_side_is_one_failure() {
    let mut zones = Zones::default();
    for _ in 0..50 {
        zones.failed("dead.example", None, at(0));
    }
    assert_eq!(zones.wait("dead.example", at(0)), Some(secs(5)));
}

#[test]
fn an_asker_that_never_answers_is_not_waited_for() {
    let mut zones = Zones::default();
    zones.failed("dead.example", None, at(0));
    assert_eq!(zones.ask("dead.example", at(5)), Ask::Now);
    let end = at(5).after(LOOK_UP_MAX);
    assert_eq!(zones.ask("dead.example", at(6)), Ask::NotBefore(end));
    assert_eq!(zones.ask("dead.example", end), Ask::Now);
}

#[test]
fn a_zone_nobody_asked_for_long_starts_anew() {
    let mut zones = Zones::default();
    for now in [0, 5, 15, 35, 75] {
        zones.failed("dead.example", None, at(now));
    }
    assert_eq!(zones.wait("dead.example", at(75)), Some(secs(80)));
    zones.failed("dead.example", None, at(155 + 601));
    assert_eq!(zones.wait("dead.example", at(756)), Some(secs(5)));
}

#[test]
fn made_up_zones_push_out_what_is_due_first_and_no_more() {
    let mut zones = Zones::default();
    zones.failed("dnsbl.example", Some(secs(300)), at(0));
    for n in 0..3 * ZONES_MAX {
        zones.failed(&format!("{n}.flood.example"), None, at(0));
    }
    zones.failed(&"x".repeat(300), None, at(0));
    assert_eq!(zones.len(), ZONES_MAX);
    assert_eq!(zones.due("dnsbl.example", at(0)), Some(at(300)));
}

#[test]
fn a_clock_set_back_holds_nobody_for_longer() {
    let mut zones = Zones::default();
    zones.failed("dead.example", None, at(1_000_000));
    let due = at(0).after(BACKOFF_MAX);
    assert_eq!(zones.ask("dead.example", at(0)), Ask::NotBefore(due));
    assert_eq!(zones.due("dead.example", at(0)), Some(due));
}

proptest! {
    /// Whatever happens: a wait is bounded, and who comes early is not told a later time.
    #[test]
    fn waits_are_bounded_and_never_move_later(
        steps in proptest::collection::vec((0u8..4, 0u8..3, 0u64..400, any::<Option<u64>>()), 1..200),
    ) {
        let mut zones = Zones::default();
        let mut now = at(0);
        let mut told = [None::<Moment>; 3];
        let mut asking = [false; 3];
        for (step, zone, pause, ttl) in steps {
            now = now.after(secs(pause));
            let name = ["a.example", "b.example", "c.example"][usize::from(zone)];
            let told = &mut told[usize::from(zone)];
            let asking = &mut asking[usize::from(zone)];
            match step {
                0 => {
                    zones.failed(name, ttl.map(Duration::from_secs), now);
                    if std::mem::take(asking) {
                        // Who was told the end of that look-up knows no better; who was told a back-off does.
                        *told = None;
                    }
                }
                1 => {
                    zones.worked(name);
                    *asking = false;
                }
                _ => match zones.ask(name, now) {
                    Ask::Now => {
                        *told = None;
                        *asking = true;
                    }
                    Ask::NotBefore(due) => {
                        prop_assert!(now < due && due <= now.after(BACKOFF_MAX));
                        if let Some(before) = told.filter(|before| now < *before) {
                            prop_assert!(due <= before, "told {before:?}, and now {due:?}");
                        }
                        *told = Some(due);
                    }
                },
            }
            if let Some(wait) = zones.wait(name, now) {
                prop_assert!((WAIT_MIN..=BACKOFF_MAX).contains(&wait));
            }
        }
    }
}
