use policy::Question;

use super::{Bench, ClientNames, Who, client, text};

async fn says(bench: &Bench, who: Who<'_>) -> String {
    let facts = bench.ask(Question::Reverse, who).await;
    text(&facts.reverse, |reverse| {
        let name = reverse.name.as_deref().unwrap_or("none");
        if reverse.confirmed {
            format!("{name}, confirmed")
        } else {
            name.to_owned()
        }
    })
}

const ZONE: &str = "\
    1.2.0.192.in-addr.arpa PTR MX.a.example
    mx.a.example A 192.0.2.1
    mx.a.example A 192.0.2.3
    2.2.0.192.in-addr.arpa PTR mail.google.example
    mail.google.example A 198.51.100.1
    3.2.0.192.in-addr.arpa PTR other.example
    3.2.0.192.in-addr.arpa PTR mx.a.example
    4.2.0.192.in-addr.arpa PTR broken.example
    broken.example SERVFAIL
    5.2.0.192.in-addr.arpa PTR broken.example
    5.2.0.192.in-addr.arpa PTR five.example
    five.example A 192.0.2.5
    100.51.198.in-addr.arpa SERVFAIL
    1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example
    six.example AAAA 2001:db8::1";

#[tokio::test]
async fn a_name_counts_when_it_leads_back() {
    for (address, expected) in [
        ("192.0.2.1", "mx.a.example, confirmed"),
        ("::ffff:192.0.2.1", "mx.a.example, confirmed"),
        // It says that it is somebody else.
        ("192.0.2.2", "mail.google.example"),
        ("192.0.2.3", "mx.a.example, confirmed"),
        ("192.0.2.4", "failed, 5 s"),
        ("192.0.2.5", "five.example, confirmed"),
        ("192.0.2.6", "none"),
        ("198.51.100.1", "failed, 5 s"),
        ("2001:db8::1", "six.example, confirmed"),
        ("2001:db8::2", "none"),
    ] {
        let bench = Bench::new(ZONE);
        assert_eq!(says(&bench, client(address)).await, expected, "{address}");
    }
}

#[tokio::test]
async fn what_the_door_knows_is_not_asked_for_again() {
    let bench = Bench::new(ZONE);
    let of = |confirmed, reverse| Who {
        names: Some(ClientNames { confirmed, reverse }),
        ..client("192.0.2.1")
    };
    assert_eq!(
        says(&bench, of("Mail.B.example", "mail.b.example")).await,
        "mail.b.example, confirmed"
    );
    assert_eq!(
        says(&bench, of("unknown", "mail.b.example")).await,
        "mail.b.example"
    );
    assert_eq!(bench.server.asked(), [""; 0]);
    let private = Who {
        client: "10.0.0.1",
        ..of("pc.lan", "pc.lan")
    };
    assert_eq!(says(&bench, private).await, "pc.lan, confirmed");
    assert_eq!(bench.server.asked(), [""; 0]);
    // Postfix says so also when it had no answer.
    assert_eq!(
        says(&bench, of("unknown", "unknown")).await,
        "mx.a.example, confirmed"
    );
    assert_ne!(bench.server.asked(), [""; 0]);
}

#[tokio::test]
async fn an_address_with_a_hundred_names_costs_a_few_questions() {
    let zone: String = (0..20)
        .map(|n| format!("1.2.0.192.in-addr.arpa PTR n{n}.example\n"))
        .collect();
    let bench = Bench::new(&zone);
    assert!(
        says(&bench, client("192.0.2.1"))
            .await
            .ends_with(".example")
    );
    let asked = bench.server.asked();
    let names: std::collections::BTreeSet<_> = asked.iter().collect();
    assert_eq!(
        names.len(),
        1 + super::super::reverse::NAMES_MAX,
        "{asked:?}"
    );
}
