use policy::{Finding, Question};

use super::signed::{KEY, MAIL, signed};
use super::{Bench, Who, text};

async fn says(zone: &str, sender: &str, mail: &str) -> String {
    let bench = Bench::new(zone);
    let who = Who {
        client: "192.0.2.1",
        helo: "mx.b.example",
        sender,
        content: Some(mail),
        ..Who::default()
    };
    let facts = bench.ask(Question::Dmarc, who).await;
    text(&facts.dmarc, |finding| {
        match finding {
            Finding::Pass => "pass",
            Finding::Fail => "fail",
            Finding::Neutral => "neutral",
        }
        .to_owned()
    })
}

#[tokio::test]
async fn the_authors_domain_stands_behind_it_or_not() {
    let reject = format!("_dmarc.a.example TXT v=DMARC1; p=reject\n{KEY}\na.example A 192.0.2.9");
    let lenient = format!("_dmarc.a.example TXT v=DMARC1; p=quarantine\n{KEY}");
    let by_spf = format!("{reject}\na.example TXT v=spf1 ip4:192.0.2.1 -all");
    let good = signed(MAIL);
    let changed = good.replace("hello\r\n", "good bye\r\n");
    for (what, zone, sender, mail, expected) in [
        ("signed", &reject, "x@list.example", &*good, "pass"),
        (
            "signed, then changed",
            &reject,
            "x@list.example",
            &*changed,
            "fail",
        ),
        ("not signed", &reject, "x@list.example", MAIL, "fail"),
        ("not signed, SPF", &by_spf, "anna@a.example", MAIL, "pass"),
        ("SPF of another", &by_spf, "x@list.example", MAIL, "fail"),
        ("lenient", &lenient, "x@list.example", MAIL, "neutral"),
        (
            "no policy",
            &KEY.to_owned(),
            "x@list.example",
            MAIL,
            "neutral",
        ),
        (
            "policy has no answer",
            &"_dmarc.a.example SERVFAIL".to_owned(),
            "x@list.example",
            MAIL,
            "failed, 5 s",
        ),
        (
            "key has no answer",
            &"_dmarc.a.example TXT v=DMARC1; p=reject\n_domainkey.a.example SERVFAIL".to_owned(),
            "x@list.example",
            &*good,
            "failed, 5 s",
        ),
        (
            "key has no answer, nobody cares",
            &"_dmarc.a.example TXT v=DMARC1; p=none\n_domainkey.a.example SERVFAIL".to_owned(),
            "x@list.example",
            &*good,
            "neutral",
        ),
        (
            "no author",
            &reject,
            "x@list.example",
            "To: b@b.example\r\n\r\nx\r\n",
            "neutral",
        ),
        ("no mail", &reject, "x@list.example", "", "neutral"),
        (
            "no fields",
            &reject,
            "x@list.example",
            "\r\n\r\n\u{0}",
            "neutral",
        ),
    ] {
        assert_eq!(says(zone, sender, mail).await, expected, "{what}");
    }
}

/// Each signature costs a look-up.
#[tokio::test]
async fn a_mail_with_a_thousand_signatures_costs_a_few_look_ups() {
    let line = "DKIM-Signature: v=1; a=ed25519-sha256; d=dN.example; s=s; h=from; c=relaxed/relaxed; bh=x; b=y\r\n";
    let many: String = (0..1000)
        .map(|n| line.replace('N', &n.to_string()))
        .collect();
    let bench = Bench::new("_dmarc.a.example TXT v=DMARC1; p=reject");
    let mail = format!("{many}{MAIL}");
    let who = Who {
        client: "192.0.2.1",
        sender: "x@list.example",
        content: Some(&mail),
        ..Who::default()
    };
    let facts = bench.ask(Question::Dmarc, who).await;
    assert_eq!(facts.dmarc.known(), Some(&Finding::Fail));
    assert!(bench.server.asked().len() < 30);
}
