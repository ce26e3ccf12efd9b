//! Sockets that take mail: the network's, and the submission socket for programs on this machine.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use smtp::server::{BareNewline, Client};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{Service, serve};
use super::gate::{Door, Gate, Visitor};

/// After an accept failed (no more file descriptors): a moment for some session to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners hand to their sessions.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) gate: Arc<Gate>,
    pub(crate) tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Front {
    fn service(&self, encrypted: bool) -> Service {
        let site = self.gate.site.get();
        let tls = if encrypted {
            self.tls.borrow().clone()
        } else {
            None
        };
        let settings = if encrypted {
            Arc::clone(&site.session)
        } else {
            Arc::new(smtp::server::Settings {
                starttls: false,
                ..(*site.session).clone()
            })
        };
        Service {
            settings,
            gate: Arc::clone(&self.gate),
            tls,
            stop: self.stop.clone(),
        }
    }
}

/// A network listener.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The address is taken, not ours, or needs more rights.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Takes connections until the server stops, then waits for the sessions under way.
    pub(crate) async fn run(self, front: Front) {
        let mut stop = front.stop.clone();
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = sessions.join_next() => {}
                accepted = self.0.accept() => match accepted {
                    Ok((wire, addr)) => {
                        // A reply is a small write that the client waits for.
                        let _ = wire.set_nodelay(true);
                        let bare_newline = front.gate.site.get().bare_newline(addr.ip());
                        let visitor = Visitor::new(addr, Door::Network);
                        sessions.spawn(serve(front.service(true), wire, Client { addr, bare_newline }, visitor));
                    }
                    Err(err) => {
                        tracing::warn!(target: "smtp", "a connection could not be taken: {err}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.0);
        while sessions.join_next().await.is_some() {}
    }
}

/// Resolves when the server stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could stop it is gone.
        std::future::pending::<()>().await;
    }
}

/// The submission socket: SMTP for programs on this machine, which may send anywhere.
pub(crate) struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

/// Programs of all users may connect: who they are is in `Received:`.
const SOCKET_MODE: u32 = 0o666;

impl LocalListener {
    /// Binds; a socket that an earlier run left is replaced (the data directory's lock is held).
    ///
    /// # Errors
    /// The folder can't be written.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Takes connections until the server stops, then waits for the sessions under way.
    pub(crate) async fn run(self, front: Front) {
        let mut stop = front.stop.clone();
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = sessions.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((wire, _)) => {
                        let uid = wire.peer_cred().map_or(u32::MAX, |peer| peer.uid());
                        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
                        let client = Client { addr, bare_newline: BareNewline::Normalize };
                        sessions.spawn(serve(front.service(false), wire, client, Visitor::new(addr, Door::Local { uid })));
                    }
                    Err(err) => {
                        tracing::warn!(target: "smtp", "a local connection could not be taken: {err}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        let _ = std::fs::remove_file(&self.path);
        while sessions.join_next().await.is_some() {}
    }
}
