//! Settles an attempt: from what it gave to what changes, who is told, and what the log says.

mod problem;
mod tell;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use retry_hint::Holds;
use smtp::Status;

use self::problem::standing;
use self::tell::Tell;
use crate::outcome::{Deferral, Outcome, Problem};
use crate::parked::{self, Holds as HeldNow};
use crate::plan::{self, GiveUp, Next, Rules};
use crate::spool::Hold;
use crate::{HoldKey, Message, Progress, State};

/// A recipient that was not tried, and is under no hold, is due again after this.
pub const NOT_TRIED_WAIT: Duration = Duration::from_secs(1);

/// A delay notice is due again after this, unless [`crate::spool::Change::told`] says that it was sent: should the power
/// fail between the row and the notice, the sender is told later.
pub const TELL_AGAIN: Duration = Duration::from_secs(900);

/// Delivery time expired (RFC 3463 §3.5).
const EXPIRED: Status = Status(4, 4, 7);

/// What settling a report gave. Nothing of it has happened yet.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Rows that go on waiting.
    pub update: Vec<(u32, Progress)>,
    /// Recipients that are done.
    pub done: Vec<u32>,
    /// Mailboxes that have to wait (a keyword hint with 4.2.2 or 4.2.1), until when, and what they said.
    pub mailbox_holds: Vec<(HoldKey, SystemTime, Problem)>,
    /// Notices to be written: at most one a kind, for all recipients that share it.
    pub notices: Vec<Notice>,
    /// One entry a recipient, for the log.
    pub log: Vec<Entry>,
}

/// A notice that is due, before its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What happened.
    pub kind: Kind,
    /// To whom, by index in the message, and how it stands with each.
    pub about: Vec<About>,
}

/// RFC 3464 `Action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Given up.
    Failed,
    /// Late, and still tried.
    Delayed,
    /// In a mailbox, and NOTIFY=SUCCESS.
    Delivered,
    /// Given to a hop that does not speak DSN, and NOTIFY=SUCCESS.
    Relayed,
}

/// One recipient in a notice.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Its index in the message.
    pub index: u32,
    /// The status, the reply in full, who gave it.
    pub problem: Problem,
    /// When it was tried last; `None` where it never was, or that is not known.
    pub last_attempt: Option<SystemTime>,
    /// For a delay.
    pub ahead: Option<Ahead>,
}

/// What is ahead of a recipient that is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// When it is tried next (a time that is past: as soon as may be); `None`: when the operator releases it.
    pub next: Option<SystemTime>,
    /// Until when it is tried.
    pub until: SystemTime,
}

/// One recipient in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its index in the message.
    pub index: u32,
    /// What the attempt gave. For what expired without an attempt: `Failed`, with the last reply.
    pub outcome: Outcome,
    /// Given up in spite of a deferral, or without an attempt.
    pub gave_up: Option<GiveUp>,
    /// When it is due next.
    pub due: Option<SystemTime>,
    /// The attempt's number; where none was made, how many were before.
    pub attempt: u32,
}

/// Settles the outcomes of one attempt on one message.
///
/// `rows` are the rows as they were before the lease, at least one for every outcome. An outcome without a row, and
/// a second one for the same recipient, are left out; so is a row without an outcome, which the spool brings up again
/// when its lease ends. The delay notice of a recipient that was deferred is due here; what needs no attempt is
/// settled by [`expire`]. `holds` finds what a row is parked under. `spread` (0..=1) is for all of them: recipients that were
/// told one time come back together, as one mail.
#[must_use]
pub fn settle<'a>(
    rules: &'a Rules,
    message: &'a Message,
    rows: &[(u32, Progress)],
    outcomes: Vec<(u32, Outcome)>,
    now: SystemTime,
    spread: f64,
    holds: HeldNow<'a>,
) -> Settled {
    let mut rows: BTreeMap<u32, &Progress> =
        rows.iter().map(|(index, row)| (*index, row)).collect();
    let mut settling = Settling::new(rules, message, holds, now);
    for (index, outcome) in outcomes {
        if let Some(row) = rows.remove(&index) {
            settling.outcome(index, row, outcome, spread);
        }
    }
    settling.finish()
}

