//! Taking what came up.

use std::sync::Arc;
use std::time::Duration;

use queue::spool::{Change, Hold, Lease, Leased, Spool, Step};
use queue::{HoldKey, MessageId, Progress, Rules, State, plan};

use super::mail::{self, lease, row, step, submit, time};
use super::{Case, Ground};

pub(super) const CASES: &[Case] = &[
    ("the earliest wake time is known", next_wake),
    ("what is due is leased, oldest first", due),
    (
        "a lease is durable, and gives the rows as they were",
        durable,
    ),
    (
        "a last attempt that a crash cut off is over also to the store's clock",
        last_attempt,
    ),
    ("rows of one message come together", together),
    (
        "a row without a step stays and takes nobody's place",
        passed_over,
    ),
    ("what is parked waits for its hold", parked),
    ("named messages come whatever they wait for", named),
    ("parks under our own limits end with the process", busy),
    ("also when there are very many", many_busy),
    ("parks whose hold is lost end at the next start", lost),
];

fn shape(leased: &[Leased]) -> Vec<(MessageId, Vec<u32>)> {
    let recipients = |leased: &Leased| {
        leased
            .rows
            .iter()
            .map(|(recipient, _)| *recipient)
            .collect()
    };
    leased
        .iter()
        .map(|leased| (leased.message.id, recipients(leased)))
        .collect()
}

fn add(spool: &dyn Spool, rows: Vec<Progress>) -> MessageId {
    let message = mail::at(spool, rows.len());
    submit(spool, mail::enqueue(&message, b"x", rows)).unwrap();
    message.id
}

fn due_lease(spool: &dyn Spool, now: u64, limit: usize) -> Vec<Leased> {
    lease(spool, Lease::Due, now, limit, step(now + 1000)).unwrap()
}

fn host() -> HoldKey {
    "host 192.0.2.1:25".parse().unwrap()
}

fn next_wake(ground: &mut dyn Ground) {
    let spool = ground.open();
    let wake = |row: Progress| {
        let id = add(&*spool, vec![row]);
        let wake = spool.next_wake().unwrap();
        submit(&*spool, mail::done(id, 0)).unwrap();
        wake
    };
    let expires = |secs| Progress {
        expires: time(secs),
        ..row(10)
    };
    assert_eq!(wake(row(10)), Some(time(10)));
    assert_eq!(wake(expires(5)), Some(time(5)));
    assert_eq!(
        wake(Progress {
            delay_notice: Some(time(3)),
            ..row(10)
        }),
        Some(time(3))
    );
    assert_eq!(
        wake(Progress {
            parked: Some(host()),
            ..expires(50)
        }),
        Some(time(50))
    );
    assert_eq!(
        wake(Progress {
            state: State::Held,
            ..expires(60)
        }),
        Some(time(60))
    );
    assert_eq!(spool.next_wake(), Ok(None));
}

fn due(ground: &mut dyn Ground) {
    let spool = ground.open();
    let ids: Vec<_> = [30, 10, 40, 20]
        .into_iter()
        .map(|due| add(&*spool, vec![row(due)]))
        .collect();
    assert!(due_lease(&*spool, 9, 10).is_empty(), "never before");
    assert_eq!(
        shape(&due_lease(&*spool, 30, 2)),
        [(ids[1], vec![0]), (ids[3], vec![0])]
    );
    assert_eq!(spool.next_wake(), Ok(Some(time(30))));
    assert_eq!(shape(&due_lease(&*spool, 30, 2)), [(ids[0], vec![0])]);
    assert!(due_lease(&*spool, 30, 2).is_empty(), "under way: not twice");
    assert_eq!(spool.next_wake(), Ok(Some(time(40))));
    assert!(due_lease(&*spool, 40, 0).is_empty());
    // What expires or is to be told of a delay comes up too.
    submit(
        &*spool,
        mail::update(
            ids[2],
            0,
            Progress {
                expires: time(35),
                ..row(900)
            },
        ),
    )
    .unwrap();
    assert_eq!(shape(&due_lease(&*spool, 35, 2)), [(ids[2], vec![0])]);
}

