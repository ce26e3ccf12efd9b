//! One socket where mail servers ask.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Gid, chown};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Desk;
use super::reading::Wire;
use crate::config::{Place, Policy};
use crate::server::stopped;
use crate::spell::Spell;

/// After an accept failed: a moment for some connection to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Postfix,
    Milter,
}

/// Bound.
pub(super) struct Listener {
    socket: Socket,
    place: Place,
}

enum Socket {
    Inet(TcpListener),
    Unix(UnixListener),
}

/// A connection over either.
pub(super) enum Connection {
    Inet(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Binds; a unix socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Why it can't, and what to do.
    pub(super) fn bind(kind: Kind, place: &Place, config: &Policy) -> Result<Self, String> {
        let bound = match place {
            Place::Inet(address) => inet(*address),
            Place::Unix(path) => unix(path, config).map(|socket| (socket, place.clone())),
        };
        let (socket, place) = bound.map_err(|err| {
            let key = match kind {
                Kind::Postfix => "policy.listen",
                Kind::Milter => "policy.milter",
            };
            format!(
                "{key}: can't listen on {place}: {err}{}",
                advice(place, &err)
            )
        })?;
        Ok(Self { socket, place })
    }

    /// Where it listens: with the port that the system chose.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    async fn accept(&self) -> io::Result<Connection> {
        match &self.socket {
            Socket::Inet(socket) => {
                let (wire, _) = socket.accept().await?;
                // An answer is a small write that a mail server waits for.
                let _ = wire.set_nodelay(true);
                Ok(Connection::Inet(wire))
            }
            Socket::Unix(socket) => Ok(Connection::Unix(socket.accept().await?.0)),
        }
    }

    /// Takes connections until it is stopped, then waits for what was asked to be answered.
    pub(super) async fn run<F>(
        self,
        desk: &Desk,
        mut stop: watch::Receiver<bool>,
        serve: impl Fn(Box<dyn Wire>, watch::Receiver<bool>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut open = JoinSet::new();
        let mut full = Spell::default();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = open.join_next() => {}
                () = full.over() => self.again(&mut full),
                accepted = self.accept() => {
                    let most = desk.judge.site.get().config.policy.connections;
                    match accepted {
                        Ok(_) if open.len() >= most => self.turned_away(&mut full, &format!(
                            "{most} connections are open: raise policy.connections, or let the mail server open fewer"
                        )),
                        Ok(Connection::Inet(wire)) => drop(open.spawn(serve(Box::new(wire), stop.clone()))),
                        Ok(Connection::Unix(wire)) => drop(open.spawn(serve(Box::new(wire), stop.clone()))),
                        Err(err) if err.kind() == io::ErrorKind::ConnectionAborted => {}
                        Err(err) => {
                            self.turned_away(&mut full, &format!("{err}: raise LimitNOFILE (ulimit -n)"));
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
        if let Place::Unix(path) = &self.place {
            let _ = fs::remove_file(path);
        }
        drop(self);
        while open.join_next().await.is_some() {}
    }

    fn turned_away(&self, full: &mut Spell, why: &str) {
        if full.felt() {
            tracing::warn!(target: "policy", "{}: connections are closed at once: {why}", self.place);
        }
    }

    fn again(&self, full: &mut Spell) {
        if let Some((count, secs)) = full.end() {
            tracing::info!(target: "policy", "{}: connections are taken again: {count} were not, in {secs} s", self.place);
        }
    }
}

fn inet(address: SocketAddr) -> io::Result<(Socket, Place)> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    let place = Place::Inet(socket.local_addr()?);
    Ok((Socket::Inet(TcpListener::from_std(socket)?), place))
}

fn unix(path: &Path, config: &Policy) -> io::Result<Socket> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket());
    if is_socket {
        if StdUnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let missing = |name| io::Error::other(format!("policy.socket_group: there is no group {name}"));
    let group = match config.socket_group.as_deref() {
        Some(name) => Some(group(name).ok_or_else(|| missing(name))?),
        None => None,
    };
    let socket = UnixListener::bind(path)?;
    chown(path, None, group)?;
    fs::set_permissions(path, fs::Permissions::from_mode(config.socket_mode.0))?;
    Ok(Socket::Unix(socket))
}

/// By number, or by name in /etc/group.
pub(crate) fn group(name: &str) -> Option<Gid> {
    let number = name.parse().ok().or_else(|| {
        let groups = fs::read_to_string(PathBuf::from("/etc/group")).ok()?;
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
    });
    number.map(Gid::from_raw)
}

fn advice(place: &Place, err: &io::Error) -> String {
    match (place, err.kind()) {
        (Place::Inet(address), io::ErrorKind::AddrInUse) => {
            let port = address.port();
            format!(
                "; `ss -ltnp 'sport = :{port}'` names the program that has it (postgrey has 10023)"
            )
        }
        (Place::Unix(_), io::ErrorKind::AddrInUse) => {
            "; another program listens there, or another file has this name".to_owned()
        }
        (Place::Unix(path), io::ErrorKind::NotFound) => format!(
            "; make the folder {} (systemd: RuntimeDirectory=postdate)",
            path.parent().unwrap_or(path).display()
        ),
        _ => String::new(),
    }
}
