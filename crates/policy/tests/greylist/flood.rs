//! Floods: the table stays within its bounds, and a small network keeps its appointment.

use crate::dialogue::check;
use crate::{secs, start, table};
use policy::greylist::{Settings, Table, Verdict, Visit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LEGITIMATE: Visit<'static> = Visit {
    client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    sender: "a@x.example",
    recipient: "b@y.example",
};

fn deferred(verdict: Verdict) -> Option<u64> {
    match verdict {
        Verdict::Defer { wait_secs, .. } => wait_secs,
        passed => panic!("a flooder passed: {passed:?}"),
    }
}

/// `visits` first visits from `client`; says how many were given an appointment.
fn flood(table: &mut Table, client: IpAddr, visits: usize, at: u64) -> usize {
    let visit = |n: usize| {
        let sender = format!("{n}@flood.example");
        let visit = Visit {
            client,
            sender: &sender,
            recipient: "b@y.example",
        };
        deferred(table.judge(visit, start() + secs(at)).verdict)
    };
    (0..visits).filter_map(visit).count()
}

#[test]
fn one_network_is_held_to_its_share() {
    let mut table = table(Settings::default());
    table.judge(LEGITIMATE, start());
    let flooder = |host| IpAddr::from([203, 0, 113, host]);
    assert_eq!(flood(&mut table, flooder(1), 1_500, 1), 1_000);
    assert_eq!(
        flood(&mut table, flooder(2), 1_000, 2),
        1_000,
        "its /24 was told already"
    );
    assert_eq!(flood(&mut table, flooder(200), 1_001, 2), 1_000);
    assert_eq!(table.pending(), 1_001);
    let told = table.judge(LEGITIMATE, start() + secs(300)).verdict;
    assert_eq!(told, Verdict::Waited(secs(300)));
}

#[test]
fn a_full_network_has_room_again_when_records_end() {
    let mut table = table(Settings::default());
    let client = IpAddr::from([203, 0, 113, 1]);
    // Many others end at the same time, before it: its own sweep must not wait for theirs.
    for other in 0..5_000u32 {
        let client = IpAddr::V4((0x0a00_0000 + (other << 8)).into());
        table.judge(
            Visit {
                client,
                ..LEGITIMATE
            },
            start(),
        );
    }
    assert_eq!(flood(&mut table, client, 1_001, 0), 1_000);
    let later = start() + secs(2 * 86_400 + 1);
    let visit = Visit {
        client,
        ..LEGITIMATE
    };
    assert_eq!(deferred(table.judge(visit, later).verdict), Some(300));
}

#[test]
fn ipv6_is_counted_by_48_bits() {
    let mut table = table(Settings::default());
    let flooder = |subnet: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, subnet, 0, 0, 0, 1));
    let told: usize = (0..1_500)
        .map(|subnet| flood(&mut table, flooder(subnet), 1, 1))
        .sum();
    assert_eq!(told, 1_000, "every /64 of one /48");
    let neighbour = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1));
    assert_eq!(flood(&mut table, neighbour, 1, 1), 1);
}

#[test]
fn a_thousand_networks_push_each_other_out_and_not_the_small_one() {
    let settings = Settings {
        max_pending: 10_000,
        ..Settings::default()
    };
    let mut table = table(settings);
    table.judge(LEGITIMATE, start());
    for network in 0..1_000u32 {
        let client = IpAddr::V4((0xc612_0000 + (network << 8)).into());
        assert_eq!(flood(&mut table, client, 50, 1), 50);
        assert!(table.pending() <= 10_000);
    }
    assert_eq!(table.pending(), 10_000);
    let told = table.judge(LEGITIMATE, start() + secs(300)).verdict;
    assert_eq!(told, Verdict::Waited(secs(300)));
}

#[test]
fn the_largest_loses_its_oldest() {
    check(
        "
        set max_pending=4
        0   192.0.2.7   a@x b@y -> defer 300 first
        1   203.0.113.7 1@x b@y -> defer 300 first
        2   203.0.113.7 2@x b@y -> defer 300 first
        3   203.0.113.7 3@x b@y -> defer 300 first
        4   198.51.100.7 a@x b@y -> defer 300 first     # and 203.0.113.0/24 loses 1@x
        5   count pending=4 known=0
        5   192.0.2.7   a@x b@y -> defer 295
        5   198.51.100.7 a@x b@y -> defer 299
        5   203.0.113.7 2@x b@y -> defer 297
        6   203.0.113.7 1@x b@y -> defer 300 first      # was forgotten; its network now loses 2@x
        7   203.0.113.7 3@x b@y -> defer 296
        7   reload max_pending=2
        7   count pending=2 known=0
        8   198.51.100.7 a@x b@y -> defer 296
        ",
    );
}

#[test]
fn no_room_at_all_is_no_appointment() {
    check(
        "
        set max_pending=0
        0   192.0.2.7   a@x b@y -> defer first
        ",
    );
    check(
        "
        set max_pending_per_network=1
        0   192.0.2.7   a@x b@y -> defer 300 first
        0   192.0.2.7   c@x b@y -> defer first
        1   192.0.2.7   a@x b@y -> defer 299
        5m  192.0.2.7   a@x b@y -> waited 300
        ",
    );
}

#[test]
fn of_known_networks_the_one_unused_for_longest_goes() {
    check(
        "
        set max_known=2
        0    192.0.2.7    a@x b@y -> defer 300 first
        0    198.51.100.7 a@x b@y -> defer 300 first
        0    203.0.113.7  a@x b@y -> defer 300 first
        5m   192.0.2.7    a@x b@y -> waited 300
        6m   198.51.100.7 a@x b@y -> waited 360
        7m   192.0.2.7    a@x b@y -> known
        8m   203.0.113.7  a@x b@y -> waited 480
        8m   count pending=0 known=2
        9m   192.0.2.7    a@x b@y -> known
        9m   203.0.113.7  a@x b@y -> known
        9m   198.51.100.7 a@x b@y -> defer 300 first
        ",
    );
}

#[test]
fn triplets_that_passed_are_bounded_too() {
    check(
        "
        set known_after=9 max_known=1
        0    192.0.2.7    a@x b@y -> defer 300 first
        0    192.0.2.7    c@x b@y -> defer 300 first
        5m   192.0.2.7    a@x b@y -> waited 300
        6m   192.0.2.7    c@x b@y -> waited 360
        6m   192.0.2.7    c@x b@y -> known
        6m   192.0.2.7    a@x b@y -> defer 300 first
        ",
    );
}

#[test]
fn what_ends_out_of_order_is_over_in_time_and_gone_within_a_minute() {
    check(
        "
        set delay=1 window=30
        0   192.0.2.7    a@x b@y -> defer 1 first
        0   reload window=10
        0   198.51.100.7 a@x b@y -> defer 1 first
        11  203.0.113.7  a@x b@y -> defer 1 first
        11  198.51.100.7 a@x b@y -> defer 1 first       # over, wherever it stands
        12  count pending=3 known=0 unclaimed=1
        29  192.0.2.7    a@x b@y -> waited 29
        90  192.0.2.8    a@x c@y -> known               # sweeps
        90  count pending=0 known=1 unclaimed=3
        ",
    );
}
