//! Quoted-printable and base64 (RFC 2045 §6.7, §6.8), piece by piece.

/// The longest encoded line, without its CRLF.
const LINE_LEN: usize = 76;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// For text: CRLF stays a line end, and everything else that is not plain is quoted.
    QuotedPrintable,
    /// For all else: in lines, each of which ends with CRLF.
    Base64,
}

impl Encoding {
    /// As Content-Transfer-Encoding names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }
}

/// One body being encoded.
#[derive(Debug)]
pub(super) struct Encoder {
    encoding: Encoding,
    /// Octets whose form depends on those that follow.
    held: Vec<u8>,
    /// How long the line is by now.
    column: usize,
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            held: Vec::new(),
            column: 0,
        }
    }

    /// Encodes as far as that can be done by now.
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(octets);
        self.encode(false, out);
    }

    /// Encodes the rest. After that, the next body.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.encode(true, out);
        self.column = 0;
    }

    fn encode(&mut self, last: bool, out: &mut Vec<u8>) {
        let done = match self.encoding {
            Encoding::QuotedPrintable => self.quote(last, out),
            Encoding::Base64 => self.base64(last, out),
        };
        self.held.drain(..done);
    }

    /// How many octets were encoded: those behind which two more are known, or all.
    fn quote(&mut self, last: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(&octet) = self.held.get(at) {
            let rest = &self.held[at + 1..];
            if !last && rest.len() < 2 {
                break;
            }
            if octet == b'\r' && rest.first() == Some(&b'\n') {
                out.extend_from_slice(b"\r\n");
                self.column = 0;
                at += 2;
                continue;
            }
            let ends_line = rest.is_empty() || rest.starts_with(b"\r\n");
            let plain = match octet {
                b' ' | b'\t' => !ends_line,
                b'=' => false,
                octet => octet.is_ascii_graphic(),
            };
            let width = if plain { 1 } else { 3 };
            // The last place of a line is for the "=" of a soft break, unless the line ends here.
            if self.column + width > LINE_LEN - usize::from(!ends_line) {
                out.extend_from_slice(b"=\r\n");
                self.column = 0;
            }
            if plain {
                out.push(octet);
            } else {
                out.extend_from_slice(&[b'=', hex(octet >> 4), hex(octet & 15)]);
            }
            self.column += width;
            at += 1;
        }
        at
    }

    /// How many octets were encoded: whole lines, or all.
    fn base64(&mut self, last: bool, out: &mut Vec<u8>) -> usize {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const TAKEN: usize = LINE_LEN / 4 * 3;
        let done = if last {
            self.held.len()
        } else {
            self.held.len() / TAKEN * TAKEN
        };
        for line in self.held[..done].chunks(TAKEN) {
            for group in line.chunks(3) {
                let get = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
                let bits = get(0) << 16 | get(1) << 8 | get(2);
                for place in 0..4 {
                    let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                    out.push(if place <= group.len() { digit } else { b'=' });
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        done
    }
}

fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble)]
}
