//! `postdate config`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{exit, fail};
use crate::config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a configuration with every key at its default, explained.
    Sample,
    /// Check a configuration: file, line, key, and the nearest right name.
    Check {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Sample => print!("{}", config::SAMPLE),
        Command::Check { file } => {
            let loaded = match config::load(file) {
                Ok(loaded) => loaded,
                Err(err) => return fail(exit::EX_CONFIG, err),
            };
            for path in [&loaded.tls.certificate, &loaded.tls.key]
                .into_iter()
                .flatten()
            {
                if let Err(err) = std::fs::metadata(path) {
                    return fail(
                        exit::EX_CONFIG,
                        format_args!("{}: tls: {}: {err}", file.display(), path.display()),
                    );
                }
            }
            println!("{}: good", file.display());
        }
    }
    ExitCode::SUCCESS
}
