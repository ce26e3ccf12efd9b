use policy::Question;

use super::{Bench, sender, text};

#[tokio::test]
async fn a_sender_domain_takes_mail_or_not() {
    let zone = "\
        mx.example MX 10 m.example
        null.example MX 0 .
        four.example A 192.0.2.1
        six.example AAAA 2001:db8::1
        text.example TXT hello
        dead.example SERVFAIL
        xn--bcher-kva.example A 192.0.2.1";
    for (address, expected) in [
        ("", "yes"),
        ("a@mx.example", "yes"),
        ("a@MX.Example.", "yes"),
        ("a@null.example", "no"),
        ("a@four.example", "yes"),
        ("a@six.example", "yes"),
        ("a@text.example", "no"),
        ("a@not.example", "no"),
        ("a@dead.example", "failed, 5 s"),
        ("a@bücher.example", "yes"),
        ("a@[192.0.2.1]", "yes"),
        ("root", "no"),
        ("a@a..b", "no"),
        ("a@", "no"),
    ] {
        let bench = Bench::new(zone);
        let facts = bench
            .ask(Question::SenderDomain, sender("192.0.2.9", address))
            .await;
        let said = text(&facts.sender_domain, |&takes| {
            if takes { "yes" } else { "no" }.to_owned()
        });
        assert_eq!(said, expected, "{address}");
    }
}
