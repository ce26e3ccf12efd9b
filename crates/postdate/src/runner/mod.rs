//! The queue's shell: carries the dispatcher's commands to the spool and to the lanes, and keeps its timer.

mod events;
mod notices;
mod operator;
mod tasks;
mod wakes;
mod worker;

pub(crate) use events::when;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use delivery::Deliverer;
use queue::dispatch::{Command, Dispatcher, Job};
use queue::settle::Entry;
use queue::spool::{Body, Change, Lease, Leased, Spool, SpoolError};
use queue::{Message, MessageId, Report};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::{Clock, RECHECK};
use crate::mailboxes::{self, MailboxNews};
use crate::site::SharedSite;

/// The running queue.
pub(crate) struct Runner {
    dispatcher: Mutex<Dispatcher>,
    spool: Arc<dyn Spool>,
    deliverer: Deliverer,
    site: Arc<SharedSite>,
    clock: Clock,
    /// Held while commands go from the dispatcher to the spool: they have to arrive in the order they came out.
    order: Mutex<()>,
    wakes: wakes::Wakes,
    /// Messages that the operator holds while an attempt on them is under way: what comes of it is held, too.
    held: Mutex<HashSet<MessageId>>,
    /// Answers to leases, from the spool's thread.
    leased: mpsc::UnboundedSender<(Lease, Result<Vec<Leased>, SpoolError>)>,
    /// Wakes the loop that owns the timer.
    wake: Notify,
    /// Lanes that are at work, and notices that are being written.
    tasks: tasks::Tasks,
    /// Idle lanes listen here; see [`worker`].
    idle: worker::IdleLanes,
    /// Who hears of mailboxes that are full.
    mailbox_news: OnceLock<Arc<dyn MailboxNews>>,
    stopping: AtomicBool,
}

/// The receiving end of the spool's answers; [`Runner::run`] takes it.
pub(crate) struct Answers(mpsc::UnboundedReceiver<(Lease, Result<Vec<Leased>, SpoolError>)>);

impl Runner {
    /// Nothing is tried before [`Runner::run`].
    pub(crate) fn new(
        dispatcher: Dispatcher,
        spool: Arc<dyn Spool>,
        deliverer: Deliverer,
        site: Arc<SharedSite>,
        clock: Clock,
    ) -> (Arc<Self>, Answers) {
        let (leased, answers) = mpsc::unbounded_channel();
        let runner = Self {
            dispatcher: Mutex::new(dispatcher),
            spool,
            deliverer,
            site,
            clock,
            order: Mutex::default(),
            wakes: wakes::Wakes::default(),
            held: Mutex::default(),
            leased,
            wake: Notify::new(),
            tasks: tasks::Tasks::default(),
            idle: worker::IdleLanes::default(),
            mailbox_news: OnceLock::new(),
            stopping: AtomicBool::new(false),
        };
        (Arc::new(runner), Answers(answers))
    }

    pub(crate) fn spool(&self) -> &Arc<dyn Spool> {
        &self.spool
    }

