//! The control socket: the queue commands that need the running server. One JSON object a line each way; only the
//! data directory's owner may connect.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use queue::MessageId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::operate::{self, Operation};
use crate::runner::Runner;
use crate::server::stopped;

/// The longest request: some ten thousand queue ids.
const MAX_REQUEST: u64 = 1 << 20;

/// What a command asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What to do.
    pub(crate) operation: Operation,
    /// With which messages, by queue id; none: all.
    pub(crate) ids: Option<Vec<String>>,
}

/// What it is told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Response {
    /// The messages it was done with.
    pub(crate) done: Vec<String>,
    /// Why it was not done.
    pub(crate) error: Option<String>,
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
    pub(crate) async fn run(self, runner: Arc<Runner>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = self.listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let runner = Arc::clone(&runner);
                        tokio::spawn(async move {
                            if let Err(err) = answer(stream, &runner).await {
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

async fn answer(stream: UnixStream, runner: &Arc<Runner>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST))
        .read_line(&mut line)
        .await?;
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(request) => perform(request, runner).await,
        Err(err) => Response {
            done: Vec::new(),
            error: Some(format!("not understood: {err}")),
        },
    };
    let mut text = serde_json::to_string(&response)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

async fn perform(request: Request, runner: &Arc<Runner>) -> Response {
    let ids: Option<Result<Vec<MessageId>, _>> = request.ids.map(|ids| {
        ids.iter()
            .map(|id| id.parse().map_err(|_| format!("\"{id}\" is no queue id")))
            .collect()
    });
    let ids = match ids.transpose() {
        Ok(ids) => ids,
        Err(error) => {
            return Response {
                done: Vec::new(),
                error: Some(error),
            };
        }
    };
    match operate::online(runner, request.operation, ids).await {
        Ok(done) => Response {
            done: done.iter().map(ToString::to_string).collect(),
            error: None,
        },
        Err(err) => Response {
            done: Vec::new(),
            error: Some(err.to_string()),
        },
    }
}
