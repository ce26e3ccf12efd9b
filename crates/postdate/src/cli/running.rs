//! What long-running commands share: open files, systemd, signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that a running command obeys.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// From now on they don't end the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// Raises the soft limit of open files, which is usually 1,024, as far as it goes. `wanted` may be needed because of
/// `keys`.
pub(super) fn raise_open_files(wanted: usize, keys: &str) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(err) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(target: "server", "the limit of open files could not be raised: {err}");
    }
    let most = getrlimit(Resource::Nofile).current;
    if let Some(most) = most.filter(|&most| most < wanted as u64) {
        tracing::warn!(
            target: "server",
            "{most} open files are allowed, and {keys} may need {wanted}: raise LimitNOFILE (ulimit -n), or lower them"
        );
    }
}

/// Tells systemd (`Type=notify`) how far we are. Without systemd there is nobody to tell.
pub(super) fn notify_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = std::os::unix::net::UnixDatagram::unbound().and_then(|socket| {
        match path.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt as _;
                socket.send_to_addr(
                    state.as_bytes(),
                    &std::os::unix::net::SocketAddr::from_abstract_name(name)?,
                )
            }
            None => socket.send_to(state.as_bytes(), &path),
        }
    });
    if let Err(err) = sent {
        tracing::warn!(target: "server", "systemd could not be told {state}: {err}");
    }
}
