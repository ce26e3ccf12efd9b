//! `postdate queue`.

mod holds;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{ArgGroup, Args, Subcommand};
use queue::parked::next_attempt;
use queue::spool::{Entry, Hold, Spool};
use queue::{HoldKey, MessageId, Progress, State};
use serde::Serialize;
use store::sqlite::SqliteSpool;

use super::{configuration, exit, fail, never_ran};
use crate::clock;
use crate::control::{self, Request, Response, not_permitted};
use crate::operate::{self, Operation};
use crate::runner::when;
use crate::stdout::{answer, quiet};
use crate::words;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the mail that waits, one line a recipient.
    List {
        /// One JSON object a recipient, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Show messages in full: envelope, replies, and the start of the content.
    Show {
        /// Queue ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// One JSON object a recipient, one a line.
        #[arg(long)]
        json: bool,
    },
    /// List the hosts and mailboxes that mail waits for: until when, and what they said.
    Holds {
        /// One JSON object a hold, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Try messages now, whatever they wait for. A retry beats any hint.
    Retry(Which),
    /// Keep messages from being tried until they are released. They still expire.
    Hold(Which),
    /// Let held messages wait for their due time again.
    Release(Which),
    /// Delete messages, without a notice to their senders.
    Delete(Which),
}

#[derive(Args)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "all"])))]
pub(super) struct Which {
    /// Queue ids.
    ids: Vec<String>,
    /// All messages in the queue.
    #[arg(long)]
    all: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(file: Option<&Path>, command: &Command) -> ExitCode {
    let dir = match configuration(file) {
        Ok(config) => config.data_dir,
        Err(code) => return code,
    };
    let result = match command {
        Command::List { json } => list(&dir, *json),
        Command::Show { ids, json } => show(&dir, ids, *json),
        Command::Holds { json } => holds::list(&dir, *json),
        Command::Retry(which) => act(&dir, Operation::Retry, which),
        Command::Hold(which) => act(&dir, Operation::Hold, which),
        Command::Release(which) => act(&dir, Operation::Release, which),
        Command::Delete(which) => act(&dir, Operation::Delete, which),
    };
    match result {
        Ok(code) => code,
        Err(err) => fail(exit::FAILURE, err),
    }
}

/// The queue as `mailq` shows it.
pub(super) fn mailq(file: Option<&Path>) -> ExitCode {
    run(file, &Command::List { json: false })
}

/// What `sendmail -q` asks for.
pub(super) fn retry_all(file: Option<&Path>) -> ExitCode {
    let all = Which {
        ids: Vec::new(),
        all: true,
        json: false,
    };
    run(file, &Command::Retry(all))
}

/// One recipient of one message.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    from: &'a str,
    to: &'a str,
    state: &'static str,
    attempts: u32,
    /// What its last attempt gave; for what is parked and made none, what its hold was told.
    last_reply: Option<&'a str>,
    /// The appointment that is kept: seconds as the receiver said, and how it said so.
    hint: Option<u64>,
    tongue: Option<&'static str>,
    /// When the next attempt is; for what is parked, when its hold ends, if that is later and it lives so long.
    due: String,
    expires: String,
    /// The hold it is parked under.
    parked: Option<String>,
    /// When that hold ends; then one mail probes, and the others follow.
    parked_until: Option<String>,
    received: String,
    size: u64,
}

/// What rows wait for, as their own words don't say it.
struct Around {
    holds: HashMap<HoldKey, Hold>,
    /// What the running server works on.
    active: HashSet<(String, u32)>,
}

/// So long a running server has to say what it works on; then the queue is shown without.
const PATIENCE: Duration = Duration::from_secs(5);

impl Around {
    fn read(dir: &Path, spool: &SqliteSpool) -> Result<Self, String> {
        let active = match control::ask_for(dir, &Request::Active, Some(PATIENCE)) {
            Ok(Some(Response::Active(rows))) => rows.into_iter().collect(),
            _ => HashSet::new(),
        };
        let holds = spool.holds().map_err(|err| err.to_string())?.into_iter();
        let holds = holds.map(|hold| (hold.key.clone(), hold)).collect();
        Ok(Self { holds, active })
    }

    /// What the row is parked under.
    fn hold(&self, row: &Progress) -> Option<&Hold> {
        row.parked.as_ref().and_then(|key| self.holds.get(key))
    }

    fn state(&self, id: &str, recipient: u32, row: &Progress) -> &'static str {
        let is_active = || self.active.contains(&(id.to_owned(), recipient));
        match row.state {
            State::Held => words::state(row.state),
            State::Waiting if row.parked.is_some() => "parked",
            State::Waiting if is_active() => "active",
            State::Waiting => words::state(row.state),
        }
    }
}

