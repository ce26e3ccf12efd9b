//! The thread that writes behind the judging.

use super::changes::{Changes, untaken};
use super::error::{Behind, WriteError};
use super::file::File;
use policy::Moment;
use policy::engine::Engine;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// From the first change to the transaction that writes it. With the time that this takes, what is told is written
/// well within [`LAG_MAX`].
const PAUSE: Duration = Duration::from_millis(250);

/// After a write that failed, the next is tried.
const RETRY: Duration = Duration::from_secs(1);

/// What was told so long ago must have been written before more is told.
const LAG_MAX: Duration = Duration::from_secs(1);

/// Changes that wait to be written, at most; then judging waits. Some 200 bytes each, and half a second's work for a
/// slow disk: so few, because what was told has to be written within [`LAG_MAX`].
const UNWRITTEN_MAX: usize = 10_000;

/// With so many the thread doesn't wait for the pause to end.
const UNWRITTEN_MANY: usize = UNWRITTEN_MAX / 2;

/// While the file fails, so many changes are kept for it (some 20 MB); then nobody can be judged. None is given up: a
/// row that stays where it should have gone would be a promise too many after a restart.
const KEPT_MAX: usize = 100_000;

/// The engine, and the thread that writes it behind.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// None: nothing is written, all is in memory.
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// For the thread: there is work, or it is urgent.
    work: Condvar,
    /// For the others: a transaction has ended.
    written: Condvar,
}

#[derive(Debug)]
struct State {
    engine: Engine,
    /// Changes that are in the thread's hands.
    under_way: usize,
    /// When the first change was made that the thread has not yet taken, and the first that is in its hands; by the
    /// time of the events, so that a test can pass it in.
    first_untaken: Option<SystemTime>,
    first_under_way: Option<SystemTime>,
    /// When somebody was first kept waiting for the transaction under way; in the same time.
    behind_since: Option<SystemTime>,
    /// Transactions begun, and ended either way.
    begun: u64,
    ended: u64,
    /// The thread is to write now.
    hurry: bool,
    stopping: bool,
    trouble: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A session that panicked did so between two whole steps of a rule, or in one, and then a record is off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        span: Duration,
        mut while_: impl FnMut(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self
            .work
            .wait_timeout_while(state, span, |state| while_(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Writer {
    /// Nothing is written.
    pub(super) fn idle(engine: Engine) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    engine,
                    under_way: 0,
                    first_untaken: None,
                    first_under_way: None,
                    behind_since: None,
                    begun: 0,
                    ended: 0,
                    hurry: false,
                    stopping: false,
                    trouble: None,
                }),
                work: Condvar::new(),
                written: Condvar::new(),
            }),
            thread: None,
        }
    }

    /// Starts the thread.
    pub(super) fn start(engine: Engine, file: File) -> Result<Self, std::io::Error> {
        let mut writer = Self::idle(engine);
        let shared = Arc::clone(&writer.shared);
        let thread = std::thread::Builder::new()
            .name("policy".to_owned())
            .spawn(move || run(&shared, file))?;
        writer.thread = Some(thread);
        Ok(writer)
    }

    /// Lets a step happen. Waits for nothing but the lock.
    pub(super) fn with<T>(
        &self,
        now: SystemTime,
        step: impl FnOnce(&mut Engine, Moment) -> T,
    ) -> T {
        let mut state = self.shared.lock();
        let answer = step(&mut state.engine, Moment::from(now));
        if self.thread.is_none() {
            Changes::default().take(&mut state.engine);
            return answer;
        }
        let count = untaken(&state.engine);
        if count > 0 && state.first_untaken.is_none() {
            state.first_untaken = Some(now);
            self.shared.work.notify_one();
        }
        if count >= UNWRITTEN_MANY && state.trouble.is_none() {
            self.hurry(&mut state);
        }
        answer
    }

    /// Does something with the engine that changes no row, or none that can't wait for the next one.
    pub(super) fn engine<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        act(&mut self.shared.lock().engine)
    }

    /// In trouble nobody waits; a thread that has kept somebody waiting for longer than `patience` is in trouble.
    pub(super) fn is_behind(&self, now: Option<SystemTime>, patience: Duration) -> bool {
        let mut state = self.shared.lock();
        if self.thread.is_none() || !state.is_behind(now) {
            return false;
        }
        self.hurry(&mut state);
        if let Some(now) = now {
            let since = *state.behind_since.get_or_insert(now);
            if now.duration_since(since).is_ok_and(|span| span > patience) {
                state.give_up(patience);
            }
        }
        state.trouble.is_none()
    }

    /// Waits while the thread is behind.
    pub(super) fn wait(&self, now: Option<SystemTime>, patience: Duration) {
        if !self.is_behind(now, patience) {
            return;
        }
        let behind = |state: &mut State| state.is_behind(now);
        let waited = self
            .shared
            .written
            .wait_timeout_while(self.shared.lock(), patience, behind);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            state.give_up(patience);
        }
    }

    /// Whether more can be held for the file.
    pub(super) fn room(&self) -> Result<(), Behind> {
        let state = self.shared.lock();
        match &state.trouble {
            Some(why) if state.unwritten() >= KEPT_MAX => Err(Behind(why.clone())),
            _ => Ok(()),
        }
    }

    /// Has the thread write now, or once more when it is at it.
    fn hurry(&self, state: &mut State) {
        if !state.hurry {
            state.hurry = true;
            self.shared.work.notify_one();
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }

    pub(super) fn flush(&self) -> Result<(), WriteError> {
        if self.thread.is_none() {
            return Ok(());
        }
        let mut state = self.shared.lock();
        // One under way may have begun before the last change: the next one holds all.
        let target = state.begun + 1;
        while state.ended < target {
            self.hurry(&mut state);
            state = self
                .shared
                .written
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
            .trouble
            .clone()
            .map_or(Ok(()), |why| Err(WriteError(why)))
    }

    pub(super) fn stop(&mut self) -> Result<(), WriteError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.shared.lock().stopping = true;
        self.shared.work.notify_one();
        if thread.join().is_err() {
            return Err(WriteError("the writing thread panicked".to_owned()));
        }
        let trouble = self.shared.lock().trouble.take();
        trouble.map_or(Ok(()), |why| Err(WriteError(why)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever wants to know whether it was written calls `close`.
        let _ = self.stop();
    }
}

impl State {
    fn unwritten(&self) -> usize {
        self.under_way + untaken(&self.engine)
    }

    /// Too much is unwritten, or for too long, and it makes sense to wait.
    fn is_behind(&self, now: Option<SystemTime>) -> bool {
        let first = self.first_under_way.or(self.first_untaken);
        let lag = first
            .zip(now)
            .and_then(|(first, now)| now.duration_since(first).ok());
        let behind = lag.is_some_and(|lag| lag > LAG_MAX) || self.unwritten() >= UNWRITTEN_MAX;
        behind && self.trouble.is_none()
    }

    fn give_up(&mut self, patience: Duration) {
        let secs = patience.as_secs();
        self.trouble = Some(format!("a write has not ended for {secs} s"));
    }
}

/// Lets nobody wait for a thread that is no more.
struct LastWord<'a>(&'a Shared);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.trouble = Some("the writing thread panicked".to_owned());
            state.ended = u64::MAX;
            drop(state);
            self.0.written.notify_all();
        }
    }
}

