//! `postdate hint`: how a reply is read, and why.

use std::io::{self, BufRead as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use retry_hint::{Answered, Tongues};
use serde::Serialize;

use super::{exit, fail};
use crate::stdout::answer;
use crate::words;

#[derive(Parser)]
pub(super) struct Args {
    /// The reply, with its code; \r\n written out separates its lines. "-" reads one reply a line from standard input.
    #[arg(value_name = "REPLY", allow_hyphen_values = true)]
    reply: String,
    /// One JSON object a reply: wait_secs (null: no hint), tongue, holds. wait_secs is what the reply says, up to
    /// 18446744073709551615 (what is more is that): a reader that keeps numbers as doubles rounds what is above 2^53.
    #[arg(long)]
    json: bool,
    /// Which command the reply answers.
    #[arg(long, value_enum, default_value_t = Command::Rcpt)]
    answered: Command,
    /// Don't read prose ("try again in 5 minutes").
    #[arg(long)]
    no_prose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Command {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    /// The DATA command, before the content
    Data,
    /// The end of the content
    EndOfData,
}

#[derive(Serialize)]
struct Reading {
    wait_secs: Option<u64>,
    tongue: Option<&'static str>,
    holds: &'static str,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let result = if args.reply == "-" {
        io::stdin().lock().split(b'\n').try_for_each(|line| {
            let mut line = line.map_err(|err| format!("standard input: {err}"))?;
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            show(args, &String::from_utf8_lossy(&line))
        })
    } else {
        show(args, &args.reply)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn show(args: &Args, reply: &str) -> Result<(), String> {
    let reply = reply.replace("\\r\\n", "\r\n");
    let answered = match args.answered {
        Command::Greeting => Answered::Greeting,
        Command::Ehlo => Answered::Ehlo,
        Command::Mail => Answered::Mail,
        Command::Rcpt => Answered::Rcpt,
        Command::Data => Answered::Data,
        Command::EndOfData => Answered::EndOfData,
    };
    let tongues = Tongues {
        prose: !args.no_prose,
    };
    let hint = retry_hint::read(reply.as_bytes(), answered, tongues);
    if args.json {
        let reading = Reading {
            wait_secs: hint.map(|hint| hint.wait_secs),
            tongue: hint.map(|hint| words::tongue(hint.tongue)),
            holds: hint.map_or("recipient", |hint| words::holds(hint.holds)),
        };
        let json = serde_json::to_string(&reading).map_err(|err| err.to_string())?;
        return answer(json);
    }
    answer(retry_hint::explain(reply.as_bytes(), answered, tongues))
}
