//! Reads a configuration and says what is wrong with it: file, line, key, and the nearest right name.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::explain::{explain, names_the_key};
use super::{Config, locate, rules};

/// A configuration that can't be used.
#[derive(Debug)]
pub(crate) struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ConfigError {}

/// Reads a file.
///
/// # Errors
/// The file can't be read, or is wrong.
pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|err| ConfigError {
        path: path.to_owned(),
        line: None,
        what: format!("can't be read: {err}"),
    })?;
    parse(&text, path)
}

/// Names the key of a certificate or key file that can't be used.
pub(crate) fn wrong_certificate(path: &Path, err: &crate::tls::TlsError) -> ConfigError {
    let key = ["tls".to_owned(), err.key().to_owned()];
    let text = std::fs::read_to_string(path).unwrap_or_default();
    ConfigError {
        path: path.to_owned(),
        line: locate::place_of(&text, &key).map(|place| line_of(&text, &place)),
        what: format!("{}: {err}", locate::dotted(&key)),
    }
}

fn line_of(text: &str, place: &Range<usize>) -> usize {
    text[..place.start.min(text.len())].matches('\n').count() + 1
}

/// Reads a text; `path` is for messages, and relative paths in it stay relative to the working directory.
///
/// # Errors
/// It is wrong.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let wrong = |span: Option<Range<usize>>, what: String| ConfigError {
        path: path.to_owned(),
        line: span.map(|span| line_of(text, &span)),
        what,
    };
    let config: Config = toml::from_str(text).map_err(|err| {
        let span = err.span();
        let written = span.clone().and_then(|span| text.get(span)).unwrap_or("");
        let key = span.as_ref().and_then(|span| locate::key_at(text, span));
        let what = explain(err.message(), written, key.as_deref());
        match key {
            Some(key) if !names_the_key(err.message()) => wrong(span, format!("{key}: {what}")),
            _ => wrong(span, what),
        }
    })?;
    rules::check(&config).map_err(|rules::Wrong { key, what }| {
        let place = locate::place_of(text, &key);
        wrong(place, format!("{}: {what}", locate::dotted(&key)))
    })?;
    Ok(config)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