fn rows<'a>(entry: &'a Entry, around: &'a Around) -> impl Iterator<Item = Row<'a>> {
    let id = entry.message.id.to_string();
    entry.rows.iter().map(move |(index, row)| Row {
        id: id.clone(),
        from: &entry.message.sender.address,
        to: entry
            .message
            .recipients
            .get(*index as usize)
            .map_or("", |recipient| recipient.address.as_str()),
        state: around.state(&id, *index, row),
        attempts: row.attempts,
        last_reply: row
            .last_reply
            .as_deref()
            .or_else(|| around.hold(row).map(|hold| hold.reason.as_str())),
        hint: row
            .appointment
            .as_ref()
            .map(|appointment| appointment.wait_secs),
        tongue: row
            .appointment
            .as_ref()
            .map(|appointment| words::tongue(appointment.tongue)),
        due: when(next_attempt(row, around.hold(row))),
        expires: when(row.expires),
        parked: row.parked.as_ref().map(ToString::to_string),
        parked_until: around.hold(row).map(|hold| when(hold.until)),
        received: when(entry.message.received),
        size: entry.message.content.size,
    })
}

const EMPTY: &str = "the queue is empty";

/// Messages read in one go.
const PAGE: usize = 1000;

fn list(dir: &Path, json: bool) -> Result<ExitCode, String> {
    let Some(spool) = open_to_read(dir)? else {
        if !json {
            answer(EMPTY)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let now = clock::now();
    let around = Around::read(dir, &spool)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut after = None;
    let mut count = 0;
    loop {
        let page = spool.list(after, PAGE).map_err(|err| err.to_string())?;
        let Some(last) = page.last() else { break };
        after = Some(last.message.id);
        for entry in &page {
            if count == 0 && !json {
                quiet(writeln!(
                    out,
                    "{:<13}  {:<8}  {:>5}  {:>7}  {:<8}  FROM -> TO",
                    "ID", "STATE", "TRIES", "DUE IN", "HINT"
                ))?;
            }
            count += 1;
            for (row, (_, progress)) in rows(entry, &around).zip(&entry.rows) {
                let written = if json {
                    json_line(&mut out, &row)
                } else {
                    table_line(
                        &mut out,
                        &row,
                        next_attempt(progress, around.hold(progress)),
                        now,
                    )
                };
                quiet(written)?;
            }
        }
    }
    if !json {
        quiet(writeln!(
            out,
            "{}",
            match count {
                0 => EMPTY.to_owned(),
                1 => "1 message".to_owned(),
                n => format!("{n} messages"),
            }
        ))?;
    }
    quiet(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

fn json_line(out: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    writeln!(out)
}

fn table_line(
    out: &mut impl Write,
    row: &Row<'_>,
    due: SystemTime,
    now: SystemTime,
) -> io::Result<()> {
    let wait = due.duration_since(now).unwrap_or_default().as_secs();
    let due = match row.state {
        "waiting" => short(wait),
        "parked" if row.parked_until.is_some() => short(wait),
        _ => "-".to_owned(),
    };
    let hint = row
        .hint
        .map_or_else(|| "-".to_owned(), |secs| format!("{secs}s"));
    writeln!(
        out,
        "{:<13}  {:<8}  {:>5}  {:>7}  {:<8}  <{}> -> <{}>",
        row.id, row.state, row.attempts, due, hint, row.from, row.to
    )?;
    if let Some(reply) = row.last_reply {
        writeln!(
            out,
            "{:15}{}",
            "",
            smtp::reply::echo(&reply.replace("\r\n", " "), 400)
        )?;
    }
    if let Some(parked) = &row.parked {
        writeln!(out, "{:15}{}", "", waits_for(parked, row))?;
    }
    Ok(())
}

fn waits_for(parked: &str, row: &Row<'_>) -> String {
    match &row.parked_until {
        Some(until) => format!("waits for {parked} until {until}"),
        None => format!("waits for {parked}"),
    }
}

fn short(secs: u64) -> String {
    match secs {
        0 => "now".to_owned(),
        1..=99 => format!("{secs}s"),
        100..=5999 => format!("{}m{:02}s", secs / 60, secs % 60),
        _ => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
    }
}

fn show(dir: &Path, ids: &[String], json: bool) -> Result<ExitCode, String> {
    let spool = open_to_read(dir)?;
    let read = |spool| Around::read(dir, spool).map(|around| (spool, around));
    let there = spool.as_ref().map(read).transpose()?;
    let mut code = ExitCode::SUCCESS;
    let mut out = io::stdout().lock();
    for text in ids {
        let id: MessageId = text
            .parse()
            .map_err(|_| format!("\"{text}\" is no queue id: `postdate queue list` shows them"))?;
        let entry = match &spool {
            Some(spool) => spool.get(id).map_err(|err| err.to_string())?,
            None => None,
        };
        let (Some((spool, around)), Some(entry)) = (&there, entry) else {
            eprintln!("postdate: {id} is not in the queue");
            code = ExitCode::from(exit::FAILURE);
            continue;
        };
        if json {
            for row in rows(&entry, around) {
                quiet(json_line(&mut out, &row))?;
            }
        } else {
            quiet(show_one(&mut out, spool, &entry, around))?;
        }
    }
    Ok(code)
}

/// How much of the content is shown.
const SHOWN: usize = 4096;

fn show_one(
    out: &mut impl Write,
    spool: &SqliteSpool,
    entry: &Entry,
    around: &Around,
) -> io::Result<()> {
    let message = &entry.message;
    writeln!(out, "id        {}", message.id)?;
    writeln!(
        out,
        "received  {}  by {}",
        when(message.received),
        message.origin.protocol
    )?;
    if let Some(client) = message.origin.client {
        writeln!(
            out,
            "client    [{client}] helo <{}>",
            message.origin.helo.as_deref().unwrap_or("")
        )?;
    }
    writeln!(out, "size      {} octets", message.content.size)?;
    writeln!(out, "from      <{}>", message.sender.address)?;
    for row in rows(entry, around) {
        writeln!(out, "to        <{}>", row.to)?;
        writeln!(
            out,
            "          {}, {} attempt{}, due {}, expires {}",
            row.state,
            row.attempts,
            if row.attempts == 1 { "" } else { "s" },
            row.due,
            row.expires
        )?;
        if let (Some(hint), Some(tongue)) = (row.hint, row.tongue) {
            writeln!(out, "          hint {hint} s ({tongue})")?;
        }
        if let Some(parked) = &row.parked {
            writeln!(out, "          {}", waits_for(parked, &row))?;
        }
        for line in row.last_reply.unwrap_or("").lines() {
            writeln!(out, "          {}", smtp::reply::echo(line, 1000))?;
        }
    }
    writeln!(out)?;
    let start = match spool.body(message.id) {
        Ok(Some(queue::spool::Body::Inline(octets))) => octets[..octets.len().min(SHOWN)].to_vec(),
        Ok(Some(queue::spool::Body::File(file))) => {
            let mut start = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(file.open()?, SHOWN as u64), &mut start)?;
            start
        }
        _ => Vec::new(),
    };
    for line in String::from_utf8_lossy(&start).lines() {
        // A mail must not write control sequences to the administrator's terminal.
        writeln!(
            out,
            "{}",
            line.chars()
                .map(|c| if c.is_control() && c != '\t' { '?' } else { c })
                .collect::<String>()
        )?;
    }
    Ok(())
}

/// `None`: there is no queue yet, which is said: it may be another directory's that is meant.
fn open_to_read(dir: &Path) -> Result<Option<SqliteSpool>, String> {
    let path = dir.join("spool.db");
    match File::open(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            never_ran("mail queue", dir);
            return Ok(None);
        }
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(&path));
        }
        _ => {}
    }
    SqliteSpool::open_read_only(dir)
        .map(Some)
        .map_err(|err| format!("mail queue in {}: {err}", dir.display()))
}

