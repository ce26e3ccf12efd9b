//! The same calls give the same answers in every back end: SQLite is held against memory, also across restarts.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use queue::progress::{Appointment, LastAttempt};
use queue::spool::{Body, Change, Hold, Lease, Spool, Step};
use queue::{HoldKey, MessageId, Progress, State};
use retry_hint::Tongue;
use store::conformance::mail::{self, time};
use store::memory::MemorySpool;
use store::sqlite::SqliteSpool;

/// A step of the run. Messages are named by their turn.
#[derive(Clone, Debug)]
enum Op {
    Change(Vec<Part>),
    Lease {
        which: Which,
        now: u64,
        limit: usize,
        skip: u32,
    },
    Reopen,
}

#[derive(Clone, Debug)]
enum Part {
    Enqueue { len: usize, rows: Vec<Progress> },
    Update(usize, u32, Progress),
    Told(usize, u32),
    Done(usize, u32),
    Hold(HoldKey, u64),
    Unhold(HoldKey),
}

#[derive(Clone, Debug)]
enum Which {
    Due,
    Parked(HoldKey),
    Messages(Vec<usize>),
}

fn hold_key() -> impl Strategy<Value = HoldKey> {
    const KEYS: &[&str] = &[
        "host 192.0.2.1:25",
        "host [2001:db8::1]:25",
        "mailbox a@b.example",
        "busy b.example",
        "busy ü",
    ];
    proptest::sample::select(KEYS).prop_map(|key| key.parse().unwrap())
}

/// Whole milliseconds: what a column holds.
fn moment() -> impl Strategy<Value = SystemTime> {
    (0..100_u64, 0..3_u64).prop_map(|(secs, millis)| time(secs) + Duration::from_millis(millis))
}

