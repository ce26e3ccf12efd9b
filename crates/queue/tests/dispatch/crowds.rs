//! Much mail: one destination never stands before another, and memory is bounded by what is under way.

use std::time::{Duration, SystemTime};

use queue::dispatch::Limits;
use queue::{MessageId, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::World;

fn delivered_at(world: &World, id: MessageId) -> SystemTime {
    let tried = world.tried.get(&(id, 0)).and_then(|tried| tried.last());
    tried
        .filter(|last| last.outcome == "delivered")
        .unwrap_or_else(|| panic!("{id:?} is not delivered"))
        .at
}

fn took(world: &World, id: MessageId) -> Duration {
    let received = SystemTime::UNIX_EPOCH + Duration::from_micros(id.0);
    delivered_at(world, id)
        .duration_since(received)
        .expect("delivered after it came")
}

#[test]
fn ten_thousand_mails_for_a_dead_destination_delay_no_other() {
    let mut world = World::new(Limits::default(), Rules::default());
    let until = world.start + secs(2 * 86_400);
    world.domain(
        "dead.example",
        vec![(host(1), Script::Dead { until, after: 30 })],
    );
    world.domain("b.example", vec![(host(2), Script::Works)]);
    let dead: Vec<_> = (0..10_000)
        .map(|n| (world.mail(Duration::from_millis(n), &["a@dead.example"]), 1))
        .collect();
    let healthy: Vec<_> = (0..600)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(3600));
    for (id, _) in &healthy {
        let took = took(&world, *id);
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
    assert!(
        world.most_active <= 2_100,
        "{} in memory",
        world.most_active
    );
    world.run(secs(86_400));
    let contacts = world.contacts[&host(1)].len();
    assert!(
        contacts <= 20 + 35,
        "{contacts}: the first lanes, then one probe at a time"
    );
    assert!(
        world.spool.writes < 60_000,
        "{} writes for what waits",
        world.spool.writes
    );
    world.run(secs(3 * 86_400));
    world.check_all_ended(&dead);
}

#[test]
fn a_busy_destination_is_parked_and_drawn_in_order() {
    let limits = Limits {
        active_per_destination: 100,
        lanes_per_destination: 10,
        ..Limits::default()
    };
    let mut world = World::new(limits, Rules::default());
    world.domain("b.example", vec![(host(1), Script::Works)]);
    let mails: Vec<_> = (0..2_000)
        .map(|n| (world.mail(Duration::from_millis(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(60));
    assert!(world.most_active <= 100, "{}", world.most_active);
    for pair in mails.windows(200) {
        let (first, last) = (
            delivered_at(&world, pair[0].0),
            delivered_at(&world, pair[199].0),
        );
        assert!(first <= last, "about first come, first served");
    }
    let last = mails
        .iter()
        .map(|(id, _)| delivered_at(&world, *id))
        .max()
        .unwrap();
    let took = last.duration_since(world.start).unwrap();
    assert!(took < secs(22), "ten lanes, ten a second each: {took:?}");
    world.check_all_ended(&mails);
}

#[test]
fn lanes_are_shared_among_destinations() {
    let limits = Limits {
        lanes: 4,
        lanes_per_destination: 4,
        ..Limits::default()
    };
    let mut world = World::new(limits, Rules::default());
    world.domain("big.example", vec![(host(1), Script::Works)]);
    let mut mails: Vec<_> = (0..1_000)
        .map(|_| (world.mail(secs(0), &["a@big.example"]), 1))
        .collect();
    let mut small = Vec::new();
    for n in 0..40 {
        world.domain(&format!("{n}.example"), vec![(host(2), Script::Works)]);
        let address = format!("a@{n}.example");
        small.push(world.mail(secs(1), &[address.as_str()]));
    }
    world.run(secs(120));
    for id in &small {
        let took = took(&world, *id);
        assert!(took < secs(12), "{took:?}");
    }
    mails.extend(small.into_iter().map(|id| (id, 1)));
    world.check_all_ended(&mails);
}

#[test]
fn new_mail_does_not_shut_out_what_waits() {
    let limits = Limits {
        active: 40,
        lanes: 4,
        lanes_per_destination: 2,
        ..Limits::default()
    };
    let mut world = World::new(limits, Rules::default());
    world.domain("b.example", vec![(host(1), Script::Works)]);
    world.domain("grey.example", vec![(host(2), Script::Grey { delay: 30 })]);
    let grey = world.mail(secs(0), &["a@grey.example"]);
    // Half as much again as can be delivered, for two minutes.
    let mut mails: Vec<_> = (0..3_600)
        .map(|n| {
            (
                world.mail(Duration::from_millis(n * 33), &["a@b.example"]),
                1,
            )
        })
        .collect();
    world.run(secs(600));
    let took = took(&world, grey);
    assert!(took < secs(120), "{took:?}");
    mails.push((grey, 1));
    world.check_all_ended(&mails);
}

#[test]
fn one_mail_for_many_recipients_goes_in_jobs() {
    let mut world = World::new(Limits::default(), Rules::default());
    world.domain("b.example", vec![(host(1), Script::Works)]);
    world.domain("c.example", vec![(host(2), Script::Works)]);
    world.domain("local", vec![(host(3), Script::Works)]);
    let to: Vec<_> = (0..350)
        .map(|n| format!("{n}@{}", ["b.example", "c.example", "here"][n % 3]))
        .collect();
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let mail = (world.mail(secs(0), &to), 350);
    world.run(secs(1));
    assert_eq!(world.delivered.len(), 350);
    assert_eq!(
        world.contacts[&host(1)].len(),
        2,
        "117 recipients are two transactions"
    );
    world.check_all_ended(&[mail]);
}
