//! Mail to try a spool with, and its calls as plain functions.

use std::io::Read;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::spool::{Body, Change, Lease, Leased, Spool, SpoolError, Step};
use queue::{Message, MessageId, Origin, Progress, State};
use smtp::{Content, Recipient, Sender};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// When all this happens, plus `secs`.
#[must_use]
pub fn time(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + secs)
}

/// A message with a new id, received at [`time`] 0, for so many recipients.
#[must_use]
pub fn at(spool: &dyn Spool, recipients: usize) -> Message {
    message(spool.new_id(time(0)), recipients)
}

/// The same with a given id.
#[must_use]
pub fn message(id: MessageId, recipients: usize) -> Message {
    Message {
        id,
        received: time(0),
        sender: Sender::new("sender@a.example"),
        recipients: (0..recipients)
            .map(|n| Recipient::new(format!("r{n}@b.example")))
            .collect(),
        content: Content::default(),
        origin: Origin::default(),
    }
}

/// A row that is due at [`time`] `due`, and expires five days after [`time`] 0.
#[must_use]
pub fn row(due: u64) -> Progress {
    Progress {
        state: State::Waiting,
        due: time(due),
        expires: time(5 * 86_400),
        attempts: 0,
        backoff_steps: 0,
        appointment: None,
        broken: 0,
        parked: None,
        stretched: queue::Stretched::default(),
        delay_notice: None,
        last_reply: None,
        last_attempt: None,
    }
}

/// A change with one new message.
#[must_use]
pub fn enqueue(message: &Message, content: &[u8], rows: Vec<Progress>) -> Change {
    Change {
        enqueue: vec![(
            Arc::new(message.clone()),
            Body::Inline(content.into()),
            rows,
        )],
        ..Change::default()
    }
}

/// A change that moves one row.
#[must_use]
pub fn update(id: MessageId, recipient: u32, row: Progress) -> Change {
    Change {
        update: vec![(id, recipient, row)],
        ..Change::default()
    }
}

/// A change with one recipient done.
#[must_use]
pub fn done(id: MessageId, recipient: u32) -> Change {
    Change {
        done: vec![(id, recipient)],
        ..Change::default()
    }
}

/// Submits, and waits for the answer.
///
/// # Errors
/// What the spool answers.
///
/// # Panics
/// When there is no answer.
pub fn submit(spool: &dyn Spool, change: Change) -> Result<(), SpoolError> {
    let (answer, answered) = mpsc::sync_channel(1);
    spool.submit(change, Box::new(move |result| drop(answer.send(result))));
    answered.recv_timeout(PATIENCE).expect("an answer")
}

/// Leases, and waits for the answer.
///
/// # Errors
/// What the spool answers.
///
/// # Panics
/// When there is no answer.
pub fn lease(
    spool: &dyn Spool,
    which: Lease,
    now: u64,
    limit: usize,
    step: Step,
) -> Result<Vec<Leased>, SpoolError> {
    let (answer, answered) = mpsc::sync_channel(1);
    spool.lease(
        which,
        time(now),
        limit,
        step,
        Box::new(move |result| drop(answer.send(result))),
    );
    answered.recv_timeout(PATIENCE).expect("an answer")
}

/// Under way: due again at [`time`] `due`, unparked, one attempt more.
#[must_use]
pub fn step(due: u64) -> Step {
    Arc::new(move |row| {
        let (due, attempts) = (time(due), row.attempts + 1);
        Some(Progress {
            due,
            attempts,
            parked: None,
            ..row.clone()
        })
    })
}

/// All octets of a content.
///
/// # Panics
/// When it can't be read.
#[must_use]
pub fn read(body: &Body) -> Vec<u8> {
    match body {
        Body::Inline(content) => content.to_vec(),
        Body::File(file) => {
            let mut content = Vec::new();
            let read = file
                .open()
                .and_then(|mut from| from.read_to_end(&mut content));
            assert_eq!(read.expect("a content that can be read") as u64, file.len());
            content
        }
    }
}

/// Octets that tell where they stand: no two positions near each other look alike.
#[must_use]
pub fn content(seed: u64, len: usize) -> Vec<u8> {
    let mix = |n: u64| (n ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    (0..len.div_ceil(8) as u64)
        .flat_map(mix)
        .take(len)
        .collect()
}
