//! The sender's plan: when the next attempt is.
//!
//! Without a hint the back-off decides; with one the receiver's appointment does. What the terse rules of the design
//! leave open is decided so:
//!
//! - **Lifetime.** A back-off that would end after the lifetime ends with it: the last attempt is at the very end
//!   (as Exim and Postfix make one more before they give up), and a mail that came due while the server was down is
//!   tried once more before it is given up.
//! - **A broken appointment** is a deferral with a hint after an attempt that was led by a hint and not early. An
//!   attempt before its time (the operator's) breaks nothing. A deferral without a hint ends the row of hints: the
//!   count starts anew, and as the back-off has advanced, that is no busy loop either.
//! - **Attempts.** Only those that the back-off led to count against [`Rules::max_attempts`]: the first, and one for
//!   each step.
//! - **An early attempt that was deferred without a hint** leaves the appointment standing.
//! - **An appointment past the lifetime** stretches it once, if the receiver keeps its appointments. A second one, and
//!   that of a receiver that broke its last three, is neither made early nor kept: the mail is given up when its
//!   lifetime ends. What is parked under a hold: [`crate::parked`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use retry_hint::{Hint, Holds, Tongue, Tongues};

use crate::outcome::Deferral;
use crate::progress::{Appointment, LastAttempt};
use crate::{Message, Progress, State, Stretched};

/// What the administrator sets.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The first back-off; each next one is twice as long (1 min).
    pub first_backoff: Duration,
    /// The longest back-off (1 h).
    pub max_backoff: Duration,
    /// After this long a mail is given up (5 days: RFC 5321 §4.5.4.1).
    pub lifetime: Duration,
    /// The same for our own notices and other mail from the null sender.
    pub notice_lifetime: Duration,
    /// Give up after this many attempts that no hint led to, too; `None`: only by lifetime.
    pub max_attempts: Option<u32>,
    /// When the sender is told that a mail is late (4 h); `None`: never.
    pub delay_notice_after: Option<Duration>,
    /// Whether hints are obeyed, and in which tongues; `None`: back-off only.
    pub hints: Option<Tongues>,
}

/// The longest wait of a message, recipient or mailbox that is believed.
pub const MAX_WAIT: Duration = Duration::from_secs(2 * 24 * 3600);
/// The longest wait of a host that is believed.
pub const MAX_HOST_WAIT: Duration = Duration::from_secs(3600);
/// The shortest: `TIME=0` is no busy loop.
pub const MIN_WAIT: Duration = Duration::from_secs(1);
/// Appointments are spread forward by at most this.
pub const SPREAD: Duration = Duration::from_secs(1);
/// So much later a mail whose lifetime is over may end, where its last attempt waits for a limit of our own, or what it
/// is parked under for its probe.
pub const LAST_CHANCE: Duration = Duration::from_secs(600);
/// The least difference that every store keeps.
pub const TICK: Duration = Duration::from_millis(1);
/// So many hints in a row, obeyed and still deferred, and the receiver is treated as one without hints.
pub const BROKEN_MAX: u32 = 3;

impl Default for Rules {
    fn default() -> Self {
        Self {
            first_backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(3600),
            lifetime: Duration::from_secs(5 * 24 * 3600),
            notice_lifetime: Duration::from_secs(5 * 24 * 3600),
            max_attempts: None,
            delay_notice_after: Some(Duration::from_secs(4 * 3600)),
            hints: Some(Tongues::default()),
        }
    }
}

/// What a deferral leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait: the row as it is now.
    Wait(Progress),
    /// Given up: lifetime or attempts are over.
    GiveUp(GiveUp),
}

/// Why it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The lifetime is over (4.4.7).
    Lifetime,
    /// As many attempts as may be were made (4.4.7).
    Attempts,
}

/// A new recipient's row: its first attempt is `now`, or under way when `leased`.
///
/// Whether this very recipient wants a delay notice (NOTIFY) is looked at when it is due; here only whether any does.
#[must_use]
pub fn first(rules: &Rules, message: &Message, now: SystemTime, leased: bool) -> Progress {
    let wanted =
        !message.sender.is_null() && message.recipients.iter().any(|r| r.notify.wants_delay());
    let delay = rules.delay_notice_after.filter(|_| wanted);
    let row = Progress {
        state: State::Waiting,
        due: now,
        expires: end(rules, message),
        attempts: 0,
        backoff_steps: 0,
        appointment: None,
        broken: 0,
        parked: None,
        stretched: Stretched::default(),
        delay_notice: delay.map(|delay| later(message.received, delay)),
        last_reply: None,
        last_attempt: None,
    };
    if leased {
        under_way(rules, &row, now)
    } else {
        row
    }
}

/// When the lifetime is over, if nothing stretches it.
#[must_use]
pub fn end(rules: &Rules, message: &Message) -> SystemTime {
    let lifetime = if message.sender.is_null() {
        rules.notice_lifetime
    } else {
        rules.lifetime
    };
    later(message.received, lifetime)
}

/// The row while an attempt is under way that began `now`: due at the attempt after it, unparked.
///
/// It only has a meaning if the attempt leaves no trace (a crash), so it counts nothing: whether anything was dialled
/// is not known. Nothing of it is due at `now` ([`Progress::wake`] is later), but it may come due while a long attempt
/// still is under way; who leased it has to know what it has. An appointment that an operator's attempt came before
/// stands. A last attempt, at the end of the lifetime, is not made again, unless it was parked until now.
#[must_use]
pub fn under_way(rules: &Rules, row: &Progress, now: SystemTime) -> Progress {
    let soon = later(now, backoff(rules, row.backoff_steps));
    let mut next = Progress {
        due: soon.max(row.due),
        parked: None,
        ..row.clone()
    };
    if row.expires > now {
        next.due = next.due.min(row.expires);
    } else {
        next.expires = soon;
        // What was parked is leased to wait for its hold's probe, too: that is no attempt.
        let again = row.parked.is_some();
        next.due = if again { soon } else { later(soon, TICK) };
    }
    // A notice waits for the attempt: what it gives may make the notice needless, or at least says when the next is.
    next.delay_notice = row
        .delay_notice
        .map(|notice| notice.max(next.due.min(next.expires)));
    next
}

