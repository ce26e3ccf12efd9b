//! `postdate policy allow` and `deny`: the operator's word, above all rules.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args as Arguments};
use policy::Moment;
use policy::lists::Action;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use store::policy::Row;

use super::super::{configuration, exit, fail};
use super::records::{self, when};
use super::shown::Shown;
use crate::clock;
use crate::config::{Config, units};
use crate::control::change::{Change, Changed, Kind, Whom, Word};
use crate::rules_of::rules_of;
use crate::stdout::{answer, quiet};

const EXAMPLES: &str = "\
The recipient's entry speaks first, then the client's, then the sender's (which anybody can claim to be); of one kind,
the most specific one.

Examples:
  $ postdate policy allow client 192.0.2.0/24 --for 7d --note 'partner moves, ticket 4711'
  client 192.0.2.0/24 is allowed until 2026-12-01T09:30:00Z
  $ postdate policy deny sender .spam.example
  sender .spam.example is denied until it is removed
  $ postdate policy deny --remove sender .spam.example
  sender .spam.example is no longer denied";

#[derive(Arguments)]
#[command(after_help = EXAMPLES, group(
    ArgGroup::new("whom")
        .required(true)
        .args(["kind", "client", "sender", "recipient", "list"])
))]
pub(in super::super) struct Args {
    /// What the entry is about.
    #[arg(requires = "value")]
    kind: Option<Kind>,
    /// Of a client an address or a network; of the others user@example.org, example.org, or .example.org for all below; of
    /// a sender also '<>', the null sender of notices.
    #[arg(requires = "kind")]
    value: Option<String>,
    /// As show and forget have it: `--client 192.0.2.7` is `client 192.0.2.7`.
    #[arg(long, value_name = "IP|NET")]
    client: Option<String>,
    /// The same of a sender.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// The same of a recipient.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// How long it holds: 2h, 7d, 4w [default: until it is removed]
    #[arg(long = "for", value_name = "TIME", value_parser = span, conflicts_with_all = ["remove", "list"])]
    span: Option<Duration>,
    /// Why, for the next administrator: one line of up to 200 octets.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, conflicts_with_all = ["remove", "list"])]
    note: String,
    /// Remove the entry.
    #[arg(long)]
    remove: bool,
    /// List these entries, with what is said of them.
    #[arg(long, conflicts_with = "remove")]
    list: bool,
    /// Print JSON: with --list one object an entry, one a line; else one for what was done.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// `None`: the list is wanted.
    fn whom(&self) -> Option<Whom> {
        let (kind, value) = [
            (self.kind, &self.value),
            (Some(Kind::Client), &self.client),
            (Some(Kind::Sender), &self.sender),
            (Some(Kind::Recipient), &self.recipient),
        ]
        .into_iter()
        .find_map(|(kind, value)| kind.zip(value.as_ref()))?;
        Some(Whom {
            kind,
            value: value.clone(),
        })
    }
}

/// As in the configuration.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let from: StrDeserializer<'_, ValueError> = text.into_deserializer();
    match units::duration(from) {
        Ok(Duration::ZERO) => Err("0 is no time here".to_owned()),
        other => other.map_err(|err| err.to_string()),
    }
}

pub(super) fn run(file: Option<&Path>, args: &Args, word: Word) -> ExitCode {
    let whom = args.whom();
    if let Some(Err(err)) = whom.as_ref().map(Whom::subject) {
        return fail(exit::USAGE, err);
    }
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let result = match whom {
        Some(whom) if args.remove => remove(&config, whom, word, args.json),
        Some(whom) => set(&config, whom, word, args),
        None => list(&config, word.action(), args.json),
    };
    match result {
        Ok(code) => code,
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn set(config: &Config, whom: Whom, word: Word, args: &Args) -> Result<ExitCode, String> {
    let subject = whom.subject()?;
    let change = Change::Set {
        whom,
        word,
        span: args.span,
        note: args.note.clone(),
    };
    let Changed::Set { until, before } = records::change(config, change)? else {
        return Err("the server did something else".to_owned());
    };
    let until = until.map(|millis| when(Moment::from_millis(millis)));
    if args.json {
        let said = serde_json::json!({
            "action": word.action().name(),
            "about": subject.kind(),
            "value": subject.text(),
            "until": until,
            "before": before.map(|word| word.action().name()),
        });
        answer(said)?;
        return Ok(ExitCode::SUCCESS);
    }
    let until = until.as_deref().unwrap_or("it is removed");
    let before = match before {
        Some(before) if before != word => format!("; it was {} before", participle(before)),
        _ => String::new(),
    };
    answer(format_args!(
        "{subject} is {} until {until}{before}",
        participle(word)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn remove(config: &Config, whom: Whom, word: Word, json: bool) -> Result<ExitCode, String> {
    let subject = whom.subject()?;
    let Changed::Removed { found } = records::change(config, Change::Remove { whom, word })? else {
        return Err("the server did something else".to_owned());
    };
    let is_gone = found == Some(word);
    if json {
        answer(serde_json::json!({ "removed": is_gone }))?;
    } else if is_gone {
        answer(format_args!("{subject} is no longer {}", participle(word)))?;
    }
    match found {
        _ if is_gone => return Ok(ExitCode::SUCCESS),
        Some(other) => eprintln!(
            "postdate: {subject} is {}, not {}: `postdate policy {} --remove {subject}` removes that",
            participle(other),
            participle(word),
            other.action().name()
        ),
        None => eprintln!(
            "postdate: {subject} has no entry of its own: `postdate policy {} --list` shows them",
            word.action().name()
        ),
    }
    Ok(ExitCode::from(exit::FAILURE))
}

fn participle(word: Word) -> &'static str {
    match word {
        Word::Allow => "allowed",
        Word::Deny => "denied",
    }
}

fn list(config: &Config, action: Action, json: bool) -> Result<ExitCode, String> {
    let now = Moment::from(clock::now());
    let mut entries = Vec::new();
    if let Some(reader) = records::reader(&config.data_dir)? {
        let scanned = reader.scan(|row| {
            if matches!(&row, Row::Override(entry) if entry.action == action) {
                entries.push(row);
            }
            true
        });
        scanned.map_err(|err| err.to_string())?;
    }
    let rules = rules_of(config);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut write = || -> io::Result<()> {
        let mut count = 0;
        for shown in entries.iter().filter_map(|row| Shown::of(row, &rules, now)) {
            if !json && count == 0 {
                writeln!(out, "{}", shown.head())?;
            }
            count += 1;
            match json {
                true => writeln!(out, "{}", serde_json::to_string(&shown)?)?,
                false => writeln!(out, "{shown}")?,
            }
        }
        if !json {
            writeln!(out, "{}", counted(count))?;
        }
        out.flush()
    };
    quiet(write())?;
    Ok(ExitCode::SUCCESS)
}

fn counted(entries: usize) -> String {
    match entries {
        0 => "no entry".to_owned(),
        1 => "1 entry".to_owned(),
        n => format!("{n} entries"),
    }
}
