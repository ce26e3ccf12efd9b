//! Finds the parts of content as it is read, line by line, and what has to be edited in them.

use std::io::{BufRead, BufReader, Read};

use memchr::memchr;

use super::CannotConvert;
use super::part::{Kind, Part};
use super::rewrite::{Edit, With};

/// Content of more parts is not converted.
const PARTS_MAX: usize = 10_000;

/// Content that is nested deeper is not converted.
const DEPTH_MAX: usize = 50;

/// Content with a longer header section, in octets, is not converted.
const HEADER_MAX: usize = 1024 * 1024;

/// So much of a line is kept, to see whether it is a boundary; RFC 2046 §5.1.1 allows 70 octets for one.
const HEAD_LEN: usize = 300;

/// The edits that make the content 7-bit, in order.
pub(super) fn scan(content: impl Read) -> Result<Vec<Edit>, CannotConvert> {
    let mut content = BufReader::with_capacity(64 * 1024, content);
    let mut scan = Scan::default();
    loop {
        let octets = content.fill_buf().map_err(CannotConvert::unreadable)?;
        if octets.is_empty() {
            return scan.finish();
        }
        let end = memchr(b'\n', octets).map(|at| at + 1);
        let piece = &octets[..end.unwrap_or(octets.len())];
        scan.piece(piece, end.is_some())?;
        let length = piece.len();
        content.consume(length);
    }
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    /// Where it begins.
    start: u64,
    /// Its first octets.
    head: Vec<u8>,
    /// Where it ends by now.
    end: u64,
    /// Its last octet by now.
    last: u8,
    eight_bit: bool,
}

/// A multipart or a message that is open around what is being read.
#[derive(Debug)]
struct Around {
    part: Part,
    /// Something in it is encoded.
    changed: bool,
}

/// What is being read.
#[derive(Debug)]
enum Inside {
    /// A header section.
    Header { start: u64, section: Vec<u8> },
    /// A body that has no parts, and whether some octet of it is 8-bit.
    Body {
        part: Part,
        start: u64,
        eight_bit: bool,
    },
    /// What stands before the first part of a multipart, or behind its last.
    Between,
}

#[derive(Debug)]
struct Scan {
    line: Line,
    /// How long the end of the line before was: CRLF, rarely LF.
    end_len: u64,
    /// Outermost first.
    around: Vec<Around>,
    inside: Inside,
    edits: Vec<Edit>,
    parts: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            line: Line::default(),
            end_len: 0,
            around: Vec::new(),
            inside: Inside::header(0),
            edits: Vec::new(),
            parts: 0,
        }
    }
}

impl Inside {
    fn header(start: u64) -> Self {
        Self::Header {
            start,
            section: Vec::new(),
        }
    }
}

impl Scan {
    /// Takes a piece of a line. `ends`: with it, the line is whole.
    fn piece(&mut self, piece: &[u8], ends: bool) -> Result<(), CannotConvert> {
        let room = HEAD_LEN.saturating_sub(self.line.head.len());
        self.line
            .head
            .extend_from_slice(&piece[..piece.len().min(room)]);
        self.line.end += piece.len() as u64;
        self.line.eight_bit |= !piece.is_ascii();
        if let Inside::Header { section, .. } = &mut self.inside {
            if section.len() + piece.len() > HEADER_MAX {
                return Err(CannotConvert::TooComplex);
            }
            section.extend_from_slice(piece);
        }
        if !ends {
            self.line.last = piece.last().copied().unwrap_or_default();
            return Ok(());
        }
        let before = piece.len().checked_sub(2).map(|at| piece[at]);
        let end_len = 1 + u64::from(before.unwrap_or(self.line.last) == b'\r');
        self.end_line(end_len)
    }

    fn end_line(&mut self, end_len: u64) -> Result<(), CannotConvert> {
        let is_empty = self.line.end - self.line.start == end_len;
        if let Some((level, closes)) = self.boundary() {
            if self.line.eight_bit {
                return Err(CannotConvert::OutsideParts);
            }
            self.at_boundary(level, closes)?;
        } else {
            self.plain_line(is_empty)?;
        }
        self.end_len = end_len;
        self.line.start = self.line.end;
        self.line.head.clear();
        self.line.last = 0;
        self.line.eight_bit = false;
        Ok(())
    }

