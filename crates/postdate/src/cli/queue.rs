//! `postdate queue`.

use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use queue::MessageId;
use queue::spool::{Entry, Spool};
use serde::Serialize;
use store::sqlite::SqliteSpool;

use super::{configuration, exit, fail};
use crate::clock;
use crate::control::{Request, Response};
use crate::node::CONTROL_SOCKET;
use crate::operate::{self, Operation};
use crate::runner::when;
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
pub(super) struct Which {
    /// Queue ids.
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// All messages in the queue.
    #[arg(long, conflicts_with = "ids")]
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

/// One recipient of one message.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    from: &'a str,
    to: &'a str,
    state: &'static str,
    attempts: u32,
    last_reply: Option<&'a str>,
    /// The appointment that is kept: seconds as the receiver said, and how it said so.
    hint: Option<u64>,
    tongue: Option<&'static str>,
    due: String,
    expires: String,
    /// The hold it is parked under.
    parked: Option<String>,
    received: String,
    size: u64,
}

fn rows(entry: &Entry) -> impl Iterator<Item = Row<'_>> {
    entry.rows.iter().map(|(index, row)| Row {
        id: entry.message.id.to_string(),
        from: &entry.message.sender.address,
        to: entry
            .message
            .recipients
            .get(*index as usize)
            .map_or("", |recipient| recipient.address.as_str()),
        state: if row.parked.is_some() {
            "parked"
        } else {
            words::state(row.state)
        },
        attempts: row.attempts,
        last_reply: row.last_reply.as_deref(),
        hint: row
            .appointment
            .as_ref()
            .map(|appointment| appointment.wait_secs),
        tongue: row
            .appointment
            .as_ref()
            .map(|appointment| words::tongue(appointment.tongue)),
        due: when(row.due),
        expires: when(row.expires),
        parked: row.parked.as_ref().map(ToString::to_string),
        received: when(entry.message.received),
        size: entry.message.content.size,
    })
}

/// Messages read in one go.
const PAGE: usize = 1000;

fn list(dir: &Path, json: bool) -> Result<ExitCode, String> {
    let Some(spool) = open_to_read(dir)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let now = clock::now();
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
            for (row, (_, progress)) in rows(entry).zip(&entry.rows) {
                let written = if json {
                    json_line(&mut out, &row)
                } else {
                    table_line(&mut out, &row, progress.due, now)
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
                0 => "the queue is empty".to_owned(),
                1 => "1 message".to_owned(),
                n => format!("{n} messages"),
            }
        ))?;
    }
    quiet(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

/// A reader that went away (`| head`) is no error.
fn quiet(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|err| err.to_string()),
    }
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
        writeln!(out, "{:15}waits for {parked}", "")?;
    }
    Ok(())
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
        let (Some(spool), Some(entry)) = (&spool, entry) else {
            eprintln!("postdate: {id} is not in the queue");
            code = ExitCode::from(exit::FAILURE);
            continue;
        };
        if json {
            for row in rows(&entry) {
                quiet(json_line(&mut out, &row))?;
            }
        } else {
            quiet(show_one(&mut out, spool, &entry))?;
        }
    }
    Ok(code)
}

/// How much of the content is shown.
const SHOWN: usize = 4096;

fn show_one(out: &mut impl Write, spool: &SqliteSpool, entry: &Entry) -> io::Result<()> {
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
    for row in rows(entry) {
        writeln!(out, "to        <{}>", row.to)?;
        writeln!(
            out,
            "          {}, {} attempts, due {}, expires {}",
            row.state, row.attempts, row.due, row.expires
        )?;
        if let (Some(hint), Some(tongue)) = (row.hint, row.tongue) {
            writeln!(out, "          hint {hint} s ({tongue})")?;
        }
        if let Some(parked) = row.parked {
            writeln!(out, "          waits for {parked}")?;
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

/// `None`: there is no queue yet.
fn open_to_read(dir: &Path) -> Result<Option<SqliteSpool>, String> {
    if !dir.join("spool.db").exists() {
        return Ok(None);
    }
    SqliteSpool::open_read_only(dir)
        .map(Some)
        .map_err(|err| format!("mail queue in {}: {err}", dir.display()))
}

fn act(dir: &Path, operation: Operation, which: &Which) -> Result<ExitCode, String> {
    let ids = (!which.all).then(|| which.ids.clone());
    let done = match UnixStream::connect(dir.join(CONTROL_SOCKET)) {
        Ok(stream) => ask(stream, &Request { operation, ids })?,
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!(
                "{}: {err}: run this as the server's user",
                dir.display()
            ));
        }
        Err(_) => without_server(dir, operation, ids)?,
    };
    let missing: Vec<&String> = which
        .ids
        .iter()
        .filter(|id| !done.iter().any(|there| there.eq_ignore_ascii_case(id)))
        .collect();
    if which.json {
        println!(
            "{}",
            serde_json::json!({ "done": done, "missing": missing })
        );
    } else {
        println!(
            "{} {}",
            done.len(),
            if done.len() == 1 {
                "message"
            } else {
                "messages"
            }
        );
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

fn ask(mut stream: UnixStream, request: &Request) -> Result<Vec<String>, String> {
    let mut text = serde_json::to_string(request).map_err(|err| err.to_string())?;
    text.push('\n');
    stream
        .write_all(text.as_bytes())
        .map_err(|err| format!("control socket: {err}"))?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(|err| format!("control socket: {err}"))?;
    let response: Response =
        serde_json::from_str(&line).map_err(|err| format!("control socket: {err}"))?;
    match response.error {
        Some(error) => Err(error),
        None => Ok(response.done),
    }
}

fn without_server(
    dir: &Path,
    operation: Operation,
    ids: Option<Vec<String>>,
) -> Result<Vec<String>, String> {
    if !dir.join("spool.db").exists() {
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
