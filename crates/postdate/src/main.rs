//! The `postdate` command.
#![forbid(unsafe_code)]
// They panic where nobody reads: see `stdout`.
#![deny(clippy::print_stdout)]

mod checks;
mod cli;
mod clock;
mod config;
mod control;
mod demo;
mod directory;
mod doors;
mod judge;
mod listening;
mod log;
mod mailboxes;
mod names;
mod node;
mod operate;
mod quotas;
mod routes;
mod rules_of;
mod runner;
mod server;
mod site;
mod spell;
mod stand_in;
mod stdout;
mod submit;
#[cfg(test)]
mod tests;
mod tls;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
