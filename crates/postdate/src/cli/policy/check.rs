//! `postdate policy check`: what the DNS says of a client and a sender, as the rules would see it.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as Arguments;
use policy::{Event, Fact, Facts, Finding, Question, Stage};
use serde_json::{Map, Value, json};

use super::super::{configuration, exit, fail};
use crate::checks::{self, Checks, Inquiry};
use crate::clock::Clock;
use crate::config::Config;
use crate::names::{self, Names};
use crate::stdout::answer;

#[derive(Arguments)]
pub(in super::super) struct Args {
    /// The client's address.
    #[arg(value_name = "CLIENT")]
    client: IpAddr,
    /// The name it gives with HELO: asked for by SPF when there is no sender.
    #[arg(long, default_value = "")]
    helo: String,
    /// The sender's address; none: the null sender.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    sender: String,
    /// One JSON object: reverse, lists, spf, sender_domain; each an object, or {"failed": …, "retry_secs": …}.
    #[arg(long)]
    json: bool,
}

/// Looks everything up, whatever the configuration switches off, with its name servers and lists.
pub(in super::super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let dns = match names::dns(&config) {
        Ok(dns) => dns,
        Err(err) => return fail(exit::FAILURE, format_args!("name servers: {err}")),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return fail(exit::FAILURE, format_args!("can't start: {err}")),
    };
    if !checks::is_public(args.client) {
        eprintln!(
            "postdate: {} is an address that only its own network knows: nothing is looked up",
            args.client
        );
    }
    let facts = runtime.block_on(async {
        // The resolver's connections belong to the runtime that it is used in.
        let checks = Checks::new(Arc::new(Names::new(dns)), Clock::system());
        ask(&checks, &config, args).await
    });
    let shown = if args.json {
        answer(Value::Object(object(&facts)))
    } else {
        match table(&facts).trim_end() {
            "" => Ok(()),
            table => answer(table),
        }
    };
    match shown {
        Ok(()) if is_whole(&facts) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(exit::EX_TEMPFAIL),
        Err(err) => fail(exit::FAILURE, err),
    }
}

async fn ask(checks: &Checks, config: &Config, args: &Args) -> Facts {
    let mut facts = Facts::default();
    let event = Event {
        stage: Stage::Mail,
        client: args.client,
        helo: &args.helo,
        user: None,
        sender: &args.sender,
        recipient: "",
        size: 0,
    };
    let inquiry = Inquiry {
        event: &event,
        names: None,
        content: None,
    };
    let questions = [
        Question::Reverse,
        Question::Lists,
        Question::Spf,
        Question::SenderDomain,
    ];
    checks
        .answer(&mut facts, &questions, &inquiry, &config.checks)
        .await;
    facts
}

fn is_whole(facts: &Facts) -> bool {
    !matches!(facts.reverse, Fact::Failed { .. })
        && !matches!(facts.lists, Fact::Failed { .. })
        && !matches!(facts.spf, Fact::Failed { .. })
        && !matches!(facts.sender_domain, Fact::Failed { .. })
}

/// One line a question.
fn table(facts: &Facts) -> String {
    fn line<T>(what: &str, fact: &Fact<T>, say: impl FnOnce(&T) -> String) -> String {
        let said = match fact {
            Fact::Unasked => return String::new(),
            Fact::Known(answer) => say(answer),
            Fact::Failed { retry: Some(retry) } => format!(
                "no answer: asked again in {} s at the earliest",
                retry.as_millis().div_ceil(1000)
            ),
            Fact::Failed { retry: None } => "no answer in time".to_owned(),
        };
        format!("{what:<16}{said}\n")
    }
    [
        line("reverse name", &facts.reverse, |reverse| {
            match (&reverse.name, reverse.confirmed) {
                (Some(name), true) => format!("{name}, leads back to the client"),
                (Some(name), false) => format!("{name}, does not lead back to the client"),
                (None, _) => "none".to_owned(),
            }
        }),
        line("lists", &facts.lists, |listing| {
            let allowed = if listing.allowed {
                ", on an allow list"
            } else {
                ""
            };
            let zones = if listing.zones.is_empty() {
                "on no blocklist".to_owned()
            } else {
                format!("on {}", listing.zones.join(", "))
            };
            format!("{zones}, score {}{allowed}", listing.score)
        }),
        line("SPF", &facts.spf, |spf| {
            let domain = if spf.domain.is_empty() {
                "no domain"
            } else {
                &spf.domain
            };
            match (spf.finding, &spf.pool) {
                (Finding::Pass, None) => {
                    format!("pass for {domain}, by a rule too wide to group by")
                }
                (Finding::Pass, Some(origin)) => {
                    format!("pass for {domain}, grouped as {origin}")
                }
                (finding, _) => format!("{} for {domain}", word(finding)),
            }
        }),
        line("sender domain", &facts.sender_domain, |takes| {
            if *takes {
                "takes mail"
            } else {
                "takes no mail"
            }
            .to_owned()
        }),
    ]
    .concat()
}

fn object(facts: &Facts) -> Map<String, Value> {
    fn value<T>(fact: &Fact<T>, say: impl FnOnce(&T) -> Value) -> Value {
        match fact {
            Fact::Unasked => Value::Null,
            Fact::Known(answer) => say(answer),
            Fact::Failed { retry } => json!({
                "failed": true,
                "retry_secs": retry.map(|retry| retry.as_millis().div_ceil(1000) as u64),
            }),
        }
    }
    let all = [
        (
            "reverse",
            value(
                &facts.reverse,
                |reverse| json!({"name": reverse.name, "confirmed": reverse.confirmed}),
            ),
        ),
        (
            "lists",
            value(
                &facts.lists,
                |listing| json!({"score": listing.score, "zones": listing.zones, "allowed": listing.allowed}),
            ),
        ),
        (
            "spf",
            value(&facts.spf, |spf| {
                let pool = spf.pool.as_ref().map(ToString::to_string);
                json!({"result": word(spf.finding), "domain": spf.domain, "pool": pool})
            }),
        ),
        (
            "sender_domain",
            value(&facts.sender_domain, |takes| json!({"takes_mail": takes})),
        ),
    ];
    all.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Pass => "pass",
        Finding::Fail => "fail",
        Finding::Neutral => "neutral",
    }
}