fn progress() -> impl Strategy<Value = Progress> {
    let appointment =
        (any::<bool>(), 0..=i64::MAX as u64, 0..3_usize).prop_map(|(host, wait_secs, tongue)| {
            Appointment {
                host: host.then(|| queue::HostKey("192.0.2.1:25".parse().unwrap())),
                local: host.then(|| "2001:db8::5".parse().unwrap()),
                wait_secs,
                tongue: [Tongue::Keyword, Tongue::Draft, Tongue::Prose][tongue],
            }
        });
    let times = (moment(), moment(), proptest::option::of(moment()));
    let counts = (0..9_u32, any::<u32>(), 0..4_u32);
    let rest = (
        any::<bool>(),
        proptest::option::of(hold_key()),
        any::<bool>(),
        proptest::option::of(".{0,40}"),
    );
    (times, counts, proptest::option::of(appointment), rest).prop_map(
        |(times, counts, appointment, rest)| Progress {
            state: if rest.0 { State::Waiting } else { State::Held },
            due: times.0,
            expires: times.1,
            delay_notice: times.2,
            attempts: counts.0,
            backoff_steps: counts.1,
            broken: counts.2,
            appointment,
            parked: rest.1,
            stretched: queue::Stretched {
                to_appointment: rest.2,
                to_probe: rest.0,
            },
            last_reply: rest.3.clone(),
            last_attempt: rest.3.map(|relay| {
                Box::new(LastAttempt {
                    at: times.0,
                    relay,
                    status: smtp::Status(4, 4, 1),
                })
            }),
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => (prop_oneof![0..200_usize, Just(70_000)], vec(progress(), 0..4))
            .prop_map(|(len, rows)| Part::Enqueue { len, rows }),
        3 => (0..12_usize, 0..4_u32, progress()).prop_map(|(turn, recipient, row)| Part::Update(turn, recipient, row)),
        2 => (0..12_usize, 0..4_u32).prop_map(|(turn, recipient)| Part::Told(turn, recipient)),
        3 => (0..12_usize, 0..4_u32).prop_map(|(turn, recipient)| Part::Done(turn, recipient)),
        1 => (hold_key(), 0..100_u64).prop_map(|(key, until)| Part::Hold(key, until)),
        1 => hold_key().prop_map(Part::Unhold),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let which = prop_oneof![
        3 => Just(Which::Due),
        2 => hold_key().prop_map(Which::Parked),
        1 => vec(0..12_usize, 0..4).prop_map(Which::Messages),
    ];
    prop_oneof![
        6 => vec(part(), 0..5).prop_map(Op::Change),
        3 => (which, 0..100_u64, 0..5_usize, 0..9_u32)
            .prop_map(|(which, now, limit, skip)| Op::Lease { which, now, limit, skip }),
        1 => Just(Op::Reopen),
    ]
}

/// Both, and the ids they gave so far (the same ones).
struct Pair {
    dir: tempfile::TempDir,
    memory: MemorySpool,
    sqlite: Option<SqliteSpool>,
    ids: Vec<MessageId>,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Some(SqliteSpool::open(dir.path()).unwrap());
        Self {
            dir,
            memory: MemorySpool::default(),
            sqlite,
            ids: Vec::new(),
        }
    }

    fn both(&self) -> [&dyn Spool; 2] {
        [&self.memory, self.sqlite.as_ref().unwrap()]
    }

    fn id(&self, turn: usize) -> MessageId {
        // Of the last few, or one that never was.
        self.ids
            .iter()
            .rev()
            .nth(turn)
            .copied()
            .unwrap_or(MessageId(7))
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Change(parts) => self.change(parts),
            Op::Lease {
                which,
                now,
                limit,
                skip,
            } => self.lease(which, *now, *limit, *skip),
            Op::Reopen => {
                self.memory = self.memory.restart();
                self.sqlite = None;
                self.sqlite = Some(SqliteSpool::open(self.dir.path()).unwrap());
            }
        }
        self.compare();
    }

    fn change(&mut self, parts: &[Part]) {
        let mut changes = [Change::default(), Change::default()];
        for part in parts {
            if let Part::Enqueue { .. } = part {
                let [id, other] = self.both().map(|spool| spool.new_id(time(0)));
                assert_eq!(id, other);
                self.ids.push(id);
            }
            for (spool, change) in self.both().into_iter().zip(&mut changes) {
                self.add(part, spool, change);
            }
        }
        let answers = self
            .both()
            .into_iter()
            .zip(changes)
            .map(|(spool, change)| mail::submit(spool, change));
        assert!(answers.eq([Ok(()), Ok(())]));
    }

    fn add(&self, part: &Part, spool: &dyn Spool, change: &mut Change) {
        match part.clone() {
            Part::Enqueue { len, rows } => {
                let id = self.id(0);
                let mut staging = spool.stage(id).unwrap();
                staging.write(&mail::content(id.0, len)).unwrap();
                let body: Body = staging.finish().unwrap();
                change
                    .enqueue
                    .push((Arc::new(mail::message(id, rows.len())), body, rows));
            }
            Part::Update(turn, recipient, row) => {
                change.update.push((self.id(turn), recipient, row))
            }
            Part::Told(turn, recipient) => change.told.push((self.id(turn), recipient)),
            Part::Done(turn, recipient) => change.done.push((self.id(turn), recipient)),
            Part::Hold(key, until) => {
                change.hold.push(Hold {
                    key,
                    until: time(until),
                    failures: 1,
                    reason: "421".into(),
                    relay: Some("mx.b.example[192.0.2.1]:25".into()),
                });
            }
            Part::Unhold(key) => change.unhold.push(key),
        }
    }

    fn lease(&self, which: &Which, now: u64, limit: usize, skip: u32) {
        let which = match which {
            Which::Due => Lease::Due,
            Which::Parked(key) => Lease::Parked(key.clone()),
            Which::Messages(turns) => {
                Lease::Messages(turns.iter().map(|turn| self.id(*turn)).collect())
            }
        };
        let step: Step = Arc::new(move |row| {
            let due = time(now + 50);
            (row.attempts != skip).then(|| Progress {
                due,
                parked: None,
                delay_notice: None,
                ..row.clone()
            })
        });
        let [memory, sqlite] = self.both().map(|spool| {
            let leased = mail::lease(spool, which.clone(), now, limit, Arc::clone(&step)).unwrap();
            leased
                .into_iter()
                .map(|leased| (leased.message, leased.rows))
                .collect::<Vec<_>>()
        });
        assert_eq!(memory, sqlite);
    }

    fn compare(&self) {
        let [memory, sqlite] = self.both().map(|spool| {
            let entries = spool.list(None, usize::MAX).unwrap();
            let mut holds = spool.holds().unwrap();
            holds.sort_by_key(|hold| hold.key.clone());
            let bodies: Vec<_> = self
                .ids
                .iter()
                .map(|id| spool.body(*id).unwrap().map(|body| mail::read(&body).len()))
                .collect();
            let entries: Vec<_> = entries
                .into_iter()
                .map(|entry| (entry.message, entry.rows))
                .collect();
            (entries, holds, bodies, spool.count(), spool.next_wake())
        });
        assert_eq!(memory, sqlite);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_back_ends_cannot_be_told_apart(ops in vec(op(), 1..40)) {
        let mut pair = Pair::new();
        ops.iter().for_each(|op| pair.run(op));
    }
}
