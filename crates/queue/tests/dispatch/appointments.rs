//! A hint is an appointment: not before, and not much later.

use std::time::Duration;

use queue::dispatch::Limits;
use queue::outcome::HostEvent;
use queue::{HoldKey, Rules};
use retry_hint::Holds;

use crate::hosts::{Script, hint, host, secs};
use crate::world::World;

const LATE: Duration = Duration::from_secs(2);

fn world() -> World {
    World::new(Limits::default(), Rules::default())
}

#[test]
fn a_greylisted_mail_is_delivered_on_its_second_attempt_at_its_time() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    let mails: Vec<_> = (0..50)
        .map(|n| (world.mail(secs(n * 7), &["a@b.example"]), 1))
        .collect();
    world.run(secs(3600));
    for (id, _) in &mails {
        let tried = &world.tried[&(*id, 0)];
        let waited = tried[1].at.duration_since(tried[0].at).unwrap();
        assert_eq!(
            tried.iter().map(|one| one.outcome).collect::<Vec<_>>(),
            ["deferred", "delivered"]
        );
        assert!(
            waited >= secs(300) && waited <= secs(300) + LATE,
            "{waited:?}"
        );
    }
    world.check_all_ended(&mails);
}

/// A receiver that told all recipients of a mail one time sees them come back as the one mail that they were.
#[test]
fn recipients_that_were_told_one_time_come_back_together() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    let all = ["a@b.example", "b@b.example", "c@b.example", "d@b.example"];
    let mails: Vec<_> = (0..10)
        .map(|n| (world.mail(secs(n * 7), &all), 4))
        .collect();
    world.run(secs(3600));
    for (id, _) in &mails {
        let second = |index| world.tried[&(*id, index)][1].at;
        assert!((1..4).all(|index| second(index) == second(0)), "{id}");
    }
    // Twice each.
    assert_eq!(world.contacts[&host(1)].len(), 20);
    world.check_all_ended(&mails);
}

#[test]
fn a_host_that_says_when_is_probed_by_one_session_then_the_rest_follow() {
    let mut world = world();
    let until = world.start + secs(600);
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
    let mails: Vec<_> = (0..200)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(590));
    assert_eq!(
        world.contacts[&host(1)].len(),
        1,
        "one was told, the others waited with it"
    );
    assert_eq!(world.spool.parked(&HoldKey::Host(host(1))), 200);
    world.run(secs(900));
    let contacts = &world.contacts[&host(1)];
    let probe = contacts[1].duration_since(world.start).unwrap();
    assert!(probe >= secs(600) && probe < secs(602), "{probe:?}");
    let next = contacts[2].duration_since(contacts[1]).unwrap();
    assert!(
        next >= world.manner.attempt,
        "the rest waits for the probe's outcome: {next:?}"
    );
    let last = contacts
        .last()
        .unwrap()
        .duration_since(contacts[1])
        .unwrap();
    assert!(last < secs(5), "all follow at once: {last:?}");
    world.check_all_ended(&mails);
}

#[test]
fn a_probe_that_is_told_to_wait_again_leaves_the_rest_parked() {
    let mut world = world();
    let until = world.start + secs(1500);
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
    let mails: Vec<_> = (0..100)
        .map(|_| (world.mail(secs(0), &["a@b.example"]), 1))
        .collect();
    world.run(secs(1400));
    let contacts = world.contacts[&host(1)].len();
    assert!(
        contacts <= 20 + 2,
        "{contacts}: the first lanes, then one probe each time"
    );
    world.run(secs(3600));
    world.check_all_ended(&mails);
}

#[test]
fn a_receiver_that_says_one_second_for_ever_is_no_busy_loop() {
    let mut world = world();
    let until = world.start + secs(86_400);
    world.domain(
        "b.example",
        vec![(
            host(1),
            Script::Refuses {
                until,
                hint: Some(1),
            },
        )],
    );
    let mails: Vec<_> = (0..10)
        .map(|_| (world.mail(secs(0), &["a@b.example"]), 1))
        .collect();
    world.run(secs(86_400));
    let contacts = world.contacts[&host(1)].len();
    assert!(contacts < 200, "{contacts}");
    world.run(secs(2 * 86_400));
    world.check_all_ended(&mails);
}

#[test]
fn another_host_that_is_free_is_asked_at_once() {
    let mut world = world();
    let until = world.start + secs(86_400);
    let refuses = Script::Refuses {
        until,
        hint: Some(600),
    };
    world.domain(
        "b.example",
        vec![(host(1), refuses), (host(2), Script::Works)],
    );
    let mails: Vec<_> = (0..50)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(60));
    assert_eq!(world.delivered.len(), 50);
    world.run(secs(2 * 86_400));
    world.check_all_ended(&mails);
}

