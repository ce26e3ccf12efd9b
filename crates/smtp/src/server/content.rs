//! Content as it streams in: the end of DATA, dots, line ends, and what is learned on the way.
//!
//! Only CR LF ends a line, and only CR LF `.` CR LF ends DATA (RFC 5321 §2.3.8, §4.1.1.4). What other line ends mean is
//! [`BareNewline`]. All other octets, NUL among them, pass as they came: what they mean is for those to say who read the
//! mail.

use memchr::memchr2;

use super::header::Header;
use super::{BareNewline, Settings, replies};
use crate::envelope::Content;
use crate::reply::Reply;

/// Why content will be refused once all of it was read. Of several the first in this order counts, not the first that
/// was met: that would depend on how the octets were cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    BareNewline,
    LineTooLong,
    HeaderTooLarge,
    TooLarge,
    Loop,
}

impl Fault {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::BareNewline => replies::BARE_NEWLINE,
            Self::LineTooLong => replies::TEXT_LINE_TOO_LONG,
            Self::HeaderTooLarge => replies::HEADER_TOO_LARGE,
            Self::TooLarge => replies::TOO_LARGE,
            Self::Loop => replies::LOOP,
        }
    }
}

/// What frames the content, and so whether dots mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// DATA: ends with a lone dot; a dot that starts a longer line was added on the way (RFC 5321 §4.5.2).
    Dots,
    /// BDAT: ends when all octets are there (RFC 3030).
    Chunks,
}

/// Where in a line we are. `after_crlf`: the line before ended with CR LF, so a lone dot may end DATA here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start {
        after_crlf: bool,
    },
    Inside,
    /// After a CR, which is held back: what it is the next octet tells.
    Cr,
    /// After a dot that started a line, held back too.
    Dot {
        after_crlf: bool,
    },
    /// After that dot and a CR.
    DotCr {
        after_crlf: bool,
    },
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
struct Limits {
    size: u64,
    line: usize,
    header: usize,
    received: u32,
}

/// Reads one mail's content, in pieces of any size.
#[derive(Debug)]
pub(super) struct Receiver {
    framing: Framing,
    bare_newline: BareNewline,
    limits: Limits,
    place: Place,
    /// Octets of the current line so far.
    line_len: usize,
    /// `None` once the header section is over.
    header: Option<Header>,
    content: Content,
    fault: Option<Fault>,
}

impl Receiver {
    pub(super) fn new(framing: Framing, bare_newline: BareNewline, settings: &Settings) -> Self {
        Self {
            framing,
            bare_newline,
            limits: Limits {
                size: settings.max_size,
                line: settings.max_text_line,
                header: settings.max_header,
                received: settings.max_received,
            },
            place: Place::Start { after_crlf: true },
            line_len: 0,
            header: Some(Header::new()),
            content: Content::default(),
            fault: None,
        }
    }

    /// What is known by now.
    pub(super) fn content(&self) -> Content {
        let mut content = self.content;
        if let Some(header) = &self.header {
            content.received = header.received;
            content.utf8_header = header.utf8;
        }
        content
    }

