//! One network, or a thousand, try to book a calendar out and to flood the tables.

use crate::{START, ask, bounded, guest, limit, secs, visit};
use policy::slots::{Ask, Book, Booking, Bounds, Grace, Limit, Why};

/// What a client is told: a time, or why there is none.
fn told(book: &mut Book, who: u32, network: u32, asks: &[Ask<'_>], at: u64) -> Result<u64, Why> {
    let now = START.after(secs(at));
    let booking = book.ask(visit(&[guest(who)], network), asks, now);
    book.take_changes();
    match booking {
        Booking::Admitted { charge, .. } => {
            book.spend(charge, now);
            Ok(0)
        }
        Booking::Told { wait_secs, .. } => Ok(wait_secs),
        Booking::Full { why, .. } => Err(why),
    }
}

struct Attack {
    limit: &'static str,
    load: bool,
    networks: u32,
    /// Visits of each network, each by another holder.
    each: u32,
    /// What an honest client of another network is then told.
    honest: Result<u64, Why>,
}

#[test]
fn a_calendar_is_not_booked_out() {
    let table = [
        // One network has its four places, whatever it does; the fifth is for the next.
        Attack {
            limit: "100/h burst 20",
            load: false,
            networks: 1,
            each: 10_000,
            honest: Ok(216),
        },
        Attack {
            limit: "500/d",
            load: false,
            networks: 1,
            each: 10_000,
            honest: Ok(86_400),
        },
        Attack {
            limit: "100/s burst 10",
            load: true,
            networks: 1,
            each: 10_000,
            honest: Ok(1),
        },
        // A thousand have four thousand: load has 90,000.
        Attack {
            limit: "100/s burst 10",
            load: true,
            networks: 1_000,
            each: 20,
            honest: Ok(41),
        },
        // They use a small limit up, as they could by sending. Nobody is told what can't be kept.
        Attack {
            limit: "100/h burst 20",
            load: false,
            networks: 1_000,
            each: 20,
            honest: Err(Why::Horizon),
        },
        Attack {
            limit: "500/d",
            load: false,
            networks: 1_000,
            each: 1,
            honest: Err(Why::Horizon),
        },
    ];
    for Attack {
        limit: text,
        load,
        networks,
        each,
        honest,
    } in table
    {
        let limit = limit(text);
        let rule = if load {
            Ask {
                horizon: secs(900),
                grace: Grace::Brief,
                exact: false,
                once: true,
                ..ask("load", "", limit)
            }
        } else {
            ask("rate", "b@b", limit)
        };
        let mut book = bounded(Bounds::default());
        // Somebody was there before, and used up what was free.
        let free = limit.burst().unwrap_or(limit.count()) as u32;
        for who in 0..free {
            assert_eq!(told(&mut book, who, 90_000, &[rule], 0), Ok(0), "{text}");
        }
        let promised = told(&mut book, 7_000_000, 60_000, &[rule], 0).expect("a time");
        for n in 0..networks * each {
            let _ = told(&mut book, 1_000_000 + n, n % networks, &[rule], 0);
        }
        assert!(book.appointments() <= 1 + 4 * networks as usize, "{text}");
        let name = format!("{text} and {networks} networks");
        assert_eq!(
            told(&mut book, 8_000_000, 61_000, &[rule], 0),
            honest,
            "{name}"
        );
        assert_eq!(
            told(&mut book, 7_000_000, 60_000, &[rule], promised),
            Ok(0),
            "{name}"
        );
    }
}

#[test]
fn places_that_nobody_comes_for_are_given_to_others() {
    let rate = ask("rate", "b@b", limit("100/h burst 20"));
    let mut book = bounded(Bounds::default());
    for n in 0..4_000 {
        let _ = told(&mut book, n, n % 1_000, &[rate], 0);
    }
    assert_eq!(
        told(&mut book, 9_999, 61_000, &[rate], 0),
        Err(Why::Horizon)
    );
    // Behind the first graces, each slot that was not claimed is anyone's.
    let mut through = 0;
    for at in 0..7_200 {
        through +=
            u32::from(told(&mut book, 10_000 + at, 61_000 + at, &[rate], at.into()) == Ok(0));
    }
    assert!(through > 60, "{through}");
}

#[test]
fn full_tables_break_no_promise() {
    let bounds = Bounds {
        appointments: 100,
        calendars: 50,
        ..Bounds::default()
    };
    let rate: Limit = limit("60/h burst 1");
    let mut book = bounded(bounds);
    let honest = [ask("recipient", "b@b", rate)];
    assert_eq!(told(&mut book, 1, 1, &honest, 0), Ok(0));
    assert_eq!(told(&mut book, 2, 2, &honest, 0), Ok(60));
    assert_eq!(told(&mut book, 3, 3, &honest, 0), Ok(120));
    let keys: Vec<_> = (0..5_000).map(|n| format!("{n}@flood")).collect();
    let mut refused = 0;
    for n in 0..20_000u32 {
        // Each sender twice, so that its second mail is told a time and holds its calendar.
        let flood = [ask("sender", &keys[n as usize / 2 % keys.len()], rate)];
        let why = told(&mut book, 1_000 + n, 1_000 + n, &flood, 1).err();
        refused += u32::from(why == Some(Why::Tables));
        assert!(book.appointments() <= 100 && book.calendars() <= 50);
    }
    assert!(refused > 0, "the tables were not full");
    assert_eq!(told(&mut book, 2, 2, &honest, 58), Ok(0));
    assert_eq!(told(&mut book, 3, 3, &honest, 120), Ok(0));
    // And when the flood is over, all is as before.
    assert_eq!(told(&mut book, 4, 4, &honest, 7_200), Ok(0));
    book.tick(START.after(secs(90_000)));
    for at in 0..10 {
        book.tick(START.after(secs(90_000 + at)));
    }
    assert_eq!((book.appointments(), book.calendars()), (0, 0));
}

#[test]
fn a_calendar_that_is_forgotten_for_want_of_room_is_the_least_used() {
    let bounds = Bounds {
        calendars: 10,
        ..Bounds::default()
    };
    let rate: Limit = limit("10/h burst 10");
    let mut book = bounded(bounds);
    for who in 0..10 {
        assert_eq!(
            told(&mut book, who, who, &[ask("sender", "busy", rate)], 0),
            Ok(0)
        );
    }
    for n in 0..1_000 {
        let key = format!("{n}@flood");
        assert_eq!(
            told(&mut book, 100 + n, n, &[ask("sender", &key, rate)], 0),
            Ok(0)
        );
    }
    assert_eq!(
        told(&mut book, 11, 11, &[ask("sender", "busy", rate)], 0),
        Ok(360)
    );
}

/// Who invents senders makes room for them out of its own network's share: what others are counted by stays.
#[test]
fn one_network_empties_nobody_elses_calendars() {
    for networks in [1, 200] {
        let bounds = Bounds {
            calendars: 1_000,
            ..Bounds::default()
        };
        let rate: Limit = limit("1/h burst 1");
        let mut book = bounded(bounds);
        // Each of its own network, and each has used what it may.
        let honest: Vec<_> = (0..4).map(|n| format!("{n}@honest")).collect();
        for (n, key) in (0..).zip(&honest) {
            let own = [ask("sender", key, rate)];
            assert_eq!(told(&mut book, n, 1_000 + n, &own, 0), Ok(0));
        }
        for n in 0..20_000 {
            let key = format!("{n}@flood");
            let flood = [ask("sender", &key, rate)];
            let _ = told(&mut book, 100 + n, n % networks, &flood, 1);
            assert!(book.calendars() <= 1_000);
        }
        for (n, key) in (0..).zip(&honest) {
            let own = [ask("sender", key, rate)];
            let again = told(&mut book, 50_000 + n, 1_000 + n, &own, 2);
            assert!(again.is_ok_and(|wait| wait > 0), "{networks}: {again:?}");
        }
    }
}

/// Mails of a hundred recipients, of which one comes back: the others' seats are its network's, and few.
#[test]
fn one_network_takes_no_more_seats_than_its_share() {
    let mut book = bounded(Bounds::default());
    let rate: Limit = limit("60/h burst 1");
    let mut seats = 0;
    for n in 0..200u32 {
        let key = format!("{n}@flood");
        let own = [ask("sender", &key, rate)];
        let at = START.after(secs(u64::from(n)));
        assert_eq!(told(&mut book, n * 1_000, 1, &own, n.into()), Ok(0));
        let guests: Vec<_> = (1..=100).map(|seat| guest(n * 1_000 + seat)).collect();
        let booking = book.ask(visit(&guests, 1), &own, at);
        seats += if matches!(booking, Booking::Told { .. }) {
            100
        } else {
            0
        };
    }
    assert_eq!(seats, 400);
    let own = [ask("sender", "honest", rate)];
    assert_eq!(told(&mut book, 1_000_000, 2, &own, 300), Ok(0));
    assert_eq!(told(&mut book, 1_000_001, 2, &own, 300), Ok(60));
}
