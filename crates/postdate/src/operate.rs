//! What an operator does to mail in the queue: retry, hold, release, delete. With the server running (through its
//! control socket) and without it (on the spool itself).

use std::sync::Arc;
use std::sync::mpsc;
use std::time::SystemTime;

use queue::spool::{Change, Lease, Spool, SpoolError};
use queue::{MessageId, Progress, State};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::runner::Runner;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Try now, whatever it waits for, unless it is held.
    Retry,
    /// Not before `release`.
    Hold,
    /// Wait for its due time again.
    Release,
    /// Gone, without a notice.
    Delete,
}

impl Operation {
    /// As it is called on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }
}

/// Messages in one go.
const PAGE: usize = 100;
/// Their rows at most: more recipients than any session may name.
const PAGE_ROWS: usize = 1_000_000;

/// On the running server. Returns the messages that there are of those named (`None`: of all).
///
/// # Errors
/// As the spool says. Of several pages, the earlier ones are done.
pub(crate) async fn online(
    runner: &Arc<Runner>,
    operation: Operation,
    ids: Option<Vec<MessageId>>,
) -> Result<Vec<MessageId>, SpoolError> {
    let mut pages = Pages::new(ids);
    let mut all = Vec::new();
    loop {
        let spool = Arc::clone(runner.spool());
        // The spool's readers may wait for the disk.
        let next = tokio::task::spawn_blocking(move || {
            pages.next(spool.as_ref()).map(|page| (pages, page))
        });
        let (rest, page) = next.await.unwrap_or(Err(SpoolError::Closed))?;
        let Some(page) = page else { break };
        pages = rest;
        match operation {
            Operation::Retry => runner.retry_now(page.clone()),
            Operation::Hold => runner.hold_back(&page),
            Operation::Release => runner.let_go(&page),
            Operation::Delete => runner.forget(&page),
        }
        if operation != Operation::Retry {
            let (spool, ids, now) = (Arc::clone(runner.spool()), page.clone(), runner.now());
            let done =
                tokio::task::spawn_blocking(move || perform(spool.as_ref(), operation, ids, now));
            done.await.unwrap_or(Err(SpoolError::Closed))?;
            runner.rescheduled();
        }
        // Who looks for a mail in the log must find its end.
        for id in &page {
            tracing::info!(target: "queue", %id, operator = operation.name());
        }
        all.extend(page);
    }
    Ok(all)
}

/// On a spool that no server has open.
///
/// # Errors
/// As the spool says.
pub(crate) fn offline(
    spool: &dyn Spool,
    operation: Operation,
    ids: Option<&[MessageId]>,
) -> Result<Vec<MessageId>, SpoolError> {
    let mut pages = Pages::new(ids.map(<[_]>::to_vec));
    let mut all = Vec::new();
    while let Some(page) = pages.next(spool)? {
        perform(spool, operation, page.clone(), clock::now())?;
        all.extend(page);
    }
    Ok(all)
}

/// The messages that an operation is for, some at a time: there may be a million.
enum Pages {
    Named(std::vec::IntoIter<MessageId>),
    All { after: Option<MessageId> },
}

impl Pages {
    fn new(ids: Option<Vec<MessageId>>) -> Self {
        ids.map_or(Self::All { after: None }, |ids| {
            Self::Named(ids.into_iter())
        })
    }

    /// `None`: no more. A page may be empty.
    fn next(&mut self, spool: &dyn Spool) -> Result<Option<Vec<MessageId>>, SpoolError> {
        match self {
            Self::Named(ids) if ids.len() == 0 => Ok(None),
            Self::Named(ids) => {
                let mut page = Vec::new();
                for id in ids.take(PAGE) {
                    if spool.get(id)?.is_some() {
                        page.push(id);
                    }
                }
                Ok(Some(page))
            }
            Self::All { after } => {
                let page: Vec<_> = spool
                    .list(*after, PAGE)?
                    .iter()
                    .map(|entry| entry.message.id)
                    .collect();
                *after = page.last().copied().or(*after);
                Ok(Some(page).filter(|page| !page.is_empty()))
            }
        }
    }
}

/// Durable when it returns.
fn perform(
    spool: &dyn Spool,
    operation: Operation,
    ids: Vec<MessageId>,
    now: SystemTime,
) -> Result<(), SpoolError> {
    if operation == Operation::Delete {
        return delete(spool, &ids);
    }
    // As a lease, so that what is changed is the row as it is then: an attempt may just have moved it.
    let (tell, durable) = mpsc::channel();
    spool.lease(
        Lease::Messages(ids),
        now,
        PAGE_ROWS,
        Arc::new(move |row| one(operation, row, now)),
        Box::new(move |result| {
            let _ = tell.send(result.map(|_| ()));
        }),
    );
    durable.recv().unwrap_or(Err(SpoolError::Closed))
}

fn delete(spool: &dyn Spool, ids: &[MessageId]) -> Result<(), SpoolError> {
    let mut change = Change::default();
    for id in ids {
        let rows = spool.get(*id)?.into_iter().flat_map(|entry| entry.rows);
        change.done.extend(rows.map(|(index, _)| (*id, index)));
    }
    let (tell, durable) = mpsc::channel();
    spool.submit(
        change,
        Box::new(move |result| {
            let _ = tell.send(result);
        }),
    );
    durable.recv().unwrap_or(Err(SpoolError::Closed))
}

fn one(operation: Operation, row: &Progress, now: SystemTime) -> Option<Progress> {
    let row = row.clone();
    match (operation, row.state) {
        (Operation::Hold, State::Waiting) => Some(Progress {
            state: State::Held,
            ..row
        }),
        (Operation::Release, State::Held) => Some(Progress {
            state: State::Waiting,
            // The hold it was under may be long over.
            parked: None,
            ..row
        }),
        (Operation::Retry, State::Waiting) => Some(Progress {
            parked: None,
            due: now.min(row.due),
            ..row
        }),
        _ => None,
    }
}
