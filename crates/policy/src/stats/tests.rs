use super::*;
use proptest::prelude::*;

const DAY: u64 = 86_400;
/// 2026-01-01
const DAY_0: i64 = 20_454;

fn at(secs: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(Duration::from_secs(secs))
}

/// Applies changes as a store does.
fn write(rows: &mut BTreeMap<(i64, Reason), Row>, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Keep(row) => {
                rows.insert((row.day, row.reason), row);
            }
            Change::Drop { day } => rows.retain(|(of, _), _| *of != day),
        }
    }
}

#[test]
fn how_a_visit_keeps_its_time() {
    #[rustfmt::skip]
    let table = [
        // told 300: the visit comes after so many seconds
        (0,   Punctuality::Early),
        (297, Punctuality::Early),
        (298, Punctuality::OnTime),
        (300, Punctuality::OnTime),
        (302, Punctuality::OnTime),   // a sender that obeys
        (360, Punctuality::OnTime),   // one that is busy
        (361, Punctuality::Late),
        (400, Punctuality::Late),     // qmail's second attempt
        (900, Punctuality::Late),     // Exim's
        (DAY, Punctuality::Late),
    ];
    for (secs, expected) in table {
        assert_eq!(punctuality(at(300), at(secs)), expected, "{secs}");
    }
}

#[test]
fn a_day_adds_up() {
    let mut stats = Stats::default();
    let evening = DAY - 100;
    for _ in 0..5 {
        stats.given(Reason::Greylist, at(evening));
    }
    stats.given(Reason::Load, at(evening));
    stats.came(
        Reason::Greylist,
        at(evening),
        at(evening + 300),
        at(evening + 10),
    );
    stats.came(
        Reason::Greylist,
        at(evening),
        at(evening + 300),
        at(evening + 300),
    );
    stats.came(
        Reason::Greylist,
        at(evening),
        at(evening + 300),
        at(evening + 900),
    );
    stats.never(Reason::Greylist, DAY_0, 1, at(evening + 2 * DAY));
    let expected = Counts {
        given: 5,
        early: 1,
        on_time: 1,
        late: 1,
        never: 1,
    };
    let sum = stats.sum(Reason::Greylist, DAY_0, DAY_0);
    assert_eq!((sum, sum.open()), (expected, 2));
    assert_eq!(
        stats.sum(Reason::Greylist, DAY_0 + 1, DAY_0 + 9),
        Counts::default()
    );
    assert_eq!(stats.sum(Reason::Load, DAY_0, DAY_0).open(), 1);
    assert_eq!(
        stats.take_changes().len(),
        2,
        "one for each row, not for each mail"
    );
    assert_eq!(stats.take_changes(), []);
}

#[test]
fn the_last_days_are_kept() {
    let mut stats = Stats::default();
    let mut rows = BTreeMap::new();
    for day in 0..50 {
        stats.given(Reason::Greylist, at(day * DAY));
        stats.given(Reason::Mailbox, at(day * DAY));
    }
    write(&mut rows, stats.take_changes());
    let kept: Vec<_> = stats.rows().collect();
    assert_eq!(kept.len(), 2 * DAYS_MAX);
    assert_eq!(kept[0].day, DAY_0 + 14);
    assert_eq!(kept, rows.values().copied().collect::<Vec<_>>());
    stats.never(Reason::Greylist, DAY_0, 1, at(50 * DAY));
    assert_eq!(stats.take_changes(), [], "too long ago");
}

#[test]
fn a_clock_that_was_wrong_takes_one_day() {
    let mut stats = Stats::default();
    for day in 0..36 {
        stats.given(Reason::Greylist, at(day * DAY));
    }
    stats.given(Reason::Greylist, at(9_999 * DAY));
    stats.given(Reason::Greylist, at(36 * DAY));
    stats.given(Reason::Greylist, at(36 * DAY));
    let days: Vec<_> = stats.rows().map(|row| row.day - DAY_0).collect();
    assert_eq!(days.len(), DAYS_MAX);
    assert!(days.contains(&36) && !days.contains(&9_999));
}

proptest! {
    /// Whatever happens: what a store holds is what is in memory, within the bound, also after a restart.
    #[test]
    fn the_store_follows(steps in proptest::collection::vec((0u8..5, 0u64..60, 0u64..3), 1..200)) {
        let mut stats = Stats::default();
        let mut rows = BTreeMap::new();
        let mut now = 0;
        for (step, back, pause) in steps {
            now += pause * DAY / 2;
            let given = at(now.saturating_sub(back * DAY));
            match step {
                0 | 1 => stats.given(Reason::Greylist, at(now)),
                2 => { stats.came(Reason::Mailbox, given, given.after(Duration::from_secs(300)), at(now)); }
                3 => stats.never(Reason::Greylist, day_of(given), 1, at(now)),
                _ => {
                    write(&mut rows, stats.take_changes());
                    stats = Stats::default();
                    for row in rows.values() {
                        stats.restore(*row, at(now));
                    }
                }
            }
            write(&mut rows, stats.take_changes());
            prop_assert_eq!(stats.rows().collect::<Vec<_>>(), rows.values().copied().collect::<Vec<_>>());
            let days: BTreeSet<_> = stats.rows().map(|row| row.day).collect();
            prop_assert!(days.len() <= DAYS_MAX);
        }
    }
}
