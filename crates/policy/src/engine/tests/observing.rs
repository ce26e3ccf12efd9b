//! A greylist that observes for some days before it refuses anybody: what it knows by then.

use super::*;

fn rules(mode: Mode) -> Rules {
    Rules {
        greylist: Greylisting {
            mode,
            ..Greylisting::default()
        },
        ..Rules::default()
    }
}

#[test]
fn who_wrote_while_it_observed_need_not_wait_when_it_refuses() {
    let mut world = World::new(rules(Mode::Observe));
    let rcpt = |world: &mut World, client, sender| world.rcpt(client, sender, "me@d.example");
    // One writes twice, and one once.
    for client in ["192.0.2.1", "198.51.100.1"] {
        assert_eq!(rcpt(&mut world, client, "a@c.example"), "ok");
    }
    world.sleep(300);
    assert_eq!(rcpt(&mut world, "192.0.2.1", "a@c.example"), "ok");
    world.sleep(86_400);
    world.engine.configure(rules(Mode::Enforce));
    // The first one's network is known: any mail of it passes.
    assert_eq!(rcpt(&mut world, "192.0.2.9", "b@c.example"), "ok");
    // Of the other one only that mail's pair has waited, and within its window.
    let waits = "450 4.2.0 TIME=300 Greylisted";
    assert_eq!(rcpt(&mut world, "198.51.100.1", "b@c.example"), waits);
    let says = "ok after 86700 s";
    assert_eq!(rcpt(&mut world, "198.51.100.1", "a@c.example"), says);
    assert_eq!(rcpt(&mut world, "203.0.113.1", "a@c.example"), waits);
}
