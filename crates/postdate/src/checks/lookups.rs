//! The look-ups of one inquiry: within its time, and never in a zone that is backing off.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use policy::Moment;
use policy::zone::{Ask, WAIT_MIN, Zones};
use tokio::time::Instant;

use crate::clock::Clock;

/// No answer: SERVFAIL, a refusal, silence. That there is none of a name is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// How long until the zone is asked again; `None`: our own time was over before we could ask.
    pub(super) retry: Option<Duration>,
}

impl Trouble {
    /// Of two the one that lasts longer: before it ends, asking again is in vain.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            retry: self.retry.max(other.retry),
        }
    }
}

/// Looks up for one inquiry.
pub(super) struct Lookups<'a> {
    resolver: TokioResolver,
    zones: &'a Mutex<Zones>,
    clock: &'a Clock,
    deadline: Instant,
}

impl<'a> Lookups<'a> {
    /// All within `limit` from now.
    pub(super) fn new(
        resolver: TokioResolver,
        zones: &'a Mutex<Zones>,
        clock: &'a Clock,
        limit: Duration,
    ) -> Self {
        Self {
            resolver,
            zones,
            clock,
            deadline: Instant::now() + limit,
        }
    }

    /// The texts of a name, each record's strings put together (RFC 7208 §3.3).
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, Trouble> {
        let found = self.records(name, name, RecordType::TXT).await?;
        let texts = found.into_iter().filter_map(|record| match record.data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// The addresses of a name, of the kind that `like` is of.
    pub(super) async fn addresses(&self, name: &str, like: IpAddr) -> Result<Vec<IpAddr>, Trouble> {
        let kind = if like.is_ipv4() {
            RecordType::A
        } else {
            RecordType::AAAA
        };
        let found = self.records(name, name, kind).await?;
        Ok(addresses(&found))
    }

    /// What the list `zone` says of a name, and for how long it says so. The list is blamed for failures.
    pub(super) async fn listing(
        &self,
        zone: &str,
        name: &str,
    ) -> Result<(Vec<IpAddr>, Duration), Trouble> {
        let found = self.records(zone, name, RecordType::A).await?;
        let ttl = found.iter().map(|record| record.ttl).min();
        let held = Duration::from_secs(ttl.unwrap_or_default().into());
        Ok((addresses(&found), held))
    }

    /// The exchanges of a domain, best first, as they stand in the DNS; `.` alone is a null MX (RFC 7505).
    pub(super) async fn exchanges(&self, domain: &str) -> Result<Vec<String>, Trouble> {
        let found = self.records(domain, domain, RecordType::MX).await?;
        let mut exchanges: Vec<_> = found
            .into_iter()
            .filter_map(|record| match record.data {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
                _ => None,
            })
            .collect();
        exchanges.sort();
        Ok(exchanges.into_iter().map(|(_, name)| name).collect())
    }

    /// What the PTR records of an address say: lower case, without a dot at the end.
    pub(super) async fn pointers(&self, address: IpAddr) -> Result<Vec<String>, Trouble> {
        let name = Name::from(address).to_ascii();
        let zone = reverse_zone(&name, address);
        let found = self.records(zone, &name, RecordType::PTR).await?;
        let pointers = found.into_iter().filter_map(|record| match record.data {
            RData::PTR(name) if !name.is_root() => Some(plain(&name.to_ascii())),
            _ => None,
        });
        Ok(pointers.collect())
    }

    /// Lets a library look up by itself, within what is left of the time. `None` from it: no answer came.
    pub(super) async fn within<T>(
        &self,
        zone: &str,
        look_up: impl Future<Output = Option<T>>,
    ) -> Result<T, Trouble> {
        self.admit(zone)?;
        let found = tokio::time::timeout_at(self.deadline, look_up).await;
        match found.ok().flatten() {
            Some(answer) => {
                self.zones().worked(zone);
                Ok(answer)
            }
            None => Err(self.blame(zone, None)),
        }
    }

    /// The resolver, for [`within`](Self::within).
    pub(super) fn resolver(&self) -> TokioResolver {
        self.resolver.clone()
    }

    async fn records(
        &self,
        zone: &str,
        name: &str,
        kind: RecordType,
    ) -> Result<Vec<Record>, Trouble> {
        let Some(name) = absolute(name) else {
            return Ok(Vec::new());
        };
        // By kind, as one may work while the other does not: a firewall that drops TXT (RFC 9520 §3.1).
        let zone = format!("{zone} {kind}");
        self.within(&zone, async {
            match self.resolver.lookup(name, kind).await {
                Ok(found) => Some(found.answers().to_vec()),
                Err(err) if says_none(&err) => Some(Vec::new()),
                Err(err) => {
                    tracing::debug!(target: "checks", zone, "no answer: {err}");
                    None
                }
            }
        })
        .await
    }

    /// Whether `zone` may be asked now.
    fn admit(&self, zone: &str) -> Result<(), Trouble> {
        if Instant::now() >= self.deadline {
            // Nobody has asked it, so nobody may blame it.
            return Err(Trouble { retry: None });
        }
        let now = self.now();
        match self.zones().ask(zone, now) {
            Ask::Now => Ok(()),
            Ask::NotBefore(due) => Err(Trouble {
                retry: Some(due.since(now).max(WAIT_MIN)),
            }),
        }
    }

    /// Notes that the list `zone` gave addresses that are no answer, and holds to them for so long.
    pub(super) fn complain(&self, zone: &str, held: Duration) -> Trouble {
        self.blame(&format!("{zone} {}", RecordType::A), Some(held))
    }

    /// Notes that `zone` gave no answer. `held`: for how long that is said to hold. Of SERVFAIL nothing says so: the
    /// resolver drops the SOA record of such an answer (RFC 2308 §7.1 sets no time by it either).
    fn blame(&self, zone: &str, held: Option<Duration>) -> Trouble {
        let now = self.now();
        let mut zones = self.zones();
        zones.failed(zone, held, now);
        Trouble {
            retry: zones.wait(zone, now),
        }
    }

    fn now(&self) -> Moment {
        self.clock.now().into()
    }

    fn zones(&self) -> MutexGuard<'_, Zones> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name in lower case, without the dot at its end.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn addresses(found: &[Record]) -> Vec<IpAddr> {
    let addresses = found.iter().filter_map(|record| record.data.ip_addr());
    addresses.collect()
}

/// The name as it is, not to be looked for in the search list of this machine; `None`: it can't be one.
fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// "There is no such name", or none of such records: a sound answer.
fn says_none(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else {
        return false;
    };
    matches!(
        none.response_code,
        ResponseCode::NXDomain | ResponseCode::NoError
    )
}

/// The part of an address's reverse name that fails together: of its /24, or /48.
fn reverse_zone(name: &str, address: IpAddr) -> &str {
    let labels = if address.is_ipv4() { 1 } else { 80 / 4 };
    let mut rest = name;
    for _ in 0..labels {
        rest = rest.split_once('.').map_or(rest, |(_, rest)| rest);
    }
    rest
}

/// Waits for all of a few futures at once.
pub(super) async fn together<T>(
    futures: impl IntoIterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let mut all: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}
