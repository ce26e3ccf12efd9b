//! Only who names a domain that was never seen is greylisted.

use super::*;
use crate::greylist::suspicion::Delays;

fn rules(mode: Mode) -> Rules {
    Rules {
        greylist: Greylisting {
            mode,
            selective: Some(Delays {
                no_name: None,
                dynamic_name: None,
                listed: None,
                first_seen_domain: Some(Duration::from_secs(300)),
            }),
            ..Greylisting::default()
        },
        ..Rules::default()
    }
}

#[test]
fn a_domain_waits_once_and_then_from_no_address() {
    let mut world = World::new(rules(Mode::Enforce));
    let waits = "450 4.2.0 TIME=300 Greylisted";
    let mut say = |secs, client, sender| {
        world.sleep(secs);
        world.rcpt(client, sender, "me@d.example")
    };
    assert_eq!(say(0, "192.0.2.1", "a@new.example"), waits);
    // Refused is not seen.
    assert_eq!(say(0, "198.51.100.1", "b@new.example"), waits);
    assert_eq!(say(300, "192.0.2.1", "a@new.example"), "ok after 300 s");
    assert_eq!(say(0, "203.0.113.1", "c@mail.new.example"), "ok");
    // Who was told a time before the domain was seen need not wait for it.
    assert!(say(0, "198.51.100.1", "b@new.example").starts_with("ok"));
    assert_eq!(say(0, "203.0.113.1", "c@other.example"), waits);
    // Bounces have no domain.
    assert_eq!(say(0, "203.0.113.2", ""), "ok");
    // 36 days later nobody remembers.
    assert_eq!(say(37 * 86_400, "203.0.113.9", "c@new.example"), waits);
}

#[test]
fn what_a_later_rule_refuses_is_not_seen() {
    let rate = limit(Counted::Messages, Scope::Recipient, "1/h burst 1");
    let mut world = World::new(Rules {
        limits: vec![rate],
        ..rules(Mode::Enforce)
    });
    let mut say = |secs, client, sender| {
        world.sleep(secs);
        world.rcpt(client, sender, "me@d.example")
    };
    for sender in ["a@one.example", "a@two.example"] {
        say(0, "192.0.2.1", sender);
    }
    assert_eq!(say(300, "192.0.2.1", "a@one.example"), "ok after 300 s");
    let said = say(0, "192.0.2.1", "a@two.example");
    assert!(said.starts_with("450 4.2.1 TIME="), "{said}");
    assert_eq!(world.engine.domains.len(), 1);
}

#[test]
fn an_observing_greylist_has_seen_what_a_refusing_one_would() {
    let mut world = World::new(rules(Mode::Observe));
    world.rcpt("192.0.2.1", "a@new.example", "me@d.example");
    assert_eq!(world.engine.domains.len(), 0);
    world.sleep(300);
    world.rcpt("192.0.2.1", "a@new.example", "me@d.example");
    assert_eq!(world.engine.domains.len(), 1);
}

#[test]
fn who_does_not_ask_for_it_keeps_no_domains() {
    let mut world = World::new(limits([]));
    world.rcpt("192.0.2.1", "a@new.example", "me@d.example");
    assert_eq!(world.engine.domains.len(), 0);
}
