//! Which sender domains were seen, over virtual time.
#![allow(clippy::unwrap_used, reason = "a test")]

use policy::Moment;
use policy::domains::{Bounds, Change, Domains, REMEMBERED_FOR, Stored};
use policy::greylist::Secret;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn at(hours: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(Duration::from_secs(hours * 3600))
}

fn domains(bounds: Bounds) -> Domains {
    Domains::new(bounds, Secret::new([1, 2]))
}

/// An address in the nth /24.
fn client(network: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from((10 << 24) + (network << 8) + 7))
}

/// What a store does with the changes.
fn write(rows: &mut BTreeMap<u64, Stored>, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Keep(row) => assert_eq!(rows.insert(row.id, row), None),
            Change::Move { id, last } => rows.get_mut(&id).unwrap().last = last,
            Change::Drop { id } => drop(rows.remove(&id).unwrap()),
        }
    }
}

/// As a store loads them.
fn restart(rows: &BTreeMap<u64, Stored>, now: Moment) -> Domains {
    let mut domains = Domains::new(Bounds::default(), Secret::new([3, 4]));
    let mut rows: Vec<_> = rows.values().cloned().collect();
    rows.sort_by_key(|row| (row.last, row.id));
    for row in rows {
        domains.restore(row, now);
    }
    domains
}

#[test]
fn a_domain_is_seen_with_all_below_it_and_whatever_its_case() {
    let mut domains = domains(Bounds::default());
    domains.accepted(client(1), "a@Mail.Example.COM", at(0));
    domains.accepted(client(1), "a@one.co.uk", at(0));
    for (sender, first) in [
        ("b@example.com", false),
        ("b@x7.bounce.example.com.", false),
        ("b@notexample.com", true),
        ("b@one.co.uk", false),
        ("b@two.co.uk", true),
        ("b@[192.0.2.1]", true),
        // The null sender has no domain.
        ("", false),
    ] {
        assert_eq!(domains.is_first_seen(sender, at(1)), first, "{sender}");
    }
    domains.accepted(client(1), "", at(0));
    assert_eq!(domains.len(), 2);
}

#[test]
fn a_domain_unused_for_36_days_is_seen_for_the_first_time_again() {
    let mut domains = domains(Bounds::default());
    let days = |days: u64| at(24 * days);
    domains.accepted(client(1), "a@c.example", days(0));
    domains.accepted(client(2), "a@c.example", days(30));
    assert!(!domains.is_first_seen("a@c.example", days(66)));
    assert!(domains.is_first_seen("a@c.example", days(67)));
    domains.sweep(days(67));
    assert_eq!(domains.len(), 0);
}

#[test]
fn one_network_with_forged_domains_pushes_out_its_own() {
    let mut domains = domains(Bounds::default());
    domains.accepted(client(1), "a@good.example", at(0));
    for n in 0..5_000 {
        domains.accepted(client(2), &format!("a@{n}.example"), at(1));
    }
    assert!(!domains.is_first_seen("a@good.example", at(2)));
    assert_eq!(domains.len(), 1_001);
    assert!(domains.is_first_seen("a@0.example", at(2)));
    assert!(!domains.is_first_seen("a@4999.example", at(2)));
}

#[test]
fn a_thousand_networks_push_out_nobody_who_has_less() {
    let bounds = Bounds {
        over_all: 10_000,
        ..Bounds::default()
    };
    let mut domains = domains(bounds);
    for n in 0..5 {
        domains.accepted(client(1), &format!("a@good{n}.example"), at(0));
    }
    for n in 0..30_000 {
        let forged = format!("a@{n}.example");
        domains.accepted(client(2 + n % 1_000), &forged, at(1));
    }
    assert_eq!(domains.len(), 10_000);
    for n in 0..5 {
        let good = format!("a@good{n}.example");
        assert!(!domains.is_first_seen(&good, at(2)), "{good}");
    }
}

#[test]
fn who_names_anothers_domain_does_not_take_it_into_his_block() {
    let bounds = Bounds {
        per_network: 3,
        over_all: 100,
    };
    let mut domains = domains(bounds);
    domains.accepted(client(1), "a@good.example", at(0));
    domains.accepted(client(2), "a@good.example", at(1));
    for n in 0..10 {
        domains.accepted(client(2), &format!("a@{n}.example"), at(2));
    }
    assert!(!domains.is_first_seen("a@good.example", at(3)));
}

#[test]
fn what_is_used_stays_and_what_is_unused_for_longest_goes() {
    let bounds = Bounds {
        per_network: 2,
        over_all: 100,
    };
    let mut domains = domains(bounds);
    for (hour, name) in ["one", "two", "one", "three"].into_iter().enumerate() {
        let sender = format!("a@{name}.example");
        domains.accepted(client(1), &sender, at(hour as u64));
    }
    let first = |name: &str| domains.is_first_seen(&format!("a@{name}.example"), at(9));
    assert_eq!(["one", "two", "three"].map(first), [false, true, false]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is stored is what is held, to the hour: after a restart the same domains are seen.
    #[test]
    fn a_restart_forgets_nothing(
        steps in prop::collection::vec((0..5u32, 0..20u32, 0..200u64), 1..80),
    ) {
        let bounds = Bounds { per_network: 4, over_all: 10 };
        let mut domains = domains(bounds);
        let mut rows = BTreeMap::new();
        let mut hour = 0;
        for (network, name, pause) in steps {
            hour += pause;
            domains.accepted(client(network), &format!("a@{name}.example"), at(hour));
            write(&mut rows, domains.take_changes());
            prop_assert_eq!(rows.len(), domains.len());
            prop_assert!(domains.len() <= 10);
        }
        let mut after = restart(&rows, at(hour));
        for name in 0..20 {
            let sender = format!("a@{name}.example");
            prop_assert_eq!(
                domains.is_first_seen(&sender, at(hour)),
                after.is_first_seen(&sender, at(hour)),
                "{}", sender
            );
        }
        write(&mut rows, after.take_changes());
        prop_assert!(rows.values().all(|row| at(hour) <= row.last.after(REMEMBERED_FOR)));
    }

    #[test]
    fn no_sender_panics(sender in "\\PC{0,40}") {
        let mut domains = domains(Bounds::default());
        domains.accepted(client(1), &sender, at(0));
        prop_assert!(domains.len() <= 1);
        if domains.len() == 1 {
            prop_assert!(!domains.is_first_seen(&sender, at(0)));
        }
    }
}
