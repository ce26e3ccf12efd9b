//! What outlives the process.

use crate::keeper::{Keeper, Real, Seen, Unit, Visit};
use crate::law::{VISITORS, exceeded, rules};
use crate::rows::Rows;
use crate::{START, ask, guest, holder, limit, millis, party, secs, visit};
use policy::slots::{Booking, Stored};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn rows_can_be_read() {
    let mut real = Real::new();
    let rate = ask("recipient", "b@b.example", limit("60/h burst 1"));
    for who in 1..=2 {
        let visit = Visit {
            holder: holder(who),
            party: party(who),
            asks: &[rate],
        };
        real.ask(&visit, START);
    }
    let calendars: Vec<_> = real.rows.calendars().collect();
    let Stored::Calendar {
        rule, key, saved, ..
    } = calendars[0]
    else {
        panic!("{calendars:?}");
    };
    assert_eq!((rule.as_str(), key.as_str()), ("recipient", "b@b.example"));
    assert_eq!(saved.limit.to_string(), "60/h burst 1");
    let appointments: Vec<_> = real.rows.appointments().collect();
    let Stored::Appointment {
        client,
        sender,
        recipients,
        rule,
        due,
        until,
        ..
    } = appointments[0]
    else {
        panic!("{appointments:?}");
    };
    let text = format!("{client} {sender} {recipients:?} {rule}");
    assert_eq!(text, "10.0.2.7 a@a.example [\"b@b.example\"] recipient");
    assert_eq!(due.since(START), secs(60));
    assert_eq!(until.since(START), secs(60 + 900));
    assert_eq!(real.rows.len(), (1, 1));
}

#[test]
fn rows_go_when_all_is_as_good_as_new() {
    let mut real = Real::new();
    let asks = [
        ask("rate", "b@b", limit("60/h burst 2")),
        ask("quota", "b@b", limit("3/h")),
    ];
    for who in 0..5 {
        let visit = Visit {
            holder: holder(who),
            party: party(who),
            asks: &asks,
        };
        real.ask(&visit, START);
    }
    assert_eq!(real.rows.len().0, 2);
    real.tick(START.after(secs(3 * 3_600)));
    real.tick(START.after(secs(6 * 3_600)));
    assert_eq!(real.rows.len(), (0, 0));
    assert_eq!((real.book.appointments(), real.book.calendars()), (0, 0));
}

