//! The exported files, as rbldnsd 1.0 and named-checkzone 9.18 take them.

use ipnet::IpNet;
use policy::returns::dnsbl::{Bind, List, Rbldnsd};
use std::time::Duration;

fn list<'a>(listed: &'a [IpNet], text: &'a str) -> List<'a> {
    List {
        zone: "bl.example.org.",
        server: "ns.example.org",
        contact: "hostmaster.example.org",
        serial: 1_767_225_600,
        ttl: Duration::from_secs(3600),
        text,
        listed,
    }
}

fn nets(nets: &[&str]) -> Vec<IpNet> {
    nets.iter()
        .map(|net| net.parse().expect("a network"))
        .collect()
}

#[test]
fn for_rbldnsd() {
    let listed = nets(&["192.0.2.7/32", "2001:db8:0:1::/64", "203.0.113.0/24"]);
    let text = "Never came back, see https://example.org/?$";
    assert_eq!(
        Rbldnsd(list(&listed, text)).to_string(),
        "\
# bl.example.org: who never came back
$SOA 3600 ns.example.org hostmaster.example.org 1767225600 3600 3600 1w 3600
$NS 3600 ns.example.org
$DATASET ip4set @
$TTL 3600
:127.0.0.2:Never came back, see https://example.org/?$
127.0.0.2
192.0.2.7
203.0.113.0/24
$DATASET ip6trie @
$TTL 3600
:127.0.0.2:Never came back, see https://example.org/?$
0:0:0:0:0:ffff:7f00:2/128
2001:db8:0:1::/64
"
    );
}

#[test]
fn for_bind() {
    let listed = nets(&["192.0.2.7/32", "2001:db8:0:1::/64"]);
    assert_eq!(
        Bind(list(&listed, "Never came back: $")).to_string(),
        "\
; bl.example.org: who never came back
$ORIGIN bl.example.org.
$TTL 3600
@ IN SOA ns.example.org. hostmaster.example.org. 1767225600 3600 3600 604800 3600
@ IN NS ns.example.org.
2.0.0.127 A 127.0.0.2
2.0.0.127 TXT \"Never came back: 127.0.0.2\"
2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 A 127.0.0.2
2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 TXT \"Never came back: ::ffff:127.0.0.2\"
7.2.0.192 A 127.0.0.2
7.2.0.192 TXT \"Never came back: 192.0.2.7\"
*.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.2
*.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 TXT \"Never came back: 2001:db8:0:1::/64\"
"
    );
}

#[test]
fn names_of_networks() {
    #[rustfmt::skip]
    let table = [
        ("10.0.0.0/8",    vec!["*.10"]),
        ("192.0.2.9/24",  vec!["*.2.0.192"]),
        ("192.0.2.0/31",  vec!["0.2.0.192", "1.2.0.192"]),
        ("192.0.0.0/22",  vec!["*.0.0.192", "*.1.0.192", "*.2.0.192", "*.3.0.192"]),
        ("2001:db8::/32", vec!["*.8.b.d.0.1.0.0.2"]),
        ("2001:db8::/31", vec!["*.8.b.d.0.1.0.0.2", "*.9.b.d.0.1.0.0.2"]),
        ("0.0.0.0/0",     vec!["*"]),
    ];
    for (net, names) in table {
        let listed = nets(&[net]);
        let text = Bind(list(&listed, "x")).to_string();
        let found: Vec<_> = text
            .lines()
            .skip(9)
            .filter_map(|line| line.strip_suffix(" A 127.0.0.2"))
            .collect();
        assert_eq!(found, names, "{net}");
    }
}

#[test]
fn a_text_stays_one_short_string() {
    let long = format!("a\"b\\c\nd\u{e9}{}", "$".repeat(300));
    let text = Bind(list(&[], &long)).to_string();
    let line = text.lines().nth(6).unwrap();
    assert!(
        line.starts_with("2.0.0.127 TXT \"a\\\"b\\\\c?d?127.0.0.2127.0.0.2"),
        "{line}"
    );
    assert!(line.len() < 300, "{}", line.len());
    let text = Rbldnsd(list(&[], &long)).to_string();
    assert!(text.lines().all(|line| line.len() < 230), "{text}");
}
