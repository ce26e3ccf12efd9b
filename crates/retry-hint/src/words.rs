//! A reply's words, with whatever an address could have brought in blanked: `<…>`, quoted strings, words with `@`.

use crate::framing::{self, Reply};

/// A run of octets without a space in it (those inside quotes and `<…>` do not count).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    /// Where it begins and ends, punctuation included.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The same without the punctuation around it. Empty for a word of punctuation alone.
    pub(crate) core_start: usize,
    pub(crate) core_end: usize,
    /// A peer may have chosen it: it may be looked at, but not read.
    pub(crate) blanked: bool,
    /// An opening parenthesis stands before it.
    pub(crate) opens: bool,
    /// What stands behind it.
    pub(crate) closes: bool,
    pub(crate) comma: bool,
    pub(crate) colon: bool,
    /// The end of a sentence or clause: `.`, `;`, `!` or `?`.
    pub(crate) stop: bool,
}

impl Word {
    /// Nothing but spaces stands between this word and the next.
    pub(crate) fn is_joined(&self) -> bool {
        !(self.closes || self.comma || self.colon || self.stop)
    }
}

/// The words of a reply's text in order, all lines, without the codes at the start of the lines.
pub(crate) struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
    /// No single quote is closed behind here, so that it is looked for only once.
    no_single: bool,
}

impl<'a> Words<'a> {
    pub(crate) fn new(reply: &Reply<'a>) -> Self {
        Self {
            bytes: reply.bytes,
            at: reply.text,
            no_single: false,
        }
    }

    fn skip_spaces(&mut self) {
        while let Some(&b) = self.bytes.get(self.at) {
            if !is_space(b) {
                return;
            }
            self.at += 1;
            if b == b'\n' {
                self.at = framing::text_start(self.bytes, self.at);
            }
        }
    }

    /// Moves behind one word; true if it has to be blanked.
    fn pass_word(&mut self) -> bool {
        if let Some(end) = self.single_quoted() {
            self.at = end;
            return true;
        }
        let mut blanked = false;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'"' => self.at = quote_end(self.bytes, self.at).unwrap_or(self.bytes.len()),
                b'<' => self.at = angle_end(self.bytes, self.at).unwrap_or(self.bytes.len()),
                _ if is_space(b) => break,
                _ => self.at += 1,
            }
            blanked |= matches!(b, b'"' | b'<' | b'@');
        }
        blanked
    }

    /// The end of `'…'` or `` `…' ``, where the word at hand opens it. Only where it is closed: an apostrophe is no quote.
    fn single_quoted(&mut self) -> Option<usize> {
        let lead = usize::from(matches!(self.bytes.get(self.at), Some(b'(' | b'[')));
        let open = self.at + lead;
        if self.no_single || !matches!(self.bytes.get(open), Some(b'\'' | b'`')) {
            return None;
        }
        match self.closing_single(open + 1) {
            Single::Closed(end) => Some(end),
            Single::Address => None,
            Single::Open => {
                self.no_single = true;
                None
            }
        }
    }

    fn closing_single(&self, from: usize) -> Single {
        let mut at = from;
        let mut in_first_word = true;
        while let Some(&b) = self.bytes.get(at) {
            let past = match b {
                b'"' => quote_end(self.bytes, at),
                b'<' => angle_end(self.bytes, at),
                b'@' if in_first_word => return Single::Address,
                b'\'' if self.ends_word(at + 1) => return Single::Closed(at + 1),
                _ => Some(at + 1),
            };
            let Some(past) = past else {
                return Single::Open;
            };
            in_first_word &= !is_space(b);
            at = past;
        }
        Single::Open
    }

    fn ends_word(&self, at: usize) -> bool {
        self.bytes
            .get(at)
            .is_none_or(|&b| is_space(b) || is_trailing(b))
    }
}

/// Longer runs without a space are not looked into: it keeps the time linear.
const LONGEST_CUT: usize = 64;

/// What an opening single quote turned out to be.
enum Single {
    /// A quoted string that ends here.
    Closed(usize),
    /// The first octet of an address: a word of its own.
    Address,
    /// Nothing closes it: an apostrophe.
    Open,
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        self.skip_spaces();
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let blanked = self.pass_word() || is_url(&self.bytes[start..self.at]);
        let raw = &self.bytes[start..self.at];
        // "Greylisted,try again": no address has a comma or semicolon in it.
        if !blanked
            && raw.len() <= LONGEST_CUT
            && let Some(cut) = raw.windows(3).position(is_missing_space)
        {
            self.at = start + cut + 2;
        }
        let raw = &self.bytes[start..self.at];
        let mut word = Word {
            start,
            end: self.at,
            blanked,
            ..Word::default()
        };
        if word.blanked {
            // Punctuation may be the peer's, too; only the server's colon behind it says something.
            (word.core_start, word.core_end) = (start, self.at);
            word.colon = raw.ends_with(b":");
            return Some(word);
        }
        trim(&mut word, raw);
        Some(word)
    }
}

/// Takes the punctuation off both ends and notes what it was.
fn trim(word: &mut Word, raw: &[u8]) {
    let mut core = raw;
    while let [
        first @ (b'(' | b'[' | b'{' | b'*' | b'~' | b'-' | b'=' | b'.'),
        rest @ ..,
    ] = core
    {
        // A sign or a point is part of its number.
        if matches!(first, b'-' | b'=' | b'.') && rest.first().is_some_and(u8::is_ascii_digit) {
            break;
        }
        word.opens |= matches!(first, b'(' | b'[' | b'{');
        core = rest;
    }
    word.core_start = word.start + (raw.len() - core.len());
    while let [rest @ .., last] = core {
        if !is_trailing(*last) {
            break;
        }
        match last {
            b')' | b']' | b'}' => word.closes = true,
            b',' => word.comma = true,
            b':' => word.colon = true,
            b'.' | b';' | b'!' | b'?' => word.stop = true,
            _ => {}
        }
        core = rest;
    }
    word.core_end = word.core_start + core.len();
}

fn is_missing_space(three: &[u8]) -> bool {
    matches!(three, [a, b',' | b';', b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
}

fn is_trailing(b: u8) -> bool {
    matches!(
        b,
        b')' | b']' | b'}' | b',' | b':' | b'.' | b';' | b'!' | b'?' | b'*' | b'\'' | b'-' | b'/'
    )
}

fn is_space(b: u8) -> bool {
    b <= b' ' || b == 0x7f
}

fn is_url(raw: &[u8]) -> bool {
    raw.windows(3).any(|three| three == b"://")
        || raw
            .get(..4)
            .is_some_and(|www| www.eq_ignore_ascii_case(b"www."))
}

/// Behind the `>` of the `<…>` that begins at `at`. A `>` inside a quoted string is no end (RFC 5321 §4.1.2).
pub(crate) fn angle_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'>' => return Some(at + 1),
            b'"' => at = quote_end(bytes, at)?,
            _ => at += 1,
        }
    }
}

/// Behind the closing quote of the quoted string that begins at `at`. A backslash takes the next octet with it.
fn quote_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Digits and nothing else as a number; more than fit are the largest.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit()
            .then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    })
}
