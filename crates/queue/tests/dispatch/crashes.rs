//! The power fails before each single step, once: nothing is lost, nothing comes early, nobody stays parked.

use queue::dispatch::Limits;
use queue::{MessageId, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::World;

fn check(rules: &Rules, build: impl Fn(&mut World) -> Vec<(MessageId, u32)>) {
    let limits = Limits {
        active: 12,
        active_per_destination: 4,
        lanes_per_destination: 2,
        lanes: 3,
        ..Limits::default()
    };
    let mut crash_at = 1;
    loop {
        let mut world = World::new(limits, rules.clone());
        let mails = build(&mut world);
        world.crash_at.insert(crash_at);
        world.run(secs(8 * 86_400));
        assert!(world.crashes <= 1);
        world.check_all_ended(&mails);
        if world.crashes == 0 {
            break;
        }
        crash_at += 1;
    }
    assert!(
        crash_at > 50,
        "only {crash_at} steps: the scenario does nothing"
    );
}

#[test]
fn with_a_greylister() {
    check(&Rules::default(), |world| {
        world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
        (0..6)
            .map(|n| (world.mail(secs(n), &["a@b.example", "b@b.example"]), 2))
            .collect()
    });
}

#[test]
fn with_a_host_that_says_when_and_a_busy_destination() {
    check(&Rules::default(), |world| {
        let until = world.start + secs(1000);
        world.domain(
            "b.example",
            vec![(
                host(1),
                Script::Refuses {
                    until,
                    hint: Some(600),
                },
            )],
        );
        (0..10)
            .map(|n| (world.mail(secs(n / 4), &["a@b.example"]), 1))
            .collect()
    });
}

#[test]
fn with_a_full_mailbox() {
    check(&Rules::default(), |world| {
        let until = world.start + secs(1000);
        let full = Script::Full {
            mailbox: "a@b.example".to_owned(),
            until,
            hint: Some(600),
        };
        world.domain("b.example", vec![(host(1), full)]);
        (0..6)
            .map(|n| (world.mail(secs(n), &["a@b.example", "b@b.example"]), 2))
            .collect()
    });
}

#[test]
fn with_a_dead_host_until_all_is_given_up() {
    let rules = Rules {
        lifetime: secs(6 * 3600),
        ..Rules::default()
    };
    check(&rules, |world| {
        let until = world.start + secs(30 * 86_400);
        world.domain(
            "b.example",
            vec![(host(1), Script::Dead { until, after: 30 })],
        );
        (0..3)
            .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
            .collect()
    });
}
