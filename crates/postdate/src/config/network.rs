//! Networks by CIDR, `"192.0.2.0/24"` or one address; name servers by address.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl Networks {
    /// Whether the address lies in one of them. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub(crate) fn contains(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.0.iter().any(|network| network.contains(&addr))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(from)?
            .into_iter()
            .map(|text| {
                text.parse::<IpNet>()
                    .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                    .map(|net| net.trunc())
                    .map_err(|_| {
                        de::Error::custom(format!(
                            "\"{text}\" is no network: write 192.0.2.0/24 or 2001:db8::/32"
                        ))
                    })
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}

/// A name server: `"192.0.2.1"`, or with a port other than 53 `"192.0.2.1:5353"`, `"[2001:db8::1]:5353"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameServer(pub(crate) SocketAddr);

impl<'de> Deserialize<'de> for NameServer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse::<IpAddr>()
            .map(|ip| SocketAddr::new(ip, 53))
            .or_else(|_| text.parse())
            .map(Self)
            .map_err(|_| {
                de::Error::custom(format!(
                    "\"{text}\" is no name server: write 192.0.2.1 or 192.0.2.1:5353"
                ))
            })
    }
}