fn run(shared: &Shared, mut file: File) {
    let _last_word = LastWord(shared);
    let mut backlog = Changes::default();
    loop {
        let mut state = next_turn(shared);
        let stopping = state.stopping;
        state.hurry = false;
        state.begun += 1;
        backlog.take(&mut state.engine);
        state.under_way = backlog.len();
        let first_untaken = state.first_untaken.take();
        state.first_under_way = state.first_under_way.or(first_untaken);
        drop(state);

        let result = match backlog.len() {
            0 => Ok(()),
            _ => file.apply(&backlog),
        };
        if result.is_ok() {
            backlog = Changes::default();
        }

        let mut state = shared.lock();
        state.under_way = backlog.len();
        if result.is_ok() {
            state.first_under_way = None;
        }
        state.behind_since = None;
        state.ended += 1;
        state.trouble = result.err().map(|WriteError(why)| why);
        drop(state);
        shared.written.notify_all();
        if stopping {
            return;
        }
    }
}

/// Sleeps until there is something to write, and then until more has come to be written with it.
fn next_turn(shared: &Shared) -> MutexGuard<'_, State> {
    let urgent = |state: &State| state.hurry || state.stopping;
    let mut state = shared.lock();
    if state.under_way > 0 {
        return shared.wait(state, RETRY, |state| !urgent(state));
    }
    while !urgent(&state) && state.first_untaken.is_none() {
        state = shared
            .work
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
    shared.wait(state, PAUSE, |state| !urgent(state))
}
