//! `postdate config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{exit, fail, said};
use crate::config;

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
        Command::Sample => said(config::SAMPLE.trim_end()),
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
    if let Err(err) = config::check_machine(&loaded, file) {
        return fail(exit::EX_CONFIG, err);
    }
    if loaded.data_dir.is_relative() {
        eprintln!(
            "postdate: {}: data_dir: {} lies below the directory that a command is called in: write a path from /, or \
             `postdate queue` and sendmail look elsewhere than the server",
            file.display(),
            loaded.data_dir.display()
        );
    }
    said(format_args!("{}: good", file.display()))
}
