//! `postdate config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{exit, fail};
use crate::{config, tls};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a configuration with every key at its default, explained.
    Sample,
    /// Check a configuration: all that is wrong with it, by file, line and key, and what is expected there.
    Check {
        /// The file [default: that of --config]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(named: Option<&Path>, command: &Command) -> ExitCode {
    match command {
        Command::Sample => {
            print!("{}", config::SAMPLE);
            ExitCode::SUCCESS
        }
        Command::Check { file } => check(
            file.as_deref()
                .or(named)
                .unwrap_or(Path::new(config::DEFAULT_PATH)),
        ),
    }
}

fn check(file: &Path) -> ExitCode {
    let loaded = match config::load(file) {
        Ok(loaded) => loaded,
        Err(err) => return fail(exit::EX_CONFIG, err),
    };
    // Where none is named the server makes one; a check writes nothing.
    if loaded.tls.certificate.is_some()
        && let Err(err) = tls::server(&loaded)
    {
        return fail(exit::EX_CONFIG, config::wrong_certificate(file, &err));
    }
    println!("{}: good", file.display());
    ExitCode::SUCCESS
}
