//! `postdate policy show`: what is remembered, and until when.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args as Arguments;
use policy::Moment;
use store::policy::Filter;

use super::super::{configuration, exit, fail};
use super::records;
use super::shown::Shown;
use super::which::Which;
use crate::clock;
use crate::config::Config;
use crate::rules_of::rules_of;
use crate::stdout::quiet;

const EXAMPLE: &str = "\
Example, why does mail of somebody wait?
  $ postdate policy show --sender anna@example.org
  TRIPLET                 FIRST SEEN            DUE                   UNTIL                 PASSED                FROM -> TO
  192.0.2.0/24            2026-11-23T23:48:57Z  2026-11-23T23:53:57Z  2026-11-25T23:48:57Z  -                     <anna@example.org> -> <bob@here.example>
  1 record

Times are UTC.";

/// Of each kind in the table, unless asked.
const LIMIT: usize = 100;

#[derive(Arguments)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Show so many of each kind [default: 100 in a table, all in JSON]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object a record, one a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let filter = match args.which.given() {
        Ok(which) => which.filter(),
        Err(err) => return fail(exit::USAGE, err),
    };
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match show(&config, args, &filter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn show(config: &Config, args: &Args, filter: &Filter) -> Result<(), String> {
    let mut table = Table {
        out: io::BufWriter::new(io::stdout().lock()),
        json: args.json,
        limit: args
            .limit
            .unwrap_or(if args.json { usize::MAX } else { LIMIT }),
        kind: "",
        of_kind: 0,
        all: 0,
    };
    if let Some(reader) = records::reader(&config.data_dir)? {
        let (rules, now) = (rules_of(config), Moment::from(clock::now()));
        let mut written = Ok(());
        let scanned = reader.scan(|row| {
            if filter.fits(&row)
                && let Some(shown) = Shown::of(&row, &rules, now)
            {
                written = table.add(&shown);
            }
            written.is_ok()
        });
        quiet(written)?;
        scanned.map_err(|err| err.to_string())?;
    }
    let of_what = if args.which.is_all() { "" } else { " of that" };
    quiet(table.end(of_what))
}

/// Records, kind by kind.
struct Table<W> {
    out: W,
    json: bool,
    /// Of each kind.
    limit: usize,
    /// The one under way, as [`Shown::plural`] has it.
    kind: &'static str,
    of_kind: usize,
    all: usize,
}

impl<W: Write> Table<W> {
    fn add(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        if self.kind != shown.plural() {
            self.end_kind()?;
            if !self.json && self.limit > 0 {
                let gap = if self.all > 0 { "\n" } else { "" };
                writeln!(self.out, "{gap}{}", shown.head())?;
            }
            (self.kind, self.of_kind) = (shown.plural(), 0);
        }
        self.of_kind += 1;
        self.all += 1;
        match (self.of_kind > self.limit, self.json) {
            (true, _) => Ok(()),
            (false, true) => {
                serde_json::to_writer(&mut self.out, shown)?;
                writeln!(self.out)
            }
            (false, false) => writeln!(self.out, "{shown}"),
        }
    }

    fn end_kind(&mut self) -> io::Result<()> {
        let hidden = self.of_kind.saturating_sub(self.limit);
        if hidden > 0 && !self.json {
            writeln!(self.out, "… {hidden} more {}: --limit", self.kind)?;
        }
        Ok(())
    }

    fn end(&mut self, of_what: &str) -> io::Result<()> {
        self.end_kind()?;
        if !self.json {
            match self.all {
                0 => writeln!(self.out, "nothing{of_what} is remembered")?,
                1 => writeln!(self.out, "1 record")?,
                n => writeln!(self.out, "{n} records")?,
            }
        }
        self.out.flush()
    }
}