/// Settles what needs no attempt: rows whose lifetime is over (in every state) and delay notices that are due.
/// Returns it with the rows that are left to be attempted now.
///
/// What is parked under a hold is not given up before that was probed ([`parked::stretched`]).
///
/// `rows` are as they were before the lease. Left are those that wait for nothing but their due time, which has come
/// (also late, after the lifetime, if it was due within it: that attempt is the last). All others are either given up
/// or in `update`, as they were before the lease: so what is to be tried in spite of a hold or before its time has to
/// be made due, and unparked, by the caller.
#[must_use]
pub fn expire<'a>(
    rules: &'a Rules,
    message: &'a Message,
    rows: Vec<(u32, Progress)>,
    now: SystemTime,
    holds: HeldNow<'a>,
) -> (Settled, Vec<(u32, Progress)>) {
    let mut settling = Settling::new(rules, message, holds, now);
    let mut left = Vec::new();
    for (index, row) in rows {
        let up = row.attempt_at().is_some_and(|due| due <= now);
        let over = row.expires <= now && !(up && row.due <= row.expires);
        if over {
            settling.over(index, row);
        } else if up {
            left.push((index, row));
        } else {
            settling.stand(index, row);
        }
    }
    (settling.finish(), left)
}

/// One message's attempt while it is settled.
struct Settling<'a> {
    rules: &'a Rules,
    message: &'a Message,
    holds: HeldNow<'a>,
    now: SystemTime,
    settled: Settled,
    tell: Tell<'a>,
}

impl<'a> Settling<'a> {
    fn new(rules: &'a Rules, message: &'a Message, holds: HeldNow<'a>, now: SystemTime) -> Self {
        Self {
            rules,
            message,
            holds,
            now,
            settled: Settled::default(),
            tell: Tell::new(message),
        }
    }

    fn finish(mut self) -> Settled {
        self.settled.notices = self.tell.finish();
        self.settled
    }

    fn outcome(&mut self, index: u32, row: &Progress, outcome: Outcome, spread: f64) {
        let mut entry = Entry {
            index,
            outcome,
            gave_up: None,
            due: None,
            attempt: row.attempts.saturating_add(1),
        };
        match &entry.outcome {
            Outcome::Delivered(delivered) => {
                self.tell.delivered(index, delivered, self.now);
                self.settled.done.push(index);
            }
            Outcome::Failed(problem) => {
                self.tell.failed(index, problem.clone(), Some(self.now));
                self.settled.done.push(index);
            }
            Outcome::Deferred(deferral) => {
                let next = plan::after(self.rules, row, deferral, self.now, spread);
                self.hold_mailbox(index, deferral, &next);
                match next {
                    Next::Wait(row) => {
                        entry.due = Some(row.due);
                        self.wait(index, row, deferral.problem.clone(), Some(self.now));
                    }
                    Next::GiveUp(why) => {
                        entry.gave_up = Some(why);
                        let problem = Problem {
                            status: EXPIRED,
                            ..deferral.problem.clone()
                        };
                        self.tell.failed(index, problem, Some(self.now));
                        self.settled.done.push(index);
                    }
                }
            }
            Outcome::NotTried { parked } => {
                let row = self.not_tried(row, parked.clone());
                if row.expires <= self.now {
                    return self.over(index, row);
                }
                entry.attempt = row.attempts;
                entry.due = row.attempt_at();
                self.stand(index, row);
            }
        }
        self.settled.log.push(entry);
    }

    /// Where only a limit of our own stood before it, it is due again in a moment, and not given up before.
    fn not_tried(&self, row: &Progress, parked: Option<HoldKey>) -> Progress {
        let mut row = Progress {
            parked,
            ..row.clone()
        };
        if row.parked.is_none() {
            row.due = plan::later(self.now, NOT_TRIED_WAIT);
            if self.may_wait() {
                row.expires = row.expires.max(row.due);
            }
        }
        row
    }