    /// Which of the multiparts around it the line is a boundary of, and whether it is the last one.
    fn boundary(&self) -> Option<(usize, bool)> {
        let line = self.line.head.strip_prefix(b"--")?.trim_ascii_end();
        let mut levels = self.around.iter().enumerate().rev();
        levels.find_map(|(level, around)| match &around.part.kind {
            Kind::Multipart { boundary, .. } => match line.strip_prefix(&boundary[..])? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            },
            _ => None,
        })
    }

    fn at_boundary(&mut self, level: usize, closes: bool) -> Result<(), CannotConvert> {
        // The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
        self.end_body(self.line.start.saturating_sub(self.end_len))?;
        self.leave(if closes { level } else { level + 1 });
        self.inside = if closes {
            Inside::Between
        } else {
            self.parts += 1;
            Inside::header(self.line.end)
        };
        if self.parts > PARTS_MAX {
            return Err(CannotConvert::TooComplex);
        }
        Ok(())
    }

    fn plain_line(&mut self, is_empty: bool) -> Result<(), CannotConvert> {
        match &mut self.inside {
            Inside::Body { eight_bit, .. } => *eight_bit |= self.line.eight_bit,
            _ if self.line.eight_bit => return Err(CannotConvert::OutsideParts),
            Inside::Header { start, section } if is_empty => {
                let (start, section) = (*start, std::mem::take(section));
                return self.begin_body(start, &section);
            }
            Inside::Header { .. } | Inside::Between => {}
        }
        Ok(())
    }

    fn begin_body(&mut self, start: u64, section: &[u8]) -> Result<(), CannotConvert> {
        let digest =
            |around: &Around| matches!(around.part.kind, Kind::Multipart { digest, .. } if digest);
        let part = Part::read(section, start, self.around.last().is_some_and(digest));
        let start = self.line.end;
        self.inside = match part.kind {
            Kind::Multipart { ref boundary, .. } if boundary.len() + 8 > HEAD_LEN => {
                return Err(CannotConvert::TooComplex);
            }
            Kind::Multipart { .. } => Inside::Between,
            Kind::Message => Inside::header(start),
            Kind::Leaf(_) | Kind::Opaque => {
                self.inside = Inside::Body {
                    part,
                    start,
                    eight_bit: false,
                };
                return Ok(());
            }
        };
        self.around.push(Around {
            part,
            changed: false,
        });
        if self.around.len() > DEPTH_MAX {
            return Err(CannotConvert::TooComplex);
        }
        Ok(())
    }

    /// The body that is being read, if it is one, ends there.
    fn end_body(&mut self, end: u64) -> Result<(), CannotConvert> {
        let Inside::Body {
            part,
            start,
            eight_bit: true,
        } = std::mem::replace(&mut self.inside, Inside::Between)
        else {
            return Ok(());
        };
        let signed =
            |around: &Around| matches!(around.part.kind, Kind::Multipart { signed, .. } if signed);
        if self.around.iter().any(signed) {
            return Err(CannotConvert::Signed);
        }
        let Kind::Leaf(encoding) = part.kind else {
            return Err(CannotConvert::OutsideParts);
        };
        let in_multipart = |around: &Around| matches!(around.part.kind, Kind::Multipart { .. });
        if !part.is_mime && !self.around.last().is_some_and(in_multipart) {
            // A message without any MIME field (RFC 1428 §3): text, so far as anybody knows.
            let fields = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
                          Content-Transfer-Encoding: quoted-printable\r\n";
            part.add(fields.into(), &mut self.edits);
        } else {
            part.label(encoding.name(), &mut self.edits);
        }
        self.edits.push(Edit {
            range: start..end.max(start),
            with: With::Encoded(encoding),
        });
        for around in &mut self.around {
            around.changed = true;
        }
        Ok(())
    }

    /// Leaves all that is open from this level on.
    fn leave(&mut self, level: usize) {
        for Around { part, changed } in self.around.drain(level..) {
            // Around 8-bit octets it said 8bit or binary; a multipart may say nothing else but 7bit (RFC 2045 §6.4).
            if changed && part.is_labelled() {
                part.label("7bit", &mut self.edits);
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Edit>, CannotConvert> {
        if self.line.end > self.line.start {
            self.end_line(0)?;
        }
        self.end_body(self.line.end)?;
        self.leave(0);
        self.edits
            .sort_by_key(|edit| (edit.range.start, edit.range.end));
        Ok(self.edits)
    }
}
