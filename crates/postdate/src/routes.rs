//! Where mail for an address goes, as configured.

use std::collections::{HashMap, HashSet};

use queue::Destination;
use queue::route::Routes;

use crate::config::Config;

/// The configured routes.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    local: HashSet<String>,
    routes: HashMap<String, Destination>,
    smarthost: Option<Destination>,
}

impl Routing {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &Config) -> Self {
        let hop = |text: &String| parse_hop(text).ok();
        Self {
            local: config
                .local
                .domains
                .iter()
                .map(|domain| normal_domain(domain))
                .collect(),
            routes: config
                .delivery
                .routes
                .iter()
                .filter_map(|(domain, text)| Some((normal_domain(domain), hop(text)?)))
                .collect(),
            smarthost: config.delivery.smarthost.as_ref().and_then(hop),
        }
    }

    /// Whether mailboxes of this domain are here. Mail without a domain is local.
    pub(crate) fn is_local(&self, domain: &str) -> bool {
        domain.is_empty() || self.local.contains(domain)
    }
}

impl Routes for Routing {
    fn destination(&self, address: &str) -> Destination {
        let domain = normal_domain(domain_of(address));
        if self.is_local(&domain) {
            return Destination::Local;
        }
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

/// Reads a next hop: `host:port`, `[192.0.2.1]:25`, `[2001:db8::1]:25`; without a port, 25.
///
/// # Errors
/// In words.
pub(crate) fn parse_hop(text: &str) -> Result<Destination, String> {
    let wrong = || format!("\"{text}\" is no next hop: write host:port or [192.0.2.1]:25");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
        let port = if rest.is_empty() {
            "25"
        } else {
            rest.strip_prefix(':').ok_or_else(wrong)?
        };
        (host, port)
    } else {
        text.rsplit_once(':').unwrap_or((text, "25"))
    };
    let port: u16 = port
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(wrong)?;
    if host.is_empty()
        || !host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
    {
        return Err(wrong());
    }
    Ok(Destination::Relay {
        host: host.to_ascii_lowercase(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_where_the_configuration_says() {
        let config: Config = toml::from_str(
            "[local]\ndomains = [\"Home.example\"]\nmailboxes = {}\n\
             [delivery.routes]\n\"Partner.example\" = \"mx.partner.example:2525\"\n\"v6.example\" = \"[2001:db8::1]\"\n",
        )
        .expect("a configuration");
        let plain = Routing::new(&config);
        let smart = Routing::new(&Config {
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
    }
}
