//! Real DNS, by hickory-resolver.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as WireError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};

use crate::route::{BoxFuture, LookupError, Mx, Resolve};

/// A caching resolver over DNS. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dns(TokioResolver);

/// The resolver could not be set up, with why.
#[derive(Debug)]
pub struct DnsError(NetError);

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DNS: {}", self.0)
    }
}

impl std::error::Error for DnsError {}

impl Dns {
    /// With the name servers of this machine (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// When that can't be read.
    pub fn system() -> Result<Self, DnsError> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        resolver.map(Self).map_err(DnsError)
    }

    /// With these name servers, and no others.
    ///
    /// # Errors
    /// When the resolver refuses them.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<Self, DnsError> {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            config.connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().map(Self).map_err(DnsError)
    }

    /// The resolver itself, for records that no delivery needs. Its cache is shared.
    pub fn resolver(&self) -> &TokioResolver {
        &self.0
    }
}

impl Resolve for Dns {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>> {
        Box::pin(async move {
            let found = self
                .0
                .mx_lookup(absolute(domain)?)
                .await
                .map_err(to_error)?;
            Ok(records(&found).filter_map(to_mx).collect())
        })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async move {
            let name = absolute(name)?;
            let (v4, v6) = tokio::join!(self.0.ipv4_lookup(name.clone()), self.0.ipv6_lookup(name));
            both(v4.map_err(to_error), v6.map_err(to_error))
        })
    }
}

/// Neither kind of address hides the other's failure: only two sound answers make a sound "none".
fn both(
    v4: Result<Lookup, LookupError>,
    v6: Result<Lookup, LookupError>,
) -> Result<Vec<IpAddr>, LookupError> {
    let mut addresses = Vec::new();
    let mut worst = LookupError::NoSuchName;
    for found in [v4, v6] {
        match found {
            Ok(found) => addresses.extend(records(&found).filter_map(RData::ip_addr)),
            Err(LookupError::NoSuchName) => {}
            Err(LookupError::NoRecords) if matches!(worst, LookupError::Failed(_)) => {}
            Err(error) => worst = error,
        }
    }
    if addresses.is_empty() {
        Err(worst)
    } else {
        Ok(addresses)
    }
}

fn records(found: &Lookup) -> impl Iterator<Item = &RData> {
    found.answers().iter().map(|record| &record.data)
}

fn to_mx(data: &RData) -> Option<Mx> {
    match data {
        RData::MX(mx) => Some(Mx {
            preference: mx.preference,
            exchange: mx.exchange.to_ascii(),
        }),
        _ => None,
    }
}

/// The name as it is, not to be looked for in the search list of this machine.
fn absolute(name: &str) -> Result<Name, LookupError> {
    let mut name = Name::from_ascii(name).map_err(|_| LookupError::NoSuchName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn to_error(error: NetError) -> LookupError {
    match error {
        NetError::Dns(WireError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => LookupError::NoSuchName,
            ResponseCode::NoError => LookupError::NoRecords,
            other => LookupError::Failed(other.to_string()),
        },
        NetError::Dns(WireError::ResponseCode(code)) => LookupError::Failed(code.to_string()),
        NetError::Timeout => LookupError::Failed("no answer in time".to_owned()),
        other => LookupError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
