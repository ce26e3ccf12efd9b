//! Mail that there is no room for: a line for each would fill the very disk that is full.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::spell::Spell;

/// Mail of late that was refused because the spool's disk is full.
#[derive(Default)]
pub(crate) struct NoRoom(Mutex<Spell>);

impl NoRoom {
    /// One more was refused: of `wanted` octets `free` are there. Logged when it begins.
    pub(super) fn felt(&self, free: u64, wanted: u64) {
        if self.lock().felt() {
            tracing::warn!(target: "smtp", free, wanted, "no room for mail: free space on the data directory's file system");
        }
    }

    /// There was room for a mail. Logged when none was refused for some seconds.
    pub(super) fn over(&self) {
        if let Some(line) = self.end() {
            tracing::info!(target: "smtp", "{line}");
        }
    }

    fn end(&self) -> Option<String> {
        let mut spell = self.lock();
        let (count, secs) = spell.is_over().then(|| spell.end())??;
        let mails = if count == 1 { "mail was" } else { "mails were" };
        Some(format!(
            "there is room for mail again: {count} {mails} refused in {secs} s"
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Spell> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn small_mails_between_large_ones_do_not_end_it() {
        let no_room = NoRoom::default();
        assert_eq!(no_room.end(), None);
        for _ in 0..9 {
            no_room.felt(1, 2);
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(no_room.end(), None);
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        let line = "there is room for mail again: 9 mails were refused in 8 s";
        assert_eq!(no_room.end().as_deref(), Some(line));
        assert_eq!(no_room.end(), None);
    }
}
