//! A node without sockets, threads or files.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delivery::Deliverer;
use queue::MessageId;
use queue::spool::{Entry, Spool};
use smtp::server::{BareNewline, Client as Peer};
use store::policy::Records;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::client::Client;
use super::net::{Host, Net, PIPE_LEN};
use crate::config::{Config, checks};
use crate::judge::Judge;
use crate::names::Names;
use crate::node;
use crate::rules_of::rules_of;
use crate::runner::Runner;
use crate::server::connection::{Service, serve};
use crate::server::gate::{Door, Visitor};
use crate::server::{Connections, Gate, NoRoom, TurnedAway};
use crate::site::{SharedSite, Site};

pub(super) struct Node {
    pub(super) runner: Arc<Runner>,
    pub(super) spool: Arc<dyn Spool>,
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    queue: JoinHandle<()>,
}

struct Front {
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
    sessions: Mutex<JoinSet<()>>,
}

impl Front {
    fn take(&self, wire: DuplexStream, addr: SocketAddr, door: Door) {
        let settings = smtp::server::Settings {
            starttls: false,
            ..(*self.gate.site.get().session).clone()
        };
        let service = Service {
            settings: Arc::new(settings),
            gate: Arc::clone(&self.gate),
            tls: None,
            stop: self.stop.clone(),
        };
        let client = Peer {
            addr,
            bare_newline: BareNewline::Reject,
        };
        self.sessions
            .lock()
            .unwrap()
            .spawn(serve(service, wire, client, Visitor::new(addr, door)));
    }
}

impl Node {
    /// At this address; `config` is TOML.
    pub(super) fn start(net: &Net, addr: &str, spool: impl Spool + 'static, config: &str) -> Self {
        let mut config: Config = toml::from_str(config).unwrap();
        // There is no DNS in here but the network's own.
        config.checks.spf = checks::Spf::Off;
        config.checks.reverse_name = checks::ReverseName::Off;
        let records = Arc::new(Records::in_memory(rules_of(&config)));
        let names = Arc::new(Names::new(node::dns(&config).unwrap()));
        let site = Arc::new(SharedSite::new(Site::new(config, false)));
        let seen = net.seen_from(addr);
        let deliverer = Deliverer::with_dial(node::delivery_settings(&site), seen.clone(), seen);
        let spool: Arc<dyn Spool> = Arc::new(spool);
        let (runner, answers) =
            node::queue_of(&site, Arc::clone(&spool), deliverer, net.clock()).unwrap();
        let connections = Arc::new(Connections::default());
        let judge = Arc::new(Judge::new(Arc::clone(&site), records, names, net.clock()));
        let gate = Arc::new(Gate {
            site,
            judge,
            runner: Arc::clone(&runner),
            connections,
            turned_away: TurnedAway::default(),
            no_room: NoRoom::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let queue = tokio::spawn(Arc::clone(&runner).run(answers));
        Self {
            runner,
            spool,
            front: Arc::new(Front {
                gate,
                stop: stopped,
                sessions: Mutex::default(),
            }),
            stop,
            queue,
        }
    }

    /// What answers at this node's address.
    pub(super) fn host(&self) -> Host {
        let front = Arc::clone(&self.front);
        Arc::new(move |wire, addr| front.take(wire, addr, Door::Network))
    }

    /// A client from elsewhere.
    pub(super) fn client(&self, addr: &str) -> Client {
        Client::new(self.wire(addr, PIPE_LEN))
    }

    /// A connection from elsewhere, with so many octets of room in each direction.
    pub(super) fn wire(&self, addr: &str, room: usize) -> DuplexStream {
        let (near, far) = tokio::io::duplex(room);
        self.front.take(
            far,
            SocketAddr::new(addr.parse().unwrap(), 40_000),
            Door::Network,
        );
        near
    }

    /// A program on this machine, of this user.
    pub(super) fn program(&self, uid: u32) -> Client {
        let (near, far) = tokio::io::duplex(PIPE_LEN);
        self.front.take(
            far,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            Door::Local { uid },
        );
        Client::new(near)
    }

    /// Hands over one mail as a program on this machine does; its id.
    pub(super) async fn submit(&self, from: &str, to: &str) -> MessageId {
        self.program(1000)
            .send(from, to, "Subject: a mail\r\n\r\nwords\r\n")
            .await
    }

    /// Who is asked about its mail.
    pub(super) fn judge(&self) -> &Arc<Judge> {
        &self.front.gate.judge
    }

    /// Sessions that are not over.
    pub(super) fn sessions(&self) -> usize {
        let mut sessions = self.front.sessions.lock().unwrap();
        while sessions.try_join_next().is_some() {}
        sessions.len()
    }

    pub(super) fn queued(&self) -> Vec<Entry> {
        self.spool.list(None, 10_000).unwrap()
    }

    /// As at the end of a process.
    pub(super) async fn stop(self) {
        const WITHIN: Duration = Duration::from_secs(20);
        self.stop.send_replace(true);
        let mut sessions = std::mem::take(&mut *self.front.sessions.lock().unwrap());
        let ended = async { while sessions.join_next().await.is_some() {} };
        let (_, ()) = tokio::join!(
            tokio::time::timeout(WITHIN, ended),
            self.runner.stop(WITHIN)
        );
        self.queue.await.unwrap();
        self.spool.close(WITHIN);
    }
}
