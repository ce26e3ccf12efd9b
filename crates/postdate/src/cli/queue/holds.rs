//! `postdate queue holds`: the hosts and mailboxes that mail waits for (Exim's `exinext`).

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use queue::spool::{Hold, Spool as _};
use serde::Serialize;

use super::open_to_read;
use crate::runner::when;
use crate::stdout::quiet;

/// One hold.
#[derive(Serialize)]
struct Row<'a> {
    hold: String,
    /// Then one mail probes, and the others follow.
    until: String,
    /// The receiver named that time; else it is a back-off of ours.
    appointment: bool,
    /// How often in a row it failed without naming a time.
    failures: u32,
    /// The reply, or our own words.
    reason: &'a str,
    relay: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(hold: &'a Hold) -> Self {
        Self {
            hold: hold.key.to_string(),
            until: when(hold.until),
            appointment: hold.is_appointment(),
            failures: hold.failures,
            reason: &hold.reason,
            relay: hold.relay.as_deref(),
        }
    }
}

pub(super) fn list(dir: &Path, json: bool) -> Result<ExitCode, String> {
    let spool = open_to_read(dir)?;
    let mut holds = match &spool {
        Some(spool) => spool.holds().map_err(|err| err.to_string())?,
        None => Vec::new(),
    };
    holds.sort_by_key(|hold| hold.until);
    let mut out = io::BufWriter::new(io::stdout().lock());
    quiet(write(&mut out, &holds, json).and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn write(out: &mut impl Write, holds: &[Hold], json: bool) -> io::Result<()> {
    if json {
        for hold in holds {
            serde_json::to_writer(&mut *out, &Row::of(hold))?;
            writeln!(out)?;
        }
        return Ok(());
    }
    if !holds.is_empty() {
        writeln!(out, "{:<20}  {:<8}  {:>8}  HOLD", "UNTIL", "BY", "FAILURES")?;
    }
    for row in holds.iter().map(Row::of) {
        let by = if row.appointment { "hint" } else { "back-off" };
        writeln!(
            out,
            "{:<20}  {by:<8}  {:>8}  {}",
            row.until, row.failures, row.hold
        )?;
        let reason = smtp::reply::echo(&row.reason.replace("\r\n", " "), 400).into_owned();
        writeln!(out, "{:22}{reason}", "")?;
    }
    match holds.len() {
        0 => writeln!(out, "no mail waits for a host or a mailbox"),
        1 => writeln!(out, "1 hold"),
        n => writeln!(out, "{n} holds"),
    }
}
