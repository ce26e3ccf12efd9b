//! The book's own time: never runs backwards.
//!
//! A wait on the wire is a span, not a date, so a clock that is set back must not make anyone wait longer. What the
//! wall clock loses by a backward jump is therefore added from then on: waits stay as long as they were told, and a
//! quota's window ends earlier than UTC's by as much, until the wall clock has caught up by a forward jump, or a restart
//! with nothing stored.
//!
//! Two things are not made up for. Backward steps of up to [`HELD`], since threads that read the clock and then queue
//! for the book arrive a little out of order: time stands still for them. And what passed between the last event before
//! a jump and the first one after it: whoever calls [`super::Book::tick`] every second loses no more than that.
//!
//! A forward jump can't be told from a silence: what was told to be over by then is over. No limit is exceeded in the
//! book's time.

use crate::Moment;
use std::time::Duration;

/// Backward steps up to here are waited out.
pub const HELD: Duration = Duration::from_secs(1);

/// The wall clock that moves on by more than this from one event to the next was set forward: there are ticks.
const SILENCE: Duration = Duration::from_secs(60);

/// The year 2109, where time ends: slots are numbered in 64 bits.
const END: i64 = 1 << 42;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// At the last event, if there was one.
    wall: Option<Moment>,
    last: Moment,
    /// How far the book is ahead of the wall.
    ahead: Duration,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self {
            wall: None,
            last: Moment::from_millis(0),
            ahead: Duration::ZERO,
        }
    }

    /// The book's time at this time of the wall clock; between 1970 and 2109.
    pub(super) fn at(&mut self, wall: Moment) -> Moment {
        let wall = bounded(wall);
        let step = self.wall.map(|before| wall.since(before));
        self.wall = Some(wall);
        if wall >= self.last && step.is_some_and(|step| step > SILENCE) {
            // It has caught up.
            self.ahead = Duration::ZERO;
        }
        let own = bounded(wall.after(self.ahead));
        if own >= self.last {
            self.last = own;
        } else if self.last.since(own) > HELD {
            self.ahead = self.last.since(wall);
        }
        self.last
    }

    pub(super) fn ahead(&self) -> Duration {
        self.ahead
    }

    /// So far it was ahead before a restart.
    pub(super) fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// It was as late as this already, before a restart.
    pub(super) fn resume(&mut self, last: Moment) {
        self.last = self.last.max(bounded(last));
    }
}

/// Where time has an end, this is it.
pub(super) fn bounded(moment: Moment) -> Moment {
    Moment::from_millis(moment.as_millis().clamp(0, END))
}
