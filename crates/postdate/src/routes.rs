//! Where mail for an address goes, as configured.

use std::collections::{HashMap, HashSet};

use queue::Destination;
use queue::route::LmtpServer;

use crate::config::Config;

/// The configured routes.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    local: HashSet<String>,
    /// The first of `local.domains`: the users of this machine are in it.
    home: Option<String>,
    /// The host's own names, further ones of `home`.
    own_names: Vec<String>,
    /// Nobody has said yet whose mailboxes are here, so that not all mail for its own names need be for them.
    is_open: bool,
    routes: HashMap<String, Destination>,
    smarthost: Option<Destination>,
}

impl Routing {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &Config) -> Self {
        let hop = |text: &String| parse_hop(text).ok();
        let local = &config.local.domains;
        let mut routing = Self {
            local: local.iter().map(|domain| normal_domain(domain)).collect(),
            home: local.first().map(|domain| normal_domain(domain)),
            own_names: Vec::new(),
            is_open: local.is_empty() || (config.local.is_untouched() && !config.local.is_moved()),
            routes: config
                .delivery
                .routes
                .iter()
                .filter_map(|(domain, text)| {
                    Some((normal_domain(domain), parse_route(domain, text).ok()?))
                })
                .collect(),
            smarthost: config.delivery.smarthost.as_ref().and_then(hop),
        };
        // Where nothing is local and a host is there for all mail, it knows the users too (a null client).
        if routing.home.is_none() && routing.smarthost.is_some() {
            return routing;
        }
        let relayed: HashSet<_> = (config.relay.domains.iter())
            .map(|domain| normal_domain(domain))
            .collect();
        let passed_on = |name: &String| routing.routes.contains_key(name) || relayed.contains(name);
        // As Postfix has them in mydestination.
        let mut own_names = [config.hostname.as_str(), "localhost"]
            .map(normal_domain)
            .to_vec();
        own_names.retain(|name| !routing.local.contains(name) && !passed_on(name));
        if routing.home.is_none() {
            routing.home = own_names.first().cloned();
        }
        routing.own_names = own_names;
        routing
    }

    /// Whether mailboxes of this domain are here. Mail without a domain is local.
    pub(crate) fn is_local(&self, domain: &str) -> bool {
        domain.is_empty() || self.local.contains(domain) || self.is_own_name(domain)
    }

    /// The domain whose mailboxes are meant: `domain` itself, but for the host's own names and for none at all.
    pub(crate) fn meant<'a>(&'a self, domain: &'a str) -> &'a str {
        match &self.home {
            Some(home) if domain.is_empty() || self.is_own_name(domain) => home,
            _ => domain,
        }
    }

    /// One of the host's own names, while the mailboxes are those that nobody named: it may have mailboxes elsewhere, and
    /// strangers reach it. Only what is certain is here.
    pub(crate) fn is_open(&self, domain: &str) -> bool {
        self.is_open && self.is_own_name(domain)
    }

    /// As [`Routing::is_open`], and a smarthost is there for all mail: it knows root and the postmaster too (a satellite).
    /// Only what an alias names is here.
    pub(crate) fn has_only_aliases(&self, domain: &str) -> bool {
        self.smarthost.is_some() && self.is_open(domain)
    }

    fn is_own_name(&self, domain: &str) -> bool {
        self.own_names.iter().any(|name| name == domain)
    }
}

/// Where mail goes whose mailbox is not here.
impl Routing {
    /// For a domain in its normal form.
    pub(crate) fn abroad(&self, domain: String) -> Destination {
        self.routes
            .get(&domain)
            .or(self.smarthost.as_ref())
            .cloned()
            .unwrap_or(Destination::Mx(domain))
    }
}

/// What stands behind the last `@`; empty for `postmaster`.
pub(crate) fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// What stands before the last `@`.
pub(crate) fn local_part_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

/// Lower case, A-labels (RFC 5890), no dot at the end; what is no domain name stays as it is, in lower case.
pub(crate) fn normal_domain(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
}

/// What the value of a route or a mailbox begins with that leads to an LMTP server.
const LMTP: &str = "lmtp:";

/// The value of a route for a domain that has no host of its own. A host may be called `mx`, and none ends in a colon.
const BY_MX: &str = "mx:";

/// Reads the route of a domain: a next hop, `lmtp:` and an LMTP server, or `mx:` (whatever else is for all mail).
///
/// # Errors
/// In words.
pub(crate) fn parse_route(domain: &str, text: &str) -> Result<Destination, String> {
    if text == BY_MX {
        return Ok(Destination::Mx(normal_domain(domain)));
    }
    match text.strip_prefix(LMTP) {
        Some(server) => parse_lmtp(server).map(Destination::Lmtp),
        None => parse_hop(text),
    }
}

