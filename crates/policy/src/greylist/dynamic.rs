//! Reverse names that a provider gives to thousands of lines at once, by the look of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Words that no mail server's name needs.
const LINES: &[&str] = &[
    "adsl",
    "broadband",
    "cable",
    "catv",
    "cgn",
    "cgnat",
    "cpe",
    "dhcp",
    "dial",
    "dialin",
    "dialup",
    "dip",
    "dsl",
    "dyn",
    "dynamic",
    "dynamicip",
    "dynip",
    "ftth",
    "fttx",
    "gpon",
    "gprs",
    "hsd",
    "lte",
    "modem",
    "ppp",
    "pppoe",
    "residential",
    "sdsl",
    "umts",
    "unassigned",
    "vdsl",
    "wimax",
    "xdsl",
];

/// Words that say so only beside a number: `customer-17`, but not `customer.example`.
const LINES_IF_NUMBERED: &[&str] = &[
    "client",
    "clients",
    "cust",
    "customer",
    "customers",
    "fiber",
    "fibre",
    "home",
    "mobile",
    "nat",
    "pool",
    "pools",
    "res",
    "subscriber",
    "user",
    "users",
    "wireless",
];

/// Words that an administrator puts into a mail server's name. They win: `mail-oln040092066013` has its address in it.
const MAIL: &[&str] = &[
    "bounce",
    "bounces",
    "exchange",
    "mout",
    "mta",
    "mx",
    "newsletter",
    "outbound",
    "postfix",
    "relay",
    "smtpout",
];

/// Whether `name`, the reverse name of `address`, looks like one that a provider generated: it holds the address, or a
/// word like `dsl`, `dyn` or `pool`. The domain that somebody registered doesn't count, and a word like `mail`, `mx`
/// or `smtp` before it says that it is a server.
///
/// A guess by its nature: it may choose how long somebody waits, and must not refuse anybody.
pub fn dynamic_looking(name: &str, address: IpAddr) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let host = before_registered(&name);
    let words = || host.split(|c: char| !c.is_ascii_alphabetic());
    let among = |list: &[&str]| words().any(|word| list.contains(&word));
    let mail =
        |word: &str| word.starts_with("mail") || word.ends_with("mail") || word.starts_with("smtp");
    if words().any(mail) || among(MAIL) {
        return false;
    }
    let numbered = host.contains(|c: char| c.is_ascii_digit());
    among(LINES)
        || (numbered && among(LINES_IF_NUMBERED))
        || match address.to_canonical() {
            IpAddr::V4(address) => holds_v4(host, address),
            IpAddr::V6(address) => holds_v6(host, address),
        }
}

/// What stands before the domain that somebody registered. Where a provider gives out names below its own as if they
/// were registered (`compute.amazonaws.com`), and where it isn't known: before the last two labels.
fn before_registered(name: &str) -> &str {
    let registered = psl::domain(name.as_bytes())
        .filter(|domain| domain.suffix().typ() == Some(psl::Type::Icann))
        .map(|domain| domain.as_bytes().len());
    let last_two = || {
        let mut dots = name.rmatch_indices('.').map(|(dot, _)| dot + 1);
        name.len() - dots.nth(1).unwrap_or(0)
    };
    let length = registered.unwrap_or_else(last_two);
    name.get(..name.len() - length).unwrap_or_default()
}

fn holds_v4(host: &str, address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let numbers: Vec<_> = host
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .collect();
    let backwards = [octets[3], octets[2], octets[1], octets[0]];
    [octets, backwards].iter().any(|octets| {
        // Three in a row: two are found in the names of honest pools (a8-31.smtp-out).
        let three = |octets: &[u8]| {
            let same = |(digits, octet): (&&str, &u8)| digits.parse() == Ok(*octet);
            numbers
                .windows(3)
                .any(|numbers| numbers.iter().zip(octets).all(same))
        };
        let [a, b, c, d] = octets;
        let padded = format!("{a:03}{b:03}{c:03}{d:03}");
        let hex = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        let whole = u32::from_be_bytes(*octets).to_string();
        octets.windows(3).any(three)
            || host.contains(&padded)
            || host.contains(&hex)
            || numbers.contains(&whole.as_str())
    })
}

fn holds_v6(host: &str, address: Ipv6Addr) -> bool {
    let hex: String = host.chars().filter(char::is_ascii_hexdigit).collect();
    let nibbles = format!("{:032x}", u128::from(address));
    let backwards: String = nibbles.chars().rev().collect();
    // The half with the subnet, or the one with the host, unless it says nothing: `::1`.
    let telling = |half: &&str| half.bytes().filter(|&nibble| nibble != b'0').count() >= 6;
    let halves = [
        &nibbles[..16],
        &nibbles[16..],
        &backwards[..16],
        &backwards[16..],
    ];
    halves
        .iter()
        .filter(|half| telling(half))
        .any(|half| hex.contains(*half))
        || holds_groups(host, address)
}

/// Four groups in a row, as they are written with their leading zeros left out: `2001-db8-1-2`.
fn holds_groups(host: &str, address: Ipv6Addr) -> bool {
    let groups: Vec<_> = host
        .split(|c: char| !c.is_ascii_hexdigit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| u16::from_str_radix(digits, 16).ok())
        .collect();
    let telling = |four: &&[u16]| four.iter().filter(|&&group| group != 0).count() >= 3;
    let held = |four: &[u16]| {
        let same = |(found, group): (&Option<u16>, &u16)| *found == Some(*group);
        groups
            .windows(4)
            .any(|found| found.iter().zip(four).all(same))
    };
    address.segments().windows(4).filter(telling).any(held)
}
