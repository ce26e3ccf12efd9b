//! The end of a lifetime under a hold: mail is not given up before its hold was probed, and its sender is told why.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use queue::dispatch::Limits;
use queue::settle::Kind;
use queue::{MessageId, Rules};

use crate::hosts::{Script, host, secs};
use crate::world::{ByDomain, World};

const HOUR: u64 = 3600;

/// A world in which mail lives so long, with one host.
fn world(lifetime: u64, script: impl FnOnce(&World) -> Script) -> World {
    let rules = Rules {
        lifetime: secs(lifetime),
        ..Rules::default()
    };
    let mut world = World::new(Limits::default(), rules);
    let script = script(&world);
    world.domain("b.example", vec![(host(1), script)]);
    world
}

/// One lane, and so many rows in memory, for each destination.
fn one_lane(world: &mut World, active_per_destination: usize) {
    world.limits = Limits {
        active_per_destination,
        lanes_per_destination: 1,
        ..Limits::default()
    };
    let (limits, rules) = (world.limits, world.rules.clone());
    world
        .dispatcher
        .configure(limits, rules, Arc::new(ByDomain));
}

fn mails(world: &mut World, count: u64) -> Vec<(MessageId, u32)> {
    (0..count)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect()
}

/// When the mails were given up, in seconds.
fn given_up(world: &World) -> Vec<u64> {
    let failed = world
        .notices
        .iter()
        .filter(|told| told.kind == Kind::Failed);
    let after = |at: SystemTime| at.duration_since(world.start).expect("later").as_secs();
    failed.map(|told| after(told.at)).collect()
}

/// When a mail came.
fn id_time(id: MessageId) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(id.0)
}

#[test]
fn a_hint_to_another_mail_for_the_mailbox_is_no_reason_to_bounce() {
    let mut world = world(HOUR, |world| Script::Full {
        mailbox: "a@b.example".to_owned(),
        until: world.start + secs(2 * HOUR - 10),
        hint: Some(2 * HOUR),
    });
    let mails = mails(&mut world, 5);
    world.run(secs(2 * HOUR - 1));
    assert_eq!(given_up(&world), []);
    world.run(secs(2 * HOUR + 10));
    assert_eq!(world.delivered.len(), 5);
    world.check_all_ended(&mails);
}

#[test]
fn a_mailbox_that_is_full_still_is_given_up_with_what_it_said_last() {
    let mut world = world(HOUR, |world| Script::Full {
        mailbox: "a@b.example".to_owned(),
        until: world.start + secs(30 * HOUR),
        hint: Some(2 * HOUR),
    });
    let mails = mails(&mut world, 3);
    world.run(secs(5 * HOUR));
    for told in &world.notices {
        assert_eq!(
            (told.kind, &told.reasons[..]),
            (Kind::Failed, &["mx: 450 4.2.0 TIME=7200".to_owned()][..])
        );
    }
    let given_up = given_up(&world);
    assert_eq!(given_up.len(), 3);
    assert!(
        given_up.iter().all(|at| (7200..7330).contains(at)),
        "{given_up:?}"
    );
    world.run(secs(40 * HOUR));
    world.check_all_ended(&mails);
}

#[test]
fn the_back_off_of_a_dead_host_ends_with_the_lifetime_of_its_mail() {
    // Dead until a quarter of an hour before the end: by then the back-off is an hour.
    let mut world = world(8 * HOUR, |world| Script::Dead {
        until: world.start + secs(8 * HOUR - 900),
        after: 1,
    });
    let mails = mails(&mut world, 30);
    world.run(secs(8 * HOUR - 1));
    let contacts = world.contacts[&host(1)].len();
    assert_eq!((world.delivered.len(), contacts), (0, 14));
    world.run(secs(8 * HOUR + 70));
    assert_eq!(world.delivered.len(), 30);
    world.check_all_ended(&mails);
}

