//! Where one reply ends: octets in, whole answers out.

use std::sync::Arc;

use memchr::memchr;

use super::{MAX_HEARD_LEN, MAX_REPLY_LEN};
use crate::reply::{Answer, echo};

/// What came is no SMTP reply, or longer than [`MAX_REPLY_LEN`]: how it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Garbage(pub(super) Arc<str>);

impl Garbage {
    /// As much of it as a log should hold.
    pub(super) fn new(words: &str) -> Self {
        Self(echo(words, MAX_HEARD_LEN).into())
    }

    fn of_octets(octets: &[u8]) -> Self {
        // Control characters are left out later, so a few more octets than are kept.
        let start = &octets[..octets.len().min(2 * MAX_HEARD_LEN)];
        Self::new(&String::from_utf8_lossy(start))
    }
}

/// Collects the lines of one reply (RFC 5321 §4.2.1), however they are cut.
///
/// Lines end with CRLF; a bare LF is taken too, since servers that send it are met in the field and nothing but our
/// own reading depends on it.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The reply so far. Between lines CRLF, whatever came.
    reply: Vec<u8>,
    /// Where in `reply` the line begins that is not yet whole.
    line: usize,
}

impl Reader {
    /// Takes octets up to the end of one reply; `None` when all were taken and the reply is not yet whole.
    pub(super) fn read(&mut self, octets: &mut &[u8]) -> Option<Result<Answer, Garbage>> {
        while let Some(end) = memchr(b'\n', octets) {
            let (line, rest) = octets.split_at(end + 1);
            *octets = rest;
            if let Err(garbage) = self.take(&line[..end]) {
                return Some(Err(garbage));
            }
            if self.reply.ends_with(b"\r") {
                self.reply.pop();
            }
            match self.end_line() {
                Ok(Separator::Space) => return Some(self.finish()),
                Ok(Separator::Hyphen) => {}
                Err(garbage) => return Some(Err(garbage)),
            }
        }
        let part = std::mem::take(octets);
        self.take(part).err().map(Err)
    }

    fn clear(&mut self) {
        self.reply.clear();
        self.line = 0;
    }

