//! Who is told, how often, and that nobody is forgotten.

use queue::dispatch::Limits;
use queue::settle::Kind;
use queue::spool::Change;
use queue::{MessageId, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::World;

fn world() -> World {
    World::new(Limits::default(), Rules::default())
}

/// `count` recipients there.
fn at(domain: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r{n}@{domain}")).collect()
}

fn mail(world: &mut World, to: &[String]) -> (MessageId, u32) {
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    (world.mail(secs(0), &to), to.len() as u32)
}

/// Kind, how many recipients it is about, and when, in seconds.
fn told(world: &World) -> Vec<(Kind, usize, u64)> {
    let notices = world.notices.iter();
    notices
        .map(|told| {
            let after = told.at.duration_since(world.start).expect("later");
            (told.kind, told.about.len(), after.as_secs())
        })
        .collect()
}

fn away(world: &World, after: u64) -> Script {
    let until = world.start + secs(30 * 86_400);
    Script::Dead { until, after }
}

#[test]
fn one_notice_for_all_recipients_that_fail_together() {
    let mut world = world();
    let away = away(&world, 30);
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    // Found out half a minute later.
    world.domain(
        "c.example",
        vec![(host(2), away), (host(3), Script::Nobody)],
    );
    let to = [at("b.example", 250), at("c.example", 3)].concat();
    let mail = mail(&mut world, &to);
    world.run(secs(600));
    assert_eq!(told(&world), [(Kind::Failed, 253, 30)]);
    world.check_all_ended(&[mail]);
}

#[test]
fn who_waits_for_another_time_is_not_waited_for() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    world.domain("c.example", vec![(host(2), Script::Grey { delay: 300 })]);
    let to = [at("b.example", 2), at("c.example", 2)].concat();
    let mail = mail(&mut world, &to);
    world.run(secs(400));
    assert_eq!(told(&world), [(Kind::Failed, 2, 2)]);
    world.check_all_ended(&[mail]);
}

#[test]
fn an_attempt_that_takes_very_long_is_not_waited_for() {
    let mut world = world();
    let away = away(&world, 1000);
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    world.domain(
        "c.example",
        vec![(host(2), away), (host(3), Script::Nobody)],
    );
    let to = [at("b.example", 2), at("c.example", 1)].concat();
    let mail = mail(&mut world, &to);
    world.run(secs(2000));
    assert_eq!(
        told(&world),
        [(Kind::Failed, 2, 300), (Kind::Failed, 1, 1002)]
    );
    // Nobody who failed was tried again while the notice waited.
    assert!(world.tried.values().all(|tried| tried.len() == 1));
    world.check_all_ended(&[mail]);
}

#[test]
fn many_that_are_late_and_expire_together_are_told_once() {
    let rules = Rules {
        lifetime: secs(5 * 3600),
        ..Rules::default()
    };
    let mut world = World::new(Limits::default(), rules);
    let away = away(&world, 30);
    world.domain("b.example", vec![(host(1), away)]);
    let mail = mail(&mut world, &at("b.example", 1200));
    world.run(secs(8 * 3600));
    let kinds: Vec<_> = told(&world).iter().map(|told| (told.0, told.1)).collect();
    assert_eq!(kinds, [(Kind::Delayed, 1200), (Kind::Failed, 1200)]);
    world.check_all_ended(&[mail]);
}

#[test]
fn a_delay_notice_says_when_the_hold_ends() {
    let mut world = world();
    let until = world.start + secs(30 * 86_400);
    let refuses = Script::Refuses {
        until,
        hint: Some(3000),
    };
    world.domain("b.example", vec![(host(1), refuses)]);
    mail(&mut world, &at("b.example", 1));
    // Parked without an attempt of its own.
    world.mail(secs(1), &["late@b.example"]);
    world.run(secs(4 * 3600 + 60));
    // The fifth, from 12,000 to 15,000.
    let held = world.spool.holds.values().next().expect("a hold").until;
    assert_eq!(world.notices.len(), 2);
    for told in &world.notices {
        assert_eq!(told.kind, Kind::Delayed);
        let (next, _) = told.next[0];
        let spread = secs(1);
        assert!(
            held <= next && next <= held + spread && next > told.at,
            "{told:?}, held until {held:?}"
        );
    }
}

#[test]
fn the_power_fails_anywhere_and_every_sender_is_told() {
    let rules = Rules {
        lifetime: secs(6 * 3600),
        ..Rules::default()
    };
    let limits = Limits {
        recipients_per_job: 2,
        ..Limits::default()
    };
    for crash_at in 1.. {
        let mut world = World::new(limits, rules.clone());
        let away = away(&world, 30);
        world.domain("b.example", vec![(host(1), Script::Nobody)]);
        world.domain("c.example", vec![(host(2), away)]);
        let to = [at("b.example", 3), at("c.example", 3)].concat();
        let mail = mail(&mut world, &to);
        world.crash_at.insert(crash_at);
        world.run(secs(8 * 86_400));
        world.check_all_ended(&[mail]);
        for index in 0..6 {
            let times = |kind| {
                let notices = world.notices.iter();
                notices
                    .filter(|told| told.kind == kind && told.about.contains(&index))
                    .count()
            };
            assert_eq!(times(Kind::Failed), 1, "{index}, cut at {crash_at}");
            // At worst repeated, and only by the cut.
            let late = usize::from(index >= 3);
            let delayed = times(Kind::Delayed);
            assert!(
                (late..=late + late * world.crashes).contains(&delayed),
                "{index} is told {delayed} times that it is late, cut at {crash_at}"
            );
        }
        if world.crashes == 0 {
            assert!(crash_at > 50, "only {crash_at} steps");
            break;
        }
    }
}

#[test]
fn a_delay_notice_that_could_not_be_kept_is_written_later() {
    let mut world = world();
    let away = away(&world, 30);
    world.domain("b.example", vec![(host(1), away)]);
    mail(&mut world, &at("b.example", 1));
    world.full_until = Some(world.start + secs(4 * 3600 + 600));
    world.run(secs(5 * 3600));
    let late: Vec<_> = told(&world);
    assert_eq!(late, [(Kind::Delayed, 1, 4 * 3600 + 900)]);
}

#[test]
fn deleted_mail_is_told_to_nobody() {
    let mut world = world();
    let away = away(&world, 60);
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    world.domain("c.example", vec![(host(2), away)]);
    mail(
        &mut world,
        &[at("b.example", 2), at("c.example", 1)].concat(),
    );
    world.operate(secs(10), |world| {
        let mut done: Vec<_> = world.spool.rows.keys().copied().collect();
        assert_eq!(done.len(), 3, "those that failed wait for the notice");
        // The third is under attempt.
        done.pop();
        world.dispatcher.forget(&[done[0].0]);
        world.submit(Change {
            done,
            ..Change::default()
        });
    });
    world.run(secs(40));
    assert_eq!(told(&world), []);
}

#[test]
fn a_server_that_ends_tells_first() {
    let mut world = world();
    let away = away(&world, 60);
    world.domain("b.example", vec![(host(1), Script::Nobody)]);
    world.domain("c.example", vec![(host(2), away)]);
    mail(
        &mut world,
        &[at("b.example", 2), at("c.example", 1)].concat(),
    );
    world.operate(secs(10), |world| {
        let change = world.dispatcher.drain(world.now);
        world.submit(change);
    });
    world.run(secs(20));
    assert_eq!(told(&world), [(Kind::Failed, 2, 10)]);
}
