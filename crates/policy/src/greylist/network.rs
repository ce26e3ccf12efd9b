//! Client networks: what counts as one client.

use super::Settings;
use ipnet::IpNet;
use std::net::IpAddr;

/// The network of `client` by this prefix. An IPv4 address written as IPv6 is an IPv4 address.
pub(super) fn network(client: IpAddr, prefix: Prefix) -> IpNet {
    let client = client.to_canonical();
    let length = match client {
        IpAddr::V4(_) => prefix.v4.min(32),
        IpAddr::V6(_) => prefix.v6.min(128),
    };
    IpNet::new(client, length)
        .unwrap_or_else(|_| IpNet::from(client))
        .trunc()
}

/// Lengths of the prefixes that make a client network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    v4: u8,
    v6: u8,
}

/// The prefixes in use: the configured one, and the last few before it.
///
/// An appointment was made with the network as it was cut at that time. When the cut changes, its client must still
/// be found under it.
#[derive(Clone, Debug)]
pub(super) struct Prefixes {
    own: Prefix,
    earlier: Vec<Prefix>,
}

impl Prefixes {
    /// Earlier cuts that are looked under. Changing it more often than this within a window breaks appointments.
    const EARLIER_MAX: usize = 3;

    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            own: configured(settings),
            earlier: Vec::new(),
        }
    }

    pub(super) fn configure(&mut self, settings: &Settings) {
        let next = configured(settings);
        if next != self.own {
            let last = std::mem::replace(&mut self.own, next);
            self.earlier.retain(|&prefix| prefix != next);
            self.remember(last);
        }
    }

    /// A restored record was made under this network: look under its cut as well.
    pub(super) fn met(&mut self, network: IpNet) {
        let length = network.prefix_len();
        let differs = |prefix: &Prefix| match network {
            IpNet::V4(_) => prefix.v4 != length,
            IpNet::V6(_) => prefix.v6 != length,
        };
        if differs(&self.own) && self.earlier.iter().all(differs) {
            let mut prefix = self.own;
            match network {
                IpNet::V4(_) => prefix.v4 = length,
                IpNet::V6(_) => prefix.v6 = length,
            }
            self.remember(prefix);
        }
    }

    fn remember(&mut self, prefix: Prefix) {
        self.earlier.retain(|&known| known != prefix);
        self.earlier.insert(0, prefix);
        self.earlier.truncate(Self::EARLIER_MAX);
    }

    /// The network of `client` as it is cut now.
    pub(super) fn own(&self, client: IpAddr) -> IpNet {
        network(client, self.own)
    }

    /// The networks `client` may be recorded under, the one of today first.
    pub(super) fn all(&self, client: IpAddr) -> impl Iterator<Item = IpNet> + '_ {
        std::iter::once(self.own)
            .chain(self.earlier.iter().copied())
            .map(move |prefix| network(client, prefix))
    }
}

fn configured(settings: &Settings) -> Prefix {
    Prefix {
        v4: settings.v4_prefix.min(32),
        v6: settings.v6_prefix.min(128),
    }
}
