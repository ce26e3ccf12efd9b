//! Reads a configuration and says what is wrong with it: file, line, key, and the nearest right name.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Config, locate, read, rules};

/// A configuration that can't be used: all that is wrong with it, in the order of its lines.
#[derive(Debug)]
pub(crate) struct ConfigError {
    path: PathBuf,
    wrong: Vec<(Option<usize>, String)>,
}

impl ConfigError {
    fn new(path: &Path, mut wrong: Vec<(Option<usize>, String)>) -> Self {
        wrong.sort_by_key(|(line, _)| *line);
        Self {
            path: path.to_owned(),
            wrong,
        }
    }
}

/// Where it is known which key is wrong.
impl ConfigError {
    /// One that came to light when the configuration was put to use.
    pub(crate) fn at(path: &Path, key: &str, what: impl Into<String>) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::new(path, vec![located(&text, rules::Wrong::new(key, what))])
    }

    /// # Errors
    /// All that was found.
    pub(super) fn of_all(path: &Path, found: rules::Found) -> Result<(), Self> {
        if found.0.is_empty() {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let wrong = found.0.into_iter().map(|wrong| located(&text, wrong));
        Err(Self::new(path, wrong.collect()))
    }
}

fn located(text: &str, wrong: rules::Wrong) -> (Option<usize>, String) {
    let rules::Wrong { key, what } = wrong;
    let line = locate::place_of(text, &key).map(|place| line_of(text, &place));
    (line, format!("{}: {what}", locate::dotted(&key)))
}

/// A line for each; in one line with `{:#}`, for the log.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if f.alternate() { "; " } else { "\n" };
        for (n, (line, what)) in self.wrong.iter().enumerate() {
            if n > 0 {
                f.write_str(between)?;
            }
            write!(f, "{}", self.path.display())?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads a file.
///
/// # Errors
/// The file can't be read, or is wrong.
pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|err| ConfigError::new(path, vec![(None, format!("can't be read: {err}"))]))?;
    parse(&text, path)
}

fn line_of(text: &str, place: &Range<usize>) -> usize {
    text[..place.start.min(text.len())].matches('\n').count() + 1
}

/// Reads a text; `path` is for messages, and relative paths in it stay relative to the working directory.
///
/// # Errors
/// It is wrong.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let line = |span: Option<Range<usize>>| span.map(|span| line_of(text, &span));
    let (config, mistakes) = read::read(text);
    let found = config.as_ref().map(rules::check).unwrap_or_default();
    let beyond = found.into_iter().filter(|wrong| !hangs(wrong, &mistakes));
    let beyond: Vec<_> = beyond.map(|wrong| located(text, wrong)).collect();
    let all = mistakes
        .into_iter()
        .map(|mistake| (line(mistake.span), mistake.what));
    let wrong: Vec<_> = all.chain(beyond).collect();
    match config {
        Some(config) if wrong.is_empty() => Ok(config),
        _ => Err(ConfigError::new(path, wrong)),
    }
}

/// Whether it may be wrong only since something else could not be read: the default stands there instead.
fn hangs(wrong: &rules::Wrong, mistakes: &[read::Mistake]) -> bool {
    let own = wrong.key.first().map(String::as_str);
    let of = |table: &str| own == Some(table) || (own == Some("aliases") && table == "local");
    mistakes
        .iter()
        .any(|mistake| mistake.table.as_deref().is_some_and(of))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
