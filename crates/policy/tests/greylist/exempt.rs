//! Who is not judged.

use policy::greylist::exempt::AddressList;
use policy::greylist::{Circumstances, Exemptions, Visit, exemption};

fn list(entries: &str) -> AddressList {
    entries.split_whitespace().collect()
}

fn configured() -> Exemptions {
    let nets = |text: &str| {
        text.split_whitespace()
            .map(|net| net.parse().expect("a network"))
            .collect()
    };
    Exemptions {
        relay: nets("10.0.0.0/8 fd00::/8"),
        networks: nets("198.51.100.0/25 2001:db8::/32"),
        domains: list("Partner.example .big.example bücher.example"),
        recipients: list("Abuse@y.example @spamtrap.example"),
        ..Exemptions::default()
    }
}

fn check(exemptions: &Exemptions, cases: &str) {
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (visit, expected) = line.split_once("->").expect("a verdict");
        let words: Vec<_> = visit.split_whitespace().collect();
        let authenticated = words.get(3) == Some(&"auth");
        let visit = Visit {
            client: words[0].parse().expect("an address"),
            sender: words[1].trim_matches(['<', '>']),
            recipient: words[2],
        };
        let reason = exemption(exemptions, &visit, Circumstances { authenticated });
        let reason = reason.map_or("judged".to_owned(), |reason| reason.to_string());
        assert_eq!(reason, expected.trim(), "{line}");
    }
}

#[test]
fn by_default_those_who_cannot_or_need_not_come_back() {
    check(
        &Exemptions::default(),
        "
        192.0.2.7 a@x.example b@y.example          -> judged
        192.0.2.7 <>          b@y.example          -> null sender
        192.0.2.7 a@x.example postmaster           -> postmaster
        192.0.2.7 a@x.example PostMaster@y.example -> postmaster
        192.0.2.7 a@x.example \"PostMaster\"@y.example -> postmaster
        192.0.2.7 a@x.example \"post\\master\"@y.example -> postmaster
        192.0.2.7 a@x.example \"post.master\"@y.example -> judged
        192.0.2.7 a@x.example \"postmaster@y\"@z.example -> judged
        192.0.2.7 a@x.example postmaster2@y        -> judged
        192.0.2.7 postmaster@x.example b@y.example -> judged
        192.0.2.7 a@x.example b@y.example auth     -> authenticated
        ",
    );
}

#[test]
fn by_configuration_networks_domains_and_recipients() {
    check(
        &configured(),
        "
        10.1.2.3          a@x.example         b@y.example        -> relay network 10.0.0.0/8
        ::ffff:10.1.2.3   a@x.example         b@y.example        -> relay network 10.0.0.0/8
        fd12::1           a@x.example         b@y.example        -> relay network fd00::/8
        198.51.100.127    a@x.example         b@y.example        -> network 198.51.100.0/25
        198.51.100.128    a@x.example         b@y.example        -> judged
        2001:db8:9::1     a@x.example         b@y.example        -> network 2001:db8::/32
        192.0.2.7         a@partner.EXAMPLE   b@y.example        -> sender domain partner.example
        192.0.2.7         a@sub.partner.example b@y.example      -> judged
        192.0.2.7         a@notpartner.example b@y.example       -> judged
        192.0.2.7         a@deep.mx.big.example b@y.example      -> sender domain .big.example
        192.0.2.7         a@big.example       b@y.example        -> judged
        192.0.2.7         a@verybig.example   b@y.example        -> judged
        192.0.2.7         a@BÜCHER.example    b@y.example        -> sender domain xn--bcher-kva.example
        192.0.2.7         a@x.example         aBuse@Y.example    -> recipient abuse@y.example
        192.0.2.7         a@x.example         \"abuse\"@y.example  -> recipient abuse@y.example
        192.0.2.7         a@x.example         abuse@z.example    -> judged
        192.0.2.7         a@x.example         any@spamtrap.example -> recipient spamtrap.example
        192.0.2.7         a@partner.example@x.example b@y.example -> judged
        192.0.2.7         partner.example     b@y.example        -> sender domain partner.example
        ",
    );
}

#[test]
fn each_default_can_be_switched_off() {
    let strict = Exemptions {
        null_sender: false,
        postmaster: false,
        authenticated: false,
        ..Exemptions::default()
    };
    check(
        &strict,
        "
        192.0.2.7 <>          b@y.example       -> judged
        192.0.2.7 a@x.example postmaster        -> judged
        192.0.2.7 a@x.example b@y.example auth  -> judged
        ",
    );
}

/// Hosts are looked for by their names.
#[test]
fn a_hosts_name_lies_below_its_domain() {
    let names = list(".example.org mx.example.net");
    for (name, expected) in [
        ("mail.example.org", Some(".example.org")),
        ("A.b.Example.org", Some(".example.org")),
        ("mx.example.net", Some("mx.example.net")),
        ("example.org", None),
        ("badexample.org", None),
        ("a.mx.example.net", None),
        ("", None),
    ] {
        assert_eq!(names.entry(name), expected, "{name}");
    }
}
