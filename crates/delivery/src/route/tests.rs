use queue::Destination;

use super::fake::Zone;
use super::*;

fn route_at(zone: &'static str, destination: &Destination, port: u16, seed: u64) -> String {
    let asker = Asker {
        names: ["out.example", "me.example"],
        port,
        seed,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(route(&Zone(zone), destination, asker));
    match found {
        Ok(hosts) => hosts
            .iter()
            .map(Host::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("{} {}", error.status, error.text),
    }
}

fn check(zone: &'static str, domain: &str, expected: &str) {
    assert_eq!(
        route_at(zone, &Destination::Mx(domain.to_owned()), 25, 1),
        expected,
        "{domain}"
    );
}

#[test]
fn exchanges_in_the_order_of_their_preference() {
    let zone =
        "b.example MX 20 two.example.\nb.example MX 10 one.example.\nb.example MX 30 gone.example.
        two.example A 192.0.2.2\none.example A 2001:db8::1\none.example A 192.0.2.1";
    check(
        zone,
        "b.example",
        "one.example[192.0.2.1]:25 one.example[2001:db8::1]:25 two.example[192.0.2.2]:25",
    );
    check(
        zone,
        "B.Example.",
        "one.example[192.0.2.1]:25 one.example[2001:db8::1]:25 two.example[192.0.2.2]:25",
    );
    check(zone, "two.example", "two.example[192.0.2.2]:25");
}

#[test]
fn equal_exchanges_are_shuffled_by_the_seed() {
    let zone =
        "b.example MX 10 one.example.\nb.example MX 10 two.example.\nb.example MX 5 best.example.
        one.example A 192.0.2.1\ntwo.example A 192.0.2.2\nbest.example A 192.0.2.3";
    let to = Destination::Mx("b.example".to_owned());
    let orders: std::collections::BTreeSet<_> =
        (0..20).map(|seed| route_at(zone, &to, 25, seed)).collect();
    assert_eq!(orders.len(), 2);
    assert!(
        orders
            .iter()
            .all(|order| order.starts_with("best.example["))
    );
    assert_eq!(route_at(zone, &to, 25, 7), route_at(zone, &to, 25, 7));
}

#[test]
fn domains_without_a_way() {
    let zone = "null.example MX 0 .\nbroken.example MX SERVFAIL\nbare.example TXT x
        noaddr.example MX 10 mx.noaddr.example.\nmx.noaddr.example TXT x
        half.example MX 10 mx.half.example.\nhalf.example MX 5 mx.noaddr.example.\nmx.half.example A SERVFAIL
        mixed.example MX 0 .\nmixed.example MX 10 a.example.\na.example A 192.0.2.1";
    let not_found = "Host or domain name not found. Name service error for name=";
    check(
        zone,
        "null.example",
        "5.1.10 Domain null.example does not accept mail (nullMX)",
    );
    check(
        zone,
        "broken.example",
        &format!("4.4.3 {not_found}broken.example: SERVFAIL"),
    );
    check(
        zone,
        "no.example",
        &format!("5.1.2 {not_found}no.example: Host not found"),
    );
    check(
        zone,
        "bare.example",
        &format!("5.1.2 {not_found}bare.example: Host not found"),
    );
    check(
        zone,
        "noaddr.example",
        "5.4.4 unable to find an address of any mail exchanger of noaddr.example",
    );
    check(
        zone,
        "half.example",
        &format!("4.4.3 {not_found}mx.half.example.: SERVFAIL"),
    );
    check(zone, "mixed.example", "a.example[192.0.2.1]:25");
}

#[test]
fn mail_does_not_come_back_to_us() {
    let zone = "b.example MX 10 one.example.\nb.example MX 20 ME.example.\nb.example MX 20 same.example.
        b.example MX 30 three.example.\none.example A 192.0.2.1\nsame.example A 192.0.2.2\nthree.example A 192.0.2.3
        ours.example MX 10 me.example.\nours.example MX 10 one.example.\nme.example A 192.0.2.9
        out.example MX 10 out.example.
        lo.example MX 10 localhost.example.\nlo.example MX 20 one.example.\nlocalhost.example A 127.0.0.1
        behind.example MX 10 one.example.\nbehind.example MX 20 localhost.example.\nself.example A ::1";
    check(zone, "b.example", "one.example[192.0.2.1]:25");
    check(
        zone,
        "ours.example",
        "5.4.6 mail for ours.example loops back to myself",
    );
    check(
        zone,
        "out.example",
        "5.4.6 mail for out.example loops back to myself",
    );
    check(
        zone,
        "me.example",
        "5.4.6 mail for me.example loops back to myself",
    );
    check(
        zone,
        "lo.example",
        "5.4.6 mail for lo.example loops back to myself",
    );
    check(zone, "behind.example", "one.example[192.0.2.1]:25");
    check(
        zone,
        "self.example",
        "5.4.6 mail for self.example loops back to myself",
    );
    check(
        zone,
        "[127.0.0.1]",
        "5.4.6 mail for [127.0.0.1] loops back to myself",
    );
    check(
        zone,
        "[IPv6:::ffff:127.0.0.1]",
        "5.4.6 mail for [IPv6:::ffff:127.0.0.1] loops back to myself",
    );
    // Another port than mail's own belongs to a test.
    let to = Destination::Mx("self.example".to_owned());
    assert_eq!(route_at(zone, &to, 2525, 1), "self.example[::1]:2525");
}

#[test]
fn address_literals() {
    check("", "[192.0.2.1]", "192.0.2.1[192.0.2.1]:25");
    check("", "[ipv6:2001:db8::1]", "2001:db8::1[2001:db8::1]:25");
    for bad in [
        "[2001:db8::1]",
        "[IPv6:192.0.2.1]",
        "[192.0.2.1",
        "[]",
        "[x]",
        "[192.0.2.256]",
    ] {
        check("", bad, &format!("5.1.3 bad address literal {bad}"));
    }
}

#[test]
fn international_domains_are_looked_up_as_a_labels() {
    let zone = "xn--bcher-kva.example A 192.0.2.1";
    check(
        zone,
        "bücher.example",
        "xn--bcher-kva.example[192.0.2.1]:25",
    );
    check(
        zone,
        "a\u{fffd}.example",
        "5.1.2 a\u{fffd}.example is no internationalized domain name",
    );
}

#[test]
fn relays_are_not_looked_up_by_mx() {
    let zone = "hop.example MX 10 other.example.\nhop.example A 192.0.2.7\nbad.example A SERVFAIL";
    let check = |host: &str, expected: &str| {
        let to = Destination::Relay {
            host: host.to_owned(),
            port: 587,
        };
        assert_eq!(route_at(zone, &to, 25, 1), expected);
    };
    check("hop.example", "hop.example[192.0.2.7]:587");
    check("127.0.0.1", "127.0.0.1[127.0.0.1]:587");
    check("[::1]", "::1[::1]:587");
    check("no.example", "4.4.4 next hop no.example: Host not found");
    check(
        "bad.example",
        "4.4.3 Host or domain name not found. Name service error for name=bad.example: SERVFAIL",
    );
}
