use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use policy::{Finding, Question};

use super::{Bench, Who, text};

/// Key pair of RFC 8463 §A.2.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

const KEY: &str =
    "s._domainkey.a.example TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const MAIL: &str =
    "From: Anna <anna@a.example>\r\nTo: bob@b.example\r\nSubject: hello\r\n\r\nhello\r\n";

fn signed(mail: &str) -> String {
    let key = Ed25519Key::from_seed_and_public_key(&SEED, &PUBLIC).unwrap();
    let signature = DkimSigner::from_key(key)
        .domain("a.example")
        .selector("s")
        .headers(["From", "To", "Subject"])
        .sign(mail.as_bytes())
        .unwrap();
    format!("{}{mail}", signature.to_header())
}

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
