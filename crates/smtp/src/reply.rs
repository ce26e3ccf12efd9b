//! One reply, the same value for the wire and for the log.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use retry_hint::Keyword;
use serde::{Deserialize, Serialize};

/// The longest reply line, in octets with its CRLF (RFC 5321 §4.5.3.1.5).
pub const MAX_LINE_LEN: usize = 512;

/// How much of one address or name a reply echoes, in octets, so that four of them and the words around them fit
/// into one line: what [`echo`] is usually called with.
pub const ECHO_LEN: usize = 96;

/// An enhanced status code (RFC 3463), `4.2.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status(pub u8, pub u16, pub u16);

impl Status {
    /// Reads `4.2.0`, and nothing around it. The class is 2, 4 or 5; the others have at most three digits
    /// (RFC 3463 §2).
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let status = Self(class, digits(parts.next()?)?, digits(parts.next()?)?);
        parts.next().is_none().then_some(status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One to three digits and nothing else: `parse` alone would take a sign.
fn digits(word: &str) -> Option<u16> {
    let fits = (1..=3).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| word.parse().ok()).flatten()
}

/// A reply that we give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three-digit code.
    pub code: u16,
    /// The enhanced status; left out of greetings, EHLO answers and 3yz.
    pub status: Option<Status>,
    /// Seconds to wait; written `TIME=…` as the first word after the status. Only in a 4yz reply.
    pub hint: Option<u64>,
    /// The text; LF separates lines of a multi-line reply.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced status.
    pub fn new(code: u16, status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: Some(status),
            hint: None,
            text: text.into(),
        }
    }

    /// A reply without one: greetings, EHLO answers, 3yz (RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: None,
            hint: None,
            text: text.into(),
        }
    }

    /// The same reply with a wait, in seconds.
    #[must_use]
    pub fn with_hint(mut self, wait_secs: u64) -> Self {
        self.hint = Some(wait_secs);
        self
    }

    /// Writes the wire form: every line with the code and the status, the hint in the first line only. What
    /// [`misleads`] is left out; a line that is longer than [`MAX_LINE_LEN`] is cut between two characters.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        let mut first = true;
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            self.write_line(out, separator, first, line);
            first = false;
        }
    }

    fn write_line(&self, out: &mut Vec<u8>, separator: char, first: bool, line: &str) {
        let start = out.len();
        // Writing to a Vec can't fail.
        let _ = write!(out, "{:03}{separator}", self.code);
        if let Some(status) = self.status {
            let _ = write!(out, "{status} ");
        }
        if let Some(wait_secs) = self.told_hint().filter(|_| first) {
            let _ = write!(out, "{} ", Keyword(wait_secs));
        }
        let room = MAX_LINE_LEN - "\r\n".len() - (out.len() - start);
        push_clean(out, line, room);
        // "250 2.0.0" and "250" are whole replies (RFC 5321 §4.2), "250 " only nearly.
        if separator == ' ' {
            while out.ends_with(b" ") {
                out.pop();
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The hint, if this reply may carry one.
    fn told_hint(&self) -> Option<u64> {
        self.hint.filter(|_| self.is_transient())
    }

    /// 2yz.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz: it may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: it will not.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// The log form: one line, lines of the text joined by a space.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(wait_secs) = self.told_hint() {
            write!(f, " {}", Keyword(wait_secs))?;
        }
        self.text
            .split('\n')
            .try_for_each(|line| log_words(f, line))
    }
}

/// A reply that a peer gave us, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The three-digit code.
    pub code: u16,
    /// The enhanced status of the first line that has one.
    pub status: Option<Status>,
    /// All lines, each with its code, separated by CRLF and without the last CRLF. Octets that are not UTF-8 are
    /// replaced; the length is limited by [`crate::client::MAX_REPLY_LEN`].
    pub raw: String,
}

impl Answer {
    /// Reads one whole reply, lines separated by CRLF or LF. `None` where a line has no reply code of its own.
    ///
    /// Lines that disagree are settled by the last one (RFC 5321 §4.2.1 forbids them, and says to trust that one). A
    /// status of another class than the code is none (RFC 2034 §4).
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.strip_suffix('\n').unwrap_or(raw);
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        let mut code = 0;
        for line in lines(raw) {
            code = code_of(line)?;
        }
        let class = u8::try_from(code / 100).ok()?;
        let status = lines(raw)
            .filter_map(|line| Status::parse(words_of(line).split(' ').next()?))
            .find(|status| status.0 == class);
        let raw = lines(raw).collect::<Vec<_>>().join("\r\n");
        Some(Self { code, status, raw })
    }

    /// 2yz.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz: it may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: it will not.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The last line, with its code: where most hosts put what they mean.
    #[must_use]
    pub fn last_line(&self) -> &str {
        self.raw.rsplit("\r\n").next().unwrap_or_default()
    }
}

/// The log form: one line. The code stands once; the words of all lines follow, joined by a space.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code)?;
        lines(&self.raw).try_for_each(|line| log_words(f, words_of(line)))
    }
}

fn lines(raw: &str) -> impl Iterator<Item = &str> {
    raw.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// The code of a reply line: three digits from 200 to 599, then SP, "-" or nothing (RFC 5321 §4.2).
fn code_of(line: &str) -> Option<u16> {
    let (code, rest) = line.split_at_checked(3)?;
    let ends = rest.is_empty() || rest.starts_with([' ', '-']);
    digits(code).filter(|code| ends && (200..600).contains(code))
}

/// What follows the code and its separator.
fn words_of(line: &str) -> &str {
    line.get(4..).unwrap_or_default()
}

fn log_words(f: &mut fmt::Formatter<'_>, words: &str) -> fmt::Result {
    let clean = echo(words, usize::MAX);
    match clean.trim() {
        "" => Ok(()),
        words => write!(f, " {words}"),
    }
}

/// A peer's words, fit to stand in a reply or a log: what [`misleads`] is left out, and the rest is cut between two
/// characters to at most `max` octets.
#[must_use]
pub fn echo(words: &str, max: usize) -> Cow<'_, str> {
    if words.len() <= max && !words.contains(misleads) {
        return Cow::Borrowed(words);
    }
    let mut clean = String::with_capacity(words.len().min(max));
    for c in words.chars().filter(|&c| !misleads(c)) {
        if clean.len() + c.len_utf8() > max {
            break;
        }
        clean.push(c);
    }
    Cow::Owned(clean)
}

fn push_clean(out: &mut Vec<u8>, words: &str, room: usize) {
    out.extend_from_slice(echo(words, room).as_bytes());
}

/// Whether a character could end a line, steer a terminal, or make a line read as something else than it is: the
/// controls, Unicode's own line ends, and its format characters (category Cf), which are not seen, or turn the words
/// around them (Unicode 17).
#[must_use]
pub fn misleads(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
