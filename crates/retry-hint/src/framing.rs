//! A reply's frame: code, enhanced status code, lines (RFC 5321 §4.2, RFC 2034 §4).

use crate::NoHint;

/// A reply whose every line carries the same 4yz code.
pub(crate) struct Reply<'a> {
    /// The whole reply, without the line ends behind its last line.
    pub(crate) bytes: &'a [u8],
    /// 400 to 499.
    pub(crate) code: u16,
    /// The first line's enhanced status code, where it has one of class 4.
    pub(crate) status: Option<[u16; 3]>,
    /// Where the first line's text begins: behind the status code, or behind the reply code.
    pub(crate) text: usize,
}

/// Frames a reply, or says why it can carry no hint.
pub(crate) fn frame(reply: &[u8]) -> Result<Reply<'_>, NoHint> {
    let bytes = without_line_ends(reply);
    let code = code(bytes).ok_or(NoHint::NoCode)?;
    if code / 100 != 4 {
        return Err(NoHint::NotTemporary { code });
    }
    for line in bytes.split(|&b| b == b'\n').skip(1) {
        if let Some(other) = self::code(line)
            && other != code
        {
            return Err(NoHint::MixedCodes { first: code, other });
        }
    }
    let status = status(&bytes[4.min(bytes.len())..]);
    Ok(Reply {
        bytes,
        code,
        status,
        text: text_start(bytes, 0),
    })
}

impl Reply<'_> {
    /// The first line's text.
    pub(crate) fn first_text(&self) -> &[u8] {
        let text = &self.bytes[self.text..];
        let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
        without_line_ends(&text[..end])
    }

    /// Where the last line begins.
    pub(crate) fn last_line(&self) -> usize {
        self.bytes
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1)
    }
}

/// Where the text of the line at `start` begins: behind its reply code and enhanced status code, whichever it has.
pub(crate) fn text_start(bytes: &[u8], start: usize) -> usize {
    let line = &bytes[start..];
    if code(line).is_none() {
        return start;
    }
    // A code alone, "450" and the line end, has no separator.
    if !matches!(line.get(3), Some(b' ' | b'-')) {
        return start + 3;
    }
    let rest = &line[4..];
    match status_len(rest) {
        Some(len) if rest.get(len) == Some(&b' ') => start + 4 + len + 1,
        Some(len) => start + 4 + len,
        None => start + 4,
    }
}

fn without_line_ends(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|&b| b != b'\r' && b != b'\n')
        .map_or(0, |at| at + 1);
    &bytes[..end]
}

/// The reply code a line begins with: three digits, then SP, "-" or the end of the line.
fn code(line: &[u8]) -> Option<u16> {
    if !matches!(line.get(3), None | Some(b' ' | b'-' | b'\r' | b'\n')) {
        return None;
    }
    line.get(..3)?.iter().try_fold(0, |code, digit| {
        digit
            .is_ascii_digit()
            .then(|| code * 10 + u16::from(digit - b'0'))
    })
}

fn status(text: &[u8]) -> Option<[u16; 3]> {
    let mut parts = text[..status_len(text)?].split(|&b| b == b'.');
    let mut part = || {
        parts
            .next()?
            .iter()
            .try_fold(0u16, |n, d| Some(n * 10 + u16::from(d - b'0')))
    };
    Some([part()?, part()?, part()?])
}

/// The length of the enhanced status code of class 4 that stands alone at the start of the text (RFC 3463 §2).
fn status_len(text: &[u8]) -> Option<usize> {
    let mut at = if text.first() == Some(&b'4') {
        1
    } else {
        return None;
    };
    for _ in 0..2 {
        if text.get(at) != Some(&b'.') {
            return None;
        }
        let digits = text[at + 1..]
            .iter()
            .take(4)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if !(1..=3).contains(&digits) {
            return None;
        }
        at += 1 + digits;
    }
    matches!(text.get(at), None | Some(b' ' | b'\r' | b'\n')).then_some(at)
}
