//! Greylisting only those with something suspicious.

use crate::dialogue::check;
use policy::greylist::suspicion::{Delays, Suspicion, suspicion};
use policy::{Fact, Facts, Listing, Reverse};
use std::net::IpAddr;
use std::time::Duration;

const CLIENT: [u8; 4] = [192, 0, 2, 7];

fn told(delays: &Delays, facts: &Facts, first_seen: bool) -> Option<(Suspicion, u64)> {
    let told = suspicion(delays, IpAddr::from(CLIENT), facts, first_seen);
    told.map(|(what, delay)| (what, delay.as_secs()))
}

fn facts(name: Option<&str>, confirmed: bool, score: u32) -> Facts {
    Facts {
        reverse: Fact::Known(Reverse {
            name: name.map(str::to_owned),
            confirmed,
        }),
        lists: Fact::Known(Listing {
            score,
            ..Listing::default()
        }),
        ..Facts::default()
    }
}

#[test]
fn each_reason_has_its_delay() {
    let server = Some("mail.example.org");
    for (facts, first_seen, expected) in [
        (facts(server, true, 0), false, None),
        (facts(None, false, 0), false, Some((Suspicion::NoName, 300))),
        // Whoever has a network may call it mail.example.org.
        (
            facts(server, false, 0),
            false,
            Some((Suspicion::NoName, 300)),
        ),
        (
            facts(Some("dsl-7.isp.example"), true, 0),
            false,
            Some((Suspicion::DynamicName, 300)),
        ),
        (
            facts(server, true, 1),
            false,
            Some((Suspicion::Listed, 900)),
        ),
        (
            facts(server, true, 0),
            true,
            Some((Suspicion::FirstSeenDomain, 300)),
        ),
        // Of several the longest, then the first.
        (facts(None, false, 3), true, Some((Suspicion::Listed, 900))),
        (facts(None, false, 0), true, Some((Suspicion::NoName, 300))),
    ] {
        let told = told(&Delays::default(), &facts, first_seen);
        assert_eq!(told, expected, "{facts:?}");
    }
}

#[test]
fn what_has_no_delay_is_not_suspicious() {
    let delays = Delays {
        listed: None,
        no_name: Some(Duration::ZERO),
        first_seen_domain: Some(Duration::from_secs(60)),
        ..Delays::default()
    };
    let facts = facts(None, false, 3);
    assert_eq!(
        told(&delays, &facts, true),
        Some((Suspicion::FirstSeenDomain, 60))
    );
    assert_eq!(told(&delays, &facts, false), None);
}

#[test]
fn what_could_not_be_looked_up_is_not_suspicious() {
    let failed = Facts {
        reverse: Fact::Failed { retry: None },
        lists: Fact::Failed { retry: None },
        ..Facts::default()
    };
    assert_eq!(told(&Delays::default(), &failed, false), None);
    assert_eq!(told(&Delays::default(), &Facts::default(), false), None);
}

#[test]
fn a_delay_of_its_own_moves_no_appointment_later() {
    check(
        "
        0    192.0.2.7~900    a@x b@y -> defer 900 first
        60   192.0.2.7~300    a@x b@y -> defer 240         # no longer on a list: sooner
        120  192.0.2.7~900    a@x b@y -> defer 180         # again on one: as it was told
        200  198.51.100.7~60  a@x b@y -> defer 60 first
        258  198.51.100.7~900 a@x b@y -> waited 58
        260  203.0.113.7~0    a@x b@y -> waited 0          # not suspicious
        260  count pending=1 known=1
        270  192.0.2.7~0      a@x b@y -> waited 270        # nothing suspicious any more: in
        270  count pending=0 known=2
        ",
    );
}
