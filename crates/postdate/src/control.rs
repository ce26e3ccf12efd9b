//! The control socket: the commands that need the running server. One JSON object a line each way; only the data
//! directory's owner may connect.

pub(crate) mod change;

use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use queue::MessageId;
use serde::{Deserialize, Serialize};
use store::policy::Records;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::clock;
use crate::node::CONTROL_SOCKET;
use crate::operate::{self, Operation};
use crate::runner::Runner;
use crate::server::stopped;
use change::{Change, Changed};

/// The longest request: some ten thousand queue ids.
const MAX_REQUEST: u64 = 1 << 20;

/// What a command asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Request {
    /// Something of mail in the queue.
    Queue {
        /// What to do.
        operation: Operation,
        /// With which messages, by queue id; none: all.
        ids: Option<Vec<String>>,
    },
    /// Which recipients of mail in the queue are being worked on.
    Active,
    /// A change of what the rules remember.
    Policy(Change),
    /// Have all that the rules remember in the file: somebody wants to read it.
    Flush,
}

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Response {
    /// The messages it was done with.
    Queue(Vec<String>),
    /// These: by queue id, and place in the envelope.
    Active(Vec<(String, u32)>),
    /// What was changed.
    Policy(Changed),
    /// It is in the file.
    Flushed,
    /// Why it was not done.
    Refused(String),
}

/// Asks the server that has this data directory. `None`: there is none.
///
/// # Errors
/// In words: not permitted, the connection broke, or the server refuses.
pub(crate) fn ask(dir: &Path, request: &Request) -> Result<Option<Response>, String> {
    ask_for(dir, request, None)
}

/// The same, for who has no more than so much time.
pub(crate) fn ask_for(
    dir: &Path,
    request: &Request,
    patience: Option<Duration>,
) -> Result<Option<Response>, String> {
    let path = dir.join(CONTROL_SOCKET);
    let mut stream = match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(&path));
        }
        Err(_) => return Ok(None),
    };
    let broken = |err: &dyn std::fmt::Display| format!("control socket: {err}");
    stream
        .set_read_timeout(patience)
        .map_err(|err| broken(&err))?;
    let mut text = serde_json::to_string(request).map_err(|err| broken(&err))?;
    text.push('\n');
    stream
        .write_all(text.as_bytes())
        .map_err(|err| broken(&err))?;
    let mut line = String::new();
    io::BufReader::new(stream)
        .read_line(&mut line)
        .map_err(|err| match (err.kind(), patience) {
            (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, Some(patience)) => {
                format!("the server has not answered for {} s", patience.as_secs())
            }
            _ => broken(&err),
        })?;
    match serde_json::from_str(&line).map_err(|err| broken(&err))? {
        Response::Refused(why) => Err(why),
        response => Ok(Some(response)),
    }
}

/// What to say of a file that only the server's user may read.
pub(crate) fn not_permitted(path: &Path) -> String {
    format!(
        "{}: not permitted: run this as the server's user",
        path.display()
    )
}

/// What the socket leads to.
#[derive(Clone)]
pub(crate) struct Served {
    /// `None`: `postdate policy serve`, which has no queue.
    pub(crate) runner: Option<Arc<Runner>>,
    pub(crate) records: Arc<Records>,
}

/// The listening socket.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds; a socket that an earlier run left is replaced (the data directory's lock is held).
    ///
    /// # Errors
    /// The folder can't be written.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until the server stops.
    pub(crate) async fn run(self, served: Served, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = self.listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let served = served.clone();
                        tokio::spawn(async move {
                            if let Err(err) = answer(stream, served).await {
                                tracing::warn!(target: "server", "control connection: {err}");
                            }
                        });
                    }
                }
            }
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, served: Served) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST))
        .read_line(&mut line)
        .await?;
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(Request::Queue { operation, ids }) => operate(served.runner, operation, ids)
            .await
            .map(Response::Queue),
        Ok(Request::Active) => Ok(Response::Active(active(served.runner.as_deref()))),
        Ok(Request::Policy(change)) => amend(served.records, change).await.map(Response::Policy),
        Ok(Request::Flush) => flush(served.records).await.map(|()| Response::Flushed),
        Err(err) => Err(format!("not understood: {err}")),
    };
    let mut text = serde_json::to_string(&response.unwrap_or_else(Response::Refused))?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

fn active(runner: Option<&Runner>) -> Vec<(String, u32)> {
    let rows = runner.map(|runner| runner.dispatcher().active_rows());
    let rows = rows.unwrap_or_default().into_iter();
    rows.map(|(id, recipient)| (id.to_string(), recipient))
        .collect()
}

async fn operate(
    runner: Option<Arc<Runner>>,
    operation: Operation,
    ids: Option<Vec<String>>,
) -> Result<Vec<String>, String> {
    let runner = runner.ok_or(
        "the data directory is in use by `postdate policy`, which has no queue: name the mail server's configuration",
    )?;
    let ids = ids
        .map(|ids| {
            ids.iter()
                .map(|id| id.parse().map_err(|_| format!("\"{id}\" is no queue id")))
                .collect::<Result<Vec<MessageId>, _>>()
        })
        .transpose()?;
    let done = operate::online(&runner, operation, ids)
        .await
        .map_err(|err| err.to_string())?;
    Ok(done.iter().map(ToString::to_string).collect())
}

async fn flush(records: Arc<Records>) -> Result<(), String> {
    tokio::task::spawn_blocking(move || records.flush().map_err(|err| err.to_string()))
        .await
        .unwrap_or_else(|err| Err(err.to_string()))
}

/// The records' file may take its time.
async fn amend(records: Arc<Records>, change: Change) -> Result<Changed, String> {
    let operator = change.to_string();
    let changed = tokio::task::spawn_blocking(move || change.perform(&records, clock::now()))
        .await
        .unwrap_or_else(|err| Err(err.to_string()))?;
    tracing::info!(target: "policy", operator);
    Ok(changed)
}
