//! How many connections there are, over all and from each client.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections.
#[derive(Default)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    network: usize,
    local: usize,
    by_client: HashMap<Peer, usize>,
}

impl Counts {
    /// Programs on this machine don't take the network's places, nor the other way round.
    fn all(&mut self, peer: Peer) -> &mut usize {
        match peer {
            Peer::Address(_) => &mut self.network,
            Peer::User(_) => &mut self.local,
        }
    }
}

/// Who is counted as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A network client: an IPv4 address, or an IPv6 /64, in which whoever has one address has them all.
    Address(IpAddr),
    /// A program on this machine, by its user id.
    User(u32),
}

/// Why one more may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Client,
}

impl Full {
    /// The key whose limit it is.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::All => "limits.connections",
            Self::Client => "limits.connections_per_client",
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "Too many connections",
            Self::Client => "Too many connections from you",
        })
    }
}

/// One connection's place. Dropped, it is free again.
pub(crate) struct Guard {
    connections: Arc<Connections>,
    peer: Peer,
}

impl Peer {
    fn counted(self) -> Self {
        const OF_NETWORK: u128 = u128::MAX << 64;
        match self {
            Self::Address(client) => Self::Address(match client.to_canonical() {
                IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & OF_NETWORK)),
                v4 => v4,
            }),
            user @ Self::User(_) => user,
        }
    }
}

impl Connections {
    /// Takes a place.
    ///
    /// # Errors
    /// None is free.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: Peer,
        max: usize,
        max_per_client: usize,
    ) -> Result<Guard, Full> {
        let peer = peer.counted();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if *counts.all(peer) >= max {
            return Err(Full::All);
        }
        let of_client = counts.by_client.entry(peer).or_default();
        if *of_client >= max_per_client {
            return Err(Full::Client);
        }
        *of_client += 1;
        *counts.all(peer) += 1;
        Ok(Guard {
            connections: Arc::clone(self),
            peer,
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut counts = self
            .connections
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *counts.all(self.peer) -= 1;
        if let Some(of_client) = counts.by_client.get_mut(&self.peer) {
            *of_client -= 1;
            if *of_client == 0 {
                counts.by_client.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let connections = Arc::new(Connections::default());
        let a = Peer::Address("192.0.2.1".parse().expect("an address"));
        let mapped = Peer::Address("::ffff:192.0.2.1".parse().expect("an address"));
        let b = Peer::Address("192.0.2.2".parse().expect("an address"));
        let first = connections.enter(a, 3, 2).ok();
        let second = connections.enter(mapped, 3, 2).ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(connections.enter(a, 3, 2).err(), Some(Full::Client));
        let third = connections.enter(b, 3, 2).ok();
        assert_eq!(connections.enter(b, 3, 2).err(), Some(Full::All));
        let local = connections.enter(Peer::User(1000), 1, 1);
        assert!(local.is_ok(), "programs here have places of their own");
        assert_eq!(
            connections.enter(Peer::User(1001), 1, 1).err(),
            Some(Full::All)
        );
        drop((first, third));
        assert!(connections.enter(a, 3, 2).is_ok());
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let connections = Arc::new(Connections::default());
        let enter = |addr: &str| {
            let addr = addr.parse().expect("an address");
            connections.enter(Peer::Address(addr), 100, 2)
        };
        let first = enter("2001:db8:0:1::1").ok();
        let second = enter("2001:db8:0:1:ffff:ffff:ffff:ffff").ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(enter("2001:db8:0:1::2").err(), Some(Full::Client));
        assert!(enter("2001:db8:0:2::1").is_ok(), "a network of its own");
        drop(first);
        assert!(enter("2001:db8:0:1::3").is_ok());
    }
}
