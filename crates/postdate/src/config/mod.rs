//! The configuration: one TOML file, every key with a default, unknown keys refused.

mod addresses;
mod check;
pub(crate) mod checks;
mod doors;
mod explain;
pub(crate) mod limiting;
mod locate;
mod machine;
pub(crate) mod model;
mod network;
mod read;
mod reply_text;
mod rules;
pub(crate) mod units;

use std::path::{Path, PathBuf};

pub(crate) use check::{ConfigError, load};
pub(crate) use doors::{OnFailure, Place, Policy, PostfixAction, postgreys_place};
pub(crate) use machine::check_machine;
pub(crate) use model::{
    BareNewline, Config, GreylistMode, Limits, Listen, Local, LogFormat, LogLevel, LogSettings, Tls,
};
pub(crate) use network::{NameServer, Networks};

/// The commented sample, with every key at its default: `postdate config sample`.
pub(crate) const SAMPLE: &str = include_str!("sample.toml");

/// Where the configuration is looked for when none is named.
pub(crate) const DEFAULT_PATH: &str = "/etc/postdate/postdate.toml";

/// Loads the named file, else the default one if it exists, else the embedded defaults; and says which file it was.
///
/// # Errors
/// A file that can't be read or is wrong.
pub(crate) fn load_or_default(
    named: Option<&Path>,
) -> Result<(Config, Option<PathBuf>), ConfigError> {
    if let Some(path) = named {
        return Ok((load(path)?, Some(path.to_owned())));
    }
    let default = Path::new(DEFAULT_PATH);
    if default.exists() {
        return Ok((load(default)?, Some(default.to_owned())));
    }
    Ok((Config::default(), None))
}
