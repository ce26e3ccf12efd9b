//! Against a name server on loopback.

mod content;
mod dmarc;
mod failures;
mod lists;
#[path = "../../../tests/support/name_server.rs"]
pub(crate) mod name_server;
mod reverse;
mod sender_domain;
#[path = "../../../tests/support/signed.rs"]
mod signed;
mod spf;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use delivery::Dns;
use policy::{Event, Fact, Facts, Question, Stage};

use super::{Checks, ClientNames, Inquiry, Settings};
use crate::clock::Clock;
use crate::names::Names;
use name_server::NameServer;

/// Checks against a name server, with a clock that the test moves.
struct Bench {
    server: NameServer,
    names: Arc<Names>,
    checks: Arc<Checks>,
    secs: Arc<AtomicU64>,
    settings: Settings,
}

impl Bench {
    fn new(zone: &str) -> Self {
        let server = NameServer::start(zone);
        let names = Arc::new(Names::new(Dns::with_servers(&[server.address]).unwrap()));
        let secs = Arc::new(AtomicU64::new(1_800_000_000));
        let read = Arc::clone(&secs);
        let clock = Clock(Arc::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(read.load(Ordering::Relaxed))
        }));
        Self {
            server,
            checks: Arc::new(Checks::new(Arc::clone(&names), clock)),
            names,
            secs,
            settings: Settings::default(),
        }
    }

    fn pass(&self, secs: u64) {
        self.secs.fetch_add(secs, Ordering::Relaxed);
    }

    /// What one question brings to light, asked for the first time in a session.
    async fn ask(&self, question: Question, who: Who<'_>) -> Facts {
        let mut facts = Facts::default();
        self.ask_into(&mut facts, question, who).await;
        facts
    }

    async fn ask_into(&self, facts: &mut Facts, question: Question, who: Who<'_>) {
        let event = Event {
            stage: Stage::Recipient,
            client: who.client.parse().unwrap(),
            helo: who.helo,
            user: None,
            sender: who.sender,
            recipient: "r@here.example",
            size: 0,
        };
        let content = who.content.map(|text| {
            let mut reader = self.checks.reader();
            reader.write(text.as_bytes());
            reader.end()
        });
        let inquiry = Inquiry {
            event: &event,
            names: who.names,
            content: content.as_ref(),
        };
        self.checks
            .answer(facts, &[question], &inquiry, &self.settings)
            .await;
    }
}

#[derive(Clone, Copy, Default)]
struct Who<'a> {
    client: &'a str,
    helo: &'a str,
    sender: &'a str,
    names: Option<ClientNames<'a>>,
    content: Option<&'a str>,
}

fn client(client: &str) -> Who<'_> {
    Who {
        client,
        ..Who::default()
    }
}

fn sender<'a>(client: &'a str, sender: &'a str) -> Who<'a> {
    Who {
        client,
        sender,
        ..Who::default()
    }
}

/// `?`, an answer in words, or `failed, 5 s`.
fn text<T>(fact: &Fact<T>, say: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Unasked => "?".to_owned(),
        Fact::Known(answer) => say(answer),
        Fact::Failed { retry: Some(retry) } => format!("failed, {} s", retry.as_secs()),
        Fact::Failed { retry: None } => "failed".to_owned(),
    }
}

#[test]
fn who_is_known_to_the_world() {
    for (address, expected) in [
        ("192.0.2.1", true),
        ("2001:db8::1", true),
        ("100.63.0.1", true),
        ("127.0.0.1", false),
        ("10.1.2.3", false),
        ("172.31.0.1", false),
        ("192.168.0.1", false),
        ("169.254.1.1", false),
        ("100.64.0.1", false),
        ("0.0.0.0", false),
        ("::1", false),
        ("fe80::1", false),
        ("fd00::1", false),
        ("::ffff:10.0.0.1", false),
        ("::ffff:192.0.2.1", true),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(super::is_public(address), expected, "{address}");
    }
}

/// What a session asks runs in a task of its own.
#[tokio::test]
async fn a_private_client_costs_no_question() {
    let bench = Bench::new("");
    let checks = Arc::clone(&bench.checks);
    let settings = bench.settings.clone();
    let facts = tokio::spawn(async move {
        let event = Event {
            stage: Stage::Recipient,
            client: "192.168.1.1".parse().unwrap(),
            helo: "pc",
            user: None,
            sender: "a@a.example",
            recipient: "",
            size: 0,
        };
        let inquiry = Inquiry {
            event: &event,
            names: None,
            content: None,
        };
        let all = [
            Question::Reverse,
            Question::Lists,
            Question::Spf,
            Question::SenderDomain,
            Question::Dmarc,
        ];
        let mut facts = Facts::default();
        checks.answer(&mut facts, &all, &inquiry, &settings).await;
        facts
    })
    .await
    .unwrap();
    assert_eq!(facts, Facts::default());
    assert_eq!(bench.server.asked(), [""; 0]);
}
