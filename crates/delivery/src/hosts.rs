//! The hosts of a route, and in which order an attempt asks them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use queue::progress::Progress;
use queue::{HoldKey, HostKey};

use crate::Holds;

/// A host that mail can be given to. Displayed as a relay in logs: `mx.b.example[192.0.2.1]:25`, `unix:/run/lmtp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name, or its address where it has none.
    pub(crate) name: Arc<str>,
    /// Where it listens. Of a socket on this machine: what stands for it ([`socket_addr`]).
    pub(crate) addr: SocketAddr,
    /// How it is spoken to.
    pub(crate) way: Way,
    /// Its MX preference; `None` where the administrator named it.
    pub(crate) preference: Option<u16>,
    /// Connections to it start from this address: an appointment with it was made from there.
    pub(crate) from: Option<IpAddr>,
}

/// How a host is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Smtp,
    /// LMTP over TCP.
    Lmtp,
    /// LMTP over this unix socket.
    Socket(Arc<Path>),
}

/// Stands for a unix socket where holds, slots and appointments name a host by its address: in the block that leads
/// nowhere (100::/64, RFC 6666), by the path's FNV-1a hash; port 0. Stable, since holds outlive the process.
pub(crate) fn socket_addr(path: &str) -> SocketAddr {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let block = u128::from(0x0100_u16) << 112;
    SocketAddr::new(Ipv6Addr::from(block | u128::from(hash)).into(), 0)
}

impl Host {
    /// Whether it keeps mailboxes: it speaks LMTP.
    pub(crate) fn is_lmtp(&self) -> bool {
        self.way != Way::Smtp
    }

    pub(crate) fn key(&self) -> HostKey {
        HostKey(self.addr)
    }

    /// Without the port, as Postfix names a host that it has talked to.
    pub(crate) fn peer(&self) -> String {
        match self.way {
            Way::Socket(_) => self.to_string(),
            Way::Smtp | Way::Lmtp => format!("{}[{}]", self.name, self.addr.ip()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Socket(path) => write!(f, "unix:{}", path.display()),
            Way::Smtp | Way::Lmtp => {
                write!(f, "{}[{}]:{}", self.name, self.addr.ip(), self.addr.port())
            }
        }
    }
}

/// Both ends of an appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) host: HostKey,
    /// Our own.
    pub(crate) local: Option<IpAddr>,
}

/// What a recipient's appointment asks of the order of hosts.
///
/// The host that gave it is always asked first, from the same address. While it has broken none, what it says of the
/// mail is the last word: another host may greylist as well, and would begin anew. But it can only be asked where it
/// can be reached. A host that is down, turns all away or is held has broken nothing, and mail does not wait for it
/// alone: the others stand by for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It has none.
    None,
    /// This host; the others only if it can't be reached. It gave an appointment that was not broken yet.
    Only(Ends),
    /// This host first, the others after it: it has broken an appointment.
    First(Ends),
}

impl Wish {
    pub(crate) fn of(row: &Progress) -> Self {
        let ends = row.appointment.as_ref().and_then(|made| {
            let (host, local) = (made.host?, made.local);
            Some(Ends { host, local })
        });
        match ends {
            None => Self::None,
            Some(ends) if row.broken == 0 => Self::Only(ends),
            Some(ends) => Self::First(ends),
        }
    }

    /// The host whose word about the mail is the last.
    pub(crate) fn decides(self) -> Option<HostKey> {
        match self {
            Self::Only(ends) => Some(ends.host),
            Self::None | Self::First(_) => None,
        }
    }

    /// The host that gave it.
    pub(crate) fn host(self) -> Option<HostKey> {
        self.ends().map(|ends| ends.host)
    }

    fn ends(self) -> Option<Ends> {
        match self {
            Self::Only(ends) | Self::First(ends) => Some(ends),
            Self::None => None,
        }
    }
}

