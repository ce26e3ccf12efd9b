//! A lane's worker: one destination, one mail after the other, over one session where it can.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use delivery::{Holds, Unasked};
use queue::dispatch::{Job, LaneId};
use queue::outcome::{Deferral, Problem};
use queue::spool::{Body, Change};
use queue::{HostKey, Outcome, Report};
use smtp::Status;
use tokio::sync::oneshot;

use super::Runner;
use super::tasks::Task;

/// How long a session is kept open for the next mail.
const IDLE: Duration = Duration::from_secs(2);

/// Lanes whose workers have nothing to do and keep their session for a moment.
#[derive(Default)]
pub(super) struct IdleLanes(Mutex<HashMap<LaneId, oneshot::Sender<()>>>);

impl IdleLanes {
    fn enter(&self, lane: LaneId) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(lane, wake);
        woken
    }

    fn leave(&self, lane: LaneId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&lane);
    }

    /// There is a job for this lane.
    pub(super) fn wake(&self, lane: LaneId) {
        let wake = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&lane);
        if let Some(wake) = wake {
            let _ = wake.send(());
        }
    }

    /// All workers stop waiting.
    pub(super) fn close_all(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// The holds as one lane sees them.
struct LaneHolds<'a> {
    runner: &'a Runner,
    lane: LaneId,
}

impl Holds for LaneHolds<'_> {
    fn held(&self, host: HostKey) -> Option<SystemTime> {
        self.runner
            .dispatcher()
            .held(host, self.lane, self.runner.now())
    }
}

/// A lane's end, whatever it is: a worker that panics leaves no job behind that nobody does.
struct End<'a> {
    runner: &'a Runner,
    lane: LaneId,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.runner.idle.leave(self.lane);
        self.runner.dispatcher().closed(self.lane);
    }
}

/// Works until there is nothing more for this lane.
pub(super) async fn work(runner: Arc<Runner>, id: LaneId, task: Task) {
    let mut lane = runner.deliverer.lane();
    {
        let _end = End {
            runner: &runner,
            lane: id,
        };
        while next(&runner, &mut lane, id).await {}
    }
    runner.pump();
    runner.deliverer.close(lane).await;
    drop(task);
}

/// One job, or the wait for one. `false`: the lane is closed.
async fn next(runner: &Arc<Runner>, lane: &mut delivery::Lane, id: LaneId) -> bool {
    // Entered before asking, so that a job that comes in between is not missed.
    let woken = runner.idle.enter(id);
    let job = runner.dispatcher().next_job(id, runner.now());
    // What expired while it waited is settled by asking.
    runner.pump();
    if let Some(job) = job {
        runner.idle.leave(id);
        let report = if job.renewed && runner.submit(Change::default()).await.is_err() {
            // The next attempt is not durable, so this one is not made.
            all(&job, |_| Outcome::NotTried { parked: None })
        } else {
            attempt(runner, lane, id, &job).await
        };
        let message = job.message.id;
        runner.tell_of_mailboxes(&job, &report);
        runner.dispatcher().report(id, job, report, runner.now());
        runner.pump();
        runner.attempted(message);
        return true;
    }
    let mut unasked = None;
    let again = !runner.dispatcher().should_close(id)
        && tokio::select! {
            biased;
            woken = woken => woken.is_ok(),
            said = runner.deliverer.idle(lane) => {
                unasked = said;
                false
            }
            () = tokio::time::sleep(IDLE) => false,
        };
    if let Some(Unasked { host, relay, event }) = unasked {
        let now = runner.now();
        runner.dispatcher().heard(host, &event, &relay, now);
        runner.pump();
    }
    runner.idle.leave(id);
    // Closing and looking once more are one step under the lock: a job that was just given to this lane is not lost.
    again || !runner.dispatcher().close_if_idle(id)
}

async fn attempt(runner: &Arc<Runner>, lane: &mut delivery::Lane, id: LaneId, job: &Job) -> Report {
    match body(runner, job).await {
        Ok(Some(body)) => {
            let holds = LaneHolds { runner, lane: id };
            runner
                .deliverer
                .attempt(lane, job, body, &holds, runner.now())
                .await
        }
        Ok(None) => all(job, |_| Outcome::NotTried { parked: None }),
        Err(why) => all(job, |_| {
            Outcome::Deferred(Deferral {
                problem: Problem {
                    status: Status(4, 3, 0),
                    text: format!("the content can't be read from the queue: {why}"),
                    remote: false,
                    relay: "none".to_owned(),
                    answered: None,
                    tls: None,
                },
                hint: None,
                host: None,
                local: None,
            })
        }),
    }
}

/// The content: in memory still, or from the spool. `None`: the message is gone.
async fn body(runner: &Arc<Runner>, job: &Job) -> Result<Option<Body>, String> {
    if let Some(body) = &job.body {
        return Ok(Some(body.clone()));
    }
    let (spool, id) = (Arc::clone(&runner.spool), job.message.id);
    tokio::task::spawn_blocking(move || spool.body(id))
        .await
        .map_err(|err| err.to_string())?
        .map_err(|err| err.to_string())
}

fn all(job: &Job, mut outcome: impl FnMut(u32) -> Outcome) -> Report {
    Report {
        outcomes: job
            .rows
            .iter()
            .map(|(index, _)| (*index, outcome(*index)))
            .collect(),
        hosts: Vec::new(),
    }
}
