//! A mail as it stands in a Maildir: trace fields first, LF line ends.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use queue::spool::Body;

use super::NotStored;

/// Read and written in pieces of this many octets.
const PIECE_LEN: usize = 64 * 1024;

/// What the trace fields say.
pub(crate) struct Envelope<'a> {
    pub(crate) sender: &'a str,
    pub(crate) recipient: &'a str,
}

/// Writes it all. Fails with `Loop` when its header says that it was in this mailbox before.
pub(crate) fn write(
    mut file: impl Write,
    envelope: &Envelope<'_>,
    body: &Body,
) -> Result<(), NotStored> {
    let (reader, length): (Box<dyn Read>, u64) = match body {
        Body::Inline(octets) => (Box::new(Cursor::new(octets.clone())), octets.len() as u64),
        Body::File(body) => (body.open()?, body.len()),
    };
    let mut reader = BufReader::with_capacity(PIECE_LEN, reader.take(length));
    let mut out = Vec::with_capacity(PIECE_LEN + 1024);
    let Envelope { sender, recipient } = envelope;
    write!(
        out,
        "Return-Path: <{}>\nDelivered-To: {}\n",
        one_line(sender),
        one_line(recipient)
    )?;

    let mut seen = 0;
    let mut header = Header::new(recipient);
    let mut lines = LfLines::default();
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        if header.finds_loop(piece) {
            return Err(NotStored::Loop);
        }
        lines.push(piece, &mut out);
        let count = piece.len();
        reader.consume(count);
        seen += count as u64;
        if out.len() >= PIECE_LEN {
            file.write_all(&out)?;
            out.clear();
        }
    }
    lines.finish(&mut out);
    file.write_all(&out)?;
    if seen < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// An address can't bring a line of its own.
fn one_line(address: &str) -> String {
    address.chars().filter(|c| !c.is_control()).collect()
}

/// Turns CRLF into LF, however the content is cut into pieces. Any other CR stays.
#[derive(Debug, Default)]
pub(crate) struct LfLines {
    /// A CR was seen that is not written yet.
    cr: bool,
}

impl LfLines {
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for line in piece.split_inclusive(|&octet| octet == b'\n') {
            if std::mem::take(&mut self.cr) && line != b"\n" {
                out.push(b'\r');
            }
            match line {
                [text @ .., b'\r', b'\n'] => {
                    out.extend_from_slice(text);
                    out.push(b'\n');
                }
                [text @ .., b'\r'] => {
                    out.extend_from_slice(text);
                    self.cr = true;
                }
                line => out.extend_from_slice(line),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            out.push(b'\r');
        }
    }
}

/// Reads the header section's lines, to find `Delivered-To` with this recipient.
struct Header<'a> {
    recipient: &'a str,
    line: Vec<u8>,
    over: bool,
}

/// More of a header line is not needed to know that it names another mailbox.
const LINE_MAX: usize = 1024;

impl<'a> Header<'a> {
    fn new(recipient: &'a str) -> Self {
        Self {
            recipient,
            line: Vec::new(),
            over: false,
        }
    }

    fn finds_loop(&mut self, piece: &[u8]) -> bool {
        if self.over {
            return false;
        }
        for part in piece.split_inclusive(|&octet| octet == b'\n') {
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if !part.ends_with(b"\n") {
                return false;
            }
            if self.is_ours() {
                return true;
            }
            if self.line.trim_ascii().is_empty() {
                self.over = true;
                return false;
            }
            self.line.clear();
        }
        false
    }

    fn is_ours(&self) -> bool {
        const NAME: &[u8] = b"Delivered-To:";
        let named = self
            .line
            .split_at_checked(NAME.len())
            .filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
        named.is_some_and(|(_, value)| {
            value
                .trim_ascii()
                .eq_ignore_ascii_case(self.recipient.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(content: &str, cut: usize) -> String {
        let mut lines = LfLines::default();
        let mut out = Vec::new();
        for piece in content.as_bytes().chunks(cut) {
            lines.push(piece, &mut out);
        }
        lines.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn only_crlf_becomes_lf(content in "([a\r\n]|\r\n){0,40}", cut in 1..9_usize) {
            prop_assert_eq!(stored(&content, cut), content.replace("\r\n", "\n"));
        }

        #[test]
        fn a_loop_is_found_wherever_the_pieces_are_cut(cut in 1..60_usize) {
            let content = "Subject: a\r\nDELIVERED-TO:  A@b.example\r\n\r\nbody";
            let mut header = Header::new("a@b.example");
            prop_assert!(content.as_bytes().chunks(cut).any(|piece| header.finds_loop(piece)));
            let content = "Subject: a\r\n\r\nDelivered-To: a@b.example\r\n";
            let mut header = Header::new("a@b.example");
            prop_assert!(!content.as_bytes().chunks(cut).any(|piece| header.finds_loop(piece)));
        }
    }
}
