//! What a hold means for the mail that is parked under it.
//!
//! It makes no attempt of its own while the hold stands, so its lifetime may end without one. A hold is no reason to
//! give it up: the lifetime is stretched, once, until the hold has ended and a probe has shown what then is. If the
//! hold is over, the mail is tried; if it stands anew, what the probe was told is why the mail is given up. A time that
//! is told then is an appointment, to which the lifetime is stretched as well, once ([`crate::Stretched`]).

use std::time::{Duration, SystemTime};

use crate::plan;
use crate::spool::Hold;
use crate::{HoldKey, Progress, State};

/// So long after the hold's end a mail whose lifetime is over waits for what the probe finds, and so long again while it
/// is still under way, to [`plan::LAST_CHANCE`] after that end. A little more than a dial to a dead host takes.
pub const PROBE_TIME: Duration = Duration::from_secs(35);

/// Finds the hold with this key, if it is in force.
pub type Holds<'a> = &'a dyn Fn(&HoldKey) -> Option<&'a Hold>;

/// When it is tried next, as far as is known: not before its hold ends, and not after it is given up.
#[must_use]
pub fn next_attempt(row: &Progress, hold: Option<&Hold>) -> SystemTime {
    let Some(hold) = hold else { return row.due };
    let next = hold.until.max(row.due);
    if hold.is_appointment() && !row.stretched.to_appointment {
        next
    } else {
        // A back-off of our own ends with the lifetime.
        next.min(row.expires)
    }
}

/// The row whose lifetime is over, with a lifetime that lasts until its hold was probed; `None`: it has had that, or
/// waits for no hold.
///
/// What was stretched before waits for the probe of that end, too, while it is under way, and for no later end: so mail
/// ends also where something brings the hold of a dead host to an end again and again.
#[must_use]
pub fn stretched(row: &Progress, hold: Option<&Hold>, now: SystemTime) -> Option<Progress> {
    let hold = hold.filter(|_| row.state == State::Waiting)?;
    let mut expires = plan::later(hold.until.max(now), PROBE_TIME);
    let mut stretched = row.stretched;
    let for_this = if hold.is_appointment() {
        &mut stretched.to_appointment
    } else {
        &mut stretched.to_probe
    };
    if std::mem::replace(for_this, true) {
        // Its own appointment is at this end, or it waits for this end's probe already.
        let appointment =
            row.due == row.expires && row.expires <= plan::later(hold.until, plan::SPREAD);
        let probe = plan::later(hold.until, PROBE_TIME) <= row.expires;
        expires = expires.min(plan::later(hold.until, plan::LAST_CHANCE));
        if now < hold.until || !(appointment || probe) || expires <= now {
            return None;
        }
    }
    Some(Progress {
        expires,
        stretched,
        ..row.clone()
    })
}