    /// Its lifetime is over, and no attempt is made now.
    fn over(&mut self, index: u32, row: Progress) {
        let probed = parked::stretched(&row, self.hold(&row), self.now);
        match probed.or_else(|| self.drawn(&row)) {
            Some(row) => self.stand(index, row),
            None => self.expired(index, &row),
        }
    }

    /// The row whose last attempt waits for its destination to drain, which takes up the oldest mail first.
    fn drawn(&self, row: &Progress) -> Option<Progress> {
        let busy = matches!(row.parked, Some(HoldKey::Busy(_))) && row.state == State::Waiting;
        (busy && self.may_wait()).then(|| Progress {
            expires: plan::later(self.now, plan::LAST_CHANCE),
            ..row.clone()
        })
    }

    /// Whether a limit of our own may keep the mail from its last attempt still: not for longer after its lifetime than
    /// the longest appointment, and a last chance.
    fn may_wait(&self) -> bool {
        let end = plan::end(self.rules, self.message);
        self.now < plan::later(end, plan::MAX_WAIT + plan::LAST_CHANCE)
    }

    /// Given up without an attempt.
    fn expired(&mut self, index: u32, row: &Progress) {
        let problem = Problem {
            status: EXPIRED,
            ..standing(self.message, index, row, self.hold(row))
        };
        self.tell.failed(index, problem.clone(), last_time(row));
        self.settled.done.push(index);
        self.settled.log.push(Entry {
            index,
            outcome: Outcome::Failed(problem),
            gave_up: Some(GiveUp::Lifetime),
            due: None,
            attempt: row.attempts,
        });
    }

    /// What the row is parked under.
    fn hold(&self, row: &Progress) -> Option<&'a Hold> {
        row.parked.as_ref().and_then(self.holds)
    }

    /// It goes on waiting as it did.
    fn stand(&mut self, index: u32, row: Progress) {
        let problem = standing(self.message, index, &row, self.hold(&row));
        let last = last_time(&row);
        self.wait(index, row, problem, last);
    }

    /// It goes on waiting; its sender is told where that is due.
    fn wait(
        &mut self,
        index: u32,
        mut row: Progress,
        problem: Problem,
        last_attempt: Option<SystemTime>,
    ) {
        if row.delay_notice.is_some_and(|due| due <= self.now) {
            row.delay_notice = None;
            if self.rules.delay_notice_after.is_some() {
                let next = parked::next_attempt(&row, self.hold(&row));
                let ahead = Ahead {
                    next: (row.state == State::Waiting).then_some(next),
                    until: row.expires.max(next),
                };
                if self.tell.delayed(index, problem, last_attempt, ahead) {
                    row.delay_notice = Some(plan::later(self.now, TELL_AGAIN));
                }
            }
        }
        self.settled.update.push((index, row));
    }

    /// A mailbox's wait holds back every message for it, also when this one is given up.
    fn hold_mailbox(&mut self, index: u32, deferral: &Deferral, next: &Next) {
        let hint = plan::believed(self.rules, deferral).filter(|hint| hint.holds == Holds::Mailbox);
        let recipient = usize::try_from(index)
            .ok()
            .and_then(|index| self.message.recipients.get(index));
        let (Some(hint), Some(recipient)) = (hint, recipient) else {
            return;
        };
        let until = match next {
            Next::Wait(row) => row.due,
            Next::GiveUp(_) => plan::later(self.now, plan::wait(&hint)),
        };
        let key = HoldKey::mailbox(&recipient.address);
        let holds = &mut self.settled.mailbox_holds;
        match holds.iter_mut().find(|(held, ..)| *held == key) {
            Some((_, longest, _)) => *longest = until.max(*longest),
            None => holds.push((key, until, deferral.problem.clone())),
        }
    }
}

fn last_time(row: &Progress) -> Option<SystemTime> {
    row.last_attempt.as_ref().map(|last| last.at)
}
