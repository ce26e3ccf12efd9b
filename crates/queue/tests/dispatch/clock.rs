//! The clock is set, and the mail goes on.

use queue::dispatch::Limits;
use queue::settle::Kind;
use queue::{MessageId, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::World;

const DAY: u64 = 86_400;

/// A world whose clock may be set back.
fn world() -> World {
    let mut world = World::new(Limits::default(), Rules::default());
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    world
}

fn taken(world: &World, id: MessageId) -> bool {
    world.delivered.contains_key(&(id, 0))
}

#[test]
fn a_clock_that_goes_ahead_makes_due_what_waited() {
    let mut world = world();
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.operate(secs(10), |world| world.set_clock(world.start + secs(3600)));
    world.run(secs(3601));
    world.check_all_ended(&[mail]);
    assert_eq!(world.notices.len(), 0);
}

#[test]
fn a_clock_that_goes_past_the_lifetime_leaves_one_more_attempt() {
    let mut world = world();
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.operate(secs(10), |world| {
        world.set_clock(world.start + secs(20 * DAY));
    });
    world.run(secs(20 * DAY + 5));
    assert!(taken(&world, mail.0), "{:?}", world.notices);
    world.check_all_ended(&[mail]);
}

#[test]
fn a_clock_that_goes_past_the_lifetime_is_told_to_the_sender_once() {
    let mut world = world();
    let until = world.start + secs(99 * DAY);
    world.domain("b.example", vec![(host(1), Script::Busy { until })]);
    let mail = (world.mail(secs(0), &["a@b.example", "b@b.example"]), 2);
    world.operate(secs(10), |world| {
        world.set_clock(world.start + secs(20 * DAY));
    });
    world.run(secs(20 * DAY + 5));
    let kinds: Vec<_> = world.notices.iter().map(|told| told.kind).collect();
    assert_eq!(kinds, [Kind::Failed]);
    world.check_all_ended(&[mail]);
}

/// Runs for two days, sets the clock back to one, and sends a mail right after.
fn back(world: &mut World) -> MessageId {
    world.run(secs(2 * DAY));
    world.set_clock(world.start + secs(DAY));
    world.mail(secs(DAY + 1), &["new@b.example"])
}

#[test]
fn after_a_failed_lease_a_clock_that_goes_back_stops_no_mail() {
    let mut world = world();
    world.mail(secs(2 * DAY - 310), &["a@b.example"]);
    // The lease at the end of the appointment fails just before the clock is set.
    world.sick_until = Some(world.start + secs(2 * DAY));
    let new = back(&mut world);
    assert!(world.failed_leases > 0);
    world.sick_until = None;
    world.run(secs(DAY + 310));
    assert!(taken(&world, new), "{:?}", world.tried);
}

#[test]
fn after_a_lease_that_found_nothing_a_clock_that_goes_back_stops_no_mail() {
    let mut world = world();
    world.operate(secs(2 * DAY - 1), |world| {
        world.dispatcher.set_spool_wake(Some(world.now));
    });
    let new = back(&mut world);
    world.run(secs(DAY + 310));
    assert!(taken(&world, new), "{:?}", world.tried);
}

#[test]
fn a_hold_made_by_a_clock_that_was_ahead_ends() {
    let mut world = world();
    let until = world.start + secs(2 * DAY);
    let refuses = Script::Refuses {
        until,
        hint: Some(3600),
    };
    world.domain("b.example", vec![(host(1), refuses)]);
    world.mail(secs(2 * DAY - 10), &["a@b.example"]);
    let new = back(&mut world);
    // It was told by the other clock.
    world.promises_void = true;
    world.domain("b.example", vec![(host(1), Script::Works)]);
    world.run(secs(DAY + 3600 + 10));
    assert!(taken(&world, new), "{:?}", world.tried);
    // The other waits as long as was told, by the clock.
    world.run(secs(2 * DAY + 3600));
    assert_eq!(world.delivered.len(), 2);
}

#[test]
fn a_notice_that_waits_for_others_is_sent_though_the_clock_goes_back() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    world.domain("c.example", vec![(host(2), Script::Grey { delay: 300 })]);
    let mail = world.mail(secs(2 * DAY - 1), &["a@b.example", "a@c.example"]);
    back(&mut world);
    world.run(secs(DAY + 310));
    assert!(world.notices.iter().any(|told| told.id == mail));
}
