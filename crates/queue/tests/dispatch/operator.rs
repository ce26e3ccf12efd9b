//! What the operator does while the queue runs.

use queue::dispatch::Limits;
use queue::spool::Change;
use queue::{HoldKey, MessageId, Progress, Rules, State};

use crate::hosts::{Script, host, secs};
use crate::world::World;

fn world() -> World {
    World::new(Limits::default(), Rules::default())
}

fn all(world: &World) -> Vec<MessageId> {
    world.spool.messages.keys().copied().collect()
}

#[test]
fn retry_now_beats_an_appointment() {
    let mut world = world();
    world.promises_void = true;
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 3600 })]);
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.operate(secs(100), |world| {
        let ids = all(world);
        world.domain("b.example", vec![(host(1), Script::Works)]);
        world.dispatcher.retry_now(Some(ids), world.now);
    });
    world.run(secs(102));
    assert_eq!(world.delivered.len(), 1);
    world.check_all_ended(&[mail]);
}

#[test]
fn retry_now_beats_a_hold_and_the_rest_follow() {
    let mut world = world();
    world.promises_void = true;
    let until = world.start + secs(90);
    world.domain(
        "b.example",
        vec![(
            host(1),
            Script::Refuses {
                until,
                hint: Some(3600),
            },
        )],
    );
    let mails: Vec<_> = (0..50)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.operate(secs(80), |world| {
        let first = all(world)[..1].to_vec();
        world.dispatcher.retry_now(Some(first), world.now);
    });
    world.run(secs(85));
    assert_eq!(
        world.contacts[&host(1)].len(),
        3,
        "refused: the mail and the probe; nobody else was let loose"
    );
    world.operate(secs(100), |world| {
        let first = all(world)[..1].to_vec();
        world.dispatcher.retry_now(Some(first), world.now);
    });
    world.run(secs(110));
    assert_eq!(world.delivered.len(), 50);
    world.check_all_ended(&mails);
}

#[test]
fn ending_all_holds_probes_each() {
    let mut world = world();
    world.promises_void = true;
    let until = world.start + secs(90);
    world.domain(
        "b.example",
        vec![(
            host(1),
            Script::Refuses {
                until,
                hint: Some(3600),
            },
        )],
    );
    let mails: Vec<_> = (0..50)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.operate(secs(100), |world| {
        world.dispatcher.retry_now(None, world.now)
    });
    world.run(secs(110));
    world.check_all_ended(&mails);
}

#[test]
fn deleted_mail_is_not_attempted_though_it_was_in_line() {
    let mut world = World::new(
        Limits {
            lanes_per_destination: 1,
            ..Limits::default()
        },
        Rules::default(),
    );
    world.domain("b.example", vec![(host(1), Script::Works)]);
    for _ in 0..20 {
        world.mail(secs(0), &["a@b.example"]);
    }
    world.operate(secs(1), |world| {
        let ids: Vec<_> = all(world)
            .into_iter()
            .filter(|id| !world.dispatcher.is_under_way(*id))
            .collect();
        assert!(!ids.is_empty());
        world.dispatcher.forget(&ids);
        world.submit(Change {
            done: ids.iter().map(|id| (*id, 0)).collect(),
            ..Change::default()
        });
    });
    world.run(secs(10));
    assert!(world.delivered.len() < 20, "{}", world.delivered.len());
    assert_eq!((world.spool.rows.len(), world.dispatcher.active()), (0, 0));
}

#[test]
fn what_the_operator_holds_expires_and_is_not_attempted() {
    let mut world = world();
    world.domain("b.example", vec![(host(1), Script::Grey { delay: 300 })]);
    let mail = (world.mail(secs(0), &["a@b.example"]), 1);
    world.operate(secs(100), |world| {
        let ids = all(world);
        let rows: Vec<_> = world
            .spool
            .rows
            .iter()
            .map(|(key, row)| (key.0, key.1, row.clone()))
            .collect();
        let held = |(id, index, row)| {
            (
                id,
                index,
                Progress {
                    state: State::Held,
                    ..row
                },
            )
        };
        world.submit(Change {
            update: rows.into_iter().map(held).collect(),
            ..Change::default()
        });
        world.dispatcher.forget(&ids);
    });
    world.run(secs(6 * 86_400));
    assert_eq!(world.tried[&(mail.0, 0)].len(), 1);
    assert_eq!(world.failed.len(), 1, "it expired");
    let kinds: Vec<_> = world.notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(format!("{kinds:?}"), "[Delayed, Failed]");
    world.check_all_ended(&[mail]);
}

#[test]
fn draining_gives_back_what_was_not_begun() {
    let mut world = World::new(
        Limits {
            lanes_per_destination: 2,
            ..Limits::default()
        },
        Rules::default(),
    );
    world.domain("b.example", vec![(host(1), Script::Works)]);
    let mails: Vec<_> = (0..100)
        .map(|_| (world.mail(secs(0), &["a@b.example"]), 1))
        .collect();
    world.operate(secs(1), |world| {
        let change = world.dispatcher.drain(world.now);
        assert!(change.update.iter().all(|(_, _, row)| row.due <= world.now));
        world.submit(change);
    });
    world.run(secs(5));
    assert_eq!(
        world.dispatcher.active(),
        0,
        "what was under way is settled"
    );
    let before = world.delivered.len();
    assert!(before > 10 && before < 30, "{before}");
    world.crash();
    world.run(secs(15));
    assert_eq!(world.cut_off, 0);
    world.check_all_ended(&mails);
}

#[test]
fn mail_under_a_hold_that_nobody_knows_is_not_stuck() {
    let mut world = world();
    let until = world.start + secs(100);
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
    let mails: Vec<_> = (0..5)
        .map(|n| (world.mail(secs(n), &["a@b.example"]), 1))
        .collect();
    world.operate(secs(60), |world| {
        world.spool.holds.clear();
        world.told.clear();
        world.crash();
    });
    world.run(secs(59));
    assert_eq!(world.spool.parked(&HoldKey::Host(host(1))), 5);
    // With the record, its promise is lost: they are tried when their own time has come.
    world.run(secs(700));
    world.check_all_ended(&mails);
}
