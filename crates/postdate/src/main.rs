//! The `postdate` command.
#![forbid(unsafe_code)]

mod cli;
mod clock;
mod config;
mod control;
mod demo;
mod directory;
mod log;
mod node;
mod operate;
mod routes;
mod runner;
mod server;
mod site;
mod submit;
#[cfg(test)]
mod tests;
mod tls;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
