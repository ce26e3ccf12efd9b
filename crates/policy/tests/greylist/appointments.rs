//! What became of appointments, as statistics count it; and what an administrator takes back.

use crate::dialogue::check;
use crate::rows::Rows;
use crate::{DAY, secs, start, table};
use policy::greylist::{Appointment, Settings, Verdict, Visit};
use policy::stats::day_of;
use std::net::IpAddr;
use std::time::Duration;

#[test]
fn made_early_kept_and_how_late() {
    let mut table = table(Settings::default());
    let mut at = |client: u8, millis: u64| {
        let visit = Visit {
            client: IpAddr::from([192, 0, client, 7]),
            sender: "a@x",
            recipient: "b@y",
        };
        table
            .judge(visit, start() + Duration::from_millis(millis))
            .appointment
    };
    assert_eq!(at(1, 0), Appointment::Made);
    assert_eq!(
        at(1, 100_000),
        Appointment::Early {
            waited: secs(100),
            early: secs(200)
        }
    );
    assert_eq!(at(2, 100_000), Appointment::Made);
    assert_eq!(
        at(1, 298_500),
        Appointment::Kept {
            waited: Duration::from_millis(298_500),
            late: Duration::ZERO
        }
    );
    assert_eq!(at(1, 299_000), Appointment::None, "known");
    assert_eq!(
        at(2, 460_250),
        Appointment::Kept {
            waited: Duration::from_millis(360_250),
            late: Duration::from_millis(60_250)
        }
    );
    assert_eq!(table.unclaimed(), 0);
}

/// While the server was down as well: the statistics of the day on which it was told are to add up.
#[test]
fn an_appointment_that_ends_while_nobody_listens_is_counted_as_never_kept() {
    let mut before = table(Settings::default());
    let visit = Visit {
        client: IpAddr::from([192, 0, 2, 7]),
        sender: "a@x",
        recipient: "b@y",
    };
    before.judge(visit, start());
    let mut rows = Rows::default();
    rows.write(before.take_changes());
    let mut after = table(Settings::default());
    rows.read(&mut after, start() + 5 * DAY);
    let told = day_of(start().into());
    assert_eq!(
        after.take_unkept().into_iter().collect::<Vec<_>>(),
        [(told, 1)]
    );
    assert_eq!((after.unclaimed(), after.pending()), (1, 0));
}

/// It was let in without a wait: a restart doesn't take that back, whatever is asked later.
#[test]
fn who_is_known_for_good_is_so_behind_a_restart() {
    let known_after = |known_after| Settings {
        known_after,
        ..Settings::default()
    };
    let visit = |sender| Visit {
        client: IpAddr::from([192, 0, 2, 7]),
        sender,
        recipient: "b@y",
    };
    let mut before = table(known_after(2));
    before.judge(visit("a@x"), start());
    before.judge(visit("a@x"), start() + secs(300));
    before.configure(known_after(1));
    let said = before.judge(visit("c@x"), start() + secs(310)).verdict;
    assert_eq!(said, Verdict::Known);
    let mut rows = Rows::default();
    rows.write(before.take_changes());
    let mut after = table(known_after(2));
    rows.read(&mut after, start() + secs(320));
    before.configure(known_after(2));
    for mut table in [before, after] {
        let said = table.judge(visit("d@x"), start() + secs(330)).verdict;
        assert_eq!(said, Verdict::Known);
    }
}

#[test]
fn no_room_no_appointment() {
    let settings = Settings {
        max_pending: 0,
        ..Settings::default()
    };
    let visit = Visit {
        client: IpAddr::from([192, 0, 2, 7]),
        sender: "a@x",
        recipient: "b@y",
    };
    assert_eq!(
        table(settings).judge(visit, start()).appointment,
        Appointment::None
    );
    let settings = Settings {
        delay: Duration::ZERO,
        ..Settings::default()
    };
    assert_eq!(
        table(settings).judge(visit, start()).appointment,
        Appointment::None
    );
}

#[test]
fn those_nobody_came_for_are_counted_once() {
    check(
        "
        0     192.0.2.7    a@x b@y -> defer 300 first
        0     192.0.2.7    c@x b@y -> defer 300 first
        0     198.51.100.7 a@x b@y -> defer 300 first
        5m    192.0.2.7    a@x b@y -> waited 300
        1d    count pending=2 known=1 unclaimed=0
        2d    198.51.100.7 a@x b@y -> waited 172800
        2d+1  203.0.113.7  a@x b@y -> defer 300 first       # sweeps
        2d+1  count pending=1 known=2 unclaimed=1           # c@x, though its network is known
        5d    203.0.113.7  a@x b@y -> defer 300 first       # too late: its own came to nothing
        5d    count pending=1 known=2 unclaimed=2
        ",
    );
    // Let in since its network has become known: it came.
    check(
        "
        0     192.0.2.7+spf:x    a@x b@y -> defer 300 first
        0     192.0.2.7          c@x b@y -> defer 300 first
        0     198.51.100.7+spf:x d@x b@y -> defer 300 first
        5m    192.0.2.7+spf:x    a@x b@y -> waited 300
        6m    192.0.2.7          c@x b@y -> known
        6m    198.51.100.7+spf:x d@x b@y -> known
        6m    count pending=0 known=2
        40d   203.0.113.7        a@x b@y -> defer 300 first
        40d   count pending=1 known=0 unclaimed=0
        ",
    );
    check(
        "
        0     192.0.2.7    a@x b@y -> defer 300 first
        3d    restart
        3d    count pending=0 known=0 unclaimed=1
        ",
    );
    // What a bound pushes out was not left unclaimed by its client.
    check(
        "
        set max_pending=1
        0     192.0.2.7    a@x b@y -> defer 300 first
        1     192.0.2.7    c@x b@y -> defer 300 first
        1     count pending=1 known=0 unclaimed=0
        ",
    );
}

#[test]
fn what_is_forgotten_is_a_stranger_again() {
    check(
        "
        0    192.0.2.7+spf:x.example a@x.example b@y -> defer 300 first
        0    192.0.2.7+spf:x.example c@x.example b@y -> defer 300 first
        60   forget a@x.example
        60   count pending=1 known=0
        61   192.0.2.7               a@x.example b@y -> defer 300 first
        61   198.51.100.7+spf:x.example a@x.example b@y -> defer 300 first
        5m   192.0.2.7+spf:x.example c@x.example b@y -> waited 300
        6m   forget spf:x.example
        6m   203.0.113.7+spf:x.example d@x.example b@y -> defer 300 first
        6m   192.0.2.7               d@x.example b@y -> known
        7m   forget 192.0.2.0/24
        7m   192.0.2.7               d@x.example b@y -> defer 300 first
        7m   restart
        7m   192.0.2.7               d@x.example b@y -> defer 300
        ",
    );
}
