use policy::Question;

use super::{Bench, client, text};
use crate::config::checks::Blocklist;

fn list(zone: &str, score: u32, answers: &[&str], must_answer: bool) -> Blocklist {
    Blocklist {
        zone: zone.to_owned(),
        score,
        answers: serde_json::from_value(serde_json::json!(answers)).unwrap(),
        must_answer,
    }
}

const ZONE: &str = "\
    1.2.0.192.bl.example A 127.0.0.2
    1.2.0.192.policy.example A 127.0.0.11
    2.2.0.192.policy.example A 127.0.0.4
    3.2.0.192.bl.example A 203.0.113.80
    4.2.0.192.bl.example A 127.255.255.254
    5.2.0.192.bl.example A 127.0.0.2
    5.2.0.192.good.example A 127.0.5.1
    6.2.0.192.good.example A 127.0.0.255
    1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example A 127.0.0.3";

fn bench(zone: &str) -> Bench {
    let mut bench = Bench::new(zone);
    bench.settings.allowlists = vec!["good.example".to_owned()];
    bench.settings.blocklists = vec![
        list("bl.example", 10, &[], false),
        list("policy.example", 3, &["127.0.0.4", "127.0.0.10/31"], false),
    ];
    bench
}

async fn says(bench: &Bench, address: &str) -> String {
    let facts = bench.ask(Question::Lists, client(address)).await;
    text(&facts.lists, |found| {
        let allowed = if found.allowed { ", allowed" } else { "" };
        format!("{} {:?}{allowed}", found.score, found.zones)
    })
}

#[tokio::test]
async fn scores_add_up() {
    for (address, expected) in [
        ("192.0.2.1", r#"13 ["bl.example", "policy.example"]"#),
        ("192.0.2.2", r#"3 ["policy.example"]"#),
        // The list's domain was sold; the list refuses to serve us; the client is on nothing.
        ("192.0.2.3", "0 []"),
        ("192.0.2.4", "0 []"),
        ("192.0.2.9", "0 []"),
        ("192.0.2.5", r#"10 ["bl.example"], allowed"#),
        ("192.0.2.6", "0 []"),
        ("2001:db8::1", r#"10 ["bl.example"]"#),
        ("::ffff:192.0.2.2", r#"3 ["policy.example"]"#),
    ] {
        assert_eq!(says(&bench(ZONE), address).await, expected, "{address}");
    }
}

#[tokio::test]
async fn only_answers_that_count_do() {
    let mut bench = bench(ZONE);
    bench.settings.blocklists = vec![list("policy.example", 3, &["127.0.0.4/31"], false)];
    assert_eq!(says(&bench, "192.0.2.1").await, "0 []");
    assert_eq!(says(&bench, "192.0.2.2").await, r#"3 ["policy.example"]"#);
}

/// A list that was given up must not stop all mail, unless the administrator says so, and unless it could refuse.
#[tokio::test]
async fn a_dead_list_is_passed_over_unless_it_must_answer() {
    let zone = format!("dead.example SERVFAIL\n{ZONE}");
    for (must_answer, score, address, expected) in [
        (false, 10, "192.0.2.9", "0 []"),
        (true, 10, "192.0.2.9", "failed, 5 s"),
        // It could not refuse the client alone, but together with the other.
        (true, 7, "192.0.2.9", "0 []"),
        (true, 7, "192.0.2.2", "failed, 5 s"),
        // Refused already; allowed anyway.
        (
            true,
            7,
            "192.0.2.1",
            r#"13 ["bl.example", "policy.example"]"#,
        ),
        (true, 10, "192.0.2.5", r#"10 ["bl.example"], allowed"#),
    ] {
        let mut bench = bench(&zone);
        let dead = list("dead.example", score, &[], must_answer);
        bench.settings.blocklists.push(dead);
        let said = says(&bench, address).await;
        assert_eq!(said, expected, "{address}, {score}, {must_answer}");
    }
}

#[tokio::test]
async fn a_list_that_does_not_serve_us_is_left_alone_for_a_while() {
    let bench = bench(ZONE);
    says(&bench, "192.0.2.4").await;
    bench.server.asked();
    says(&bench, "192.0.2.1").await;
    let asked = bench.server.asked();
    assert!(
        asked.iter().all(|name| !name.contains("bl.example")),
        "{asked:?}"
    );
    // So long its answer holds, which is longer than the first back-off.
    bench.pass(59);
    assert_eq!(says(&bench, "192.0.2.1").await, r#"3 ["policy.example"]"#);
    bench.pass(1);
    assert_eq!(
        says(&bench, "192.0.2.1").await,
        r#"13 ["bl.example", "policy.example"]"#
    );
}

#[tokio::test]
async fn mail_that_waits_for_such_a_list_is_told_how_long_its_answer_holds() {
    let mut bench = bench(ZONE);
    bench.settings.blocklists = vec![list("bl.example", 10, &[], true)];
    assert_eq!(says(&bench, "192.0.2.4").await, "failed, 60 s");
    bench.pass(20);
    assert_eq!(says(&bench, "192.0.2.9").await, "failed, 40 s");
}
