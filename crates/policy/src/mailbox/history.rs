//! The rule itself: one mailbox's episodes of being full.

use super::FullVerdict;
use crate::Moment;
use std::time::Duration;

/// Episodes that are remembered of a mailbox.
pub const EPISODES_MAX: usize = 8;

/// No estimate is shorter.
pub const WAIT_MIN: Duration = Duration::from_secs(60);

/// No estimate is longer.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Without an estimate, mail is refused (without a hint) for so long before it is tried again.
pub const PROBE_AFTER: Duration = Duration::from_secs(15 * 60);

/// What is remembered of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Lengths of the last episodes that ended, the latest last; at most [`EPISODES_MAX`].
    pub lengths: Vec<Duration>,
    /// It is full now.
    pub current: Option<Episode>,
    /// When it was last heard of.
    pub used: Moment,
}

/// A mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When a mail first did not fit.
    pub since: Moment,
    /// Until then mail is refused. Once told it never moves later before it has come.
    pub until: Moment,
    /// `until` is an estimate, and told; otherwise it is only when we try again.
    pub estimated: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            lengths: Vec::new(),
            current: None,
            used: Moment::from_millis(0),
        }
    }
}

impl History {
    /// A mail did not fit at `now`. Says whether that changes anything: while mail is refused anyway, it doesn't.
    pub(super) fn full(&mut self, now: Moment) -> bool {
        let since = match self.current {
            Some(episode) if refused_for(episode, now).is_some() => return false,
            // A clock that was set back: how long it has lasted can't be known.
            Some(episode) => episode.since.min(now),
            None => now,
        };
        let lasted = now.since(since);
        let left = self.usual_beyond(lasted);
        self.current = Some(Episode {
            since,
            until: now.after(left.unwrap_or(PROBE_AFTER)),
            estimated: left.is_some(),
        });
        self.used = now;
        true
    }

    /// A mail fitted at `now`. Says whether that changes anything.
    pub(super) fn room(&mut self, now: Moment) -> bool {
        let Some(episode) = self.current.take() else {
            return false;
        };
        self.lengths.push(now.since(episode.since));
        let over = self.lengths.len().saturating_sub(EPISODES_MAX);
        self.lengths.drain(..over);
        self.used = now;
        true
    }

    /// Whether a mail is refused at `now`.
    pub(super) fn judge(&self, now: Moment) -> Option<FullVerdict> {
        let episode = self.current?;
        let left = refused_for(episode, now)?;
        Some(FullVerdict {
            wait: episode.estimated.then_some(left),
        })
    }

    /// What is left, by the median of the episodes that lasted longer than this; `None`: it has outlasted them all.
    fn usual_beyond(&self, lasted: Duration) -> Option<Duration> {
        let mut longer: Vec<_> = self
            .lengths
            .iter()
            .filter(|length| **length > lasted)
            .collect();
        longer.sort_unstable();
        // Of two in the middle the longer: too late costs one wait, too early costs a second one.
        let median = **longer.get(longer.len() / 2)?;
        Some((median - lasted).clamp(WAIT_MIN, WAIT_MAX))
    }

    /// A stored row as this code would have written it.
    pub(super) fn bounded(mut self) -> Self {
        let over = self.lengths.len().saturating_sub(EPISODES_MAX);
        self.lengths.drain(..over);
        self
    }
}

/// How long mail is refused still. A clock that was set back makes nobody wait for longer than the longest estimate.
fn refused_for(episode: Episode, now: Moment) -> Option<Duration> {
    (now < episode.until).then(|| episode.until.since(now).min(WAIT_MAX))
}