#[test]
fn a_dead_host_is_probed_once_a_minute_at_most_when_its_mail_ends() {
    // Refused at once, and a black hole: the back-off and the dialling together take as long as mail waits for a probe.
    for after in [1, 30] {
        let mut world = world(8 * HOUR, |world| Script::Dead {
            until: world.start + secs(80 * HOUR),
            after,
        });
        let mails = mails(&mut world, 1000);
        world.run(secs(8 * HOUR - 1));
        let before = world.contacts[&host(1)].len();
        world.run(secs(8 * HOUR + 1000 + 300));
        let probes = world.contacts[&host(1)].len() - before;
        assert!((10..=22).contains(&probes), "{probes} in 21 minutes");
        world.run(secs(12 * HOUR));
        let failed = world.notices.iter().filter(|it| it.kind == Kind::Failed);
        for told in failed {
            let end = id_time(told.id) + secs(8 * HOUR);
            let late = told.at.duration_since(end).expect("not before its end");
            assert!(late <= secs(120), "{:?} is given up {late:?} late", told.id);
        }
        assert_eq!(given_up(&world).len(), 1000);
        world.check_all_ended(&mails);
    }
}

/// Five mails whose lifetime ended under the back-off of a dead host, which behaves so from the end of it on.
fn back_at_the_end(script: impl FnOnce(&World) -> Script) -> World {
    let mut world = world(8 * HOUR, |world| Script::Dead {
        until: world.start + secs(80 * HOUR),
        after: 1,
    });
    let mails = mails(&mut world, 5);
    world.run(secs(8 * HOUR + 10));
    assert_eq!(world.delivered.len(), 0);
    let script = script(&world);
    world.domain("b.example", vec![(host(1), script)]);
    world.run(secs(10 * HOUR));
    world.check_all_ended(&mails);
    world
}

#[test]
fn a_probe_that_is_awaited_takes_no_appointment_away() {
    // Each mail is told a time of its own, at its one attempt; and the host names one for all, as its probe's answer.
    for greylists in [true, false] {
        let world = back_at_the_end(|world| match greylists {
            true => Script::Grey { delay: 300 },
            false => Script::Refuses {
                until: world.start + secs(8 * HOUR + 600),
                hint: Some(600),
            },
        });
        assert_eq!(given_up(&world), []);
        assert_eq!(world.delivered.len(), 5);
    }
}

#[test]
fn but_one_appointment_is_the_last() {
    let world = back_at_the_end(|world| Script::Refuses {
        until: world.start + secs(80 * HOUR),
        hint: Some(600),
    });
    let given_up = given_up(&world);
    assert_eq!(given_up.len(), 5);
    assert!(
        given_up.iter().all(|at| *at <= 8 * HOUR + 60 + 600 + 100),
        "{given_up:?}"
    );
}

/// Five mails whose lifetime ends under a hold that ends at 600; from then on the host takes them, so many seconds each.
fn slow_probe(attempt: u64) -> (World, Vec<(MessageId, u32)>) {
    let mut world = world(300, |world| Script::Refuses {
        until: world.start + secs(590),
        hint: Some(600),
    });
    let mails = mails(&mut world, 5);
    world.run(secs(500));
    world.manner.attempt = secs(attempt);
    (world, mails)
}

#[test]
fn mail_waits_for_a_probe_that_takes_long() {
    let (mut world, mails) = slow_probe(200);
    world.run(secs(1100));
    assert_eq!(given_up(&world), []);
    assert_eq!(world.delivered.len(), 5);
    world.check_all_ended(&mails);
}

#[test]
fn but_not_for_ever() {
    let (mut world, mails) = slow_probe(3 * HOUR);
    world.run(secs(2 * HOUR));
    let given_up = given_up(&world);
    assert_eq!(given_up.len(), 4, "all but the probe: {given_up:?}");
    assert!(given_up.iter().all(|at| *at <= 1210), "{given_up:?}");
    world.run(secs(4 * HOUR));
    world.check_all_ended(&mails);
}

