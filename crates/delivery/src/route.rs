//! Where a destination's mail goes: MX look-up (RFC 5321 §5.1), null MX (RFC 7505), address literals, loops.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use queue::Destination;
use queue::route::LmtpServer;
use smtp::Status;

use crate::hosts::{Host, Way, socket_addr};

/// A boxed future, so that [`Resolve`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// At most so many exchanges of one domain are looked up.
const EXCHANGES_MAX: usize = 16;

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// The lowest is asked first.
    pub preference: u16,
    /// The exchange's name, with or without its last dot; `.` alone is a null MX.
    pub exchange: String,
}

/// Why a look-up gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// NXDOMAIN: there is no such name.
    NoSuchName,
    /// The name exists, and has no such records.
    NoRecords,
    /// SERVFAIL, no answer in time, or no name server: it may work later. With words for the log.
    Failed(String),
}

/// Looks names up. [`crate::Dns`] is the real one.
pub trait Resolve: Send + Sync {
    /// The MX records of a domain (A-labels), in any order.
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>>;
    /// The A and AAAA records of a name (A-labels).
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>>;
}

/// Why a destination has no route: a 4.y.z may pass, a 5.y.z will not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteError {
    pub(crate) status: Status,
    pub(crate) text: String,
}

impl RouteError {
    fn new(status: Status, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, text }
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.status.0 == 5
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// Our own host names: an exchange of such a name is us.
    pub(crate) names: [&'a str; 2],
    /// The port that exchanges are reached at. At 25 a loopback address is us, too; another port is a test's.
    pub(crate) port: u16,
    /// Shuffles exchanges of the same preference.
    pub(crate) seed: u64,
}

/// The hosts of a destination, best first. Not empty.
pub(crate) async fn route(
    resolver: &dyn Resolve,
    destination: &Destination,
    asker: Asker<'_>,
) -> Result<Vec<Host>, RouteError> {
    match destination {
        Destination::Local => Err(RouteError::new(Status(5, 3, 5), "local mail has no route")),
        Destination::Relay { host, port } => relay(resolver, host, *port, Way::Smtp).await,
        Destination::Lmtp(LmtpServer::Host { host, port }) => {
            relay(resolver, host, *port, Way::Lmtp).await
        }
        Destination::Lmtp(LmtpServer::Socket(path)) => Ok(vec![socket(path)]),
        Destination::Mx(domain) if domain.starts_with('[') => literal(domain, asker),
        Destination::Mx(domain) => exchanges(resolver, domain, asker).await,
    }
}

/// A configured next hop. That it can't be found is for the administrator to mend, and no reason to bounce mail.
async fn relay(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
    way: Way,
) -> Result<Vec<Host>, RouteError> {
    let to_host = |bare: &str, ip| Host {
        way: way.clone(),
        ..to_host(bare, ip, port, None)
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(ip) = bare.parse() {
        return Ok(vec![to_host(bare, ip)]);
    }
    let found = resolver.addresses(&ascii(bare)?).await;
    let addresses = found.map_err(|error| match error {
        LookupError::Failed(why) => failed(bare, &why),
        _ => RouteError::new(Status(4, 4, 4), format!("next hop {bare}: Host not found")),
    })?;
    let hosts: Vec<_> = ipv4_first(addresses).map(|ip| to_host(bare, ip)).collect();
    if hosts.is_empty() {
        return Err(RouteError::new(
            Status(4, 4, 4),
            format!("next hop {bare}: Host not found"),
        ));
    }
    Ok(hosts)
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3).
fn literal(domain: &str, asker: Asker<'_>) -> Result<Vec<Host>, RouteError> {
    let bare = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.and_then(|bare| match bare.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => v6.parse().ok().map(IpAddr::V6),
        _ => bare.parse().ok().map(IpAddr::V4),
    });
    match ip {
        None => Err(RouteError::new(
            Status(5, 1, 3),
            format!("bad address literal {domain}"),
        )),
        Some(ip) if is_us(ip, asker) => Err(loops(domain)),
        Some(ip) => Ok(vec![to_host(&ip.to_string(), ip, asker.port, Some(0))]),
    }
}

async fn exchanges(
    resolver: &dyn Resolve,
    domain: &str,
    asker: Asker<'_>,
) -> Result<Vec<Host>, RouteError> {
    let name = ascii(domain)?;
    let mut records = match resolver.mx(&name).await {
        Ok(records) => records,
        Err(LookupError::NoRecords) => Vec::new(),
        Err(LookupError::NoSuchName) => return Err(no_such_domain(domain)),
        Err(LookupError::Failed(why)) => return Err(failed(domain, &why)),
    };
    let implicit = records.is_empty();
    if implicit {
        records.push(Mx {
            preference: 0,
            exchange: name,
        });
    } else if records.iter().all(|mx| is_null(&mx.exchange)) {
        let text = format!("Domain {domain} does not accept mail (nullMX)");
        return Err(RouteError::new(Status(5, 1, 10), text));
    }
    records.retain(|mx| !is_null(&mx.exchange));
    shuffle(&mut records, asker.seed);
    records.sort_by_key(|mx| mx.preference);
    cut_ours(&mut records, asker.names);
    if records.is_empty() {
        return Err(loops(domain));
    }
    records.truncate(EXCHANGES_MAX);
    let found = together(
        records
            .iter()
            .map(|mx| resolver.addresses(&mx.exchange))
            .collect(),
    )
    .await;
    pick(domain, implicit, &records, found, asker)
}

/// From what was found for each exchange to the hosts.
fn pick(
    domain: &str,
    implicit: bool,
    records: &[Mx],
    found: Vec<Result<Vec<IpAddr>, LookupError>>,
    asker: Asker<'_>,
) -> Result<Vec<Host>, RouteError> {
    let mut hosts = Vec::new();
    let mut trouble = None;
    let mut ours = None;
    for (mx, found) in records.iter().zip(found) {
        match found {
            Ok(addresses) if addresses.iter().any(|&ip| is_us(ip, asker)) => {
                ours.get_or_insert(mx.preference);
            }
            Ok(addresses) => {
                let exchange = mx.exchange.strip_suffix('.').unwrap_or(&mx.exchange);
                hosts.extend(
                    ipv4_first(addresses)
                        .map(|ip| to_host(exchange, ip, asker.port, Some(mx.preference))),
                );
            }
            Err(LookupError::Failed(why)) => {
                trouble.get_or_insert_with(|| failed(&mx.exchange, &why));
            }
            Err(_) => {}
        }
    }
    hosts.retain(|host| ours.is_none_or(|ours| host.preference < Some(ours)));
    match (hosts.is_empty(), trouble) {
        (false, _) => Ok(hosts),
        (true, Some(trouble)) => Err(trouble),
        (true, None) if ours.is_some() => Err(loops(domain)),
        (true, None) if implicit => Err(no_such_domain(domain)),
        (true, None) => {
            let text = format!("unable to find an address of any mail exchanger of {domain}");
            Err(RouteError::new(Status(5, 4, 4), text))
        }
    }
}

/// Drops exchanges of our own name and all that are not better: they would bring the mail back (RFC 5321 §5.1).
fn cut_ours(records: &mut Vec<Mx>, names: [&str; 2]) {
    let is_ours = |mx: &&Mx| {
        let exchange = mx.exchange.strip_suffix('.').unwrap_or(&mx.exchange);
        names.iter().any(|name| exchange.eq_ignore_ascii_case(name))
    };
    if let Some(ours) = records.iter().find(is_ours).map(|mx| mx.preference) {
        records.retain(|mx| mx.preference < ours);
    }
}

fn is_null(exchange: &str) -> bool {
    matches!(exchange, "." | "")
}

fn is_us(ip: IpAddr, asker: Asker<'_>) -> bool {
    asker.port == 25 && (ip.to_canonical().is_loopback() || ip.is_unspecified())
}

/// A-labels (RFC 5890); without a last dot.
fn ascii(domain: &str) -> Result<String, RouteError> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() {
        return Ok(domain.to_ascii_lowercase());
    }
    idna::domain_to_ascii(domain).map_err(|_| {
        RouteError::new(
            Status(5, 1, 2),
            format!("{domain} is no internationalized domain name"),
        )
    })
}

