//! Slots: how many sessions there may be with one host, over all lanes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use queue::HostKey;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Counts sessions by host. Holds entries only for hosts that have a session; who waits for one waits for its end.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<HostKey, Places>>);

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    /// As configured when a slot was last claimed.
    max: usize,
    /// First come, first served. At most as many as there are lanes.
    waiting: VecDeque<oneshot::Sender<Slot>>,
    /// Sessions that are being closed for one who waits.
    leaving: usize,
    /// Told to idle sessions when one more waits.
    wanted: Arc<Notify>,
}

/// A place for one session. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    host: HostKey,
    leaving: bool,
}

impl Places {
    /// Whether more wait than sessions are being closed for.
    fn is_short(&mut self) -> bool {
        self.waiting.retain(|one| !one.is_closed());
        self.waiting.len() > self.leaving
    }
}

impl Slots {
    /// Waits for a slot, not longer than `patience`. Who has none asks nobody to make room.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        host: HostKey,
        max: usize,
        patience: Duration,
    ) -> Option<Slot> {
        let waiting = {
            let mut hosts = self.lock();
            let places = hosts.entry(host).or_default();
            places.max = max.max(1);
            if places.taken < places.max {
                places.taken += 1;
                return Some(self.slot(host));
            }
            if patience.is_zero() {
                return None;
            }
            let (give, given) = oneshot::channel();
            places.waiting.push_back(give);
            places.wanted.notify_waiters();
            given
        };
        timeout(patience, waiting).await.ok()?.ok()
    }

    fn slot(self: &Arc<Self>, host: HostKey) -> Slot {
        Slot {
            slots: Arc::clone(self),
            host,
            leaving: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HostKey, Places>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Whether somebody waits for it, for whom no other session is being closed. Then this one has to be.
    pub(crate) fn is_wanted(&mut self) -> bool {
        let mut hosts = self.slots.lock();
        if !self.leaving
            && let Some(places) = hosts.get_mut(&self.host)
            && places.is_short()
        {
            places.leaving += 1;
            self.leaving = true;
        }
        self.leaving
    }

    /// Resolves when it is wanted. Can be cancelled.
    pub(crate) async fn wanted(&mut self) {
        let told = (self.slots.lock().get(&self.host)).map(|places| Arc::clone(&places.wanted));
        let Some(told) = told else { return };
        loop {
            // Made before looking, so that one who comes in between is not missed.
            let told = told.notified();
            if self.is_wanted() {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut hosts = self.slots.lock();
            let Some(places) = hosts.get_mut(&self.host) else {
                return;
            };
            places.leaving -= usize::from(self.leaving);
            let next = if places.taken <= places.max {
                places.waiting.retain(|one| !one.is_closed());
                places.waiting.pop_front()
            } else {
                // The limit was lowered.
                None
            };
            if next.is_none() {
                places.taken -= 1;
                if places.taken == 0 {
                    hosts.remove(&self.host);
                }
            }
            next
        };
        // Outside of the lock: one who has just stopped waiting drops it at once, for the next.
        if let Some(next) = next {
            let _ = next.send(self.slots.slot(self.host));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn host(last: u8) -> HostKey {
        HostKey(([192, 0, 2, last], 25).into())
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_counted_by_host_and_forgotten_when_free() {
        let slots = Arc::new(Slots::default());
        let mut first = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        let second = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        assert!(slots.claim(host(1), 2, Duration::ZERO).await.is_none());
        assert!(!first.is_wanted());
        assert!(slots.claim(host(1), 2, PATIENCE).await.is_none());
        assert!(slots.claim(host(2), 2, PATIENCE).await.is_some());
        assert_eq!(slots.lock().len(), 1);
        drop(first);
        let third = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        drop((second, third));
        assert!(slots.lock().is_empty());
    }

    /// Lets `slots.claim` wait in a task of its own.
    async fn waiter(slots: &Arc<Slots>, max: usize) -> tokio::task::JoinHandle<Option<Slot>> {
        let slots = Arc::clone(slots);
        let waiting = tokio::spawn(async move { slots.claim(host(1), max, PATIENCE).await });
        tokio::task::yield_now().await;
        waiting
    }

    #[tokio::test(start_paused = true)]
    async fn one_idle_session_is_asked_to_close_for_one_who_waits() {
        let slots = Arc::new(Slots::default());
        let mut first = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        let mut second = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        let quiet = timeout(PATIENCE, async {
            tokio::select! { () = first.wanted() => (), () = second.wanted() => () }
        });
        assert!(quiet.await.is_err(), "nobody waits");
        let waiting = waiter(&slots, 2).await;
        first.wanted().await;
        assert!(!second.is_wanted(), "one is enough");
        let another = waiter(&slots, 2).await;
        second.wanted().await;
        drop(first);
        let third = waiting.await.expect("no panic").expect("the first place");
        assert!(second.is_wanted(), "still");
        drop(second);
        let mut fourth = another.await.expect("no panic").expect("the second place");
        assert!(!fourth.is_wanted(), "nobody waits any more");
        drop((third, fourth));
        assert!(slots.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_idles_already_is_told_at_once() {
        let slots = Arc::new(Slots::default());
        let mut first = slots.claim(host(1), 1, PATIENCE).await.expect("a slot");
        let idle = tokio::spawn(async move { first.wanted().await });
        tokio::task::yield_now().await;
        let began = tokio::time::Instant::now();
        assert!(slots.claim(host(1), 1, PATIENCE).await.is_some());
        assert_eq!(began.elapsed(), Duration::ZERO);
        idle.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_wants_nothing_and_is_passed_over() {
        let slots = Arc::new(Slots::default());
        let mut first = slots.claim(host(1), 1, PATIENCE).await.expect("a slot");
        let gone = waiter(&slots, 1).await;
        gone.abort();
        let _ = gone.await;
        assert!(!first.is_wanted());
        let gone = waiter(&slots, 1).await;
        let waiting = waiter(&slots, 1).await;
        gone.abort();
        drop(first);
        assert!(waiting.await.expect("no panic").is_some());
        assert!(slots.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_limit_counts_at_the_next_claim() {
        let slots = Arc::new(Slots::default());
        let first = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        let second = slots.claim(host(1), 2, PATIENCE).await.expect("a slot");
        let waiting = waiter(&slots, 1).await;
        drop(first);
        assert!(slots.claim(host(1), 1, PATIENCE).await.is_none());
        assert!(waiting.await.expect("no panic").is_none());
        let third = slots.claim(host(1), 2, PATIENCE).await;
        assert!(third.is_some());
        drop((second, third));
        assert!(slots.lock().is_empty());
    }

    /// Lanes that claim, work, idle and are cancelled, from one seed.
    async fn crowd(seed: u64) {
        const MAX: usize = 3;
        let slots = Arc::new(Slots::default());
        let open = Arc::new(AtomicUsize::new(0));
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..12 {
            let (slots, open) = (Arc::clone(&slots), Arc::clone(&open));
            lanes.spawn(async move {
                let mut state = seed * 100 + lane;
                for _ in 0..30 {
                    let patience = Duration::from_millis(random(&mut state, 3000));
                    let claim = slots.claim(host(1), MAX, PATIENCE);
                    let Ok(Some(mut slot)) = timeout(patience, claim).await else {
                        continue;
                    };
                    assert!(open.fetch_add(1, Ordering::Relaxed) < MAX, "seed {seed}");
                    sleep(Duration::from_millis(random(&mut state, 1000))).await;
                    let idle = Duration::from_millis(random(&mut state, 2000));
                    let _ = timeout(idle, slot.wanted()).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                    drop(slot);
                }
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.expect("no panic");
        }
        assert!(slots.lock().is_empty(), "seed {seed}: nobody is forgotten");
    }

    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_than_may_be_and_none_is_lost() {
        for seed in 0..50 {
            crowd(seed).await;
        }
    }

    /// Who waits has the place of an idle session at once.
    #[tokio::test(start_paused = true)]
    async fn while_sessions_idle_nobody_waits_long() {
        let slots = Arc::new(Slots::default());
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let slots = Arc::clone(&slots);
            lanes.spawn(async move {
                for _ in 0..20 {
                    let began = tokio::time::Instant::now();
                    let mut slot = slots.claim(host(1), 3, PATIENCE).await.expect("a slot");
                    // 20 lanes, three at a time, 10 ms each.
                    assert!(began.elapsed() < Duration::from_millis(100));
                    sleep(Duration::from_millis(10)).await;
                    let _ = timeout(PATIENCE, slot.wanted()).await;
                }
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.expect("no panic");
        }
        assert!(slots.lock().is_empty());
    }
}
