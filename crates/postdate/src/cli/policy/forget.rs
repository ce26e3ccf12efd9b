//! `postdate policy forget`.

use std::path::Path;
use std::process::ExitCode;

use clap::{ArgGroup, Args as Arguments};
use serde_json::{Map, Value};

use super::super::{configuration, exit, fail, said};
use super::records;
use super::which::Which;
use crate::control::change::{Change, Changed};

const EXAMPLE: &str = "\
Example, when a partner's new server is to begin anew:
  $ postdate policy forget client 192.0.2.0/24
  forgotten: 1 known network or domain, 2 triplets";

#[derive(Arguments)]
#[command(after_help = EXAMPLE, group(
    ArgGroup::new("whom")
        .required(true)
        .multiple(true)
        .args(["kind", "client", "sender", "recipient", "all"])
))]
pub(in super::super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Everything: all strangers wait once more. Entries of allow and deny stay.
    #[arg(long, conflicts_with_all = ["kind", "client", "sender", "recipient"])]
    all: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let which = match args.which.given() {
        Ok(which) => which,
        Err(err) => return fail(exit::USAGE, err),
    };
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match records::change(&config, Change::Forget(which)) {
        Ok(Changed::Forgotten(kinds)) => said(summary(&kinds, args.json)),
        Ok(_) => fail(exit::FAILURE, "the server did something else"),
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn summary(kinds: &[(String, usize)], json: bool) -> String {
    if json {
        let object: Map<String, Value> = kinds
            .iter()
            .map(|(kind, count)| (kind.clone(), (*count).into()))
            .collect();
        return Value::Object(object).to_string();
    }
    let some = kinds.iter().filter(|(_, count)| *count > 0);
    let words: Vec<_> = some.map(|(kind, count)| counted(kind, *count)).collect();
    if words.is_empty() {
        "nothing of that is remembered".to_owned()
    } else {
        format!("forgotten: {}", words.join(", "))
    }
}

fn counted(kind: &str, count: usize) -> String {
    let (one, many) = match kind {
        "known" => ("known network or domain", "known networks and domains"),
        "triplet" => ("triplet", "triplets"),
        "appointment" => ("appointment", "appointments"),
        "calendar" => ("limit's count", "limits' counts"),
        "mailbox" => ("full mailbox", "full mailboxes"),
        "told" => ("awaited return", "awaited returns"),
        "domain" => ("seen domain", "seen domains"),
        other => (other, other),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}
