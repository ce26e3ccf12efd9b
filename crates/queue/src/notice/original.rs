//! The third part: the original, or its header section.

use std::borrow::Cow;

use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::{BodyPart, MimePart};
use smtp::Ret;

use super::{Letter, Original, RETURN_MAX, field};
use crate::settle::Kind;

/// What comes back of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All of it.
    Whole,
    /// Its header section: nobody asked for more (RFC 3461 §4.3), or this is no failure.
    Header,
    /// Its header section, though all was asked for: it is too long, or can't stand in a mail as it is.
    OnlyHeader,
}

/// The part, and what the words say about it.
pub(super) struct Returned<'a> {
    pub(super) part: MimePart<'a>,
    pub(super) what: What,
    /// It has octets above 127 that are not encoded.
    pub(super) eight_bit: bool,
}

pub(super) fn part<'a>(letter: &Letter<'_>, original: Original<'a>) -> Returned<'a> {
    let asked = letter.kind == Kind::Failed && letter.message.sender.ret == Some(Ret::Full);
    if !asked {
        return header(original.start, What::Header);
    }
    let short = original.whole && original.start.len() <= RETURN_MAX && field::fits(original.start);
    let returned = short.then(|| whole(original.start)).flatten();
    returned.unwrap_or_else(|| header(original.start, What::OnlyHeader))
}

/// `message/rfc822` must not be encoded (RFC 2046 §5.2.1); `message/global` may be (RFC 6532 §3.7), and with it goes
/// where 8BITMIME does not. `None` where it is neither.
fn whole(content: &[u8]) -> Option<Returned<'_>> {
    let what = What::Whole;
    if header_section(content).is_ascii() {
        let eight_bit = !content.is_ascii();
        let encoding = if eight_bit { "8bit" } else { "7bit" };
        let part = MimePart::new("message/rfc822", content).transfer_encoding(encoding);
        return Some(Returned {
            part,
            what,
            eight_bit,
        });
    }
    let part = encoded("message/global", std::str::from_utf8(content).ok()?.into());
    Some(Returned {
        part,
        what,
        eight_bit: false,
    })
}

/// Header sections may be encoded, whatever is in them (RFC 6522 §4, RFC 6533 §6).
fn header(content: &[u8], what: What) -> Returned<'_> {
    let section = header_section(content);
    let part = match std::str::from_utf8(section) {
        Ok(text) if !text.is_ascii() => encoded("message/global-headers", text.into()),
        _ if field::is_plain(section) => {
            MimePart::new("text/rfc822-headers", section).transfer_encoding("7bit")
        }
        _ => MimePart::new("text/rfc822-headers", clean(section)),
    };
    Returned {
        part,
        what,
        eight_bit: false,
    }
}

/// A part of UTF-8 that is encoded as text is (quoted-printable, or base64 where that is shorter).
fn encoded<'a>(kind: &'static str, text: Cow<'a, str>) -> MimePart<'a> {
    MimePart {
        headers: vec![("Content-Type".into(), ContentType::new(kind).into())],
        contents: BodyPart::Text(text),
    }
}

/// Up to the empty line, and without a last line that was cut.
fn header_section(content: &[u8]) -> &[u8] {
    if content.starts_with(b"\r\n") {
        return &[];
    }
    let end = content.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.or_else(|| content.windows(2).rposition(|window| window == b"\r\n"));
    end.map_or(&[], |end| &content[..end + 2])
}

/// Without the control characters that would need no encoding, but can't be sent as they are.
fn clean(section: &[u8]) -> Vec<u8> {
    let is_clean = |octet: &u8| !octet.is_ascii_control() || matches!(octet, b'\t' | b'\n');
    let mut clean = Vec::with_capacity(section.len());
    for line in section.split_inclusive(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        clean.extend(line.iter().copied().filter(|octet| is_clean(octet)));
        clean.extend_from_slice(b"\r\n");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_sections() {
        for (content, expected) in [
            ("A: b\r\nC: d\r\n\r\nbody\r\n\r\n", "A: b\r\nC: d\r\n"),
            ("A: b\r\nC: d\r\n", "A: b\r\nC: d\r\n"),
            ("A: b\r\nC: cut of", "A: b\r\n"),
            ("\r\nbody\r\n", ""),
            ("no line", ""),
            ("", ""),
        ] {
            assert_eq!(
                header_section(content.as_bytes()),
                expected.as_bytes(),
                "{content:?}"
            );
        }
    }

    #[test]
    fn control_characters_are_left_out() {
        assert_eq!(
            clean(b"A:\tb\0\x07\r\nC\r: d\nE: f\r\n"),
            b"A:\tb\r\nC: d\r\nE: f\r\n"
        );
    }
}
