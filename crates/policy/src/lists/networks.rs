//! Networks by address: the longest that an address is in.

use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Something of each network. A look-up takes one step for each length of prefix in use.
#[derive(Clone, Debug)]
pub(super) struct Networks<T> {
    rows: BTreeMap<IpNet, T>,
    /// Lengths that were ever in use: IPv4's, IPv6's.
    lengths: [BTreeSet<u8>; 2],
}

impl<T> Default for Networks<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            lengths: Default::default(),
        }
    }
}

impl<T> Networks<T> {
    /// `net` is cut to its length.
    pub(super) fn insert(&mut self, net: IpNet, value: T) -> Option<T> {
        self.lengths[family(net)].insert(net.prefix_len());
        self.rows.insert(net, value)
    }

    pub(super) fn remove(&mut self, net: IpNet) -> Option<T> {
        self.rows.remove(&net)
    }

    /// What is held of exactly this network.
    pub(super) fn get(&self, net: IpNet) -> Option<&T> {
        self.rows.get(&net)
    }

    /// The longest network that holds `client`. An IPv4 address written as IPv6 is an IPv4 address.
    pub(super) fn longest(&self, client: IpAddr) -> Option<&T> {
        let client = client.to_canonical();
        let lengths = &self.lengths[family(IpNet::from(client))];
        lengths.iter().rev().find_map(|length| {
            let net = IpNet::new(client, *length).ok()?;
            self.rows.get(&net.trunc())
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }
}

fn family(net: IpNet) -> usize {
    usize::from(matches!(net, IpNet::V6(_)))
}