#[test]
fn more_mail_than_a_destination_may_have_in_memory_outlives_its_hold() {
    let mut world = world(300, |world| Script::Refuses {
        until: world.start + secs(590),
        hint: Some(600),
    });
    one_lane(&mut world, 4);
    let mails = mails(&mut world, 30);
    world.run(secs(500));
    world.manner.attempt = secs(10);
    world.run(secs(1000));
    assert_eq!(given_up(&world), []);
    assert_eq!(world.delivered.len(), 30);
    assert_eq!(world.most_active, 4, "no more than its share");
    world.check_all_ended(&mails);
}

#[test]
fn mail_outlives_a_host_that_has_no_session_free_for_it() {
    // Stretched to a hold's end, whose probe finds the last free session; and by itself.
    for (lifetime, refuses, from) in [(300, 590, 608), (900, 0, 0)] {
        let mut world = world(lifetime, |world| Script::Crowded {
            refuses: world.start + secs(refuses),
            hint: 600,
            from: world.start + secs(from),
            until: world.start + secs(1500),
        });
        one_lane(&mut world, 2_000);
        world.manner.attempt = secs(5);
        let mails = mails(&mut world, 5);
        world.run(secs(1600));
        assert_eq!(given_up(&world), []);
        assert_eq!(world.delivered.len(), 5);
        world.check_all_ended(&mails);
    }
}

#[test]
fn a_probe_that_finds_no_session_free_waits_for_one() {
    // Its host's time comes, but its sessions are taken by others for two minutes.
    let mut world = world(100 * HOUR, |world| Script::Crowded {
        refuses: world.start + secs(590),
        hint: 600,
        from: world.start + secs(590),
        until: world.start + secs(720),
    });
    world.manner.attempt = secs(5);
    let mails = mails(&mut world, 5);
    world.run(secs(719));
    assert_eq!(world.delivered.len(), 0);
    let asked = world.contacts[&host(1)].len();
    assert!((15..=30).contains(&asked), "{asked} times in two minutes");
    world.run(secs(750));
    assert_eq!(world.delivered.len(), 5, "as soon as there is one");
    world.check_all_ended(&mails);
}

#[test]
fn each_mail_makes_its_turn_as_a_probe() {
    let mut world = world(100 * HOUR, |world| Script::Dead {
        until: world.start + secs(30 * HOUR),
        after: 1,
    });
    let mails = mails(&mut world, 10);
    world.run(secs(30 * HOUR - 1));
    let tried: Vec<usize> = mails
        .iter()
        .map(|(id, _)| world.tried[&(*id, 0)].len())
        .collect();
    let (least, most) = (tried.iter().min(), tried.iter().max());
    assert!(
        least >= Some(&3) && most <= Some(&5),
        "as often as the others: {tried:?}"
    );
    world.run(secs(40 * HOUR));
    world.check_all_ended(&mails);
}

#[test]
fn mail_that_made_no_attempt_is_told_what_its_host_said() {
    let refuses = |hint| {
        move |world: &World| Script::Refuses {
            until: world.start + secs(80 * HOUR),
            hint,
        }
    };
    for hint in [None, Some(60)] {
        let mut world = world(20, refuses(hint));
        let mails = mails(&mut world, 4);
        world.run(secs(600));
        assert_eq!(world.notices.len(), 4);
        for told in &world.notices {
            let reason = &told.reasons[0];
            assert!(
                reason == "mx: 421 4.3.2 later" || reason.starts_with("mx: 450 4.2.0"),
                "{reason}"
            );
        }
        world.run(secs(3 * HOUR));
        world.check_all_ended(&mails);
    }
}

#[test]
fn a_delay_notice_does_not_contradict_itself() {
    let mut world = world(5 * HOUR, |world| Script::Full {
        mailbox: "a@b.example".to_owned(),
        until: world.start + secs(6 * HOUR),
        hint: Some(6 * HOUR),
    });
    mails(&mut world, 2);
    world.run(secs(5 * HOUR - 1));
    assert_eq!(world.notices.len(), 2);
    for told in &world.notices {
        let (next, until) = told.next[0];
        assert!(
            next >= world.start + secs(6 * HOUR) && next <= until,
            "{told:?}"
        );
    }
}
