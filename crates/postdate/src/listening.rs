//! The network sockets that are open, each under the address that the configuration gives it.

use std::io;
use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::server::{Front, Listener};

/// One that takes connections.
pub(crate) struct Listening {
    /// As configured: its port may be 0.
    wanted: SocketAddr,
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Sockets that are bound, and not served yet.
pub(crate) struct Bound(Vec<(SocketAddr, SocketAddr, Listener)>);

impl Listening {
    /// Takes no more connections; its sessions finish what is under way, and are told 421.
    pub(crate) fn close(&self) {
        self.stop.send_replace(true);
    }

    /// Whether its last session has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Resolves when its last session has ended.
    pub(crate) async fn ended(self) {
        let _ = self.task.await;
    }
}

/// Binds what is configured and not yet open.
///
/// # Errors
/// The address that can't be listened on, with why and what to do; nothing stays bound.
pub(crate) async fn bind(config: &Config, open: &[Listening]) -> Result<Bound, String> {
    let mut bound: Vec<(SocketAddr, SocketAddr, Listener)> = Vec::new();
    for listen in &config.listen {
        let wanted = listen.address;
        if open.iter().any(|one| one.wanted == wanted) {
            continue;
        }
        let same_port = |(other, ..): &&(SocketAddr, _, _)| other.port() == wanted.port();
        let before = bound.iter().find(same_port).map(|(other, ..)| *other);
        let wrong = |err: io::Error| trouble(wanted, &err, open, before);
        let listener = Listener::bind(wanted).await.map_err(wrong)?;
        bound.push((wanted, listener.address().map_err(wrong)?, listener));
    }
    Ok(Bound(bound))
}

/// Serves what was bound, and closes what is no longer configured; returns that.
pub(crate) fn serve(
    bound: Bound,
    config: &Config,
    open: &mut Vec<Listening>,
    front: &Front,
) -> Vec<Listening> {
    for (wanted, address, listener) in bound.0 {
        let (stop, stopped) = watch::channel(false);
        let front = Front {
            stop: stopped,
            ..front.clone()
        };
        open.push(Listening {
            wanted,
            address,
            stop,
            task: tokio::spawn(listener.run(front)),
        });
    }
    let closed: Vec<Listening> = open
        .extract_if(.., |one| {
            !config
                .listen
                .iter()
                .any(|listen| listen.address == one.wanted)
        })
        .collect();
    closed.iter().for_each(Listening::close);
    closed
}

/// `before`: one that was just bound to the same port.
fn trouble(
    wanted: SocketAddr,
    err: &io::Error,
    open: &[Listening],
    before: Option<SocketAddr>,
) -> String {
    let port = wanted.port();
    let advice = match err.kind() {
        io::ErrorKind::AddrInUse if let Some(before) = before => {
            format!("; {before}, named before it, has it already ([::] takes IPv4 too): leave one of the two out")
        }
        io::ErrorKind::AddrInUse if open.iter().any(|one| one.address.port() == port) => {
            "; this server itself has the port at another address, which overlaps: restart it".to_owned()
        }
        io::ErrorKind::AddrInUse => {
            format!("; `ss -ltnp 'sport = :{port}'` names the program that has it")
        }
        io::ErrorKind::PermissionDenied if port < 1024 => {
            "; ports below 1024 are for root and for who has CAP_NET_BIND_SERVICE (the systemd unit gives it)"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address".to_owned(),
        _ => String::new(),
    };
    format!("can't listen on {wanted}: {err}{advice}")
}
