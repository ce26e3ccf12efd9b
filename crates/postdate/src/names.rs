//! The name servers in force; a reload puts others in their place.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use delivery::{BoxFuture, Dns, DnsError, LookupError, Mx, Resolve};

use crate::config::Config;

/// Looks names up with whatever is configured now.
pub(crate) struct Names(RwLock<Arc<Dns>>);

impl Names {
    pub(crate) fn new(dns: Dns) -> Self {
        Self(RwLock::new(Arc::new(dns)))
    }

    /// Look-ups that begin from now on go to these.
    pub(crate) fn set(&self, dns: Dns) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(dns);
    }

    /// Those in force now.
    pub(crate) fn get(&self) -> Arc<Dns> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Resolve for Names {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>> {
        let dns = self.get();
        Box::pin(async move { dns.mx(domain).await })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        let dns = self.get();
        Box::pin(async move { dns.addresses(name).await })
    }
}

/// Whom resolv.conf(5) means where it names nobody.
const THIS_MACHINE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// The configured name servers, else those of the system as they are now; where it has none, one on this machine, and the
/// log says so: mail waits for look-ups that fail, and no server stands still for them.
///
/// # Errors
/// The resolver refuses the servers that are configured.
pub(crate) fn dns(config: &Config) -> Result<Dns, DnsError> {
    let servers = &config.delivery.name_servers;
    if servers.is_empty() {
        return Dns::system().or_else(|err| {
            tracing::warn!(target: "server", "no name servers in /etc/resolv.conf ({err}): {THIS_MACHINE} is asked; name others there or in delivery.name_servers, then reload");
            Dns::with_servers(&[THIS_MACHINE])
        });
    }
    let servers: Vec<SocketAddr> = servers.iter().map(|server| server.0).collect();
    Dns::with_servers(&servers)
}
