//! Writes the notices that settling asked for, and queues them with the change they belong to: both or neither.

use std::io::Read;
use std::sync::Arc;

use queue::notice::{self, Original, RETURN_MAX, Writer};
use queue::settle::{Kind, Notice};
use queue::spool::{Body, Change, Spool, SpoolError};
use queue::{Message, MessageId, Progress};

use super::Runner;
use super::tasks::Task;

/// A notice in the words it is sent with.
struct Written {
    message: Arc<Message>,
    body: Body,
}

/// Adds the notices to the change and submits it.
pub(super) async fn send(
    runner: Arc<Runner>,
    mut change: Change,
    notices: Vec<(Arc<Message>, Notice)>,
    task: Task,
) {
    let mut all = Vec::with_capacity(notices.len());
    for (about, notice) in notices {
        let kind = notice.kind;
        match write(&runner, &about, notice).await {
            Ok(written) => all.extend(written),
            // A sender who is not told is worse than an attempt that is made again; a mail delivered twice is not.
            Err(err) if kind == Kind::Failed => {
                runner.dispatcher().not_told(&change.told);
                return not_kept(&err);
            }
            Err(err) => {
                if kind == Kind::Delayed {
                    runner
                        .dispatcher()
                        .not_told(&std::mem::take(&mut change.told));
                }
                let to = format_args!("<{}>", about.sender.address);
                tracing::error!(target: "queue", id = %about.id, %to, kind = crate::words::notice(kind), "notice can't be kept: {err}");
            }
        }
    }
    queue(&runner, change, all).await;
    runner.pump();
    drop(task);
}

fn not_kept(err: &SpoolError) {
    tracing::error!(target: "queue", "what an attempt gave could not be kept, it will be made again: {err}");
}

/// Both or neither.
async fn queue(runner: &Arc<Runner>, mut change: Change, notices: Vec<Written>) {
    let now = runner.now();
    let only_late = change.done.is_empty();
    for Written { message, body } in notices {
        let rows = runner.dispatcher().admit(&message, now);
        change.enqueue.push((message, body, rows));
    }
    let told = change.told.clone();
    let queued: Vec<(Arc<Message>, Body, Vec<Progress>)> = change.enqueue.clone();
    match runner.submit(change).await {
        Ok(()) => {
            for (message, body, rows) in queued {
                runner
                    .dispatcher()
                    .enqueued(message, body, rows, runner.now());
            }
        }
        Err(err) => {
            for (message, _, rows) in queued {
                runner.dispatcher().not_enqueued(&message, &rows);
            }
            runner.dispatcher().not_told(&told);
            if only_late {
                tracing::error!(target: "queue", "a delay notice can't be kept, it is written again later: {err}");
            } else {
                not_kept(&err);
            }
        }
    }
}

/// `None`: nobody is to be told.
async fn write(
    runner: &Arc<Runner>,
    about: &Arc<Message>,
    notice: Notice,
) -> Result<Option<Written>, SpoolError> {
    let kind = notice.kind;
    let site = runner.site.get();
    let hostname = &site.config.hostname;
    let writer = Writer {
        hostname: hostname.clone(),
        from: format!("mailer-daemon@{hostname}"),
    };
    let (spool, message, now) = (Arc::clone(&runner.spool), Arc::clone(about), runner.now());
    // The original is read, and a long notice is written to a file.
    let writing = tokio::task::spawn_blocking(move || {
        let id = spool.new_id(now);
        let (start, whole) = start_of(spool.as_ref(), &message).unwrap_or_default();
        let Some(written) = notice::write(
            &writer,
            id,
            &message,
            &notice,
            Original {
                start: &start,
                whole,
            },
            now,
        ) else {
            return Ok(None);
        };
        let body = stage(spool.as_ref(), id, &written.body)?;
        Ok(Some((written.message, body)))
    });
    let Some((mut envelope, body)) = writing.await.unwrap_or(Err(SpoolError::Closed))? else {
        return Ok(None);
    };
    tracing::info!(
        target: "queue", id = %envelope.id, about = %about.id, to = %format_args!("<{}>", about.sender.address),
        kind = crate::words::notice(kind), "notice",
    );
    envelope.recipients = crate::server::expand(&site, &envelope.recipients);
    Ok(Some(Written {
        message: Arc::new(envelope),
        body,
    }))
}

fn stage(spool: &dyn Spool, id: MessageId, octets: &[u8]) -> Result<Body, SpoolError> {
    let mut staging = spool.stage(id)?;
    staging.write(octets)?;
    staging.finish()
}

/// The original's start, and whether that is all of it. `None` if it can't be read: the notice matters more.
fn start_of(spool: &dyn Spool, message: &Message) -> Option<(Vec<u8>, bool)> {
    match spool.body(message.id).ok()?? {
        Body::Inline(octets) => {
            let end = octets.len().min(RETURN_MAX);
            Some((octets[..end].to_vec(), end == octets.len()))
        }
        Body::File(file) => {
            let mut start = Vec::new();
            file.open()
                .ok()?
                .take(RETURN_MAX as u64)
                .read_to_end(&mut start)
                .ok()?;
            let whole = start.len() as u64 == file.len();
            Some((start, whole))
        }
    }
}
