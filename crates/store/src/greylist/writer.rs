//! The thread that writes behind the judging.

use super::file::File;
use policy::greylist::{Change, Table, Verdict, Visit};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// Between two transactions.
const PAUSE: Duration = Duration::from_secs(1);

/// Changes that wait to be written, at most; then judging waits. Some 200 bytes each.
const UNWRITTEN_MAX: usize = 40_000;

/// With so many the thread doesn't wait for the pause to end.
const UNWRITTEN_MANY: usize = UNWRITTEN_MAX / 2;

/// The records could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(String);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "greylisting's records are not written: {}", self.0)
    }
}

impl std::error::Error for WriteError {}

/// The table, and the thread that writes it behind.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// None: nothing is written, all is in memory.
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// For the thread: there is work before the pause is over.
    work: Condvar,
    /// For the others: a transaction has ended.
    written: Condvar,
}

#[derive(Debug)]
struct State {
    table: Table,
    /// Changes that are in the thread's hands.
    under_way: usize,
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
        // A session that panicked did so between two whole steps of the table, or in one, and then a record is off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Nothing is written.
    pub(super) fn idle(table: Table) -> Self {
        let state = State {
            table,
            under_way: 0,
            begun: 0,
            ended: 0,
            hurry: false,
            stopping: false,
            trouble: None,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                work: Condvar::new(),
                written: Condvar::new(),
            }),
            thread: None,
        }
    }

    /// Starts the thread.
    pub(super) fn start(table: Table, file: File) -> Result<Self, std::io::Error> {
        let mut writer = Self::idle(table);
        let shared = Arc::clone(&writer.shared);
        let thread = std::thread::Builder::new()
            .name("greylist".to_owned())
            .spawn(move || run(&shared, file))?;
        writer.thread = Some(thread);
        Ok(writer)
    }

    pub(super) fn judge(&self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        let mut state = self.shared.lock();
        if self.thread.is_some() {
            state = self.make_room(state);
        }
        let verdict = state.table.judge(visit, now);
        if self.thread.is_none() {
            state.table.take_changes();
        }
        verdict
    }

    /// Calls the thread early when much is unwritten, and waits while too much is unwritten. In trouble nobody waits: what is too much is given up.
    fn make_room<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.table.untaken() >= UNWRITTEN_MANY && !state.hurry && state.trouble.is_none() {
            state.hurry = true;
            self.shared.work.notify_one();
        }
        while state.unwritten() >= UNWRITTEN_MAX {
            if state.trouble.is_some() {
                state.table.take_changes();
                break;
            }
            state.hurry = true;
            self.shared.work.notify_one();
            state = self
                .shared
                .written
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Does something with the table.
    pub(super) fn table<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.shared.lock().table)
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
            state.hurry = true;
            self.shared.work.notify_one();
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
        self.under_way + self.table.untaken()
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
    let mut backlog = Vec::new();
    loop {
        let mut state = shared.lock();
        if !state.hurry && !state.stopping {
            let waited = shared
                .work
                .wait_timeout_while(state, PAUSE, |state| !state.hurry && !state.stopping);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let stopping = state.stopping;
        state.hurry = false;
        state.begun += 1;
        backlog.append(&mut state.table.take_changes());
        state.under_way = backlog.len();
        drop(state);

        let result = write(&mut file, &mut backlog);

        let mut state = shared.lock();
        state.under_way = backlog.len();
        state.ended += 1;
        state.trouble = result.err().map(|error| error.to_string());
        drop(state);
        shared.written.notify_all();
        if stopping {
            return;
        }
    }
}

/// Writes the backlog. What fails is kept for the next time, as far as it is not too much: then the oldest is given
/// up, and what it said is asked anew after a restart, at the price of a wait.
fn write(file: &mut File, backlog: &mut Vec<Change>) -> Result<(), rusqlite::Error> {
    if backlog.is_empty() {
        return Ok(());
    }
    let result = file.apply(backlog);
    if result.is_ok() {
        backlog.clear();
        backlog.shrink_to(1_024);
    } else {
        let surplus = backlog.len().saturating_sub(UNWRITTEN_MANY);
        backlog.drain(..surplus);
    }
    result
}
