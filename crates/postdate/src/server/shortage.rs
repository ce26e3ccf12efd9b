//! The time in which connections can't be taken, because no file descriptor is free.

use std::fs::File;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// It is over when no connection failed for so long: at the limit, each session that ends lets one in.
const QUIET: Duration = Duration::from_secs(5);

/// One listener's shortage: logged when it begins and when it is over, and not in between.
pub(super) struct Shortage {
    whose: &'static str,
    /// A descriptor to give up, so that a client can be told.
    spare: Option<File>,
    spell: Option<Spell>,
}

struct Spell {
    began: Instant,
    last: Instant,
    turned_away: u64,
}

impl Shortage {
    /// None yet. `whose` connections, for the log.
    pub(super) fn new(whose: &'static str) -> Self {
        Self {
            whose,
            spare: spare(),
            spell: None,
        }
    }

    /// A connection could not be taken.
    pub(super) fn felt(&mut self, err: &io::Error) {
        let now = Instant::now();
        if let Some(spell) = &mut self.spell {
            spell.last = now;
            return;
        }
        self.spell = Some(Spell {
            began: now,
            last: now,
            turned_away: 0,
        });
        let advice = if is_of_descriptors(err) {
            "; clients are answered 421: raise LimitNOFILE (ulimit -n), or lower limits.connections"
        } else {
            ""
        };
        tracing::warn!(
            target: "smtp",
            "{} connections can't be taken: {err}{advice}", self.whose
        );
    }

    /// Resolves when it is over; never, when there is none.
    pub(super) async fn over(&self) {
        match &self.spell {
            Some(spell) => sleep_until(spell.last + QUIET).await,
            None => std::future::pending().await,
        }
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        if let Some(spell) = self.spell.take() {
            tracing::info!(
                target: "smtp",
                "{} connections are taken again: {} were turned away in {} s",
                self.whose, spell.turned_away, spell.last.duration_since(spell.began).as_secs()
            );
        }
    }

    /// Gives the spare descriptor up. Says whether there was one.
    pub(super) fn spend(&mut self) -> bool {
        if self.spare.is_none() {
            self.spare = spare();
        }
        self.spare.take().is_some()
    }

    /// Keeps one again, after a client was told.
    pub(super) fn save(&mut self, told: bool) {
        self.spare = spare();
        if let Some(spell) = &mut self.spell {
            spell.turned_away += u64::from(told);
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_of_descriptors(err: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = err.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end is logged once, too: `end` comes after a quiet time, not between two failures.
    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nothing_failed_for_a_while() {
        let mut shortage = Shortage::new("test");
        let began = Instant::now();
        for _ in 0..10 {
            shortage.felt(&rustix::io::Errno::MFILE.into());
            assert!(shortage.spend());
            shortage.save(true);
            let early = tokio::time::timeout(QUIET / 2, shortage.over()).await;
            assert!(early.is_err());
        }
        shortage.over().await;
        assert_eq!(began.elapsed(), QUIET / 2 * 9 + QUIET);
        assert_eq!(
            shortage.spell.as_ref().map(|spell| spell.turned_away),
            Some(10)
        );
        shortage.end();
        let never = tokio::time::timeout(100 * QUIET, shortage.over()).await;
        assert!(never.is_err());
    }
}
