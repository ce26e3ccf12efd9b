use policy::{Finding, Question};

use super::{Bench, Who, sender, text};

/// Zone, client, sender, and what SPF says: the finding, the domain, and what it is grouped under.
async fn says(zone: &str, who: Who<'_>) -> String {
    let bench = Bench::new(zone);
    let facts = bench.ask(Question::Spf, who).await;
    text(&facts.spf, |spf| {
        let finding = match spf.finding {
            Finding::Pass => "pass",
            Finding::Fail => "fail",
            Finding::Neutral => "neutral",
        };
        let pool = spf.pool.as_ref().map(ToString::to_string);
        format!(
            "{finding} {} {}",
            spf.domain,
            pool.as_deref().unwrap_or("-")
        )
    })
}

async fn table(rows: &[(&str, &str, &str)]) {
    for &(zone, client, expected) in rows {
        let said = says(zone, sender(client, "anna@A.example")).await;
        assert_eq!(said, expected, "for {client} in\n{zone}");
    }
}

#[tokio::test]
async fn a_record_says_who_may() {
    table(&[
        (
            "a.example TXT v=spf1 ip4:192.0.2.0/24 -all",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 ip4:192.0.2.0/24 -all",
            "198.51.100.1",
            "fail a.example -",
        ),
        (
            "a.example TXT v=spf1 ip4:192.0.2.0/24 ~all",
            "198.51.100.1",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 ip4:192.0.2.0/24",
            "198.51.100.1",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 ip6:2001:db8:1::/48 -all",
            "2001:db8:1::1",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 a -all\na.example A 192.0.2.7",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 mx/28 -all\na.example MX 10 m.a.example\nm.a.example A 192.0.2.1",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 redirect=b.example\nb.example TXT v=spf1 ip4:192.0.2.7 -all",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        ("a.example A 192.0.2.7", "192.0.2.7", "neutral a.example -"),
        ("b.example A 192.0.2.7", "192.0.2.7", "neutral a.example -"),
        (
            "a.example TXT v=spf10 -all",
            "192.0.2.7",
            "neutral a.example -",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_pass_that_lets_in_too_many_groups_nobody() {
    table(&[
        (
            "a.example TXT v=spf1 +all",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 ip4:192.0.0.0/16 -all",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 ip4:192.0.0.0/15 -all",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 ip6:2001:db8::/32 -all",
            "2001:db8::1",
            "pass a.example spf:a.example",
        ),
        (
            "a.example TXT v=spf1 ip6:2001:db8::/31 -all",
            "2001:db8::1",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 a/8 -all\na.example A 192.99.0.1",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 include:b.example -all\nb.example TXT v=spf1 all",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 redirect=b.example\nb.example TXT v=spf1 all",
            "192.0.2.7",
            "pass a.example -",
        ),
        // Whoever runs the zone answers yes to every address.
        (
            "a.example TXT v=spf1 exists:%{ir}.x.example -all\n7.2.0.192.x.example A 127.0.0.2",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 include:%{i}.x.example -all\n192.0.2.7.x.example TXT v=spf1 ip4:192.0.2.7",
            "192.0.2.7",
            "pass a.example -",
        ),
        (
            "a.example TXT v=spf1 a:%{l}.x.example -all\nanna.x.example A 192.0.2.7",
            "192.0.2.7",
            "pass a.example -",
        ),
        // A name that the domain itself makes up is as good as written out.
        (
            "a.example TXT v=spf1 include:_spf.%{d} -all\n_spf.a.example TXT v=spf1 ip4:192.0.2.7",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        // Behind one that was made from the client's address, and not matched.
        (
            "a.example TXT v=spf1 include:%{i}.x.example ip4:192.0.2.7 -all\n192.0.2.7.x.example TXT v=spf1 -all",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
    ])
    .await;
}

#[tokio::test]
async fn includes_and_errors() {
    let deep: String = (0..12)
        .map(|n| format!("n{n}.example TXT v=spf1 include:n{}.example\n", n + 1))
        .collect();
    let long = format!(
        "a.example TXT v=spf1 {} -all",
        "ip4:10.0.0.0/16 ".repeat(300)
    );
    table(&[
        (
            "a.example TXT v=spf1 include:b.example -all\nb.example TXT v=spf1 include:c.example -all\nc.example TXT v=spf1 ip4:192.0.2.0/24 -all",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
        // The outermost word counts.
        (
            "a.example TXT v=spf1 ?include:b.example -all\nb.example TXT v=spf1 include:c.example -all\nc.example TXT v=spf1 ip4:192.0.2.0/24 -all",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 include:b.example -all\nb.example TXT v=spf1 -all",
            "192.0.2.7",
            "fail a.example -",
        ),
        // permerror: no record there, two records, in a circle, too deep, too long, void three times, nonsense.
        (
            "a.example TXT v=spf1 include:b.example -all",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 -all\na.example TXT v=spf1 +all",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 redirect=a.example",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            &format!("a.example TXT v=spf1 include:n0.example -all\n{deep}"),
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 a:x.example a:y.example a:z.example -all",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (
            "a.example TXT v=spf1 ip4:1.2.3 -all",
            "192.0.2.7",
            "neutral a.example -",
        ),
        (&long, "192.0.2.7", "neutral a.example -"),
        // temperror
        ("a.example SERVFAIL", "192.0.2.7", "failed, 5 s"),
        (
            "a.example TXT v=spf1 include:b.example -all\nb.example SERVFAIL",
            "192.0.2.7",
            "failed, 5 s",
        ),
        (
            "a.example TXT v=spf1 a:b.example -all\nb.example SERVFAIL",
            "192.0.2.7",
            "failed, 5 s",
        ),
        // It passes before it comes to the dead one.
        (
            "a.example TXT v=spf1 ip4:192.0.2.7 include:b.example -all\nb.example SERVFAIL",
            "192.0.2.7",
            "pass a.example spf:a.example",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_confirmed_name_passes() {
    let zone = "a.example TXT v=spf1 ptr -all\n7.2.0.192.in-addr.arpa PTR mail.a.example\nmail.a.example A 192.0.2.7\n8.2.0.192.in-addr.arpa PTR mail.a.example\n9.2.0.192.in-addr.arpa SERVFAIL";
    table(&[
        (zone, "192.0.2.7", "pass a.example spf:a.example"),
        (zone, "192.0.2.8", "fail a.example -"),
        (zone, "192.0.2.9", "fail a.example -"),
    ])
    .await;
}

/// RFC 7208 §2.4.
#[tokio::test]
async fn the_null_sender_is_asked_for_by_its_helo_name() {
    let zone = "mx.a.example TXT v=spf1 a -all\nmx.a.example A 192.0.2.7";
    for (client, helo, expected) in [
        (
            "192.0.2.7",
            "MX.a.example",
            "pass mx.a.example spf:mx.a.example",
        ),
        ("192.0.2.8", "mx.a.example", "fail mx.a.example -"),
        ("192.0.2.8", "[192.0.2.8]", "neutral [192.0.2.8] -"),
        ("192.0.2.8", "localhost", "neutral localhost -"),
        ("192.0.2.8", "", "neutral  -"),
    ] {
        let who = Who {
            client,
            helo,
            ..Who::default()
        };
        assert_eq!(says(zone, who).await, expected, "for {client} as {helo}");
    }
}

#[tokio::test]
async fn a_domain_in_other_letters_is_asked_for_by_its_a_labels() {
    let zone = "xn--bcher-kva.example TXT v=spf1 ip4:192.0.2.7 -all";
    assert_eq!(
        says(zone, sender("192.0.2.7", "anna@bücher.example")).await,
        "pass xn--bcher-kva.example spf:xn--bcher-kva.example"
    );
}

/// Whatever the DNS and the peer come up with: an answer.
#[tokio::test]
async fn nonsense_is_answered() {
    let long = "x".repeat(300);
    for record in [
        "v=spf1 %{",
        "v=spf1 exists:%{i99999999999r-+,/_=}.%{p}.%{h}%%%_%-",
        "v=spf1 a:%{s}%{o}%{v}%{c}%{r}%{t} redirect=%{l}",
        "v=spf1 ip4:999.999.999.999/99 ip6::::/999",
        "v=spf1 a:/ mx:// include: redirect= exists:",
        "v=spf1 a:..%{d}.. mx/64//200 ptr:%{p}",
        "v=spf1 \u{0}\u{1}\u{7f}",
        &format!("v=spf1 a:{long}.example exists:{long}"),
    ] {
        let bench = Bench::new(&format!("a.example TXT {record}"));
        for from in [
            "a@a.example",
            "@a.example",
            &format!("{long}@a.example"),
            "a@",
            "@",
            "\u{0}@\u{0}",
        ] {
            let facts = bench.ask(Question::Spf, sender("192.0.2.7", from)).await;
            assert!(facts.spf.known().is_some(), "{record:?} for {from:?}");
        }
    }
}