#[test]
fn long_names_are_cut_and_found_again() {
    let long = "ü".repeat(1_000);
    let mut real = Real::new();
    let asks = [ask("rate", &long, limit("1/h burst 1"))];
    let visit = Visit {
        holder: holder(1),
        party: policy::slots::Party {
            sender: &long,
            recipients: &[&long],
            ..party(1)
        },
        asks: &asks,
    };
    real.ask(&visit, START);
    real.restart();
    let seen = real.ask(&visit, START.after(secs(1)));
    assert!(matches!(seen, Seen::Told { first: true, .. }), "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The process dies and loses what it had not written yet: what was told before that is kept, and with what is
    /// known still no limit is exceeded.
    #[test]
    fn a_crash_loses_the_last_second_alone(
        rules in rules(),
        visits in prop::collection::vec((0..VISITORS, 0u64..4_000), 1..60),
        written in 0usize..60,
        gap in 0u64..5_000,
    ) {
        let mut real = Real::new();
        let mut now = START;
        let mut told = BTreeMap::new();
        let mut counted: BTreeMap<_, Vec<Unit>> = BTreeMap::new();
        let mut rows = Rows::default();
        let written = written.min(visits.len());
        for (n, (who, pause)) in visits.iter().enumerate() {
            if n == written {
                rows = real.rows.clone();
            }
            now = now.after(millis(*pause));
            let asks = rules.asks(*who);
            let visit = Visit { holder: holder(*who), party: party(who / 5), asks: &asks };
            match real.ask(&visit, now) {
                Seen::In { ticket, units, .. } => {
                    real.finish(ticket, true, now);
                    if n < written {
                        told.remove(who);
                        units.into_iter().for_each(|unit| counted.entry(unit.name.clone()).or_default().push(unit));
                    }
                }
                Seen::Told { wait_secs, first: true } if n < written => {
                    told.insert(*who, (n, now.after(secs(wait_secs))));
                }
                _ => {}
            }
        }
        if written < visits.len() {
            real.rows = rows;
        }
        real.restart();
        now = now.after(millis(gap));
        let mut times: Vec<_> = told.into_iter().map(|(who, (n, at))| (at, n, who)).collect();
        times.sort();
        for (at, _, who) in times {
            // Load is kept for 5 s, and the crash may have taken longer.
            if now > at.after(secs(5)) {
                continue;
            }
            now = now.max(at);
            let asks = rules.asks(who);
            let visit = Visit { holder: holder(who), party: party(who / 5), asks: &asks };
            match real.ask(&visit, now) {
                Seen::In { ticket, units, kept: true } => {
                    real.finish(ticket, true, now);
                    units.into_iter().for_each(|unit| counted.entry(unit.name.clone()).or_default().push(unit));
                }
                seen => prop_assert!(false, "visitor {who}, told {at:?}: {seen:?}"),
            }
        }
        // Strangers take what is left.
        for who in 100..140 {
            let asks = rules.asks(who);
            let visit = Visit { holder: holder(who), party: party(who), asks: &asks };
            if let Seen::In { units, .. } = real.ask(&visit, now.after(millis(u64::from(who)))) {
                units.into_iter().for_each(|unit| counted.entry(unit.name.clone()).or_default().push(unit));
            }
        }
        for ((rule, key), units) in &mut counted {
            units.sort_by_key(|unit| unit.at);
            let told = exceeded(rules.limit(rule), units);
            prop_assert!(told.is_ok(), "{rule} {key}: {}", told.unwrap_err());
        }
    }

    /// Rows that make no sense are no reason to fall over.
    #[test]
    fn no_row_makes_it_panic(
        row in prop::array::uniform9(any::<i64>()), text in any::<String>(), limits in prop::array::uniform2("(1|7|900)/(s|h|d)( burst (1|50|1G))?"),
    ) {
        use policy::Moment;
        use policy::slots::{Hold, RateCount, Saved, State, Units};
        let at = row.map(Moment::from_millis);
        let n = row.map(|n| n as u64);
        let count = RateCount {
            bank: n[0], live: n[1], dead: n[2], spent: vec![n[3]..n[4], n[5]..n[6]], lapsed: vec![n[7]..n[8], n[0]..n[1]],
        };
        for state in [State::Rate(count), State::Quota { used: n[1], booked: n[2] }] {
            for units in [
                Units::Banked { before: n[3], units: n[4] },
                Units::Row { first: n[5], units: n[6] },
                Units::Window { window: n[7], units: n[8] },
            ] {
                let mut book = crate::book();
                book.restore(Stored::Clock { ahead: millis(n[0]) });
                let saved = Saved { limit: limit(&limits[0]), series: 0, at: at[1], state: state.clone() };
                book.restore(Stored::Calendar { id: n[2], rule: text.clone(), key: text.clone(), client: Some(party(2).client), saved });
                for calendar in [n[2], n[3]] {
                    book.restore(Stored::Appointment {
                        id: n[4] ^ calendar, guests: vec![guest(1)], client: party(1).client,
                        sender: text.clone(), recipients: vec![text.clone()], rule: text.clone(),
                        asked: at[5], due: at[6], until: at[7],
                        holds: vec![Hold { calendar, series: 0, units, at: at[8], brief: n[5] % 2 == 0 }],
                        lapsed: n[6] % 2 == 0,
                        came: n[7] % 2 == 0,
                    });
                }
                let asks = [ask(&text, &text, limit(&limits[1]))];
                for now in [START, at[0], at[6], at[7], START] {
                    if let Booking::Admitted { charge, .. } = book.ask(visit(&[guest(1)], 1), &asks, now) {
                        book.release(charge, now);
                    }
                    book.tick(now);
                }
                book.take_changes();
            }
        }
    }
}
