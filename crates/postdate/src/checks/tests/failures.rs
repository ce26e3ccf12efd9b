use std::time::Duration;

use delivery::Dns;
use policy::{Facts, Question};

use super::name_server::NameServer;
use super::{Bench, sender, text};

async fn says(bench: &Bench) -> String {
    let facts = bench
        .ask(Question::SenderDomain, sender("192.0.2.1", "a@a.example"))
        .await;
    text(&facts.sender_domain, |takes| takes.to_string())
}

/// The wait that is told ends when the zone is asked again, and not before.
#[tokio::test]
async fn a_failing_zone_is_asked_when_it_was_said_it_would_be() {
    let bench = Bench::new("a.example SERVFAIL");
    let mut log = Vec::new();
    for pass in [0, 1, 3, 1, 4, 6, 19, 1] {
        bench.pass(pass);
        let said = says(&bench).await;
        let asked = if bench.server.asked().is_empty() {
            "silence"
        } else {
            "asked"
        };
        log.push(format!("+{pass} s: {said} ({asked})"));
    }
    assert_eq!(
        log,
        [
            "+0 s: failed, 5 s (asked)",
            "+1 s: failed, 4 s (silence)",
            "+3 s: failed, 1 s (silence)",
            "+1 s: failed, 10 s (asked)",
            "+4 s: failed, 6 s (silence)",
            "+6 s: failed, 20 s (asked)",
            "+19 s: failed, 1 s (silence)",
            "+1 s: failed, 40 s (asked)",
        ]
    );
    bench.server.change("a.example A 192.0.2.1");
    bench.pass(39);
    assert_eq!(says(&bench).await, "failed, 1 s");
    bench.pass(1);
    assert_eq!(says(&bench).await, "true");
    assert_eq!(says(&bench).await, "true");
}

#[tokio::test]
async fn silence_and_garbage_end_at_the_time_limit() {
    for zone in ["a.example SILENCE", "a.example GARBAGE"] {
        let mut bench = Bench::new(zone);
        bench.settings.time_limit = Duration::from_millis(300);
        let began = tokio::time::Instant::now();
        assert_eq!(says(&bench).await, "failed, 5 s", "{zone}");
        assert!(began.elapsed() < Duration::from_secs(4), "{zone}");
        bench.server.asked();
        bench.pass(2);
        let began = tokio::time::Instant::now();
        assert_eq!(says(&bench).await, "failed, 3 s", "{zone}");
        assert!(began.elapsed() < Duration::from_millis(250), "{zone}");
        assert_eq!(bench.server.asked(), [""; 0], "{zone}");
    }
}

/// One dead zone does not hide what others say.
#[tokio::test]
async fn all_questions_share_one_time_limit() {
    let mut bench = Bench::new(
        "a.example SILENCE\n1.2.0.192.in-addr.arpa PTR m.example\nm.example A 192.0.2.1",
    );
    bench.settings.time_limit = Duration::from_millis(300);
    let who = sender("192.0.2.1", "a@a.example");
    let mut facts = Facts::default();
    let began = tokio::time::Instant::now();
    for question in [Question::SenderDomain, Question::Reverse, Question::Spf] {
        bench.ask_into(&mut facts, question, who).await;
    }
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(text(&facts.sender_domain, bool::to_string), "failed, 5 s");
    assert_eq!(text(&facts.spf, |_| String::new()), "failed, 5 s");
    assert!(facts.reverse.known().unwrap().confirmed);
}

/// A session that stays must not be told forever what failed once.
#[tokio::test]
async fn what_failed_is_asked_again_and_what_is_known_is_not() {
    let bench = Bench::new("a.example SERVFAIL");
    let who = sender("192.0.2.1", "a@a.example");
    let mut facts = Facts::default();
    let say = |facts: &Facts| text(&facts.sender_domain, bool::to_string);
    bench
        .ask_into(&mut facts, Question::SenderDomain, who)
        .await;
    assert_eq!(say(&facts), "failed, 5 s");
    bench.server.change("a.example A 192.0.2.1");
    bench.pass(5);
    bench
        .ask_into(&mut facts, Question::SenderDomain, who)
        .await;
    assert_eq!(say(&facts), "true");
    bench.server.asked();
    bench
        .ask_into(&mut facts, Question::SenderDomain, who)
        .await;
    assert_eq!(bench.server.asked(), [""; 0]);
}

#[tokio::test]
async fn other_name_servers_are_asked_from_a_reload_on() {
    let bench = Bench::new("");
    assert_eq!(says(&bench).await, "false");
    let other = NameServer::start("a.example A 192.0.2.1");
    bench
        .names
        .set(Dns::with_servers(&[other.address]).unwrap());
    assert_eq!(says(&bench).await, "true");
}

/// A dead kind of record must not look well because another kind works.
#[tokio::test]
async fn the_back_off_grows_though_another_kind_is_answered() {
    let bench = Bench::new("a.example A 192.0.2.1\na.example TXT v=spf1 a -all");
    let who = sender("192.0.2.1", "a@a.example");
    let spf = async || {
        let facts = bench.ask(Question::Spf, who).await;
        text(&facts.spf, |_| "known".to_owned())
    };
    bench
        .server
        .change("a.example SERVFAIL TXT\na.example A 192.0.2.1");
    assert_eq!(spf().await, "failed, 5 s");
    assert_eq!(says(&bench).await, "true");
    bench.pass(5);
    assert_eq!(spf().await, "failed, 10 s");
}
