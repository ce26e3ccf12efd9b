//! Connections that were refused as they came. One that hammers at the door would fill the log: the first has its line,
//! the rest are counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::spell::Spell;

/// So long a time one count stands for: a flood without end has two lines a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// Those of late, by what refused them: as many as there are reasons and limits.
#[derive(Default)]
pub(crate) struct TurnedAway(Mutex<BTreeMap<String, Spell>>);

impl TurnedAway {
    /// One more. Says whether it is worth a line of its own: the first in a while that `why` refused.
    pub(super) fn felt(&self, why: &str) -> bool {
        let mut spells = self.lock();
        if let Some(spell) = spells.get_mut(why) {
            return spell.felt();
        }
        spells.entry(why.to_owned()).or_default().felt()
    }

    /// Resolves when a count is complete; never, when nothing is counted. To be asked anew when a session has ended: it
    /// may have been the first.
    pub(super) async fn over(&self) {
        let next = self.lock().values().filter_map(end).min();
        match next {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Logs the counts that are complete.
    pub(super) fn tell(&self) {
        for line in self.complete() {
            tracing::info!(target: "smtp", "{line}");
        }
    }

    /// Logs all counts: the server stops.
    pub(super) fn tell_all(&self) {
        for line in self.take(|_| true) {
            tracing::info!(target: "smtp", "{line}");
        }
    }

    fn complete(&self) -> Vec<String> {
        let now = Instant::now();
        self.take(|spell| end(spell).is_some_and(|end| end <= now))
    }

    fn take(&self, is_meant: impl Fn(&Spell) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        self.lock().retain(|why, spell| {
            if !is_meant(spell) {
                return true;
            }
            if let Some((count, secs)) = spell.end().filter(|(count, _)| *count > 1) {
                lines.push(line(count - 1, secs, why));
            }
            false
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Spell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(spell: &Spell) -> Option<Instant> {
    spell.ends(LONGEST)
}

/// Behind the first one, which had a line of its own.
fn line(more: u64, secs: u64, why: &str) -> String {
    let connections = if more == 1 {
        "connection was"
    } else {
        "connections were"
    };
    format!("{more} more {connections} refused in {secs} s: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_has_its_line_and_the_rest_are_counted() {
        let away = TurnedAway::default();
        assert!(away.felt("reason=client, rule=slow"));
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!away.felt("reason=client, rule=slow"));
        }
        assert!(
            away.felt("limits.connections"),
            "another reason has its own"
        );
        let began = Instant::now();
        away.over().await;
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert_eq!(
            away.complete(),
            ["9 more connections were refused in 9 s: reason=client, rule=slow"],
            "one alone has nothing behind it"
        );
        assert!(away.felt("reason=client, rule=slow"), "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_without_end_is_counted_each_minute() {
        let away = TurnedAway::default();
        let began = Instant::now();
        let mut lines = 0;
        for _ in 0..600 {
            lines += usize::from(away.felt("reason=load, rule=load"));
            tokio::time::advance(Duration::from_secs(1)).await;
            lines += away.complete().len();
        }
        assert_eq!(began.elapsed(), Duration::from_secs(600));
        assert_eq!(lines, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_over_where_nothing_was_refused() {
        let away = TurnedAway::default();
        let never = tokio::time::timeout(10 * LONGEST, away.over()).await;
        assert!(never.is_err());
        assert!(away.take(|_| true).is_empty());
    }
}
