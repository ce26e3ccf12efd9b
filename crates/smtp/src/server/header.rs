//! What the header section tells while it passes by.

/// Where in a line of the header section we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At its first octet.
    Start,
    /// In a field name; so many octets of it match [`RECEIVED`], or it is another name.
    Name { matched: Option<usize> },
    /// In blanks between a field name and its colon (RFC 5322 §4.5).
    AfterName { received: bool },
    /// In a field's body, where nothing is looked for.
    Body,
}

/// The field that every hop adds, in small letters.
const RECEIVED: &[u8] = b"received";

/// Reads a header section piece by piece. It ends with an empty line, or with a line that is no field.
#[derive(Debug)]
pub(super) struct Header {
    place: Place,
    /// Octets so far.
    pub(super) size: usize,
    /// `Received:` fields so far.
    pub(super) received: u32,
    /// Some octet is above 127.
    pub(super) utf8: bool,
}

impl Header {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Start,
            size: 0,
            received: 0,
            utf8: false,
        }
    }

    /// Reads a piece of a line, without its line end. `false`: this line is no field, so the header section is over.
    pub(super) fn read(&mut self, piece: &[u8]) -> bool {
        for (at, &octet) in piece.iter().enumerate() {
            match self.step(octet) {
                Some(Place::Body) => {
                    self.place = Place::Body;
                    self.utf8 |= !piece[at..].is_ascii();
                    break;
                }
                Some(place) => self.place = place,
                None => {
                    self.size += at;
                    return false;
                }
            }
        }
        self.size += piece.len();
        true
    }

    /// The line is over. `false`: it was empty, or no field; so the header section is over.
    pub(super) fn end_line(&mut self) -> bool {
        self.size += "\r\n".len();
        std::mem::replace(&mut self.place, Place::Start) == Place::Body
    }

    /// Where an octet leads to; `None` where it can't stand in a field.
    fn step(&mut self, octet: u8) -> Option<Place> {
        let blank = matches!(octet, b' ' | b'\t');
        match self.place {
            Place::Start if blank => (self.size > 0).then_some(Place::Body),
            Place::Start => name(Some(0), octet),
            Place::Name { matched } => {
                let received = matched == Some(RECEIVED.len());
                match octet {
                    b':' => Some(self.colon(received)),
                    _ if blank => Some(Place::AfterName { received }),
                    _ => name(matched, octet),
                }
            }
            Place::AfterName { received } if octet == b':' => Some(self.colon(received)),
            Place::AfterName { .. } => blank.then_some(self.place),
            Place::Body => Some(Place::Body),
        }
    }

    fn colon(&mut self, received: bool) -> Place {
        self.received = self.received.saturating_add(u32::from(received));
        Place::Body
    }
}

/// One more octet of a field name, printable and no colon (RFC 5322 §3.6.8).
fn name(matched: Option<usize>, octet: u8) -> Option<Place> {
    let printable = octet.is_ascii_graphic() && octet != b':';
    let fits = |&at: &usize| RECEIVED.get(at) == Some(&octet.to_ascii_lowercase());
    let matched = matched.filter(fits).map(|at| at + 1);
    printable.then_some(Place::Name { matched })
}

#[cfg(test)]
mod tests {
    use super::Header;

    /// Reads lines until the header section is over; says (lines that belong to it, Received fields, utf8).
    fn read(text: &str, piece_len: usize) -> (usize, u32, bool) {
        let mut header = Header::new();
        let mut lines = 0;
        for line in text.split("\r\n") {
            let mut pieces = line.as_bytes().chunks(piece_len);
            if !pieces.all(|piece| header.read(piece)) || !header.end_line() {
                break;
            }
            lines += 1;
        }
        (lines, header.received, header.utf8)
    }

    #[test]
    fn header_sections() {
        let check = |text: &str, expected: (usize, u32, bool)| {
            for piece_len in [1, 2, 7, 1000] {
                assert_eq!(
                    read(text, piece_len),
                    expected,
                    "{text:?} in pieces of {piece_len}"
                );
            }
        };
        check("A: b\r\nReceived: x\r\n\r\nReceived: no", (2, 1, false));
        check(
            "received:x\r\nRECEIVED : y\r\n\tReceived: folded\r\n\r\n",
            (3, 2, false),
        );
        check(
            "Receive: x\r\nReceivedx: x\r\nX-Received: x\r\n\r\n",
            (3, 0, false),
        );
        check("Subject: gr\u{fc}n\r\n\r\n", (1, 0, true));
        check("Subject: x\r\n\r\ngr\u{fc}n", (1, 0, false));
        check("no field at all\r\nReceived: x", (0, 0, false));
        check("nocolon\r\nReceived: x", (0, 0, false));
        check(" folded without a field\r\nReceived: x", (0, 0, false));
        check("gr\u{fc}n: x\r\n", (0, 0, false));
        check("\r\nReceived: x", (0, 0, false));
        check(": x\r\nReceived: x", (0, 0, false));
    }
}
