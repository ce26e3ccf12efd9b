//! `postdate policy stats`: hints given, and how they were kept.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args as Arguments;
use policy::stats::{Counts, DAYS_MAX, Row as Day, day_of};
use policy::{Moment, Reason};
use serde::Serialize;

use super::super::{configuration, exit, fail};
use super::records;
use crate::clock;
use crate::stdout::quiet;

const EXAMPLE: &str = "\
A hint is early when the sender comes more than 2 s before its time (it is told the rest again; the hint stands), on
time until 60 s after it, late from then on, and never when it does not come within the window. All other hints are
open. What becomes of a hint counts on the day (UTC) on which it was given.

Example:
  $ postdate policy stats --days 7
  REASON         GIVEN     EARLY   ON TIME      LATE     NEVER      OPEN
  greylist        1204        88       731       102       350        21
  recipient         12         0        12         0         0         0
  total           1216        88       743       102       350        21";

#[derive(Arguments)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    /// Of the hints given on the last N days, today among them; 36 are kept.
    #[arg(long, value_name = "N", default_value_t = DAYS_MAX as u16, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// One JSON object a reason, one a line; the last is the total.
    #[arg(long)]
    json: bool,
}

/// One line.
#[derive(Serialize)]
struct Sum {
    reason: &'static str,
    given: u64,
    early: u64,
    on_time: u64,
    late: u64,
    never: u64,
    open: u64,
}

impl Sum {
    fn new(reason: &'static str) -> Self {
        Self {
            reason,
            given: 0,
            early: 0,
            on_time: 0,
            late: 0,
            never: 0,
            open: 0,
        }
    }

    fn add(&mut self, counts: &Counts) {
        for (sum, count) in [
            (&mut self.given, counts.given),
            (&mut self.early, counts.early),
            (&mut self.on_time, counts.on_time),
            (&mut self.late, counts.late),
            (&mut self.never, counts.never),
            (&mut self.open, counts.open()),
        ] {
            *sum = sum.saturating_add(count);
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            given,
            early,
            on_time,
            late,
            never,
            open,
        } = self;
        write!(
            f,
            "{reason:<10}{given:>10}{early:>10}{on_time:>10}{late:>10}{never:>10}{open:>10}"
        )
    }
}

pub(super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match show(&config.data_dir, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn show(dir: &Path, args: &Args) -> Result<(), String> {
    let days = match records::reader(dir)? {
        Some(reader) => reader.stats().map_err(|err| err.to_string())?,
        None => Vec::new(),
    };
    let today = day_of(Moment::from(clock::now()));
    let sums = sums(&days, today - i64::from(args.days) + 1, today);
    let mut out = io::stdout().lock();
    let mut write = || -> io::Result<()> {
        if args.json {
            for sum in &sums {
                writeln!(out, "{}", serde_json::to_string(sum)?)?;
            }
            return Ok(());
        }
        if sums.len() == 1 {
            return writeln!(out, "no hints were given");
        }
        writeln!(
            out,
            "{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "REASON", "GIVEN", "EARLY", "ON TIME", "LATE", "NEVER", "OPEN"
        )?;
        sums.iter().try_for_each(|sum| writeln!(out, "{sum}"))
    };
    quiet(write())
}

/// By reason, those of which there is anything, and last the total. Days after `today` are of a clock that was wrong.
fn sums(days: &[Day], first: i64, today: i64) -> Vec<Sum> {
    let mut sums = Vec::new();
    let mut total = Sum::new("total");
    for reason in Reason::ALL {
        let mut sum = Sum::new(reason.name());
        let of_reason = days
            .iter()
            .filter(|day| day.reason == reason && (first..=today).contains(&day.day));
        for day in of_reason {
            sum.add(&day.counts);
            total.add(&day.counts);
        }
        if [sum.given, sum.early, sum.on_time, sum.late, sum.never] != [0; 5] {
            sums.push(sum);
        }
    }
    sums.push(total);
    sums
}
