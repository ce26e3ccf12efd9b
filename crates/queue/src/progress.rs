//! How far one recipient of a message is: the small row that a retry moves.

use std::net::IpAddr;
use std::time::SystemTime;

use retry_hint::Tongue;
use smtp::Status;

use crate::hold::{HoldKey, HostKey};

/// One recipient's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Waiting, or held by the operator. A recipient that is done has no row.
    pub state: State,
    /// When the next attempt is due. While an attempt is under way: when the next one would be, should this one
    /// leave no trace (so it is durable before dialling).
    pub due: SystemTime,
    /// When it is given up.
    pub expires: SystemTime,
    /// Attempts made so far (dialled; waiting for our own limits is none).
    pub attempts: u32,
    /// How many steps the back-off has advanced: hinted waits don't count.
    pub backoff_steps: u32,
    /// The appointment that `due` keeps, if a hint made it.
    pub appointment: Option<Appointment>,
    /// Hints obeyed in a row that still ended in a deferral.
    pub broken: u32,
    /// Parked under this hold: not due before the hold ends, whatever `due` says.
    pub parked: Option<HoldKey>,
    /// What the lifetime was stretched for.
    pub stretched: Stretched,
    /// When the delay notice is due; `None`: it was sent, or is not wanted. While it is being written: when it is due
    /// again, should it be lost ([`crate::settle::TELL_AGAIN`]).
    pub delay_notice: Option<SystemTime>,
    /// The last reply in full, or our own words ("connect to 192.0.2.1:25: refused").
    pub last_reply: Option<String>,
    /// The rest of what the last attempt gave. `None`: there was none, or it was made by a version that did not record
    /// it.
    pub last_attempt: Option<Box<LastAttempt>>,
}

/// What a lifetime was stretched for: for each of the two once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretched {
    /// To one last attempt, at the time that a receiver named for it or for what it is parked under.
    pub to_appointment: bool,
    /// Until a hold that named no time is probed.
    pub to_probe: bool,
}

impl Progress {
    /// When something has to be done about it: the earliest of its attempt (unless parked or held), its expiry, and
    /// its delay notice. The key of the schedule.
    #[must_use]
    pub fn wake(&self) -> SystemTime {
        let attempt = self.attempt_at().unwrap_or(self.expires);
        let notice = self.delay_notice.unwrap_or(self.expires);
        attempt.min(notice).min(self.expires)
    }

    /// Its turn among what is parked with it: the smallest comes first, then the oldest message. Under a host's or a
    /// mailbox's hold those that were tried least, so that each makes its turn as the probe, and none that is refused for
    /// itself keeps the others waiting. For a busy destination only age counts, or new mail would go before what waits.
    #[must_use]
    pub fn turn(&self) -> u32 {
        match self.parked {
            Some(HoldKey::Busy(_)) | None => 0,
            Some(HoldKey::Host(_) | HoldKey::Mailbox(_)) => self.attempts,
        }
    }

    /// When its next attempt is due; `None` while a hold or the operator stands before it.
    #[must_use]
    pub fn attempt_at(&self) -> Option<SystemTime> {
        let free = self.state == State::Waiting && self.parked.is_none();
        free.then_some(self.due)
    }
}

/// What a recipient that is not done waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its due time.
    Waiting,
    /// `postdate queue release`. It still expires.
    Held,
}

/// What is remembered of the last attempt, besides its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// When it was over.
    pub at: SystemTime,
    /// Who answered, as in [`crate::outcome::Problem::relay`].
    pub relay: String,
    /// The status, 4.y.z: the peer's, or ours.
    pub status: Status,
}

/// An appointment that a receiver gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Who gave it: the retry goes there first. `None` for a destination without an address (LMTP over a socket).
    pub host: Option<HostKey>,
    /// Our own address that it was given to: the retry starts from there. `None`: not known (a socket without one, or
    /// a row of a version that did not record it).
    pub local: Option<IpAddr>,
    /// The wait it named, in seconds, as read (before clamping).
    pub wait_secs: u64,
    /// How it was written.
    pub tongue: Tongue,
}
