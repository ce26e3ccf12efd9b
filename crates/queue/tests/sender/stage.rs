//! What the tests play with: a mail, replies, and a sender that lives through days.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::outcome::{Deferral, Delivered, Problem};
use queue::plan::{Rules, first, under_way};
use queue::settle::{self, Ahead, Entry, Kind, Notice, Settled};
use queue::{HostKey, Message, MessageId, Origin, Outcome, Progress};
use retry_hint::{Answered, Hint, Holds, Tongue};
use smtp::{Content, Notify, Recipient, Sender, Status};

pub(crate) const MIN: u64 = 60;
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 24 * HOUR;

/// So many seconds after the mail was received: Mon, 24 Nov 2025 10:00:00 UTC.
pub(crate) fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_763_978_400 + secs)
}

/// The other way round.
pub(crate) fn secs(time: SystemTime) -> u64 {
    time.duration_since(at(0))
        .expect("after the mail")
        .as_secs()
}

pub(crate) fn mail(recipients: &[&str]) -> Message {
    Message {
        id: MessageId::from_time(at(0)),
        received: at(0),
        sender: Sender::new("ann@a.example"),
        recipients: recipients
            .iter()
            .map(|address| Recipient::new(*address))
            .collect(),
        content: Content::default(),
        origin: Origin::default(),
    }
}

pub(crate) fn notify(mut message: Message, notify: Notify) -> Message {
    for recipient in &mut message.recipients {
        recipient.notify = notify;
    }
    message
}

pub(crate) fn host(last: u8) -> HostKey {
    HostKey(SocketAddr::from(([192, 0, 2, last], 25)))
}

/// A peer's reply to RCPT.
pub(crate) fn problem(reply: &str) -> Problem {
    let status = reply.split(' ').find_map(Status::parse);
    Problem {
        status: status.unwrap_or(Status(4, 0, 0)),
        text: reply.to_owned(),
        remote: true,
        relay: "mx.b.example[192.0.2.1]:25".to_owned(),
        answered: Some(Answered::Rcpt),
        tls: None,
    }
}

pub(crate) fn plain() -> Deferral {
    Deferral {
        problem: problem("450 4.2.0 Not now"),
        hint: None,
        host: Some(host(1)),
        local: Some([192, 0, 2, 200].into()),
    }
}

pub(crate) fn hinted(wait_secs: u64) -> Deferral {
    holding(wait_secs, Holds::Recipient)
}

pub(crate) fn holding(wait_secs: u64, holds: Holds) -> Deferral {
    let hint = Hint {
        wait_secs,
        tongue: Tongue::Keyword,
        holds,
    };
    Deferral {
        problem: problem(&format!("450 4.2.0 TIME={wait_secs} Not now")),
        hint: Some(hint),
        ..plain()
    }
}

pub(crate) fn delivered(local: bool, dsn_passed_on: bool) -> Outcome {
    Outcome::Delivered(Delivered {
        relay: "mx.b.example[192.0.2.1]:25".to_owned(),
        reply: "250 2.0.0 Ok: queued as 4711".to_owned(),
        status: Status(2, 0, 0),
        local,
        dsn_passed_on,
        tls: None,
    })
}

/// It is tried next, and last, so many seconds after it was received.
pub(crate) fn ahead(next: u64, until: u64) -> Option<Ahead> {
    Some(Ahead {
        next: Some(at(next)),
        until: at(until),
    })
}

/// As [`settle::settle`], where nothing is held.
pub(crate) fn settle(
    rules: &Rules,
    message: &Message,
    rows: &[(u32, Progress)],
    outcomes: Vec<(u32, Outcome)>,
    now: SystemTime,
    spread: f64,
) -> Settled {
    settle::settle(rules, message, rows, outcomes, now, spread, &|_| None)
}

/// The same for [`settle::expire`].
pub(crate) fn expire(
    rules: &Rules,
    message: &Message,
    rows: Vec<(u32, Progress)>,
    now: SystemTime,
) -> (Settled, Vec<(u32, Progress)>) {
    settle::expire(rules, message, rows, now, &|_| None)
}

/// One recipient's life: it wakes, is attempted where it is due, and an attempt takes no time.
pub(crate) struct Life {
    pub(crate) rules: Rules,
    pub(crate) message: Message,
    pub(crate) row: Option<Progress>,
    /// When it was attempted, in seconds after it was received.
    pub(crate) attempts: Vec<u64>,
    pub(crate) notices: Vec<(u64, Notice)>,
    pub(crate) log: Vec<(u64, Entry)>,
    pub(crate) spread: f64,
}

impl Life {
    pub(crate) fn new(rules: Rules, message: Message) -> Self {
        let row = first(&rules, &message, message.received, false);
        Self {
            rules,
            message,
            row: Some(row),
            attempts: Vec::new(),
            notices: Vec::new(),
            log: Vec::new(),
            spread: 0.0,
        }
    }

    /// Lives on until it is done; the answer gets the attempt's number (from 1) and its time.
    pub(crate) fn run(&mut self, mut answer: impl FnMut(usize, u64) -> Outcome) {
        for _ in 0..10_000 {
            let Some(row) = self.row.take() else { return };
            let now = row.wake();
            let lease = under_way(&self.rules, &row, now);
            assert!(
                lease.wake() > now,
                "a lease that comes up again at once: {row:?}"
            );
            let (settled, left) = expire(&self.rules, &self.message, vec![(0, row)], now);
            self.keep(settled, now);
            if left.is_empty() {
                continue;
            }
            self.attempts.push(secs(now));
            let outcomes = vec![(0, answer(self.attempts.len(), secs(now)))];
            let spread = self.spread;
            let settled = settle(&self.rules, &self.message, &left, outcomes, now, spread);
            self.keep(settled, now);
        }
        panic!("it never ends: {:?} attempts", self.attempts.len());
    }

    fn keep(&mut self, settled: Settled, now: SystemTime) {
        let told = settled
            .notices
            .iter()
            .any(|notice| notice.kind == Kind::Delayed);
        self.notices.extend(
            settled
                .notices
                .into_iter()
                .map(|notice| (secs(now), notice)),
        );
        self.log
            .extend(settled.log.into_iter().map(|entry| (secs(now), entry)));
        for (index, mut row) in settled.update {
            assert_eq!(index, 0);
            if told {
                row.delay_notice = None;
            }
            self.row = Some(row);
        }
    }
}
