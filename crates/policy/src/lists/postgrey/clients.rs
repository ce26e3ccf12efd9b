//! `whitelist_clients`.

use super::expressions::{self, Expressions, Reading};
use super::lines::{Trouble, What, each, is_name};
use crate::lists::networks::Networks;
use crate::lists::subject::plain;
use ipnet::{IpNet, Ipv4Net};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// The clients of a file.
///
/// | a line | stands for |
/// | --- | --- |
/// | `example.org` | hosts of this name, and below it |
/// | `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` | the address, the network |
/// | `192.0.2`, `192.168` | all that begins so: a /24, a /16 (postgrey 1.37 means the /16, and makes a /24) |
/// | `/^mail\d+\.example\.org$/` | hosts whose name it matches |
#[derive(Clone, Debug, Default)]
pub struct Clients {
    hosts: HashMap<String, usize>,
    networks: Networks<usize>,
    expressions: Expressions,
}

impl Clients {
    /// Reads a file; the lines that are in trouble don't hold.
    pub fn parse(octets: &[u8]) -> (Self, Vec<Trouble>) {
        let mut clients = Self::default();
        let mut trouble = Vec::new();
        let mut reading = Reading::default();
        each(octets, &mut trouble, |line, text| {
            let refused = || What::NoClient(text.to_owned());
            if text.starts_with('/') {
                let pattern = expressions::inside(text).ok_or_else(refused)?;
                return reading.take(line, pattern);
            }
            if text.contains(':') || text.bytes().all(|octet| b"0123456789./".contains(&octet)) {
                let net = network(text).ok_or_else(refused)?;
                clients.networks.insert(plain(net), line);
                return Ok(());
            }
            if !is_name(text) {
                return Err(refused());
            }
            clients.hosts.entry(text.to_lowercase()).or_insert(line);
            Ok(())
        });
        clients.expressions = reading.finish(&mut trouble);
        (clients, trouble)
    }

    /// Whether a client's name could matter.
    pub fn has_names(&self) -> bool {
        !self.hosts.is_empty() || !self.expressions.is_empty()
    }

    /// The line that `client` falls under. `name` is its reverse name, confirmed forward: anybody can claim another.
    pub fn find(&self, client: IpAddr, name: Option<&str>) -> Option<usize> {
        let by_name = |name: &str| {
            let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
            let below = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
            std::iter::once(&*name)
                .chain(below)
                .find_map(|domain| self.hosts.get(domain).copied())
                .or_else(|| self.expressions.find(&name))
        };
        self.networks
            .longest(client)
            .copied()
            .or_else(|| by_name(name?))
    }
}

fn network(text: &str) -> Option<IpNet> {
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Some(IpNet::from(addr));
    }
    if text.contains('/') {
        return text.parse().ok();
    }
    let octets: Vec<u8> = text
        .split('.')
        .map(|octet| octet.parse().ok())
        .collect::<Option<_>>()?;
    let (addr, length) = match *octets {
        [a, b] => (Ipv4Addr::new(a, b, 0, 0), 16),
        [a, b, c] => (Ipv4Addr::new(a, b, c, 0), 24),
        _ => return None,
    };
    Ipv4Net::new(addr, length).ok().map(IpNet::V4)
}
