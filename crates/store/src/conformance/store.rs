//! Messages, rows and holds: in, moved, out, and found again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use queue::progress::{Appointment, LastAttempt};
use queue::spool::{Body, Change, Count, Entry, Hold, Spool, SpoolError};
use queue::{HoldKey, Message, MessageId, Origin, Progress, State};
use retry_hint::Tongue;
use smtp::{BodyKind, Content, Notify, Recipient, Ret, Sender, Status};

use super::mail::{self, row, submit, time};
use super::{Case, Ground};

pub(super) const CASES: &[Case] = &[
    (
        "ids grow, also when all mail is gone and the clock went back",
        ids,
    ),
    ("what was enqueued is found, whole", enqueue),
    ("every field comes back", fields),
    ("a list goes by id, in pages", list),
    ("a row moves; one that is gone stays gone", update),
    ("a delay that was told is told no more", told),
    ("the last recipient takes the message along", done),
    ("a change is applied in its order, whole", order),
    ("changes of one thread are applied in order", in_line),
    (
        "an id that is in use stands; a message without rows is none",
        odd,
    ),
    ("holds are set, moved and over", holds),
    ("a closed spool takes nothing and keeps everything", close),
    ("an answer may ask for more", reentrant),
];

fn rows_of(spool: &dyn Spool, id: MessageId) -> Option<Vec<(u32, Progress)>> {
    spool.get(id).unwrap().map(|entry| entry.rows)
}

fn count(messages: u64, recipients: u64) -> Count {
    Count {
        messages,
        recipients,
    }
}

fn ids(ground: &mut dyn Ground) {
    let spool = ground.open();
    let micros = |n| UNIX_EPOCH + Duration::from_micros(n);
    assert_eq!(spool.new_id(micros(1000)), MessageId(1000));
    assert_eq!(spool.new_id(micros(1000)), MessageId(1001));
    assert_eq!(spool.new_id(micros(7)), MessageId(1002));
    assert_eq!(spool.new_id(micros(5000)), MessageId(5000));
    let last = mail::message(MessageId(5000), 1);
    submit(&*spool, mail::enqueue(&last, b"", vec![row(0)])).unwrap();
    drop(spool);
    let spool = ground.open();
    assert_eq!(spool.new_id(micros(7)), MessageId(5001));
    submit(&*spool, mail::done(last.id, 0)).unwrap();
    drop(spool);
    assert!(ground.open().new_id(micros(7)) > MessageId(5000));
}

fn enqueue(ground: &mut dyn Ground) {
    let spool = ground.open();
    assert_eq!(spool.count(), Ok(count(0, 0)));
    assert_eq!(spool.next_wake(), Ok(None));
    let message = mail::at(&*spool, 2);
    assert!(spool.get(message.id).unwrap().is_none());
    submit(
        &*spool,
        mail::enqueue(&message, b"hello", vec![row(20), row(10)]),
    )
    .unwrap();
    let check = |spool: &dyn Spool| {
        let entry = spool.get(message.id).unwrap().unwrap();
        assert_eq!(*entry.message, message);
        assert_eq!(entry.rows, [(0, row(20)), (1, row(10))]);
        assert_eq!(spool.count(), Ok(count(1, 2)));
        assert_eq!(spool.next_wake(), Ok(Some(time(10))));
    };
    check(&*spool);
    drop(spool);
    check(&*ground.open());
}