    fn take(&mut self, part: &[u8]) -> Result<(), Garbage> {
        let all = self.reply.len() + part.len();
        let ends_in_cr = part.last().or(self.reply.last()) == Some(&b'\r');
        // A CR at the end is no part of the line if a LF follows, and that may be in the next piece.
        if all - usize::from(ends_in_cr) > MAX_REPLY_LEN {
            self.reply
                .extend_from_slice(&part[..part.len().min(MAX_HEARD_LEN)]);
            return Err(Garbage::of_octets(&self.reply[self.line..]));
        }
        self.reply.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Separator, Garbage> {
        let line = &mut self.reply[self.line..];
        let separator = match line {
            [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', rest @ ..] => match rest {
                [] | [b' ', ..] => Separator::Space,
                [b'-', ..] => Separator::Hyphen,
                _ => return Err(Garbage::of_octets(line)),
            },
            _ => return Err(Garbage::of_octets(line)),
        };
        // A reply ends up in logs and notices: a NUL or a bare CR would do harm there.
        for octet in line.iter_mut() {
            if octet.is_ascii_control() && *octet != b'\t' {
                *octet = b'?';
            }
        }
        if matches!(separator, Separator::Hyphen) {
            self.reply.extend_from_slice(b"\r\n");
            self.line = self.reply.len();
        }
        Ok(separator)
    }

    fn finish(&mut self) -> Result<Answer, Garbage> {
        let text = String::from_utf8_lossy(&self.reply);
        // Each octet that is replaced becomes three.
        let answer = Answer::parse(&text).filter(|answer| answer.raw.len() <= MAX_REPLY_LEN);
        let answer = answer.ok_or_else(|| Garbage::new(&text));
        self.clear();
        answer
    }
}

/// What follows the code.
enum Separator {
    /// This line is the last.
    Space,
    /// Another line follows.
    Hyphen,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All answers of some octets, fed whole and octet by octet; `None` stands for garbage, which ends it.
    fn check(octets: &[u8], expected: &[Option<(u16, &str)>]) {
        for size in [octets.len().max(1), 1] {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            'pieces: for mut piece in octets.chunks(size) {
                while let Some(result) = reader.read(&mut piece) {
                    let garbage = result.is_err();
                    found.push(result.ok().map(|answer| (answer.code, answer.raw)));
                    if garbage {
                        break 'pieces;
                    }
                }
            }
            let found: Vec<_> = found
                .iter()
                .map(|answer| answer.as_ref().map(|(code, raw)| (*code, raw.as_str())))
                .collect();
            let text = String::from_utf8_lossy(octets);
            assert_eq!(found, expected, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn replies_are_found_however_they_are_cut() {
        check(b"250 ok\r\n", &[Some((250, "250 ok"))]);
        check(b"250 ok\n", &[Some((250, "250 ok"))]);
        check(b"250\r\n", &[Some((250, "250"))]);
        check(b"250 \r\n", &[Some((250, "250 "))]);
        check(
            b"250-a\r\n250-b\n250 c\r\n",
            &[Some((250, "250-a\r\n250-b\r\n250 c"))],
        );
        check(b"250-a\r\n250\r\n", &[Some((250, "250-a\r\n250"))]);
        check(
            b"250 a\r\n451 b\r\n",
            &[Some((250, "250 a")), Some((451, "451 b"))],
        );
        check(b"250-not yet", &[]);
        check(b"250-not\r\n250-yet\r\n", &[]);
    }

    #[test]
    fn the_last_code_counts() {
        check(b"250-a\r\n550 b\r\n", &[Some((550, "250-a\r\n550 b"))]);
    }

    #[test]
    fn what_is_no_reply_is_garbage() {
        for octets in [
            &b"\r\n"[..],
            b"hello\r\n",
            b"25 ok\r\n",
            b"2500 ok\r\n",
            b"250_ok\r\n",
            b"150 ok\r\n",
            b"650 ok\r\n",
            b" 250 ok\r\n",
            b"SSH-2.0-OpenSSH_9.9\r\n",
        ] {
            check(octets, &[None]);
        }
        check(b"250-a\r\nb\r\n", &[None]);
        check(b"250 ok\r\n\r\n", &[Some((250, "250 ok")), None]);
    }

    #[test]
    fn of_garbage_its_beginning_is_kept() {
        let check = |octets: &[u8], expected: &str| {
            for size in [octets.len(), 1] {
                let mut reader = Reader::default();
                let heard = octets.chunks(size).find_map(|mut piece| {
                    let read = reader.read(&mut piece)?;
                    read.err()
                });
                assert_eq!(heard, Some(Garbage(expected.into())));
            }
        };
        check(b"SSH-2.0-OpenSSH_9.9\r\n", "SSH-2.0-OpenSSH_9.9");
        check(b"\r\n", "");
        check(b"250-a\r\n<\x1b[2J\0html>\xff\r\n", "<[2Jhtml>\u{fffd}");
        check(
            format!("{}\r\n", "ü".repeat(MAX_HEARD_LEN)).as_bytes(),
            &"ü".repeat(MAX_HEARD_LEN / 2),
        );
        check(
            format!("250 {}", "a".repeat(MAX_REPLY_LEN)).as_bytes(),
            &format!("250 {}", "a".repeat(MAX_HEARD_LEN - 4)),
        );
    }

    #[test]
    fn what_would_harm_a_log_is_replaced() {
        check(b"250 a\0b\rc\x1bd\te\r\n", &[Some((250, "250 a?b?c?d\te"))]);
        check(
            b"250 gr\xfc\xdfe\r\n",
            &[Some((250, "250 gr\u{fffd}\u{fffd}e"))],
        );
        check("250 grüße\r\n".as_bytes(), &[Some((250, "250 grüße"))]);
    }

    #[test]
    fn the_length_is_limited() {
        let longest = format!("250 {}", "a".repeat(MAX_REPLY_LEN - 4));
        check(
            format!("{longest}\r\n").as_bytes(),
            &[Some((250, &longest))],
        );
        check(format!("{longest}a\r\n").as_bytes(), &[None]);
        check(format!("{longest}aa").as_bytes(), &[None]);
        let lines = "250-a line\r\n".repeat(MAX_REPLY_LEN / 12 + 1);
        check(lines.as_bytes(), &[None]);
        // Replaced octets grow.
        let mut octets = b"250 ".to_vec();
        octets.resize(MAX_REPLY_LEN / 2, 0xff);
        octets.extend_from_slice(b"\r\n");
        check(&octets, &[None]);
    }
}