fn failed(name: &str, why: &str) -> RouteError {
    let text = format!("Host or domain name not found. Name service error for name={name}: {why}");
    RouteError::new(Status(4, 4, 3), text)
}

fn no_such_domain(domain: &str) -> RouteError {
    let text = format!(
        "Host or domain name not found. Name service error for name={domain}: Host not found"
    );
    RouteError::new(Status(5, 1, 2), text)
}

fn loops(domain: &str) -> RouteError {
    RouteError::new(
        Status(5, 4, 6),
        format!("mail for {domain} loops back to myself"),
    )
}

fn to_host(name: &str, ip: IpAddr, port: u16, preference: Option<u16>) -> Host {
    let name: Arc<str> = name.to_ascii_lowercase().into();
    let addr = SocketAddr::new(ip, port);
    Host {
        name,
        addr,
        way: Way::Smtp,
        preference,
        from: None,
    }
}

fn socket(path: &str) -> Host {
    Host {
        name: "localhost".into(),
        addr: socket_addr(path),
        way: Way::Socket(Path::new(path).into()),
        preference: None,
        from: None,
    }
}

/// How the hosts of a destination are spoken to.
pub(crate) fn way(destination: &Destination) -> Way {
    match destination {
        Destination::Local | Destination::Mx(_) | Destination::Relay { .. } => Way::Smtp,
        Destination::Lmtp(LmtpServer::Host { .. }) => Way::Lmtp,
        Destination::Lmtp(LmtpServer::Socket(path)) => Way::Socket(Path::new(path).into()),
    }
}

/// Both kinds are equal to RFC 5321 §5.1. More hosts judge IPv6 clients harshly than IPv4 clients, so that goes first.
fn ipv4_first(mut addresses: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter()
}

/// Fisher-Yates with splitmix64: the same order for the same seed.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for end in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let bound = end as u64 + 1;
        items.swap(end, (z % bound) as usize);
    }
}

/// Waits for all of a few futures at once.
async fn together<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in futures
            .iter_mut()
            .zip(&mut outputs)
            .filter(|(_, output)| output.is_none())
        {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
