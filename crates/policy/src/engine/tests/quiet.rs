//! What time alone does, and what a first start does not know.

use super::*;
use crate::greylist::{Known, Origin, Stored};

const DAY: u64 = 86_400;

#[test]
fn who_never_came_is_counted_though_nobody_else_comes() {
    let mut world = World::new(Rules::default());
    for n in 0..300 {
        let sender = format!("a{n}@c.example");
        world.rcpt("192.0.2.1", &sender, "me@d.example");
    }
    world.sleep(2 * DAY + 1);
    for _ in 0..2 {
        world.sleep(1);
        let now = world.now();
        world.engine.tick(now);
    }
    assert_eq!(world.engine.greylist.pending(), 0);
    let never: u64 = world.engine.stats.rows().map(|day| day.counts.never).sum();
    assert_eq!(never, 300);
}

/// The first start takes greylisting's records over, and knows of nobody that was accepted.
#[test]
fn a_client_of_a_known_network_is_no_stranger_at_the_first_start() {
    let rate = limit(Counted::Messages, Scope::Client, "1/d");
    let listed = |known: bool| {
        let mut world = World::new(Rules {
            limits: vec![rate.clone()],
            never_returned: returns::Settings {
                pairs: 1,
                days: 1,
                ..returns::Settings::default()
            },
            ..limits([])
        });
        let now = world.now();
        if known {
            let stored = Stored::Known {
                origin: Origin::Network("192.0.2.0/24".parse().unwrap()),
                known: Known {
                    passes: 1,
                    last_used: now,
                    for_good: true,
                },
            };
            let start = std::time::UNIX_EPOCH;
            world.engine.greylist.restore(stored, start);
        }
        // Somebody else of its network takes the day's one mail.
        world.rcpt("192.0.2.9", "x@c.example", "me@d.example");
        let said = world.rcpt("192.0.2.1", "a@c.example", "me2@d.example");
        assert!(said.starts_with("450 4.7.0 TIME="), "{said}");
        for _ in 0..3 * 24 * 2 {
            world.sleep(1_800);
            let now = world.now();
            world.engine.tick(now);
        }
        world.engine.returns.offenders(world.now()).len()
    };
    assert_eq!((listed(false), listed(true)), (1, 0));
}