fn fields(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = Message {
        id: spool.new_id(time(0)),
        received: time(7),
        sender: Sender {
            address: "jürgen@ä.example".into(),
            body: BodyKind::EightBitMime,
            smtputf8: true,
            size: Some(u64::MAX),
            ret: Some(Ret::Hdrs),
            envid: Some("a+2Bb".into()),
        },
        recipients: vec![
            Recipient {
                notify: Notify::Never,
                orcpt: Some("rfc822;\"a b\"@c".into()),
                ..Recipient::new("\"q'\"@b")
            },
            Recipient {
                notify: Notify::On {
                    success: true,
                    failure: false,
                    delay: true,
                },
                ..Recipient::new("postmaster")
            },
        ],
        content: Content {
            size: 12,
            eight_bit: true,
            utf8_header: true,
            received: 3,
        },
        origin: Origin {
            client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            helo: Some("[127.0.0.1]".into()),
            protocol: "ESMTPS".into(),
        },
    };
    let full = |host: Option<&str>, tongue, parked: &str| Progress {
        state: State::Held,
        attempts: u32::MAX,
        backoff_steps: 3,
        appointment: Some(Appointment {
            host: host.map(|host| queue::HostKey(host.parse().unwrap())),
            local: host.map(|_| Ipv6Addr::LOCALHOST.into()),
            wait_secs: 1 << 40,
            tongue,
        }),
        broken: 2,
        parked: Some(parked.parse().unwrap()),
        stretched: queue::Stretched {
            to_appointment: false,
            to_probe: true,
        },
        delay_notice: Some(time(14_400)),
        last_reply: Some("450-4.2.0 eins\r\n450 4.2.0 zwei ü".into()),
        last_attempt: Some(Box::new(LastAttempt {
            at: time(8),
            relay: "mx.b.example[2001:db8::1]:25".into(),
            status: Status(4, 2, 0),
        })),
        ..row(9)
    };
    let rows = vec![
        full(
            Some("[2001:db8::1]:25"),
            Tongue::Keyword,
            "host 192.0.2.1:25",
        ),
        full(None, Tongue::Draft, "mailbox a b@c.example"),
        full(Some("192.0.2.1:2525"), Tongue::Prose, "mailbox ü@c.example"),
        row(1),
    ];
    let mut change = mail::enqueue(&message, b"x", rows.clone());
    let parked = rows.iter().filter_map(|row| row.parked.clone());
    change.hold = parked
        .map(|key| Hold {
            key,
            until: time(60),
            failures: 0,
            reason: "421 later".into(),
            relay: Some("mx.b.example[192.0.2.1]:25".into()),
        })
        .collect();
    submit(&*spool, change).unwrap();
    drop(spool);
    let Entry {
        message: found,
        rows: found_rows,
    } = ground.open().get(message.id).unwrap().unwrap();
    assert_eq!(*found, message);
    assert_eq!(
        found_rows
            .into_iter()
            .map(|(_, row)| row)
            .collect::<Vec<_>>(),
        rows
    );
}

fn list(ground: &mut dyn Ground) {
    let spool = ground.open();
    let mut ids: Vec<_> = (0..5).map(|_| spool.new_id(time(0))).collect();
    for (n, id) in ids.iter().enumerate().rev() {
        submit(
            &*spool,
            mail::enqueue(&mail::message(*id, n + 1), b"", vec![row(0); n + 1]),
        )
        .unwrap();
    }
    submit(&*spool, mail::done(ids.remove(3), 0)).unwrap();
    submit(&*spool, mail::done(ids[1], 0)).unwrap();
    let list = |after, limit| -> Vec<(MessageId, usize)> {
        let entries = spool.list(after, limit).unwrap();
        entries
            .iter()
            .map(|entry| (entry.message.id, entry.rows.len()))
            .collect()
    };
    assert_eq!(list(None, 2), [(ids[0], 1), (ids[1], 1)]);
    let after_that: Vec<_> = list(Some(ids[1]), 10);
    assert_eq!(after_that.first(), Some(&(ids[2], 3)));
    assert_eq!(list(Some(MessageId(u64::MAX)), 10), []);
    assert_eq!(list(None, 0), []);
    let all = spool.list(None, usize::MAX).unwrap();
    assert!(all.is_sorted_by_key(|entry| entry.message.id));
}

fn update(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 2);
    submit(
        &*spool,
        mail::enqueue(&message, b"", vec![row(10), row(20)]),
    )
    .unwrap();
    let moved = Progress {
        attempts: 1,
        last_reply: Some("450 later".into()),
        ..row(300)
    };
    submit(&*spool, mail::update(message.id, 0, moved.clone())).unwrap();
    assert_eq!(
        rows_of(&*spool, message.id),
        Some(vec![(0, moved.clone()), (1, row(20))])
    );
    assert_eq!(spool.next_wake(), Ok(Some(time(20))));
    // A row that never was; a row that is done; a message that never was.
    submit(&*spool, mail::update(message.id, 7, row(1))).unwrap();
    submit(&*spool, mail::done(message.id, 1)).unwrap();
    submit(&*spool, mail::update(message.id, 1, row(1))).unwrap();
    submit(&*spool, mail::update(MessageId(1), 0, row(1))).unwrap();
    submit(&*spool, mail::update(MessageId(u64::MAX), 0, row(1))).unwrap();
    drop(spool);
    let spool = ground.open();
    assert_eq!(rows_of(&*spool, message.id), Some(vec![(0, moved)]));
    assert_eq!(spool.count(), Ok(count(1, 1)));
    assert_eq!(spool.next_wake(), Ok(Some(time(300))));
}