    /// Why the content can't be accepted, as far as is known.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault = Some(self.fault.map_or(fault, |known| known.min(fault)));
    }

    /// A chunk of this size is announced.
    pub(super) fn announce(&mut self, size: u64) {
        if self.content.size.saturating_add(size) > self.limits.size {
            self.fail(Fault::TooLarge);
        }
    }

    /// How much of a piece may be read so that the body grows by no more than `room`.
    pub(super) fn readable(&self, room: usize) -> usize {
        match self.bare_newline {
            _ if self.fault.is_some() => usize::MAX,
            // An octet that was held back comes out with the next one.
            BareNewline::Reject => room.saturating_sub(2),
            // And any LF may become two octets.
            BareNewline::Normalize => room.saturating_sub(4) / 2,
        }
    }

    /// Reads a piece; appends to `body` what is content of it. Returns how many octets were read, and whether they
    /// ended DATA; if so, what follows is not content.
    pub(super) fn read(&mut self, piece: &[u8], body: &mut Vec<u8>) -> (usize, bool) {
        // From here on nothing was appended yet.
        let mut kept = 0;
        let mut at = 0;
        while at < piece.len() {
            match self.place {
                Place::Start { after_crlf }
                    if self.framing == Framing::Dots && piece[at] == b'.' =>
                {
                    self.keep(&piece[kept..at], body);
                    at += 1;
                    kept = at;
                    self.place = Place::Dot { after_crlf };
                }
                Place::Start { .. } | Place::Inside => {
                    at = self.read_line(piece, &mut kept, at, body)
                }
                Place::Cr => {
                    at += self.after_cr(piece[at], body);
                    kept = at;
                }
                Place::Dot { after_crlf } => {
                    at += self.after_dot(after_crlf, piece[at], body);
                    kept = at;
                }
                Place::DotCr { after_crlf } if piece[at] == b'\n' => {
                    if after_crlf {
                        return (at + 1, true);
                    }
                    // A lone dot after a bare LF ends nothing: it is a line of one dot.
                    self.keep(b".\r\n", body);
                    self.end_line(b".", true);
                    at += 1;
                    kept = at;
                }
                Place::DotCr { .. } => {
                    self.bare_cr(body);
                    kept = at;
                }
            }
        }
        self.keep(&piece[kept..], body);
        (piece.len(), false)
    }

    /// No more content follows: what was held back has to show what it is.
    pub(super) fn finish(&mut self, body: &mut Vec<u8>) {
        if self.place == Place::Cr {
            self.bare_cr(body);
        }
        if self.content().received >= self.limits.received {
            self.fail(Fault::Loop);
        }
    }

    /// Reads to the end of the line, or of the piece. This is the hot path: one search a line, and one copy for as many
    /// lines as follow each other without anything to change.
    fn read_line(
        &mut self,
        piece: &[u8],
        kept: &mut usize,
        at: usize,
        body: &mut Vec<u8>,
    ) -> usize {
        let rest = &piece[at..];
        let Some(found) = memchr2(b'\r', b'\n', rest) else {
            self.part_of_line(rest);
            self.place = Place::Inside;
            return piece.len();
        };
        let (line, newline) = rest.split_at(found);
        let end = at + found;
        match newline {
            [b'\r', b'\n', ..] => {
                self.end_line(line, true);
                return end + 2;
            }
            [b'\r', ..] => {
                self.keep(&piece[*kept..end], body);
                self.part_of_line(line);
                self.place = Place::Cr;
            }
            _ => {
                self.keep(&piece[*kept..end], body);
                self.bare_lf(line, body);
            }
        }
        *kept = end + 1;
        end + 1
    }

    /// The octet after a CR. Returns how many were used: a CR that stands alone leaves it to be read again.
    fn after_cr(&mut self, octet: u8, body: &mut Vec<u8>) -> usize {
        if octet == b'\n' {
            self.keep(b"\r\n", body);
            self.end_line(b"", true);
            1
        } else {
            self.bare_cr(body);
            0
        }
    }

    /// The octet after a dot that started a line. Returns how many were used.
    fn after_dot(&mut self, after_crlf: bool, octet: u8, body: &mut Vec<u8>) -> usize {
        match octet {
            b'\r' => {
                self.place = Place::DotCr { after_crlf };
                1
            }
            b'\n' => {
                // A lone dot whose line ends with a bare LF: it ends nothing either.
                self.keep(b".", body);
                self.bare_lf(b".", body);
                1
            }
            _ => {
                self.place = Place::Inside;
                0
            }
        }
    }

    fn bare_lf(&mut self, line: &[u8], body: &mut Vec<u8>) {
        match self.bare_newline {
            BareNewline::Reject => {
                self.fail(Fault::BareNewline);
                self.place = Place::Inside;
            }
            BareNewline::Normalize => {
                self.keep(b"\r\n", body);
                self.end_line(line, false);
            }
        }
    }

    /// A CR that ends nothing. Normalized it is a blank: as a line end it would make two of every CR CR LF, and split
    /// the header section from itself.
    fn bare_cr(&mut self, body: &mut Vec<u8>) {
        match self.bare_newline {
            BareNewline::Reject => self.fail(Fault::BareNewline),
            BareNewline::Normalize => {
                self.keep(b" ", body);
                self.part_of_line(b" ");
            }
        }
        self.place = Place::Inside;
    }

    fn end_line(&mut self, line: &[u8], after_crlf: bool) {
        self.part_of_line(line);
        if self.line_len + "\r\n".len() > self.limits.line {
            self.fail(Fault::LineTooLong);
        }
        if self
            .header
            .as_mut()
            .is_some_and(|header| !header.end_line())
        {
            self.end_header();
        }
        self.line_len = 0;
        self.place = Place::Start { after_crlf };
    }

    fn part_of_line(&mut self, part: &[u8]) {
        self.line_len = self.line_len.saturating_add(part.len());
        if self.line_len > self.limits.line {
            self.fail(Fault::LineTooLong);
        }
        let Some(header) = &mut self.header else {
            return;
        };
        let goes_on = header.read(part);
        if header.size > self.limits.header {
            self.fail(Fault::HeaderTooLarge);
        }
        if !goes_on {
            self.end_header();
        }
    }

    fn end_header(&mut self) {
        self.content = self.content();
        self.header = None;
    }

    /// Counts content, and appends it unless the mail is lost already.
    fn keep(&mut self, octets: &[u8], body: &mut Vec<u8>) {
        self.content.size = self.content.size.saturating_add(octets.len() as u64);
        if self.content.size > self.limits.size {
            self.fail(Fault::TooLarge);
        }
        if self.fault.is_none() {
            self.content.eight_bit = self.content.eight_bit || !octets.is_ascii();
            body.extend_from_slice(octets);
        }
    }
}
