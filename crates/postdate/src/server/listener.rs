//! Sockets that take mail: the network's, and the submission socket for programs on this machine.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use smtp::server::{BareNewline, Client};
use smtp::{Reply, Status};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{Service, serve};
use super::gate::{Door, Gate, Visitor};
use super::shortage::Shortage;
use super::stream::Wire;

/// After an accept failed: a moment for some session to end.
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
            Arc::clone(&site.local_session)
        };
        Service {
            settings,
            gate: Arc::clone(&self.gate),
            tls,
            stop: self.stop.clone(),
        }
    }

    fn session<W: Wire>(
        &self,
        wire: W,
        addr: SocketAddr,
        door: Door,
    ) -> impl Future<Output = ()> + use<W> {
        let bare_newline = match door {
            Door::Network => self.gate.site.get().bare_newline(addr.ip()),
            Door::Local { .. } => BareNewline::Normalize,
        };
        let service = self.service(door == Door::Network);
        serve(
            service,
            wire,
            Client { addr, bare_newline },
            Visitor::new(addr, door),
        )
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
        let mut sessions = take(&self.0, &front, "network").await;
        drop(self.0);
        while sessions.join_next().await.is_some() {}
    }
}

/// A socket that hands out connections.
trait Accept {
    type Wire: Wire + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Wire, SocketAddr, Door)>> + Send;
}

impl Accept for TcpListener {
    type Wire = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Door)> {
        let (wire, addr) = TcpListener::accept(self).await?;
        // A reply is a small write that the client waits for.
        let _ = wire.set_nodelay(true);
        Ok((wire, addr, Door::Network))
    }
}

impl Accept for UnixListener {
    type Wire = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, SocketAddr, Door)> {
        let (wire, _) = UnixListener::accept(self).await?;
        let uid = wire.peer_cred().map_or(u32::MAX, |peer| peer.uid());
        Ok((
            wire,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            Door::Local { uid },
        ))
    }
}

/// Takes connections until the server stops; the sessions that are under way then.
async fn take<S: Accept>(socket: &S, front: &Front, whose: &'static str) -> JoinSet<()> {
    let mut stop = front.stop.clone();
    let mut sessions = JoinSet::new();
    let mut shortage = Shortage::new(whose);
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {
                front.gate.turned_away.tell_all();
                return sessions;
            }
            Some(_) = sessions.join_next() => {}
            () = shortage.over() => shortage.end(),
            () = front.gate.turned_away.over() => front.gate.turned_away.tell(),
            accepted = socket.accept() => match accepted {
                Ok((wire, addr, door)) => {
                    sessions.spawn(front.session(wire, addr, door));
                }
                // It was gone before we took it.
                Err(err) if err.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(err) => {
                    shortage.felt(&err);
                    if !turn_away(socket, &mut shortage).await {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
        }
    }
}

/// Tells one client to come back, over the descriptor that was kept for this. Without, it would wait for our greeting
/// until some session ends. Says whether it did.
async fn turn_away<S: Accept>(socket: &S, shortage: &mut Shortage) -> bool {
    if !shortage.spend() {
        return false;
    }
    let accepted = timeout(ACCEPT_PAUSE, socket.accept()).await;
    let told = if let Ok(Ok((mut wire, ..))) = accepted {
        let mut line = Vec::new();
        Reply::new(
            421,
            Status(4, 3, 2),
            "System resources are short, try again later",
        )
        .write_to(&mut line);
        // So little fits into the buffer of a new socket.
        let _ = timeout(ACCEPT_PAUSE, wire.write_all(&line)).await;
        true
    } else {
        false
    };
    shortage.save(told);
    told
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
        let mut sessions = take(&self.listener, &front, "local").await;
        let _ = std::fs::remove_file(&self.path);
        while sessions.join_next().await.is_some() {}
    }
}