fn durable(ground: &mut dyn Ground) {
    let spool = ground.open();
    let before = Progress {
        attempts: 3,
        last_reply: Some("450 later".into()),
        ..row(10)
    };
    let id = add(&*spool, vec![before.clone(), row(5000)]);
    let leased = due_lease(&*spool, 20, 10);
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].message.id, id);
    assert_eq!(leased[0].rows, [(0, before.clone())]);
    drop(spool);
    let spool = ground.open();
    let after = Progress {
        attempts: 4,
        due: time(1020),
        ..before
    };
    assert_eq!(
        spool.get(id).unwrap().unwrap().rows,
        [(0, after), (1, row(5000))]
    );
    assert_eq!(spool.next_wake(), Ok(Some(time(1020))));
}

fn last_attempt(ground: &mut dyn Ground) {
    let spool = ground.open();
    let id = add(
        &*spool,
        vec![Progress {
            expires: time(10),
            ..row(10)
        }],
    );
    // Finer than what a store keeps.
    let now = time(10) + Duration::from_nanos(300);
    let step: Step = Arc::new(move |row| Some(plan::under_way(&Rules::default(), row, now)));
    lease(&*spool, Lease::Due, 10, 1, step).unwrap();
    drop(spool);
    let spool = ground.open();
    let row = &spool.get(id).unwrap().unwrap().rows[0].1;
    assert!(row.due > row.expires, "{row:?}");
}

fn together(ground: &mut dyn Ground) {
    let spool = ground.open();
    let first = add(&*spool, vec![row(10), row(30), row(12)]);
    let second = add(&*spool, vec![row(11), row(11)]);
    let leased = due_lease(&*spool, 20, 10);
    assert_eq!(shape(&leased), [(first, vec![0, 2]), (second, vec![0, 1])]);
}

fn passed_over(ground: &mut dyn Ground) {
    let spool = ground.open();
    let left: Vec<_> = (0..50)
        .map(|n| {
            add(
                &*spool,
                vec![Progress {
                    attempts: 9,
                    ..row(n)
                }],
            )
        })
        .collect();
    let taken = add(&*spool, vec![row(60)]);
    let step: Step = Arc::new(|row| {
        (row.attempts != 9).then(|| Progress {
            due: time(999),
            ..row.clone()
        })
    });
    let leased = lease(&*spool, Lease::Due, 100, 1, step).unwrap();
    assert_eq!(shape(&leased), [(taken, vec![0])]);
    assert_eq!(spool.next_wake(), Ok(Some(time(0))));
    assert_eq!(spool.get(left[0]).unwrap().unwrap().rows[0].1.attempts, 9);
}

fn parked(ground: &mut dyn Ground) {
    let spool = ground.open();
    let under = |key: &str| Progress {
        parked: Some(key.parse().unwrap()),
        ..row(10)
    };
    let (one, other) = ("host 192.0.2.1:25", "mailbox a@b.example");
    let ids = [
        add(&*spool, vec![under(other)]),
        add(&*spool, vec![under(one), row(5000), under(one)]),
        add(
            &*spool,
            vec![Progress {
                due: time(1),
                ..under(one)
            }],
        ),
    ];
    assert!(due_lease(&*spool, 100, 10).is_empty(), "parked: not due");
    let parked = |limit| lease(&*spool, Lease::Parked(host()), 100, limit, step(1100)).unwrap();
    assert_eq!(
        shape(&parked(1)),
        [(ids[1], vec![0])],
        "oldest message first"
    );
    assert_eq!(shape(&parked(9)), [(ids[1], vec![2]), (ids[2], vec![0])]);
    assert!(parked(9).is_empty(), "unparked by the step");
    assert_eq!(
        spool.get(ids[0]).unwrap().unwrap().rows,
        [(0, under(other))]
    );
    // Who was tried before comes after who was not.
    let tried = |attempts| Progress {
        attempts,
        ..under(one)
    };
    for (recipient, attempts) in [(0, 2), (2, 1)] {
        submit(&*spool, mail::update(ids[1], recipient, tried(attempts))).unwrap();
    }
    submit(&*spool, mail::update(ids[2], 0, tried(0))).unwrap();
    assert_eq!(shape(&parked(1)), [(ids[2], vec![0])]);
    assert_eq!(shape(&parked(1)), [(ids[1], vec![2])]);
    assert_eq!(shape(&parked(1)), [(ids[1], vec![0])]);
    // But not where only we are busy.
    let busy = HoldKey::Busy("b.example".into());
    let busy_row = |attempts| Progress {
        parked: Some(busy.clone()),
        ..tried(attempts)
    };
    submit(&*spool, mail::update(ids[1], 0, busy_row(2))).unwrap();
    submit(&*spool, mail::update(ids[2], 0, busy_row(0))).unwrap();
    let drawn = lease(&*spool, Lease::Parked(busy.clone()), 100, 9, step(1100)).unwrap();
    assert_eq!(shape(&drawn), [(ids[1], vec![0]), (ids[2], vec![0])]);
    // Parked anew, with a changed mind about the hold.
    submit(&*spool, mail::update(ids[0], 0, under(one))).unwrap();
    assert_eq!(shape(&parked(9)), [(ids[0], vec![0])]);
}

