//! The project's own commands: `cargo xtask test` and what it is made of.
#![forbid(unsafe_code)]

mod long;
mod peers;
mod run;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything a change must pass: formatting, lints, tidy, documentation, all tests. Installs the peers it needs.
    Test {
        /// Leave out the tests against real peers (Postfix, Exim, OpenSMTPD, …); installs nothing.
        #[arg(long)]
        hermetic: bool,
    },
    /// What no compiler checks: arrows between crates, purity, file sizes, dead links.
    Tidy,
    /// Install the peers that tests run against (root, Debian).
    Peers,
    /// The long test: kill -9, bad lines and power cuts, many rounds (root).
    Long {
        /// Kills and power cuts; a bad line strikes five sessions for each.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Repeat a run: the number that it printed.
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    let root = root();
    let result = match Cli::parse().command {
        Command::Test { hermetic } => test::run(&root, hermetic),
        Command::Tidy => tidy::run(&root),
        Command::Peers => peers::install(&root),
        Command::Long { rounds, seed } => long::run(&root, rounds, seed),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root: the parent of this crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}