fn act(dir: &Path, operation: Operation, which: &Which) -> Result<ExitCode, String> {
    let ids = (!which.all).then(|| which.ids.clone());
    let request = Request::Queue {
        operation,
        ids: ids.clone(),
    };
    let done = match control::ask(dir, &request)? {
        Some(Response::Queue(done)) => done,
        Some(_) => return Err("control socket: the server answers something else".to_owned()),
        None => without_server(dir, operation, ids)?,
    };
    let missing: Vec<&String> = which
        .ids
        .iter()
        .filter(|id| !done.iter().any(|there| there.eq_ignore_ascii_case(id)))
        .collect();
    if which.json {
        answer(serde_json::json!({ "done": done, "missing": missing }))?;
    } else {
        answer(match done.len() {
            1 => "1 message".to_owned(),
            n => format!("{n} messages"),
        })?;
    }
    for id in &missing {
        eprintln!("postdate: {id} is not in the queue");
    }
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILURE)
    })
}

fn without_server(
    dir: &Path,
    operation: Operation,
    ids: Option<Vec<String>>,
) -> Result<Vec<String>, String> {
    if open_to_read(dir)?.is_none() {
        return Ok(Vec::new());
    }
    let ids = ids
        .map(|ids| {
            ids.iter()
                .map(|id| id.parse().map_err(|_| format!("\"{id}\" is no queue id")))
                .collect::<Result<Vec<MessageId>, _>>()
        })
        .transpose()?;
    let spool = SqliteSpool::open(dir).map_err(|err| err.to_string())?;
    let done =
        operate::offline(&spool, operation, ids.as_deref()).map_err(|err| err.to_string())?;
    spool.close(std::time::Duration::from_secs(10));
    Ok(done.iter().map(ToString::to_string).collect())
}
