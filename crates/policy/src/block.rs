//! What one party is easily given.

use ipnet::IpNet;
use std::net::IpAddr;

/// The /24 or /64 of a client: what counts as one client where no administrator says otherwise. An IPv4 address written as
/// IPv6 is an IPv4 address.
pub(crate) fn client_network(client: IpAddr) -> IpNet {
    let client = client.to_canonical();
    let length = match client {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    IpNet::new(client, length)
        .unwrap_or_else(|_| IpNet::from(client))
        .trunc()
}

/// A /24 or /48: what one party is easily given, so the unit in which pending records are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(u64);

impl Block {
    const V4_PREFIX: u8 = 24;
    const V6_PREFIX: u8 = 48;
    /// Above the 48 bits of an IPv6 block.
    const V4_TAG: u64 = 1 << 48;

    /// The block that `client` is in. An IPv4 address written as IPv6 is an IPv4 address.
    pub fn holding(client: IpAddr) -> Self {
        Self::of(IpNet::from(client.to_canonical()))
    }

    /// The block that `network` lies in; a network wider than a block counts as one block.
    pub fn of(network: IpNet) -> Self {
        match network {
            IpNet::V4(net) => {
                let bits = u32::from(net.network()) >> (32 - Self::V4_PREFIX);
                Self(u64::from(bits) | Self::V4_TAG)
            }
            IpNet::V6(net) => {
                let bits = u128::from(net.network()) >> (128 - Self::V6_PREFIX);
                // 128 - 80 = 48 bits are left.
                Self(bits as u64)
            }
        }
    }
}