/// Plans the next attempt after a deferral, of the row as it was before the lease. `spread` in 0..=1 moves an
/// appointment forward by that part of [`SPREAD`].
#[must_use]
pub fn after(
    rules: &Rules,
    row: &Progress,
    deferral: &Deferral,
    now: SystemTime,
    spread: f64,
) -> Next {
    let next = Progress {
        attempts: row.attempts.saturating_add(1),
        parked: None,
        last_reply: Some(deferral.problem.text.clone()),
        last_attempt: Some(Box::new(LastAttempt {
            at: now,
            relay: deferral.problem.relay.clone(),
            status: deferral.problem.status,
        })),
        ..row.clone()
    };
    match believed(rules, deferral) {
        Some(hint) => appoint(rules, next, hint, deferral, now, spread),
        None => back_off(rules, next, now),
    }
}

/// The hint of a deferral, if the rules obey it: only a keyword holds more than the recipient.
#[must_use]
pub fn believed(rules: &Rules, deferral: &Deferral) -> Option<Hint> {
    let tongues = rules.hints?;
    let hint = deferral.hint?;
    if hint.tongue == Tongue::Prose && !tongues.prose {
        return None;
    }
    let holds = match hint.tongue {
        Tongue::Keyword => hint.holds,
        Tongue::Draft | Tongue::Prose => Holds::Recipient,
    };
    Some(Hint { holds, ..hint })
}

/// How long a hint makes its recipients wait, between [`MIN_WAIT`] and what is believed.
#[must_use]
pub fn wait(hint: &Hint) -> Duration {
    let longest = match hint.holds {
        Holds::Host => MAX_HOST_WAIT,
        Holds::Message | Holds::Recipient | Holds::Mailbox => MAX_WAIT,
    };
    Duration::from_secs(hint.wait_secs)
        .min(longest)
        .max(MIN_WAIT)
}

/// The back-off after so many steps: doubled with each, never above the ceiling, never below [`MIN_WAIT`].
#[must_use]
pub fn backoff(rules: &Rules, steps: u32) -> Duration {
    let factor = 1_u32.checked_shl(steps).unwrap_or(u32::MAX);
    rules
        .first_backoff
        .saturating_mul(factor)
        .min(rules.max_backoff)
        .max(MIN_WAIT)
}

/// A time so much later. Past the year 9999 time stands still, so that no sum of foreign numbers panics.
#[must_use]
pub fn later(time: SystemTime, by: Duration) -> SystemTime {
    let end = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    match time.checked_add(by) {
        Some(sum) if sum <= end => sum,
        _ => time.max(end),
    }
}

/// A deferral with a hint: an appointment, unless the receiver broke its last ones.
fn appoint(
    rules: &Rules,
    mut row: Progress,
    hint: Hint,
    deferral: &Deferral,
    now: SystemTime,
    spread: f64,
) -> Next {
    if row.stretched.to_appointment && row.expires <= now {
        return Next::GiveUp(GiveUp::Lifetime);
    }
    if row.appointment.is_some() && row.due <= now {
        row.broken = row.broken.saturating_add(1);
    }
    let spread = if spread.is_finite() {
        spread.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let told = later(now, wait(&hint).saturating_add(SPREAD.mul_f64(spread)));
    let mut due = told;
    let broken = row.broken >= BROKEN_MAX;
    if broken {
        if row.expires <= now {
            return Next::GiveUp(GiveUp::Lifetime);
        }
        let Some(backed_off) = step(rules, &mut row, now) else {
            return Next::GiveUp(GiveUp::Attempts);
        };
        due = told.max(backed_off);
    }
    if told <= row.expires {
        due = due.min(row.expires);
    } else if !row.stretched.to_appointment && !broken {
        row.stretched.to_appointment = true;
        row.expires = due;
    }
    row.due = due;
    row.appointment = Some(Appointment {
        host: deferral.host,
        local: deferral.local,
        wait_secs: hint.wait_secs,
        tongue: hint.tongue,
    });
    Next::Wait(row)
}

/// A deferral without a hint.
fn back_off(rules: &Rules, mut row: Progress, now: SystemTime) -> Next {
    if row.expires <= now {
        return Next::GiveUp(GiveUp::Lifetime);
    }
    let Some(due) = step(rules, &mut row, now) else {
        return Next::GiveUp(GiveUp::Attempts);
    };
    let due = due.min(row.expires);
    if row.appointment.is_some() && now < row.due {
        row.due = row.due.max(due);
    } else {
        row.appointment = None;
        row.broken = 0;
        row.due = due;
    }
    Next::Wait(row)
}

/// Advances the back-off by one step: when it ends; `None` when no more attempts may be made.
fn step(rules: &Rules, row: &mut Progress, now: SystemTime) -> Option<SystemTime> {
    let due = later(now, backoff(rules, row.backoff_steps));
    row.backoff_steps = row.backoff_steps.saturating_add(1);
    let over = rules
        .max_attempts
        .is_some_and(|max| row.backoff_steps >= max);
    (!over).then_some(due)
}
