//! The name servers in force; a reload puts others in their place.

use std::net::{IpAddr, SocketAddr};
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

/// The configured name servers, else those of the system as they are now.
///
/// # Errors
/// `/etc/resolv.conf` can't be read.
pub(crate) fn dns(config: &Config) -> Result<Dns, DnsError> {
    let servers = &config.delivery.name_servers;
    if servers.is_empty() {
        return Dns::system();
    }
    let servers: Vec<SocketAddr> = servers.iter().map(|server| server.0).collect();
    Dns::with_servers(&servers)
}