fn told(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 2);
    let late = Progress {
        delay_notice: Some(time(10)),
        parked: Some(HoldKey::Mailbox("a@b.example".into())),
        attempts: 3,
        ..row(5)
    };
    submit(
        &*spool,
        mail::enqueue(&message, b"", vec![late.clone(), row(90)]),
    )
    .unwrap();
    assert_eq!(spool.next_wake(), Ok(Some(time(10))));
    // With a row that is gone, and a message that never was.
    let told = Change {
        told: vec![(message.id, 0), (message.id, 7), (MessageId(u64::MAX), 0)],
        ..Change::default()
    };
    submit(&*spool, told).unwrap();
    let now = Progress {
        delay_notice: None,
        ..late
    };
    assert_eq!(
        rows_of(&*spool, message.id),
        Some(vec![(0, now), (1, row(90))])
    );
    assert_eq!(spool.next_wake(), Ok(Some(time(90))));
}

fn done(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 3);
    submit(&*spool, mail::enqueue(&message, b"x", vec![row(0); 3])).unwrap();
    for (recipient, left) in [(1, 2), (1, 2), (9, 2), (0, 1)] {
        submit(&*spool, mail::done(message.id, recipient)).unwrap();
        assert_eq!(spool.count(), Ok(count(1, left)));
        assert!(spool.body(message.id).unwrap().is_some());
    }
    submit(&*spool, mail::done(message.id, 2)).unwrap();
    let gone = |spool: &dyn Spool| {
        assert!(spool.get(message.id).unwrap().is_none());
        assert!(spool.body(message.id).unwrap().is_none());
        assert_eq!(spool.count(), Ok(count(0, 0)));
        assert_eq!(spool.next_wake(), Ok(None));
    };
    gone(&*spool);
    submit(&*spool, mail::done(message.id, 2)).unwrap();
    submit(&*spool, mail::done(MessageId(u64::MAX), 0)).unwrap();
    drop(spool);
    gone(&*ground.open());
}

fn order(ground: &mut dyn Ground) {
    let spool = ground.open();
    let (old, new) = (mail::at(&*spool, 1), mail::at(&*spool, 2));
    submit(&*spool, mail::enqueue(&old, b"", vec![row(0)])).unwrap();
    let mut change = mail::enqueue(&new, b"notice", vec![row(5), row(6)]);
    change.update = vec![
        (new.id, 0, row(50)),
        (new.id, 1, row(60)),
        (new.id, 0, row(55)),
    ];
    change.done = vec![(old.id, 0), (new.id, 1)];
    submit(&*spool, change).unwrap();
    assert!(spool.get(old.id).unwrap().is_none());
    assert_eq!(rows_of(&*spool, new.id), Some(vec![(0, row(55))]));
    assert_eq!(spool.count(), Ok(count(1, 1)));
    submit(&*spool, Change::default()).unwrap();
}

fn in_line(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 1);
    let (answer, answered) = mpsc::channel();
    let mut changes = vec![mail::enqueue(&message, b"", vec![row(0)])];
    changes.extend((1..200).map(|n| mail::update(message.id, 0, row(n))));
    for (n, change) in changes.into_iter().enumerate() {
        let answer = answer.clone();
        spool.submit(
            change,
            Box::new(move |result| drop(answer.send((n, result)))),
        );
    }
    let answers: Vec<_> = answered.iter().take(200).collect();
    assert_eq!(answers, (0..200).map(|n| (n, Ok(()))).collect::<Vec<_>>());
    assert_eq!(rows_of(&*spool, message.id), Some(vec![(0, row(199))]));
}

