//! The hosts of a route, and in which order an attempt asks them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use queue::progress::Progress;
use queue::{HoldKey, HostKey};

use crate::Holds;

/// A host that mail can be given to. Displayed as a relay in logs: `mx.b.example[192.0.2.1]:25`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name, or its address where it has none.
    pub(crate) name: Arc<str>,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Its MX preference; 0 for a relay.
    pub(crate) preference: u16,
}

impl Host {
    pub(crate) fn key(&self) -> HostKey {
        HostKey(self.addr)
    }

    /// Without the port, as Postfix names a host that it has talked to.
    pub(crate) fn peer(&self) -> String {
        format!("{}[{}]", self.name, self.addr.ip())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]:{}", self.name, self.addr.ip(), self.addr.port())
    }
}

/// What a recipient's appointment asks of the order of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It has none.
    None,
    /// Only this host: it gave an appointment that was not broken yet.
    Only(HostKey),
    /// This host first, the others after it: it has broken an appointment.
    First(HostKey),
}

impl Wish {
    pub(crate) fn of(row: &Progress) -> Self {
        match row.appointment.as_ref().and_then(|made| made.host) {
            None => Self::None,
            Some(host) if row.broken == 0 => Self::Only(host),
            Some(host) => Self::First(host),
        }
    }
}

/// The hosts to be asked, in order. `open` is the host that the lane has a session with: it goes before its equals.
pub(crate) fn order(route: &[Host], wish: Wish, open: Option<HostKey>) -> Vec<Host> {
    let place = |key| route.iter().position(|host| host.key() == key);
    let (first, alone) = match wish {
        Wish::Only(key) => (place(key), true),
        Wish::First(key) => (place(key), false),
        Wish::None => (None, false),
    };
    // A host that is not in the route any more keeps no appointment.
    let first = match (first, alone) {
        (Some(at), true) => return vec![route[at].clone()],
        (Some(at), false) => Some(at),
        (None, _) => open
            .and_then(place)
            .filter(|&at| route[at].preference == route[0].preference),
    };
    let mut hosts = route.to_vec();
    if let Some(at) = first {
        hosts[..=at].rotate_right(1);
    }
    hosts
}

/// The host of an appointment, where the route is not known at the moment.
pub(crate) fn without_route(wish: Wish) -> Option<Host> {
    match wish {
        Wish::Only(key) | Wish::First(key) => Some(Host {
            name: key.0.ip().to_string().into(),
            addr: key.0,
            preference: 0,
        }),
        Wish::None => None,
    }
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
                preference,
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
        check(Wish::Only(key(3)), None, "c");
        check(Wish::Only(key(3)), Some(key(2)), "c");
        check(Wish::Only(key(9)), None, "abc");
        check(Wish::First(key(3)), None, "cab");
        check(Wish::First(key(3)), Some(key(2)), "cab");
        check(Wish::First(key(9)), Some(key(2)), "bac");
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