fn named(ground: &mut dyn Ground) {
    let spool = ground.open();
    let ids = [
        add(
            &*spool,
            vec![
                row(5000),
                Progress {
                    state: State::Held,
                    ..row(1)
                },
            ],
        ),
        add(&*spool, vec![row(10)]),
        add(
            &*spool,
            vec![Progress {
                parked: Some(host()),
                ..row(10)
            }],
        ),
    ];
    let named = |ids: &[MessageId], limit| {
        lease(&*spool, Lease::Messages(ids.to_vec()), 5, limit, step(2000)).unwrap()
    };
    assert!(named(&[], 10).is_empty());
    let wanted = [ids[2], MessageId(1), MessageId(u64::MAX), ids[0], ids[2]];
    assert_eq!(
        shape(&named(&wanted, 10)),
        [(ids[2], vec![0]), (ids[0], vec![0, 1])]
    );
    assert_eq!(shape(&named(&[ids[0]], 1)), [(ids[0], vec![0])]);
}

fn busy(ground: &mut dyn Ground) {
    let spool = ground.open();
    let under = |key: HoldKey| Progress {
        parked: Some(key),
        ..row(10)
    };
    let ids = [
        add(&*spool, vec![under(HoldKey::Busy("b.example".into()))]),
        add(&*spool, vec![under(host())]),
    ];
    submit(&*spool, set(host())).unwrap();
    assert!(due_lease(&*spool, 100, 10).is_empty());
    drop(spool);
    let spool = ground.open();
    assert!(
        spool
            .next_wake()
            .unwrap()
            .is_some_and(|wake| wake <= time(10))
    );
    assert_eq!(shape(&due_lease(&*spool, 100, 10)), [(ids[0], vec![0])]);
    assert_eq!(
        spool.get(ids[1]).unwrap().unwrap().rows,
        [(0, under(host()))]
    );
}

fn set(key: HoldKey) -> Change {
    let hold = Hold {
        key,
        until: time(50),
        failures: 1,
        reason: "421 later".into(),
        relay: Some("mx.b.example[192.0.2.1]:25".into()),
    };
    Change {
        hold: vec![hold],
        ..Change::default()
    }
}

fn lost(ground: &mut dyn Ground) {
    let spool = ground.open();
    let keys = [
        "host 192.0.2.1:25",
        "host 192.0.2.2:25",
        "mailbox a@b.example",
    ];
    let ids = keys.map(|key| {
        let parked = Progress {
            parked: Some(key.parse().unwrap()),
            ..row(10)
        };
        add(&*spool, vec![parked.clone(), parked])
    });
    submit(&*spool, set(keys[1].parse().unwrap())).unwrap();
    assert!(due_lease(&*spool, 100, 10).is_empty());
    drop(spool);
    let spool = ground.open();
    assert_eq!(spool.next_wake(), Ok(Some(time(10))));
    assert_eq!(
        shape(&due_lease(&*spool, 100, 10)),
        [(ids[0], vec![0, 1]), (ids[2], vec![0, 1])]
    );
}

fn many_busy(ground: &mut dyn Ground) {
    let parked = Progress {
        parked: Some(HoldKey::Busy("b.example".into())),
        ..row(10)
    };
    let spool = ground.open();
    let mut change = Change::default();
    for _ in 0..50 {
        let message = mail::at(&*spool, 100);
        change
            .enqueue
            .extend(mail::enqueue(&message, b"", vec![parked.clone(); 100]).enqueue);
    }
    submit(&*spool, change).unwrap();
    drop(spool);
    let spool = ground.open();
    let mut leased = 0;
    // As a dispatcher does: while something is due, lease.
    while spool
        .next_wake()
        .unwrap()
        .is_some_and(|wake| wake <= time(100))
    {
        let rows: usize = due_lease(&*spool, 100, 700)
            .iter()
            .map(|leased| leased.rows.len())
            .sum();
        leased += rows;
    }
    assert_eq!(leased, 5000);
}