#[test]
fn a_full_mailbox_holds_its_own_mail_only() {
    let mut world = world();
    let until = world.start + secs(900);
    let full = Script::Full {
        mailbox: "full@b.example".to_owned(),
        until,
        hint: Some(900),
    };
    world.domain("b.example", vec![(host(1), full)]);
    let mut mails = vec![(
        world.mail(secs(0), &["full@b.example", "free@b.example"]),
        2,
    )];
    for n in 1..100 {
        mails.push((world.mail(secs(n), &["full@B.example"]), 1));
        mails.push((world.mail(secs(n), &["free@b.example"]), 1));
    }
    world
        .domains
        .insert("B.example".to_owned(), world.domains["b.example"].clone());
    world.run(secs(880));
    assert_eq!(world.delivered.len(), 100, "the others are delivered");
    assert_eq!(world.spool.parked(&HoldKey::mailbox("full@b.example")), 100);
    let asked = |world: &World| {
        mails
            .iter()
            .map(|(id, _)| world.tried.get(&(*id, 0)).map_or(0, Vec::len))
            .sum::<usize>()
    };
    assert_eq!(asked(&world), 100, "of the full one's mail, one was tried");
    world.run(secs(910));
    assert_eq!(world.delivered.len(), 200, "the probe, and the rest");
    world.check_all_ended(&mails);
}

#[test]
fn a_mailbox_that_is_gone_when_it_is_probed_holds_nobody() {
    let mut world = world();
    let until = world.start + secs(900);
    let full = Script::Full {
        mailbox: "a@b.example".to_owned(),
        until,
        hint: Some(900),
    };
    world.domain("b.example", vec![(host(1), full)]);
    let mails: Vec<_> = (0..20)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.operate(secs(800), |world| {
        let unknown = Script::Unknown {
            mailbox: "a@b.example".to_owned(),
        };
        world.domain("b.example", vec![(host(1), unknown)]);
    });
    world.run(secs(910));
    assert_eq!(world.failed.len(), 20);
    world.check_all_ended(&mails);
}

#[test]
fn parked_mail_expires_and_its_delay_is_told() {
    let mut world = world();
    let until = world.start + secs(10 * 86_400);
    world.domain(
        "b.example",
        vec![(host(1), Script::Dead { until, after: 30 })],
    );
    let mails: Vec<_> = (0..30)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    // A probe a minute after the lifetime's end, and what it finds is told soon after.
    world.run(secs(5 * 86_400 + 300));
    assert_eq!(world.failed.len(), 30);
    for (id, _) in &mails {
        let kinds: Vec<_> = world
            .notices
            .iter()
            .filter(|notice| notice.id == *id)
            .map(|notice| notice.kind)
            .collect();
        assert_eq!(format!("{kinds:?}"), "[Delayed, Failed]");
    }
    world.run(secs(5 * 86_400 + 7200));
    world.check_all_ended(&mails);
}

#[test]
fn mail_that_becomes_durable_after_its_hold_is_over_is_not_forgotten_under_it() {
    let mut world = world();
    world.manner.enqueue = secs(20);
    let until = world.start + secs(900);
    let full = Script::Full {
        mailbox: "a@b.example".to_owned(),
        until,
        hint: Some(900),
    };
    world.domain("b.example", vec![(host(1), full)]);
    // Told to wait from 20 to 920; the second is admitted under the hold, and durable when all is over.
    let mails: Vec<_> = [0, 915]
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .to_vec();
    world.run(secs(930));
    assert_eq!(world.delivered.len(), 1, "the probe");
    world.run(secs(937));
    assert_eq!(world.delivered.len(), 2, "the late one");
    world.check_all_ended(&mails);
}

#[test]
fn a_time_that_a_host_names_between_two_mails_is_kept() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Works)]);
    let first = world.mail(secs(1), &["a@b.example"]);
    world.operate(secs(10), |world| {
        let told = HostEvent::Refused {
            reply: "421 4.3.2 TIME=300 restart".to_owned(),
            hint: Some(hint(300, Holds::Host)),
        };
        let now = world.now;
        world.dispatcher.heard(host(1), &told, "mx", now);
    });
    let mails: Vec<_> = (0..3)
        .map(|n| (world.mail(secs(20 + n), &["a@b.example"]), 1))
        .collect();
    world.run(secs(900));
    let at = |id| world.tried[&(id, 0)][0].at;
    assert!(at(first) <= world.start + secs(1) + LATE);
    for (id, _) in &mails {
        let waited = at(*id).duration_since(world.start).expect("later");
        assert!(
            waited >= secs(310) && waited <= secs(310) + LATE,
            "{waited:?}"
        );
    }
    world.check_all_ended(&mails);
    assert_eq!(world.dispatcher.holds().len(), 0);
}
