//! Slots: how many sessions there may be with one host, over all lanes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use queue::HostKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Counts sessions by host. Holds entries only for hosts that have a session or that one is waited for.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<HostKey, Arc<Semaphore>>>);

/// A place for one session. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    host: HostKey,
    /// `None` only while it is waited for, and while it is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// Waits for a slot, not longer than `patience`.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        host: HostKey,
        max: usize,
        patience: Duration,
    ) -> Option<Slot> {
        let semaphore = self
            .lock()
            .entry(host)
            .or_insert_with(|| Arc::new(Semaphore::new(max.max(1))))
            .clone();
        // Made before waiting, so that a wait that is given up or cancelled tidies up as well. `semaphore` was moved
        // into the wait by then.
        let mut slot = Slot {
            slots: self.clone(),
            host,
            permit: None,
        };
        slot.permit = timeout(patience, semaphore.acquire_owned())
            .await
            .ok()?
            .ok();
        Some(slot)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<HostKey, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permit = None;
        let mut hosts = self.slots.lock();
        // Ours was given back: if nobody but the map has it, no session is left and none is waited for.
        if hosts
            .get(&self.host)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            hosts.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_are_counted_by_host_and_forgotten_when_free() {
        let slots = Arc::new(Slots::default());
        let host = |last| HostKey(([192, 0, 2, last], 25).into());
        let patience = Duration::from_secs(5);
        let first = slots.claim(host(1), 2, patience).await.unwrap();
        let second = slots.claim(host(1), 2, patience).await.unwrap();
        assert!(slots.claim(host(1), 2, patience).await.is_none());
        assert!(slots.claim(host(2), 2, patience).await.is_some());
        assert_eq!(slots.lock().len(), 1);
        drop(first);
        let third = slots.claim(host(1), 2, patience).await.unwrap();
        drop((second, third));
        assert!(slots.lock().is_empty());
    }
}