    /// What time it is.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn deliverer(&self) -> &Deliverer {
        &self.deliverer
    }

    /// From now on this one hears of each mailbox that an attempt found full, or delivered to. There is one such.
    pub(crate) fn hear_of_mailboxes(&self, news: Arc<dyn MailboxNews>) {
        let _ = self.mailbox_news.set(news);
    }

    fn tell_of_mailboxes(&self, job: &Job, report: &Report) {
        if let Some(news) = self.mailbox_news.get() {
            let directory = Arc::clone(&self.site.get().directory);
            let (to, message) = (&job.destination, &job.message);
            mailboxes::tell(&**news, &directory, to, message, &report.outcomes);
        }
    }

    /// The machine. Never held across an await.
    pub(crate) fn dispatcher(&self) -> MutexGuard<'_, Dispatcher> {
        self.dispatcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a mail durable, then hands it to the dispatcher: tried at once where there is room.
    ///
    /// # Errors
    /// The spool can't keep it; nothing of it is left.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        message: Message,
        body: Body,
    ) -> Result<(), SpoolError> {
        let message = Arc::new(message);
        let rows = self.dispatcher().admit(&message, self.now());
        let change = Change {
            enqueue: vec![(Arc::clone(&message), body.clone(), rows.clone())],
            ..Change::default()
        };
        match self.submit(change).await {
            Ok(()) => {
                self.dispatcher().enqueued(message, body, rows, self.now());
                self.pump();
                Ok(())
            }
            Err(err) => {
                self.dispatcher().not_enqueued(&message, &rows);
                Err(err)
            }
        }
    }

    /// Resolves when the change is durable.
    ///
    /// # Errors
    /// As the spool says.
    pub(crate) async fn submit(&self, change: Change) -> Result<(), SpoolError> {
        let submitted = self.note_wake(&change);
        let (done, durable) = oneshot::channel();
        self.spool.submit(
            change,
            Box::new(move |result| {
                submitted.durable();
                let _ = done.send(result);
            }),
        );
        durable.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Does what the dispatcher wants done now.
    pub(crate) fn pump(self: &Arc<Self>) {
        let mut logs = Vec::new();
        {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                // Apart, so that the dispatcher is free again while the command is done.
                let command = self.dispatcher().poll(self.now());
                let Some(command) = command else { break };
                self.perform(command, &mut logs);
            }
        }
        for (message, entry) in logs.iter().flatten() {
            events::attempt(message, entry, self.now());
        }
        self.wake.notify_one();
    }

    fn perform(self: &Arc<Self>, command: Command, logs: &mut Vec<Vec<(Arc<Message>, Entry)>>) {
        match command {
            Command::Open(lane, _) => {
                tokio::spawn(worker::work(Arc::clone(self), lane, self.tasks.begin()));
            }
            Command::Wake(lane) => self.idle.wake(lane),
            Command::Lease { which, limit } => self.lease(which, limit),
            Command::Settled {
                mut change,
                notices,
                log,
            } => {
                logs.push(log);
                self.hold_on(&mut change);
                if notices.is_empty() {
                    self.commit(change);
                } else {
                    tokio::spawn(notices::send(
                        Arc::clone(self),
                        change,
                        notices,
                        self.tasks.begin(),
                    ));
                }
            }
        }
    }

    /// Tells the timer of the rows that a change moves, so that nobody has to look for them in the spool.
    fn note_wake(&self, change: &Change) -> wakes::Submitted {
        let (wake, submitted) = self.wakes.submitted(change);
        if let Some(wake) = wake {
            self.dispatcher().spool_wakes_by(wake);
        }
        submitted
    }

    fn lease(self: &Arc<Self>, which: Lease, limit: usize) {
        let now = self.now();
        let step = self.dispatcher().step(now);
        let answers = self.leased.clone();
        let asked = which.clone();
        self.spool.lease(
            which,
            now,
            limit,
            step,
            Box::new(move |result| {
                let _ = answers.send((asked, result));
            }),
        );
    }

    /// Submits a change that nobody waits for. If it is lost, what it says happens again: at most the one attempt.
    fn commit(self: &Arc<Self>, change: Change) {
        let submitted = self.note_wake(&change);
        let runner = Arc::downgrade(self);
        self.spool.submit(
            change,
            Box::new(move |result| {
                submitted.durable();
                if let Err(err) = result
                    && let Some(runner) = runner.upgrade()
                    && !runner.stopping.load(Ordering::Relaxed)
                {
                    tracing::error!(target: "queue", "what an attempt gave could not be kept, it will be made again: {err}");
                }
            }),
        );
    }

    /// Runs until [`Runner::stop`]: answers of the spool, the timer, and whatever wakes it.
    pub(crate) async fn run(self: Arc<Self>, mut answers: Answers) {
        self.read_wake();
        self.pump();
        while !self.stopping.load(Ordering::Relaxed) {
            let due = self.dispatcher().wake();
            let sleep = due.map_or(RECHECK, |due| self.clock.until(due));
            tokio::select! {
                biased;
                Some((which, result)) = answers.0.recv() => {
                    self.answered(&which, result);
                    self.pump();
                }
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep.max(Duration::from_millis(1))) => {
                    self.pump();
                }
            }
        }
        // What was leased at the last moment goes back.
        while let Ok((which, result)) = answers.0.try_recv() {
            self.answered(&which, result);
            self.pump();
        }
    }

    fn answered(&self, which: &Lease, result: Result<Vec<Leased>, SpoolError>) {
        match result {
            Ok(leased) => {
                self.dispatcher().leased(which, leased, self.now());
                self.read_wake();
            }
            Err(err) => {
                tracing::error!(target: "queue", "due mail can't be read: {err}");
                self.dispatcher().lease_failed(self.now());
            }
        }
    }

    fn read_wake(&self) {
        let read = || self.spool.next_wake();
        if let Err(err) = self
            .wakes
            .read(read, |wake| self.dispatcher().set_spool_wake(wake))
        {
            tracing::error!(target: "queue", "the schedule can't be read: {err}");
        }
    }

    /// Takes no new jobs, waits for those under way, gives back what was not begun, and writes the notices that are owed.
    pub(crate) async fn stop(self: &Arc<Self>, within: Duration) {
        let drained = self.dispatcher().drain(self.now());
        if let Err(err) = self.submit(drained).await {
            tracing::error!(target: "queue", "mail that was not begun waits for its back-off: {err}");
        }
        self.pump();
        self.idle.close_all();
        if tokio::time::timeout(within, self.tasks.ended())
            .await
            .is_err()
        {
            let count = self.tasks.count();
            tracing::warn!(target: "queue", "{count} deliveries were still under way at the end; they are made again");
        }
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }
}
