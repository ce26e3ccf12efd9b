//! A network: names, addresses, and who answers there.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use delivery::{BoxFuture, Connection, Dial, LookupError, Mx, Resolve};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::clock::Clock;

/// Octets on their way in one direction, as in a small socket buffer.
pub(super) const PIPE_LEN: usize = 16 * 1024;

/// Takes connections.
pub(super) type Host = Arc<dyn Fn(DuplexStream, SocketAddr) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Net(Arc<Shared>);

struct Shared {
    began: Instant,
    names: Mutex<HashMap<String, IpAddr>>,
    hosts: Mutex<HashMap<IpAddr, Host>>,
}

impl Net {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            names: Mutex::default(),
            hosts: Mutex::default(),
        }))
    }

    /// Virtual time since the test began.
    pub(super) fn at(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// A wall clock that goes with virtual time: it began on 2027-01-15 08:00:00 UTC.
    pub(super) fn clock(&self) -> Clock {
        let began = self.0.began;
        Clock(Arc::new(move || {
            UNIX_EPOCH + Duration::from_secs(1_800_000_000) + began.elapsed()
        }))
    }

    /// Mail for the domain goes to this address, where `host` answers.
    pub(super) fn add(&self, domain: &str, addr: &str, host: Host) {
        let addr: IpAddr = addr.parse().unwrap();
        self.0.names.lock().unwrap().insert(domain.to_owned(), addr);
        self.0.hosts.lock().unwrap().insert(addr, host);
    }

    /// Mail for the domain goes to this address, too.
    pub(super) fn also(&self, domain: &str, addr: &str) {
        let addr = addr.parse().unwrap();
        self.0.names.lock().unwrap().insert(domain.to_owned(), addr);
    }

    /// As somebody at this address sees it.
    pub(super) fn seen_from(&self, addr: &str) -> Arc<From> {
        Arc::new(From(
            self.clone(),
            SocketAddr::new(addr.parse().unwrap(), 40_000),
        ))
    }
}

/// See [`Net::seen_from`].
pub(super) struct From(Net, SocketAddr);

impl Dial for From {
    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Connection>> {
        let host = self.0.0.hosts.lock().unwrap().get(&addr.ip()).cloned();
        Box::pin(async move {
            let host = host.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = tokio::io::duplex(PIPE_LEN);
            host(far, self.1);
            let io = Box::new(near);
            Ok(Connection { io, local: None })
        })
    }
}

impl Resolve for From {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>> {
        let known = self.0.0.names.lock().unwrap().contains_key(domain);
        Box::pin(async move {
            let mx = Mx {
                preference: 10,
                exchange: format!("{domain}."),
            };
            if known {
                Ok(vec![mx])
            } else {
                Err(LookupError::Failed("SERVFAIL".to_owned()))
            }
        })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let found = self.0.0.names.lock().unwrap().get(name).copied();
        Box::pin(async move { found.map(|addr| vec![addr]).ok_or(LookupError::NoSuchName) })
    }
}
