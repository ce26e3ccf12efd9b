//! Full mailboxes over virtual time.

use policy::Moment;
use policy::mailbox::{
    Change, EPISODES_MAX, MAILBOXES_MAX, Mailboxes, PROBE_AFTER, WAIT_MAX, WAIT_MIN,
};
use proptest::prelude::*;
use std::time::Duration;

/// 2026-01-01 and so many minutes.
fn at(minutes: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(minutes_of(minutes))
}

fn minutes_of(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Runs a script: `minute event -> what a recipient is told then`. The mailbox is full or has room as the events say;
/// `judge` only asks.
fn check(script: &str) {
    let mut mailboxes = Mailboxes::default();
    for line in script.lines().map(str::trim) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((left, expected)) = line.split_once("->") else {
            assert!(line.is_empty(), "{line}");
            continue;
        };
        let (minute, event) = left.trim().split_once(' ').expect("a minute, an event");
        let now = at(minute.parse().expect("a minute"));
        match event.trim() {
            "full" => mailboxes.full("a@b.example", now),
            "room" => mailboxes.room("A@B.example", now),
            "judge" => {}
            "restart" => {
                let mut next = Mailboxes::default();
                for change in mailboxes.take_changes() {
                    match change {
                        Change::Keep(row) => next.restore(row),
                        Change::Drop { mailbox } => assert!(next.forget(&mailbox)),
                    }
                }
                mailboxes = next;
            }
            word => panic!("{word}"),
        }
        let told = match mailboxes.judge("a@B.example", now) {
            None => "come in".to_owned(),
            Some(verdict) => match verdict.wait {
                None => "full".to_owned(),
                Some(wait) => format!("full {}", wait.as_secs() / 60),
            },
        };
        assert_eq!(told, expected.trim(), "{line}");
    }
}

#[test]
fn without_history_there_is_no_hint_and_a_try_each_quarter_of_an_hour() {
    check(
        "
        0   judge -> come in
        0   full  -> full
        14  judge -> full
        14  full  -> full       # a mail that was under way: nothing moves
        15  judge -> come in
        15  full  -> full
        29  judge -> full
        30  judge -> come in
        31  room  -> come in
        ",
    );
}

#[test]
fn the_estimate_is_the_usual_length_less_what_has_passed() {
    check(
        "
        0    full  -> full
        60   room  -> come in    # one of 60 minutes
        100  full  -> full 60
        120  judge -> full 40
        159  judge -> full 1
        160  judge -> come in
        160  room  -> come in    # another
        200  full  -> full 60
        230  room  -> come in    # one of 30, by the owner's hand
        230  judge -> come in
        300  full  -> full 60    # 30, 60, 60: the median
        ",
    );
}

#[test]
fn one_that_outlasts_the_usual_is_measured_by_the_longer_ones() {
    check(
        "
        0     full -> full
        60    room -> come in
        100   full -> full 60
        160   full -> full       # it has outlasted all there was: no hint
        175   judge -> come in
        220   room -> come in    # 120
        300   full -> full 120   # of 60 and 120
        420   full -> full
        500   room -> come in    # 200
        600   full -> full 120   # of 60, 120, 200
        720   full -> full 80    # 200 is what is left
        800   full -> full
        ",
    );
}

#[test]
fn estimates_are_bounded() {
    check(
        "
        0      full -> full
        10000  room -> come in
        20000  full -> full 1440
        20001  room -> come in
        20002  room -> come in     # no episode: nothing is measured
        20003  full -> full 1440   # 1, 10000: the longer of two
        20004  full -> full 1439
        ",
    );
    let mut mailboxes = Mailboxes::default();
    mailboxes.full("a@b.example", at(0));
    mailboxes.room("a@b.example", at(0).after(Duration::from_secs(5)));
    mailboxes.full("a@b.example", at(1));
    let verdict = mailboxes.judge("a@b.example", at(1)).unwrap();
    assert_eq!(verdict.wait, Some(WAIT_MIN));
}

#[test]
fn a_restart_forgets_nothing() {
    check(
        "
        0    full    -> full
        5    restart -> full
        60   room    -> come in
        60   restart -> come in
        100  full    -> full 60
        130  restart -> full 30
        160  room    -> come in
        ",
    );
}

#[test]
fn a_clock_set_back_holds_nobody_for_more_than_a_day() {
    let mut mailboxes = Mailboxes::default();
    mailboxes.full("a@b.example", at(0));
    mailboxes.room("a@b.example", at(30));
    mailboxes.full("a@b.example", at(1_000_000));
    let told = mailboxes.judge("a@b.example", at(0)).unwrap().wait;
    assert_eq!(told, Some(WAIT_MAX));
    mailboxes.room("a@b.example", at(0));
    assert_eq!(mailboxes.judge("a@b.example", at(0)), None);
}

#[test]
fn the_last_episodes_count_and_the_mailbox_unused_for_longest_goes() {
    let mut mailboxes = Mailboxes::default();
    for n in 0..MAILBOXES_MAX as u64 + 10 {
        mailboxes.full(&format!("{n}@b.example"), at(n));
    }
    assert_eq!(mailboxes.rows().count(), MAILBOXES_MAX);
    assert_eq!(mailboxes.judge("9@b.example", at(9)), None);
    assert!(mailboxes.judge("10@b.example", at(10)).is_some());
    mailboxes.full(&"x".repeat(400), at(0));
    assert_eq!(mailboxes.rows().count(), MAILBOXES_MAX);
    let drops = mailboxes
        .take_changes()
        .into_iter()
        .filter(|change| matches!(change, Change::Drop { .. }));
    assert_eq!(drops.count(), 10);

    for n in 0..20 {
        mailboxes.full("a@b.example", at(20_000 + 10 * n));
        mailboxes.room("a@b.example", at(20_001 + 10 * n));
    }
    let (_, history) = mailboxes
        .rows()
        .find(|(name, _)| *name == "a@b.example")
        .unwrap();
    assert_eq!(history.lengths.len(), EPISODES_MAX);
}

proptest! {
    /// Whatever happens: who was told a time is not told a later one when it comes back before it, and no refusal
    /// lasts longer than is said here.
    #[test]
    fn a_time_told_never_moves_later(
        steps in proptest::collection::vec((0u8..4, 0u64..200), 1..200),
    ) {
        let mut mailboxes = Mailboxes::default();
        let mut now = at(0);
        let mut told = None::<Moment>;
        for (step, pause) in steps {
            now = now.after(minutes_of(pause));
            match step {
                0 | 1 => mailboxes.full("a@b.example", now),
                2 => {
                    mailboxes.room("a@b.example", now);
                    prop_assert_eq!(mailboxes.judge("a@b.example", now), None);
                    told = None;
                }
                _ => {}
            }
            if let Some(verdict) = mailboxes.judge("a@b.example", now) {
                let open = now.after(WAIT_MAX.max(PROBE_AFTER));
                prop_assert_eq!(mailboxes.judge("a@b.example", open), None);
                if let Some(wait) = verdict.wait {
                    prop_assert!(wait <= WAIT_MAX && !wait.is_zero());
                    let due = now.after(wait);
                    if let Some(before) = told.filter(|before| now < *before) {
                        prop_assert!(due <= before);
                    }
                    told = Some(due);
                }
            }
        }
    }
}
