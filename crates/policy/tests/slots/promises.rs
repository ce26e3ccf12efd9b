//! What a client sees, visit by visit.

use crate::{START, ask, book, bounded, guest, holder, limit, millis, secs, visit};
use policy::Moment;
use policy::slots::{Ask, Book, Booking, Bounds, Charge, Counts, Grace};

/// What is answered, in words.
fn words(booking: Booking, charges: &mut Vec<Charge>) -> String {
    match booking {
        Booking::Admitted { charge, kept } => {
            charges.push(charge);
            match kept {
                Some(kept) => format!("in, late {} ms", kept.late.as_millis()),
                None => "in".into(),
            }
        }
        Booking::Told {
            rule,
            wait_secs,
            first,
            ..
        } => format!("{rule} {wait_secs}{}", if first { "" } else { " again" }),
        Booking::Full { rule, why } => format!("{rule} full: {why:?}"),
    }
}

/// Time in ms since the start, who comes, what it is told.
type Visits<'a> = &'a [(u64, u32, &'a str)];

fn play(asks: &[Ask<'_>], visits: Visits<'_>) -> Book {
    let mut book = bounded(Bounds::default());
    let mut charges = Vec::new();
    for (at, who, told) in visits {
        let now = START.after(millis(*at));
        let booking = book.ask(visit(&[guest(*who)], *who), asks, now);
        assert_eq!(words(booking, &mut charges), *told, "{who} at {at} ms");
        charges.drain(..).for_each(|charge| book.spend(charge, now));
    }
    book
}

#[test]
fn a_rate_gives_its_slots_in_order() {
    let asks = [ask("rate", "b@b", limit("60/h burst 2"))];
    let book = play(
        &asks,
        &[
            (0, 1, "in"),
            (0, 2, "in"),
            (0, 3, "rate 60"),
            (500, 4, "rate 120"),
            // Early: the same time again, and nothing is lost or won.
            (30_000, 3, "rate 30 again"),
            (57_999, 3, "rate 3 again"),
            (58_000, 3, "in, late 0 ms"),
            // Its slot went by on the way here; the next one is 4's, then there is another.
            (60_000, 5, "rate 120"),
            (900_000, 4, "in, late 780000 ms"),
            // 15 minutes behind 180 s are over: the slot went back to the bank, so there is room at once.
            (1_081_000, 5, "in"),
        ],
    );
    let counts: Vec<_> = book.counts().collect();
    let expected = Counts {
        told: 3,
        early: 2,
        on_time: 1,
        late: 1,
        never: 1,
        full: 0,
    };
    assert_eq!(counts, [("rate", expected)]);
}

#[test]
fn a_quota_ends_with_utcs_day() {
    let asks = [ask("quota", "b@b", limit("2/d"))];
    play(
        &asks,
        &[
            (3_600_000, 1, "in"),
            (3_600_000, 2, "in"),
            (3_600_000, 3, "quota 82800"),
            (3_600_001, 4, "quota 82800"),
            (3_600_001, 5, "quota full: Horizon"),
            (86_400_000, 5, "quota 86400"),
            (86_399_000 + 1_000, 4, "in, late 0 ms"),
            // Half a day late: the wait was nearly a day, so is the grace.
            (130_000_000, 3, "in, late 43600000 ms"),
        ],
    );
}

#[test]
fn a_place_of_load_is_kept_for_five_seconds() {
    let load = Ask {
        horizon: secs(900),
        grace: Grace::Brief,
        exact: false,
        once: true,
        ..ask("load", "", limit("1/10s burst 1"))
    };
    play(
        &[load],
        &[
            (0, 1, "in"),
            (0, 2, "load 10"),
            (0, 3, "load 20"),
            (15_000, 2, "in, late 5000 ms"),
            (25_001, 3, "in"),
            (25_002, 4, "load 5"),
        ],
    );
}

#[test]
fn the_latest_of_several_times_is_told_and_all_keep_a_place_there() {
    let asks = [
        ask("rate", "b@b", limit("6/min burst 1")),
        ask("quota", "", limit("2/min")),
    ];
    play(
        &asks,
        &[
            (0, 1, "in"),
            (0, 2, "rate 10"),
            (0, 3, "quota 60"),
            // The quota has a place at 60 s, the rate only behind that.
            (0, 4, "rate full: Horizon"),
            (10_000, 2, "in, late 0 ms"),
            (60_000, 3, "in, late 0 ms"),
        ],
    );
}

#[test]
fn what_no_time_would_do_for_is_told_none() {
    let octets = |cost| Ask {
        cost,
        ..ask("octets", "a@a", limit("20M/h burst 5M"))
    };
    play(&[octets(5 << 20)], &[(0, 1, "in"), (0, 2, "octets 900")]);
    play(&[octets(6 << 20)], &[(0, 1, "octets 1080")]);
    play(&[octets(21 << 20)], &[(0, 1, "octets full: TooLarge")]);
    play(&[octets(0)], &[(0, 1, "in")]);
    play(&[], &[(0, 1, "in")]);
}

/// A larger mail of the same sender for the same recipient comes in the place of the one that was told.
#[test]
fn what_no_time_would_do_for_is_no_guest_of_a_smaller_one() {
    let mut book = book();
    let mut charges = Vec::new();
    for (at, who, mebioctets, told) in [
        (0, 1, 5, "in"),
        (0, 2, 1, "octets 180"),
        (10, 2, 30, "octets full: TooLarge"),
        (10, 2, 1, "octets 170 again"),
        (180, 2, 30, "octets full: TooLarge"),
        (180, 2, 1, "in, late 0 ms"),
        (200, 2, 30, "octets full: TooLarge"),
    ] {
        let octets = Ask {
            cost: mebioctets << 20,
            exact: true,
            ..ask("octets", "a@a", limit("20M/h burst 5M"))
        };
        let now = START.after(secs(at));
        let booking = book.ask(visit(&[guest(who)], who), &[octets], now);
        let said = words(booking, &mut charges);
        assert_eq!(said, told, "{mebioctets} MiB of {who} at {at} s");
        charges.drain(..).for_each(|charge| book.spend(charge, now));
    }
}

#[test]
fn one_network_is_told_four_times() {
    let rate = ask("rate", "b@b", limit("60/h burst 1"));
    let mut book = bounded(Bounds::default());
    let mut charges = Vec::new();
    let mut told = |who, network, at: Moment| {
        words(
            book.ask(visit(&[guest(who)], network), &[rate], at),
            &mut charges,
        )
    };
    assert_eq!(told(0, 0, START), "in");
    for who in 1..=4 {
        assert_eq!(told(who, 0, START), format!("rate {}", who * 60));
    }
    assert_eq!(told(5, 0, START), "rate full: Network");
    assert_eq!(told(6, 1, START), "rate 300");
    // One is kept: there is room for one more.
    assert_eq!(told(1, 0, START.after(secs(60))), "in, late 0 ms");
    assert_eq!(told(5, 0, START.after(secs(60))), "rate 300");
}

/// What is given back can be had again, at once and by anyone.
#[test]
fn a_refusal_gives_everything_back() {
    let asks = [
        ask("rate", "b@b", limit("1/h burst 1")),
        ask("quota", "", limit("1/d")),
    ];
    let mut book = bounded(Bounds::default());
    for who in 0..5 {
        let now = START.after(secs(u64::from(who)));
        match book.ask(visit(&[guest(who)], who), &asks, now) {
            Booking::Admitted { charge, .. } => book.release(charge, now.after(millis(500))),
            other => panic!("{who}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_leaves_the_appointment_standing() {
    let rate = ask("rate", "b@b", limit("1/min burst 1"));
    let mut book = bounded(Bounds::default());
    let mut charges = Vec::new();
    let mut now = START;
    words(book.ask(visit(&[guest(1)], 1), &[rate], now), &mut charges);
    words(book.ask(visit(&[guest(2)], 2), &[rate], now), &mut charges);
    for late in [0, 100, 959] {
        now = START.after(secs(60 + late).min(secs(960)));
        let told = words(book.ask(visit(&[guest(2)], 2), &[rate], now), &mut charges);
        assert!(told.starts_with("in, late"), "{told} at {late}");
        let charge = charges.pop().expect("it was let in");
        book.release(charge, now);
    }
    let counts = book.counts().next().map(|(_, counts)| counts.on_time);
    assert_eq!(counts, Some(1), "one appointment is kept once");
}

#[test]
fn no_configuration_moves_what_was_told() {
    let before = ask("rate", "b@b", limit("60/h burst 1"));
    for after in [
        vec![ask("rate", "b@b", limit("1/d burst 1"))],
        vec![ask("rate", "b@b", limit("1/d"))],
        vec![ask("rate", "b@b", limit("60/h burst 9"))],
        vec![ask("other", "x", limit("1/d"))],
        vec![before, ask("rate", "c@c", limit("1/d"))],
        vec![],
    ] {
        let mut book = bounded(Bounds::default());
        let mut charges = Vec::new();
        let mut told = |who, asks: &[Ask<'_>], at| {
            let now = START.after(secs(at));
            words(book.ask(visit(&[guest(who)], who), asks, now), &mut charges)
        };
        told(1, &[before], 0);
        assert_eq!(told(2, &[before], 0), "rate 60");
        for other in 3..6 {
            told(other, &after, 1);
        }
        assert_eq!(told(2, &after, 20), "rate 40 again", "{after:?}");
        assert_eq!(told(2, &after, 60), "in, late 0 ms", "{after:?}");
    }
}

#[test]
fn an_operator_ends_promises() {
    let rate = ask("rate", "b@b", limit("1/h burst 1"));
    let mut book = bounded(Bounds::default());
    let mut charges = Vec::new();
    words(
        book.ask(visit(&[guest(1)], 1), &[rate], START),
        &mut charges,
    );
    words(
        book.ask(visit(&[guest(2)], 2), &[rate], START),
        &mut charges,
    );
    assert!(book.forget_holder(holder(2), START));
    assert!(!book.forget_holder(holder(2), START));
    let told = words(
        book.ask(visit(&[guest(3)], 3), &[rate], START),
        &mut charges,
    );
    assert_eq!(told, "rate 3600", "the place is free again");
    assert!(book.forget_key("rate", "b@b", START));
    assert!(!book.forget_key("rate", "b@b", START));
    assert_eq!((book.appointments(), book.calendars()), (0, 0));
    let told = words(
        book.ask(visit(&[guest(3)], 3), &[rate], START),
        &mut charges,
    );
    assert_eq!(told, "in");
    // What was charged before is nobody's business any more.
    for charge in charges {
        book.release(charge, START);
    }
}

#[test]
fn a_clock_that_is_set_moves_nothing_that_was_told() {
    let rate = ask("rate", "b@b", limit("60/h burst 1"));
    for (jump, told_then) in [
        (-3_600_000i64, "rate 30 again"),
        (-86_400_000 * 365 * 30, "rate 30 again"),
        (-500, "rate 30 again"),
        (10_000, "rate 20 again"),
    ] {
        let mut book = bounded(Bounds::default());
        let mut charges = Vec::new();
        let wall =
            |at: u64, jump: i64| Moment::from_millis(START.after(secs(at)).as_millis() + jump);
        words(
            book.ask(visit(&[guest(1)], 1), &[rate], wall(0, 0)),
            &mut charges,
        );
        words(
            book.ask(visit(&[guest(2)], 2), &[rate], wall(0, 0)),
            &mut charges,
        );
        book.tick(wall(30, 0));
        book.tick(wall(30, jump));
        let told = words(
            book.ask(visit(&[guest(2)], 2), &[rate], wall(30, jump)),
            &mut charges,
        );
        assert_eq!(told, told_then, "{jump}");
        for at in 31..60 {
            book.tick(wall(at, jump));
        }
        let told = words(
            book.ask(visit(&[guest(2)], 2), &[rate], wall(60, jump)),
            &mut charges,
        );
        assert!(told.starts_with("in, late"), "{jump}: {told}");
    }
}

/// The slots of all hourly limits lie at the full hour. Load that gives more than one a millisecond has room for all of
/// them there.
#[test]
fn many_that_are_told_one_moment_find_room_behind_it() {
    let load = |text| Ask {
        horizon: secs(900),
        grace: Grace::Brief,
        ..ask("load", "", limit(text))
    };
    for dense in ["1100/s burst 100", "2000/s burst 100", "100000/s burst 100"] {
        let mut book = book();
        let mut come = |who: u32, network: u32| {
            let now = START.after(millis(1 + u64::from(who)));
            let key = who.to_string();
            let asks = [ask("sender", &key, limit("1/h burst 1")), load(dense)];
            book.ask(visit(&[guest(network)], network), &asks, now)
        };
        for who in 0..1_000 {
            let first = come(who, who);
            assert!(
                matches!(first, Booking::Admitted { .. }),
                "{dense}: {first:?}"
            );
            let second = come(who, 1_000 + who);
            let Booking::Told { wait_secs, .. } = second else {
                panic!("{dense}: the {who}th is told {second:?}");
            };
            assert!((3_599..=3_601).contains(&wait_secs), "{dense}: {wait_secs}");
        }
    }
}