/// The LMTP server that a mailbox's value names; `None`: it is a Maildir's path.
///
/// # Errors
/// In words.
pub(crate) fn lmtp_of_mailbox(value: &std::path::Path) -> Option<Result<LmtpServer, String>> {
    Some(parse_lmtp(value.to_str()?.strip_prefix(LMTP)?))
}

/// Reads where an LMTP server listens: `unix:/run/dovecot/lmtp`, `inet:127.0.0.1:24`; without a port, 24.
///
/// # Errors
/// In words.
pub(crate) fn parse_lmtp(text: &str) -> Result<LmtpServer, String> {
    let wrong = || {
        format!("\"{text}\" is no LMTP server: write unix:/run/dovecot/lmtp or inet:127.0.0.1:24")
    };
    if let Some(path) = text.strip_prefix("unix:") {
        let is_whole = path.starts_with('/') && !path.contains('\0');
        return Some(LmtpServer::Socket(path.to_owned()))
            .filter(|_| is_whole)
            .ok_or_else(wrong);
    }
    let hop = text.strip_prefix("inet:").ok_or_else(wrong)?;
    host_and_port(hop, "24")
        .map(|(host, port)| LmtpServer::Host { host, port })
        .ok_or_else(wrong)
}

/// Reads a next hop: `host:port`, `[192.0.2.1]:25`, `[2001:db8::1]:25`; without a port, 25.
///
/// # Errors
/// In words.
pub(crate) fn parse_hop(text: &str) -> Result<Destination, String> {
    host_and_port(text, "25")
        .map(|(host, port)| Destination::Relay { host, port })
        .ok_or_else(|| format!("\"{text}\" is no next hop: write host:port or [192.0.2.1]:25"))
}

/// In lower case, and without brackets.
fn host_and_port(text: &str, usual: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let port = match rest {
                "" => usual,
                rest => rest.strip_prefix(':')?,
            };
            (host, port)
        }
        None => text.rsplit_once(':').unwrap_or((text, usual)),
    };
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    is_name.then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use queue::route::Routes as _;

    use super::*;
    use crate::directory::Directory;

    #[test]
    fn an_address_goes_where_the_configuration_says() {
        let config: Config = toml::from_str(
            "[local]\ndomains = [\"Home.example\"]\nmailboxes = {}\n\
             [delivery.routes]\n\"Partner.example\" = \"mx.partner.example:2525\"\n\"v6.example\" = \"[2001:db8::1]\"\n\
             \"boxes.example\" = \"lmtp:inet:Mail.example\"\n\"Direct.example.\" = \"mx:\"\n\"short.example\" = \"mx\"\n",
        )
        .expect("a configuration");
        let plain = Directory::new(&config);
        let smart = Directory::new(&Config {
            delivery: crate::config::model::Delivery {
                smarthost: Some("relay.example".into()),
                ..config.delivery.clone()
            },
            ..config
        });
        for (address, to, with_smarthost) in [
            ("a@HOME.example", "local", "local"),
            ("a@home.example.", "local", "local"),
            ("postmaster", "local", "local"),
            ("\"a@b\"@home.example", "local", "local"),
            (
                "a@partner.EXAMPLE",
                "[mx.partner.example]:2525",
                "[mx.partner.example]:2525",
            ),
            ("a@v6.example", "[2001:db8::1]:25", "[2001:db8::1]:25"),
            (
                "a@boxes.example",
                "lmtp:inet:[mail.example]:24",
                "lmtp:inet:[mail.example]:24",
            ),
            ("a@direct.example", "direct.example", "direct.example"),
            ("a@short.example", "[mx]:25", "[mx]:25"),
            ("a@else.example", "else.example", "[relay.example]:25"),
            (
                "a@bücher.example",
                "xn--bcher-kva.example",
                "[relay.example]:25",
            ),
        ] {
            assert_eq!(plain.destination(address).to_string(), to, "{address}");
            assert_eq!(
                smart.destination(address).to_string(),
                with_smarthost,
                "{address} with a smarthost"
            );
        }
    }

    #[test]
    fn what_is_no_next_hop_is_refused() {
        for text in [
            "",
            ":25",
            "host:",
            "host:0",
            "host:99999",
            "[::1",
            "[::1]25",
            "a b:25",
        ] {
            assert!(parse_hop(text).is_err(), "{text:?}");
        }
        for text in [
            "lmtp:",
            "lmtp:/run/lmtp",
            "lmtp:unix:run/lmtp",
            "lmtp:unix:",
            "lmtp:inet:",
            "lmtp:inet:a b",
            "lmtp:127.0.0.1:24",
            "mx:a.example",
        ] {
            assert!(parse_route("a.example", text).is_err(), "{text:?}");
        }
    }
}
