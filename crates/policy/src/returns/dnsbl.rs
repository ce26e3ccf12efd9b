//! The list as a DNSBL (RFC 5782), so that other servers can use it: a file for rbldnsd, and one for BIND.
//!
//! Both hold the test entries of RFC 5782 §5, 127.0.0.2 and ::ffff:127.0.0.2, so that a client can see that the list
//! works while it is empty.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What a listed address answers with.
const ANSWER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Octets of a DNS string (RFC 1035 §3.3).
const STRING_MAX: usize = 255;

/// Octets of a text: so an address has room in it.
const TEXT_MAX: usize = 200;

/// Listed addresses, and the zone they stand in.
///
/// Names are domain names with or without a last dot; they come from the administrator.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The zone: `bl.example.org`.
    pub zone: &'a str,
    /// Its name server.
    pub server: &'a str,
    /// Who is in charge, as a domain name: `hostmaster.example.org`.
    pub contact: &'a str,
    /// Grows with each edition; seconds since 1970 do.
    pub serial: u32,
    /// How long an answer may be held, and how old a copy may be refreshed.
    pub ttl: Duration,
    /// Why, for people. Every `$` becomes the address. ASCII; cut to 200 octets.
    pub text: &'a str,
    /// Addresses and networks, in the order of the file.
    pub listed: &'a [IpNet],
}

/// For `rbldnsd ZONE:combined:FILE`: an `ip4set` and an `ip6trie` in one file.
#[derive(Clone, Copy, Debug)]
pub struct Rbldnsd<'a>(pub List<'a>);

/// A master file (RFC 1035 §5): octets and nibbles reversed (RFC 5782 §2.1, §2.4), a network as a wildcard.
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a>(pub List<'a>);

impl fmt::Display for Rbldnsd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let List {
            server,
            contact,
            serial,
            listed,
            ..
        } = self.0;
        let ttl = self.0.ttl.as_secs();
        let (server, contact) = (bare(server), bare(contact));
        let text = plain(self.0.text);
        writeln!(f, "# {}: who never came back", bare(self.0.zone))?;
        writeln!(
            f,
            "$SOA {ttl} {server} {contact} {serial} {ttl} {ttl} 1w {ttl}"
        )?;
        writeln!(f, "$NS {ttl} {server}")?;
        writeln!(f, "$DATASET ip4set @")?;
        writeln!(f, "$TTL {ttl}")?;
        writeln!(f, ":{ANSWER}:{text}")?;
        writeln!(f, "127.0.0.2")?;
        for net in listed {
            if let IpNet::V4(net) = net {
                match net.prefix_len() {
                    32 => writeln!(f, "{}", net.addr())?,
                    _ => writeln!(f, "{}", net.trunc())?,
                }
            }
        }
        writeln!(f, "$DATASET ip6trie @")?;
        writeln!(f, "$TTL {ttl}")?;
        writeln!(f, ":{ANSWER}:{text}")?;
        writeln!(f, "0:0:0:0:0:ffff:7f00:2/128")?;
        for net in listed {
            if let IpNet::V6(net) = net {
                writeln!(f, "{}", net.trunc())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Bind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let List {
            zone,
            server,
            contact,
            serial,
            listed,
            ..
        } = self.0;
        let ttl = self.0.ttl.as_secs();
        writeln!(f, "; {}: who never came back", bare(zone))?;
        writeln!(f, "$ORIGIN {}.", bare(zone))?;
        writeln!(f, "$TTL {ttl}")?;
        writeln!(
            f,
            "@ IN SOA {}. {}. {serial} {ttl} {ttl} 604800 {ttl}",
            bare(server),
            bare(contact)
        )?;
        writeln!(f, "@ IN NS {}.", bare(server))?;
        let test_v6 = Ipv6Net::from(Ipv4Addr::new(127, 0, 0, 2).to_ipv6_mapped());
        let test_v4 = Ipv4Net::from(Ipv4Addr::new(127, 0, 0, 2));
        self.entry_v4(f, test_v4)?;
        self.entry_v6(f, test_v6)?;
        for net in listed {
            match net {
                IpNet::V4(net) => self.entry_v4(f, *net)?,
                IpNet::V6(net) => self.entry_v6(f, *net)?,
            }
        }
        Ok(())
    }
}

impl Bind<'_> {
    /// A network that ends between two labels becomes the few that end at one.
    fn entry_v4(&self, f: &mut fmt::Formatter<'_>, net: Ipv4Net) -> fmt::Result {
        let labels = net.prefix_len().div_ceil(8);
        let Ok(parts) = net.trunc().subnets(labels * 8) else {
            return Ok(());
        };
        for part in parts {
            let mut name = String::new();
            for octet in part.addr().octets()[..usize::from(labels)].iter().rev() {
                name += &format!(".{octet}");
            }
            self.records(f, name, labels < 4, &bare_net(IpNet::V4(part)))?;
        }
        Ok(())
    }

    fn entry_v6(&self, f: &mut fmt::Formatter<'_>, net: Ipv6Net) -> fmt::Result {
        let labels = net.prefix_len().div_ceil(4);
        let Ok(parts) = net.trunc().subnets(labels * 4) else {
            return Ok(());
        };
        for part in parts {
            let mut name = String::new();
            for at in (0..labels).rev() {
                name += &format!(".{:x}", nibble(part.addr(), at));
            }
            self.records(f, name, labels < 32, &bare_net(IpNet::V6(part)))?;
        }
        Ok(())
    }

    /// `dotted` begins with a dot.
    fn records(
        &self,
        f: &mut fmt::Formatter<'_>,
        dotted: String,
        all_below: bool,
        listed: &str,
    ) -> fmt::Result {
        let name = match (all_below, dotted.strip_prefix('.')) {
            (true, _) => format!("*{dotted}"),
            (false, Some(name)) => name.to_owned(),
            (false, None) => return Ok(()),
        };
        let mut text = plain(self.0.text).replace('$', listed);
        text.truncate(STRING_MAX);
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(f, "{name} A {ANSWER}")?;
        writeln!(f, "{name} TXT \"{text}\"")
    }
}

/// The nibble at this place, counted from the left.
fn nibble(addr: Ipv6Addr, at: u8) -> u8 {
    ((addr.to_bits() >> (124 - 4 * u32::from(at))) & 0xf) as u8
}

/// A network as people write it: an address alone without its length.
fn bare_net(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// One line of printable ASCII.
fn plain(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            ' '..='~' => char,
            _ => '?',
        })
        .take(TEXT_MAX)
        .collect()
}
