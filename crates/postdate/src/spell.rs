//! A time in which something goes wrong again and again: worth a line when it begins and one when it is over.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// It is over when nothing went wrong for so long.
const QUIET: Duration = Duration::from_secs(5);

/// What went wrong since it began.
#[derive(Debug, Default)]
pub(crate) struct Spell(Option<Span>);

#[derive(Debug)]
struct Span {
    began: Instant,
    last: Instant,
    count: u64,
}

impl Spell {
    /// It went wrong once more. Says whether that is the first time.
    pub(crate) fn felt(&mut self) -> bool {
        let now = Instant::now();
        match &mut self.0 {
            Some(span) => {
                span.last = now;
                span.count += 1;
                false
            }
            None => {
                self.0 = Some(Span {
                    began: now,
                    last: now,
                    count: 1,
                });
                true
            }
        }
    }

    /// Resolves when it is over; never, when there is none.
    pub(crate) async fn over(&self) {
        match &self.0 {
            Some(span) => sleep_until(span.last + QUIET).await,
            None => std::future::pending().await,
        }
    }

    /// When it is over if nothing more goes wrong, or has lasted as long as one count may stand for; never, when there
    /// is none.
    pub(crate) fn ends(&self, longest: Duration) -> Option<Instant> {
        let end = |span: &Span| (span.last + QUIET).min(span.began + longest);
        self.0.as_ref().map(end)
    }

    /// Whether it is over, for who has no time to wait for it.
    pub(crate) fn is_over(&self) -> bool {
        let over = |span: &Span| span.last + QUIET <= Instant::now();
        self.0.as_ref().is_some_and(over)
    }

    /// Ends it: how often it went wrong, in how many seconds.
    pub(crate) fn end(&mut self) -> Option<(u64, u64)> {
        let span = self.0.take()?;
        Some((span.count, span.last.duration_since(span.began).as_secs()))
    }
}
