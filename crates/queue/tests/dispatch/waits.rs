//! Several waits on one recipient, and who is let past a hold.

use queue::dispatch::{LaneId, Limits};
use queue::{HoldKey, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::World;

fn world() -> World {
    World::new(Limits::default(), Rules::default())
}

/// When this host was contacted, in seconds.
fn contacts(world: &World, n: u8) -> Vec<u64> {
    let contacts = world.contacts.get(&host(n)).into_iter().flatten();
    contacts
        .map(|at| at.duration_since(world.start).expect("later").as_secs())
        .collect()
}

fn refuses(world: &World, until: u64, hint: u64) -> Script {
    Script::Refuses {
        until: world.start + secs(until),
        hint: Some(hint),
    }
}

#[test]
fn of_two_hosts_that_say_when_the_first_that_is_free_is_tried_at_once() {
    let mut world = world();
    let (first, second) = (refuses(&world, 1150, 1200), refuses(&world, 550, 600));
    world.domain("b.example", vec![(host(1), first), (host(2), second)]);
    let mails: Vec<_> = (0..3)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(603));
    assert_eq!(world.delivered.len(), 3);
    assert_eq!(contacts(&world, 1), [0], "bound by its own wait only");
    assert!(contacts(&world, 2)[1] >= 600);
    world.run(secs(1300));
    world.check_all_ended(&mails);
}

#[test]
fn a_recipient_that_waits_twice_is_due_when_both_are_over() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    // Told to come back at 300; from 10 on, and until 900, the host wants nobody.
    let mut mails = vec![(world.mail(secs(0), &["a@b.example"]), 1)];
    world.operate(secs(9), |world| {
        let refuses = refuses(world, 890, 890);
        world.domain("b.example", vec![(host(1), refuses)]);
    });
    mails.push((world.mail(secs(10), &["b@b.example"]), 1));
    world.run(secs(899));
    assert_eq!(contacts(&world, 1), [0, 10]);
    world.run(secs(903));
    assert_eq!(world.delivered.len(), 2);
    world.check_all_ended(&mails);
}

#[test]
fn a_mailbox_that_waits_is_not_asked_when_its_host_is_free_again() {
    let mut world = world();
    let full = Script::Full {
        mailbox: "a@b.example".to_owned(),
        until: world.start + secs(1200),
        hint: Some(1200),
    };
    world.domain("b.example", vec![(host(1), full.clone())]);
    let mut mails = vec![(world.mail(secs(0), &["a@b.example"]), 1)];
    world.operate(secs(9), |world| {
        let refuses = refuses(world, 600, 590);
        world.domain("b.example", vec![(host(1), refuses)]);
    });
    mails.push((world.mail(secs(10), &["b@b.example"]), 1));
    mails.push((world.mail(secs(20), &["a@b.example"]), 1));
    world.run(secs(610));
    assert_eq!(world.delivered.len(), 1, "the other mailbox");
    // The model asserts that nobody asks for the full one before 1200.
    world.run(secs(1210));
    assert_eq!(world.delivered.len(), 3);
    world.check_all_ended(&mails);
}

#[test]
fn a_hold_is_passed_by_its_probe_alone() {
    let mut world = world();
    let stranger = LaneId(99);
    let refuses = refuses(&world, 30, 60);
    world.domain("b.example", vec![(host(1), refuses)]);
    let free = world.dispatcher.held(host(1), stranger, world.now);
    assert_eq!(free, None);
    let mails: Vec<_> = (0..5)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(30));
    let until = world.spool.holds[&HoldKey::Host(host(1))].until;
    let held = |world: &World| world.dispatcher.held(host(1), stranger, world.now);
    assert_eq!(held(&world), Some(until));
    // The probe takes 40 s from 60 on; until it is back, the hold is over for nobody else.
    world.manner.attempt = secs(40);
    world.run(secs(70));
    assert_eq!(contacts(&world, 1), [0, 60]);
    let now = world.now;
    assert!(until < now && held(&world).is_some_and(|until| until > now));
    world.run(secs(200));
    assert_eq!(held(&world), None);
    world.check_all_ended(&mails);
}

#[test]
fn a_spool_that_gives_no_leases_is_asked_again_each_second() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.sick_until = Some(world.start + secs(400));
    world.run(secs(399));
    assert!(
        (95..=100).contains(&world.failed_leases),
        "{}",
        world.failed_leases
    );
    world.run(secs(402));
    world.check_all_ended(&[mail]);
}

#[test]
fn a_retry_outlives_a_lease_that_failed() {
    let mut world = world();
    world.domain(
        "b.example",
        vec![(
            host(1),
            Script::Busy {
                until: world.start + secs(5),
            },
        )],
    );
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.operate(secs(10), |world| {
        world.sick_until = Some(world.now + secs(10));
        let ids = world.spool.messages.keys().copied().collect();
        world.dispatcher.retry_now(Some(ids), world.now);
    });
    world.run(secs(22));
    assert_eq!(world.delivered.len(), 1, "long before its back-off ends");
    world.check_all_ended(&[mail]);
}

#[test]
fn the_log_says_when_a_host_is_free_again() {
    let mut world = world();
    let dead = Script::Dead {
        until: world.start + secs(3600),
        after: 0,
    };
    world.domain("b.example", vec![(host(1), dead)]);
    world.mail(secs(0), &["a@b.example"]);
    // Parked, and the probe at 60: its own back-off is one minute, its host's two.
    let probe = world.mail(secs(1), &["a@b.example"]);
    world.run(secs(70));
    let until = world.spool.holds[&HoldKey::Host(host(1))].until;
    assert!(until > world.start + secs(180));
    assert_eq!(world.tried[&(probe, 0)].len(), 1);
    assert_eq!(world.due[&(probe, 0)], until);
    assert!(world.spool.rows[&(probe, 0)].due < until, "its own");
}