/// The hosts to be asked, in order. `open` is the host that the lane has a session with: it goes before its equals.
pub(crate) fn order(route: &[Host], wish: Wish, open: Option<HostKey>) -> Vec<Host> {
    let place = |key| route.iter().position(|host| host.key() == key);
    let mut hosts = route.to_vec();
    // A host that is not in the route any more keeps no appointment.
    let appointed = wish.ends().and_then(|ends| {
        let at = place(ends.host)?;
        hosts[at].from = ends.local;
        Some(at)
    });
    let first = appointed.or_else(|| {
        open.and_then(place)
            .filter(|&at| route[at].preference == route[0].preference)
    });
    if let Some(at) = first {
        hosts[..=at].rotate_right(1);
    }
    hosts
}

/// The host of an appointment, where the route is not known at the moment.
pub(crate) fn without_route(wish: Wish, way: Way) -> Option<Host> {
    let Ends { host, local } = wish.ends()?;
    Some(Host {
        name: host.0.ip().to_string().into(),
        addr: host.0,
        way,
        preference: None,
        from: local,
    })
}

/// What is left of the hosts when those that are held are skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Free {
    /// In order, at most as many as an attempt may ask.
    pub(crate) hosts: Vec<Host>,
    /// Of those skipped, the hold that ends first.
    pub(crate) held: Option<HoldKey>,
}

pub(crate) fn free(hosts: Vec<Host>, holds: &dyn Holds, max: usize) -> Free {
    let mut free = Free::default();
    let mut first_end = None;
    for host in hosts {
        match holds.held(host.key()) {
            None => free.hosts.push(host),
            Some(end) if first_end.is_none_or(|first| end < first) => {
                first_end = Some(end);
                free.held = Some(HoldKey::Host(host.key()));
            }
            Some(_) => {}
        }
    }
    free.hosts.truncate(max.max(1));
    free
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn route() -> Vec<Host> {
        [("a", 1, 10), ("b", 2, 10), ("c", 3, 20)]
            .map(|(name, last, preference)| Host {
                name: name.into(),
                addr: ([192, 0, 2, last], 25).into(),
                way: Way::Smtp,
                preference: Some(preference),
                from: None,
            })
            .to_vec()
    }

    fn key(last: u8) -> HostKey {
        HostKey(([192, 0, 2, last], 25).into())
    }

    fn names(hosts: &[Host]) -> String {
        hosts.iter().map(|host| &*host.name).collect()
    }

    #[test]
    fn orders() {
        let check = |wish, open, expected: &str| {
            assert_eq!(
                names(&order(&route(), wish, open)),
                expected,
                "{wish:?} {open:?}"
            );
        };
        check(Wish::None, None, "abc");
        check(Wish::None, Some(key(2)), "bac");
        check(Wish::None, Some(key(3)), "abc");
        check(Wish::None, Some(key(9)), "abc");
        for wish in [Wish::Only, Wish::First] {
            check(wish(ends(3)), None, "cab");
            check(wish(ends(3)), Some(key(2)), "cab");
            check(wish(ends(9)), None, "abc");
            check(wish(ends(9)), Some(key(2)), "bac");
        }
    }

    #[test]
    fn only_the_appointed_host_is_asked_from_the_address_of_the_appointment() {
        let hosts = order(&route(), Wish::Only(ends(3)), None);
        let from: Vec<_> = hosts.iter().map(|host| host.from).collect();
        assert_eq!(from, [Some([192, 0, 2, 200].into()), None, None]);
    }

    fn ends(last: u8) -> Ends {
        Ends {
            host: key(last),
            local: Some([192, 0, 2, 200].into()),
        }
    }

    struct Held(HashMap<HostKey, SystemTime>);
    impl Holds for Held {
        fn held(&self, host: HostKey) -> Option<SystemTime> {
            self.0.get(&host).copied()
        }
    }

    #[test]
    fn held_hosts_are_skipped_and_the_first_end_is_named() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let check = |held: &[(u8, u64)], max, expected: &str, parked: Option<u8>| {
            let held = Held(
                held.iter()
                    .map(|&(last, end)| (key(last), at(end)))
                    .collect(),
            );
            let free = free(route(), &held, max);
            assert_eq!(names(&free.hosts), expected);
            assert_eq!(free.held, parked.map(|last| HoldKey::Host(key(last))));
        };
        check(&[], 10, "abc", None);
        check(&[], 2, "ab", None);
        check(&[(1, 5)], 2, "bc", Some(1));
        check(&[(1, 5), (2, 3), (3, 4)], 10, "", Some(2));
    }
}
