//! Who speaks first, in each order that an administrator may set.

use super::*;

const LISTED: &str = "192.0.2.66";

/// A listed client that never comes back, whose recipient's mailbox is full: every read-only rule refuses it.
fn refused_by_all(order: Order) -> (World, Session) {
    let mut world = World::new(Rules {
        checks: Checks {
            reject_score: 10,
            ..Checks::default()
        },
        never_returned: returns::Settings {
            action: returns::Action::Reject,
            pairs: 1,
            days: 1,
            ..returns::Settings::default()
        },
        order,
        ..Rules::default()
    });
    let (told, client) = (world.now(), LISTED.parse::<IpAddr>().unwrap());
    let until = told.after(Duration::from_secs(60));
    let returns = &mut world.engine.returns;
    returns.told(client, "x@x.example", "gone@d.example", until, told);
    world.sleep(120);
    let now = world.now();
    world.engine.tick(now);
    world.engine.mailboxes.full("me@d.example", now);
    let session = Session {
        facts: crate::Facts {
            lists: Fact::Known(Listing {
                score: 10,
                zones: vec!["bl.example".to_owned()],
                allowed: false,
            }),
            ..crate::Facts::default()
        },
        ..Session::default()
    };
    (world, session)
}

fn says(rule: ReadOnly) -> &'static str {
    match rule {
        ReadOnly::Checks => "554 5.7.1 Blocked using bl.example",
        ReadOnly::NeverReturned => {
            "550 5.7.1 Your address never came back when it was asked to wait"
        }
        ReadOnly::Mailbox => "452 4.2.2 Mailbox full",
        ReadOnly::Greylist => "450 4.2.0 TIME=300 Greylisted",
    }
}

/// All 24, the usual one among them.
fn permutations() -> Vec<[ReadOnly; 4]> {
    let all = ReadOnly::ALL;
    let mut found = Vec::new();
    for a in all {
        for b in all {
            for c in all {
                for d in all {
                    let rules = [a, b, c, d];
                    if Order::new(&rules).is_ok() {
                        found.push(rules);
                    }
                }
            }
        }
    }
    found
}

#[test]
fn in_every_order_the_first_that_refuses_is_heard() {
    let permutations = permutations();
    assert_eq!(permutations.len(), 24);
    for rules in permutations {
        let (mut world, mut session) = refused_by_all(Order::new(&rules).unwrap());
        let event = rcpt(LISTED, "a@c.example", "me@d.example");
        assert_eq!(world.say(&mut session, event), says(rules[0]), "{rules:?}");
        // Whoever speaks later has not been asked.
        let pending = usize::from(rules[0] == ReadOnly::Greylist);
        assert_eq!(world.engine.greylist.pending(), pending, "{rules:?}");
    }
}

#[test]
fn when_the_first_is_content_the_next_is_heard() {
    for rules in permutations() {
        let (mut world, mut session) = refused_by_all(Order::new(&rules).unwrap());
        let event = rcpt(LISTED, "a@c.example", "me@d.example");
        for rule in rules {
            assert_eq!(world.say(&mut session, event), says(rule), "{rules:?}");
            let now = world.now();
            match rule {
                ReadOnly::Checks => session.facts.lists = Fact::Known(Listing::default()),
                ReadOnly::NeverReturned => {
                    let client = returns::source(LISTED.parse().unwrap());
                    assert!(world.engine.returns.forget(client) > 0);
                }
                ReadOnly::Mailbox => world.engine.mailboxes.room("me@d.example", now),
                ReadOnly::Greylist => world.sleep(300),
            }
        }
        let said = world.say(&mut session, event);
        assert!(said.starts_with("ok"), "{rules:?}: {said}");
    }
}

#[test]
fn the_usual_order_refuses_for_good_first() {
    let usual = ["checks", "never_returned", "mailbox", "greylist"];
    let rules = Order::default().rules().map(ReadOnly::name);
    assert_eq!(rules, usual);
}

/// Whatever comes first, a rate is charged last, and the operator's word is heard before all.
#[test]
fn in_every_order_the_operator_is_first_and_rates_are_last() {
    for rules in permutations() {
        let order = Order::new(&rules).unwrap();
        let (mut world, mut session) = refused_by_all(order);
        let rate = limit(Counted::Messages, Scope::Recipient, "1/h burst 1");
        world.engine.configure(Rules {
            limits: vec![rate],
            ..world.engine.rules().clone()
        });
        let event = rcpt(LISTED, "a@c.example", "me@d.example");
        for _ in 0..3 {
            world.say(&mut session, event);
        }
        assert_eq!(world.engine.book.calendars(), 0, "{rules:?}");
        let entry = Entry {
            subject: Subject::client("192.0.2.0/24").unwrap(),
            action: Action::Deny,
            until: None,
            note: String::new(),
            made: world.now(),
        };
        world.engine.lists.set(entry).unwrap();
        let said = world.say(&mut session, event);
        assert_eq!(said, "550 5.7.1 Access denied", "{rules:?}");
    }
}

#[test]
fn an_order_has_each_rule_once() {
    use ReadOnly::{Checks, Greylist, Mailbox, NeverReturned};
    for (rules, says) in [
        (
            &[Checks, Mailbox, Greylist][..],
            "\"never_returned\" is left out: name each rule once (a rule is switched off by its own keys)",
        ),
        (
            &[Checks, NeverReturned, Mailbox, Greylist, Mailbox],
            "\"mailbox\" is there twice",
        ),
    ] {
        assert_eq!(Order::new(rules).unwrap_err().to_string(), says);
    }
}