fn odd(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 1);
    submit(&*spool, mail::enqueue(&message, b"first", vec![row(1)])).unwrap();
    submit(
        &*spool,
        mail::enqueue(&message, b"second", vec![row(2), row(3)]),
    )
    .unwrap();
    assert_eq!(rows_of(&*spool, message.id), Some(vec![(0, row(1))]));
    assert_eq!(
        mail::read(&spool.body(message.id).unwrap().unwrap()),
        b"first"
    );
    let nobody = mail::at(&*spool, 0);
    submit(&*spool, mail::enqueue(&nobody, b"", vec![])).unwrap();
    assert!(spool.get(nobody.id).unwrap().is_none());
    assert_eq!(spool.count(), Ok(count(1, 1)));
}

fn holds(ground: &mut dyn Ground) {
    let hold = |key: &str, until| Hold {
        key: key.parse().unwrap(),
        until: time(until),
        failures: 2,
        reason: "421 4.3.2 später".into(),
        relay: Some("mx.b.example[192.0.2.1]:25".into()),
    };
    let sorted = |spool: &dyn Spool| {
        let mut holds = spool.holds().unwrap();
        holds.sort_by_key(|hold| hold.key.clone());
        holds
    };
    let spool = ground.open();
    assert_eq!(spool.holds(), Ok(vec![]));
    let (host, mailbox) = (
        hold("host 192.0.2.1:25", 60),
        hold("mailbox a@b.example", 70),
    );
    let busy = Hold {
        key: HoldKey::Busy("b.example".into()),
        ..host.clone()
    };
    let set = |holds: &[&Hold]| Change {
        hold: holds.iter().copied().cloned().collect(),
        ..Change::default()
    };
    submit(&*spool, set(&[&host, &mailbox, &busy])).unwrap();
    let host = hold("host 192.0.2.1:25", 90);
    submit(&*spool, set(&[&host])).unwrap();
    assert_eq!(sorted(&*spool), [host.clone(), mailbox.clone(), busy]);
    drop(spool);
    let spool = ground.open();
    assert_eq!(
        sorted(&*spool),
        [host.clone(), mailbox.clone()],
        "our own limits are new"
    );
    let unhold = vec![mailbox.key, HoldKey::Mailbox("nobody".into())];
    submit(
        &*spool,
        Change {
            unhold,
            ..Change::default()
        },
    )
    .unwrap();
    drop(spool);
    assert_eq!(sorted(&*ground.open()), [host]);
}

fn close(ground: &mut dyn Ground) {
    let spool = ground.open();
    let (first, second) = (mail::at(&*spool, 1), mail::at(&*spool, 1));
    let (answer, answered) = mpsc::channel();
    spool.submit(
        mail::enqueue(&first, b"x", vec![row(0)]),
        Box::new(move |result| drop(answer.send(result))),
    );
    spool.close(Duration::from_secs(60));
    assert_eq!(
        answered.try_recv(),
        Ok(Ok(())),
        "what was submitted is finished"
    );
    assert_eq!(
        submit(&*spool, mail::enqueue(&second, b"x", vec![row(0)])),
        Err(SpoolError::Closed)
    );
    assert_eq!(spool.stage(second.id).err(), Some(SpoolError::Closed));
    let lease = mail::lease(&*spool, queue::spool::Lease::Due, 99, 9, mail::step(100));
    assert_eq!(lease.err(), Some(SpoolError::Closed));
    spool.close(Duration::ZERO);
    // Even before it is dropped, somebody else may open it.
    let next = ground.open();
    assert!(next.get(first.id).unwrap().is_some());
    assert!(next.get(second.id).unwrap().is_none());
    drop(spool);
    assert_eq!(next.count(), Ok(count(1, 1)));
}

fn reentrant(ground: &mut dyn Ground) {
    let spool: Arc<dyn Spool> = ground.open().into();
    let message = mail::at(&*spool, 1);
    let (answer, answered) = mpsc::channel();
    let (inner, next) = (Arc::clone(&spool), mail::update(message.id, 0, row(77)));
    let first = Change {
        enqueue: vec![(
            Arc::new(message.clone()),
            Body::Inline(Arc::from(&b""[..])),
            vec![row(0)],
        )],
        ..Change::default()
    };
    spool.submit(
        first,
        Box::new(move |result| {
            result.unwrap();
            inner.submit(next, Box::new(move |result| drop(answer.send(result))));
        }),
    );
    assert_eq!(answered.recv(), Ok(Ok(())));
    assert_eq!(rows_of(&*spool, message.id), Some(vec![(0, row(77))]));
}
