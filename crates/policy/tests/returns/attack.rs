//! Attackers with one network and with a thousand: the table stays within its bounds, and others off the list.

use crate::{DAY, HOUR, Store, at, returns};
use policy::returns::{Returns, Settings};
use std::net::IpAddr;

const VICTIM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A spammer that everybody should see, with five pairs on two days.
const SPAMMER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

fn told(returns: &mut Returns, client: IpAddr, n: u64, now: u64) {
    let sender = format!("{n}@forged-{n}.example");
    returns.told(client, &sender, "b@y.example", at(now + 2 * DAY), at(now));
}

fn spam(returns: &mut Returns) {
    for n in 0..5 {
        told(returns, SPAMMER, 1_000_000_000 + n, n / 3 * DAY);
    }
}

fn sweep_until(returns: &mut Returns, from: u64, to: u64) {
    for tick in (from..to).step_by(HOUR as usize) {
        for _ in 0..60 {
            returns.sweep(at(tick));
        }
    }
}

fn is_listed(returns: &Returns, client: IpAddr, now: u64) -> bool {
    returns.judge(client, at(now)).is_some()
}

#[test]
fn one_network_is_held_to_its_share() {
    let settings = Settings::default();
    let mut returns = returns(settings.clone());
    for n in 0..5_000 {
        let client = IpAddr::from([203, 0, 113, (n % 256) as u8]);
        told(&mut returns, client, n, 0);
        assert!(returns.pending() <= settings.max_pending_per_network);
    }
    spam(&mut returns);
    sweep_until(&mut returns, DAY, 4 * DAY);
    assert!(is_listed(&returns, SPAMMER, 4 * DAY));
    assert!(!is_listed(&returns, VICTIM, 4 * DAY));
    assert!(returns.counted() <= settings.max_pending_per_network + 5);
    assert!(returns.pending() == 0);
}

#[test]
fn a_thousand_networks_shed_one_another_and_not_the_small_one() {
    let settings = Settings {
        max_pending: 8_000,
        max_counted: 6_000,
        ..Settings::default()
    };
    let mut returns = returns(settings.clone());
    let mut store = Store::default();
    spam(&mut returns);
    for n in 0..12_000u64 {
        let [.., high, low] = ((n % 1_000) as u32).to_be_bytes();
        let client = IpAddr::from([10, high, low, (n / 1_000) as u8]);
        told(&mut returns, client, n, DAY);
        assert!(returns.pending() <= settings.max_pending);
    }
    store.write(returns.take_changes());
    sweep_until(&mut returns, DAY, 4 * DAY);
    store.write(returns.take_changes());
    assert!(returns.counted() <= settings.max_counted);
    assert_eq!(returns.counted(), store.counted());
    assert!(
        is_listed(&returns, SPAMMER, 4 * DAY),
        "its five pairs were not shed"
    );
}

#[test]
fn an_accepted_client_is_not_forgotten_for_a_flood_of_accepted_ones() {
    let settings = Settings {
        max_accepted: 2_000,
        ..Settings::default()
    };
    let mut returns = returns(settings);
    returns.accepted(VICTIM, at(0));
    for n in 0..20_000u64 {
        // A /48 of the attacker's own, each /64 accepted once; and 50 other networks.
        let network = if n % 2 == 0 { 0 } else { (n % 50) as u16 };
        let client = IpAddr::from([0x2001, 0xdb8, network, n as u16, 0, 0, 0, 1]);
        returns.accepted(client, at(0));
    }
    assert!(returns.accepted_clients() <= 2_000);
    for n in 0..8 {
        told(&mut returns, VICTIM, n, n / 4 * DAY);
    }
    sweep_until(&mut returns, DAY, 4 * DAY);
    assert!(!is_listed(&returns, VICTIM, 4 * DAY));
}

#[test]
fn what_others_do_is_never_counted_against_the_victim() {
    let mut returns = returns(Settings::default());
    // The victim, a mail server that was never here before, waits as it is told and comes back once each.
    for n in 0..10u64 {
        let (sender, recipient) = (format!("{n}@victim.example"), format!("{n}@y.example"));
        let start = n * 6 * HOUR;
        returns.told(
            VICTIM,
            &sender,
            &recipient,
            at(start + 2 * DAY),
            at(start + 1),
        );
        // A thousand networks forge its domain to the same and to other recipients, before and after it comes back.
        for network in 0..1_000u32 {
            let [.., high, low] = network.to_be_bytes();
            let attacker = IpAddr::from([10, high, low, n as u8]);
            let other = format!("{network}@victim.example");
            returns.told(
                attacker,
                &other,
                &recipient,
                at(start + 2 * DAY),
                at(start + 2),
            );
        }
        returns.came(&sender, &recipient, at(start + 30));
    }
    sweep_until(&mut returns, 3 * DAY, 9 * DAY);
    assert!(
        returns
            .offenders(at(9 * DAY))
            .iter()
            .all(|o| o.client.addr() != VICTIM)
    );
}

#[test]
fn the_same_events_give_the_same_changes() {
    let run = || {
        let mut returns = returns(Settings {
            max_pending: 100,
            max_counted: 50,
            ..Settings::default()
        });
        for n in 0..2_000 {
            let client = IpAddr::from([10, 0, (n % 7) as u8, (n % 31) as u8]);
            told(&mut returns, client, n, n * HOUR / 2);
            if n % 13 == 0 {
                returns.accepted(client, at(n * HOUR / 2));
            }
        }
        returns.forget("10.0.3.0/24".parse().unwrap());
        returns.take_changes()
    };
    assert_eq!(run(), run());
}
