//! The file's lines, and what can be wrong with them.

use std::fmt;

/// Octets of a file that are read.
pub const OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Lines of a file that are read.
pub const LINES_MAX: usize = 100_000;

/// A line that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The first is 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is not UTF-8.
    NotText,
    /// Of clients: no host name, address, network or expression.
    NoClient(String),
    /// Of recipients: no address, local part, domain or expression.
    NoRecipient(String),
    /// The expression can't be used, and why, in a line.
    Expression(String),
    /// Together with those before it the expressions take too much memory.
    TooManyExpressions,
    /// The file is too long: this line and those that follow are not read.
    TooLong,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.what {
            What::NotText => f.write_str("is not UTF-8"),
            What::NoClient(text) => write!(
                f,
                "{text:?} is no host name, address, network or /expression/"
            ),
            What::NoRecipient(text) => {
                write!(f, "{text:?} is no address, user@, domain or /expression/")
            }
            What::Expression(why) => write!(f, "the expression can't be used: {why}"),
            What::TooManyExpressions => {
                f.write_str("the expressions up to here take too much memory; this one is not used")
            }
            What::TooLong => write!(
                f,
                "the file is longer than {OCTETS_MAX} octets or {LINES_MAX} lines; it is not read from here on"
            ),
        }
    }
}

/// Calls `take` with each line that says something, without its comment, and its number.
pub(super) fn each(
    octets: &[u8],
    trouble: &mut Vec<Trouble>,
    mut take: impl FnMut(usize, &str) -> Result<(), What>,
) {
    let mut lines = 0;
    for line in whole_lines(octets).split(|octet| *octet == b'\n') {
        if lines == LINES_MAX {
            break;
        }
        lines += 1;
        let end = line.iter().position(|octet| *octet == b'#');
        let said = line[..end.unwrap_or(line.len())].trim_ascii();
        let outcome = match std::str::from_utf8(said) {
            Ok("") => Ok(()),
            Ok(text) => take(lines, text),
            Err(_) => Err(What::NotText),
        };
        if let Err(what) = outcome {
            trouble.push(Trouble { line: lines, what });
        }
    }
    if octets.len() > OCTETS_MAX || lines == LINES_MAX {
        trouble.push(Trouble {
            line: lines + 1,
            what: What::TooLong,
        });
    }
}

/// What is read of a file that is too long: no line by half, which could say more than the whole.
fn whole_lines(octets: &[u8]) -> &[u8] {
    if octets.len() <= OCTETS_MAX {
        return octets;
    }
    let read = &octets[..OCTETS_MAX];
    let end = read.iter().rposition(|octet| *octet == b'\n');
    &read[..end.unwrap_or(0)]
}

/// Letters, digits, hyphens and underscores, between single dots.
pub(super) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let letter = |char: char| char.is_alphanumeric() || "-_".contains(char);
        !label.is_empty() && label.chars().all(letter)
    };
    text.split('.').all(is_label)
}
