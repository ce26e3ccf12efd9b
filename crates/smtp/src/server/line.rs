//! Command lines out of octets.

use memchr::memchr2;

use super::BareNewline;

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// Whole: [`Line::text`].
    Whole,
    /// Longer than allowed. All of it was read, and not kept.
    TooLong,
    /// A bare CR or LF where none is taken.
    BareNewline,
}

/// Gathers one command line. Holds at most the longest line allowed, however long the peer's is.
#[derive(Debug)]
pub(super) struct Line {
    text: Vec<u8>,
    /// Octets of the line so far, whether kept or not.
    len: usize,
    /// The last octet was a CR; what it is the next octet tells.
    after_cr: bool,
    max_len: usize,
    bare_newline: BareNewline,
}

impl Line {
    pub(super) fn new(max_len: usize, bare_newline: BareNewline) -> Self {
        Self {
            text: Vec::new(),
            len: 0,
            after_cr: false,
            max_len,
            bare_newline,
        }
    }

    /// Takes the line that was found whole, without its line end. Give it back with [`Line::clear`].
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// Forgets what was gathered. The buffer, once taken, serves for the next line.
    pub(super) fn clear(&mut self, buffer: Vec<u8>) {
        self.text = buffer;
        self.text.clear();
        self.len = 0;
        self.after_cr = false;
    }

    /// Reads up to one line end. Returns how many octets that took, and what they ended, if anything.
    pub(super) fn read(&mut self, octets: &[u8]) -> (usize, Option<Framed>) {
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            if std::mem::take(&mut self.after_cr) {
                if rest[0] == b'\n' {
                    return (at + 1, Some(self.end("\r\n".len())));
                }
                if self.bare_newline == BareNewline::Reject {
                    return (at, Some(Framed::BareNewline));
                }
                self.keep(b"\r");
            }
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                self.keep(rest);
                return (octets.len(), None);
            };
            self.keep(&rest[..found]);
            at += found + 1;
            if rest[found] == b'\r' {
                self.after_cr = true;
            } else if self.bare_newline == BareNewline::Reject {
                return (at, Some(Framed::BareNewline));
            } else {
                return (at, Some(self.end("\n".len())));
            }
        }
        (at, None)
    }

    fn keep(&mut self, octets: &[u8]) {
        self.len = self.len.saturating_add(octets.len());
        let room = self.max_len.saturating_sub(self.text.len());
        self.text
            .extend_from_slice(&octets[..octets.len().min(room)]);
    }

    fn end(&self, newline_len: usize) -> Framed {
        if self.len.saturating_add(newline_len) > self.max_len {
            Framed::TooLong
        } else {
            Framed::Whole
        }
    }
}
