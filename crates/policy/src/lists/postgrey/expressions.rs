//! The `/…/` lines: matched all at once, in linear time.

use super::lines::{Trouble, What};
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

/// Octets of one expression, compiled.
const ONE_MAX: usize = 256 * 1024;

/// Octets of all, compiled.
const ALL_MAX: usize = 16 * 1024 * 1024;

/// Expressions of one file.
const EXPRESSIONS_MAX: usize = 1_000;

/// Expressions, each with its line.
#[derive(Clone, Debug, Default)]
pub(super) struct Expressions {
    set: Option<RegexSet>,
    lines: Vec<usize>,
}

/// Expressions that are being read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    patterns: Vec<String>,
    lines: Vec<usize>,
}

/// The inside of `/…/`, if `line` is that.
pub(super) fn inside(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('/')?.strip_suffix('/')?;
    (!inside.is_empty() && !inside.contains(char::is_whitespace)).then_some(inside)
}

impl Reading {
    /// Takes an expression if it can be used.
    pub(super) fn take(&mut self, line: usize, pattern: &str) -> Result<(), What> {
        if self.patterns.len() == EXPRESSIONS_MAX {
            return Err(What::TooManyExpressions);
        }
        RegexBuilder::new(pattern)
            .unicode(false)
            .case_insensitive(true)
            .size_limit(ONE_MAX)
            .build()
            .map_err(|error| What::Expression(last_line(&error.to_string())))?;
        self.patterns.push(pattern.to_owned());
        self.lines.push(line);
        Ok(())
    }

    /// What matches. Where all together are too large, the first ones hold.
    pub(super) fn finish(mut self, trouble: &mut Vec<Trouble>) -> Expressions {
        while !self.patterns.is_empty() {
            let set = RegexSetBuilder::new(&self.patterns)
                .unicode(false)
                .case_insensitive(true)
                .size_limit(ALL_MAX)
                .build();
            if let Ok(set) = set {
                return Expressions {
                    set: Some(set),
                    lines: self.lines,
                };
            }
            let half = self.patterns.len() / 2;
            self.patterns.truncate(half);
            for line in self.lines.split_off(half) {
                let what = What::TooManyExpressions;
                trouble.push(Trouble { line, what });
            }
        }
        Expressions::default()
    }
}

impl Expressions {
    /// There is none.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line of the first that matches somewhere in `text`.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let first = self.set.as_ref()?.matches(text.as_bytes()).iter().next()?;
        self.lines.get(first).copied()
    }
}

/// An error of the crate ends with its reason; before it the expression is drawn.
fn last_line(text: &str) -> String {
    let last = text.lines().next_back().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
