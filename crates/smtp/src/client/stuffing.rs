//! Content on its way out: dots stuffed, every line ended.

use memchr::memchr2;

/// Stuffs dots (RFC 5321 §4.5.2), however the content is cut into pieces.
///
/// No bare CR or LF ever leaves, also if content holds one against its promise: each becomes a CRLF. A server that
/// takes a bare LF for a line end could otherwise be made to see an end of data that we did not send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stuffer {
    /// At the start of a line.
    #[default]
    LineStart,
    /// Within a line.
    Amid,
    /// A CR was written, its LF was not.
    AfterCr,
}

impl Stuffer {
    /// Appends a piece, stuffed, to `out`: at most twice its octets, and one.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + 2);
        let mut rest = piece;
        if *self == Self::AfterCr && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            out.push(b'\n');
            *self = Self::LineStart;
        }
        // What lies between `copied` and `at` is fit to be copied as it is, and is, once something is not.
        let (mut copied, mut at) = (0, 0);
        while at < rest.len() {
            if *self == Self::LineStart && rest[at] == b'.' {
                out.extend_from_slice(&rest[copied..at]);
                out.push(b'.');
                copied = at;
            }
            *self = Self::Amid;
            let Some(length) = memchr2(b'\r', b'\n', &rest[at..]) else {
                break;
            };
            let end = at + length;
            at = match &rest[end..] {
                [b'\r', b'\n', ..] => {
                    *self = Self::LineStart;
                    end + 2
                }
                [b'\r'] => {
                    *self = Self::AfterCr;
                    break;
                }
                _ => {
                    out.extend_from_slice(&rest[copied..end]);
                    out.extend_from_slice(b"\r\n");
                    *self = Self::LineStart;
                    copied = end + 1;
                    end + 1
                }
            };
        }
        out.extend_from_slice(&rest[copied..]);
    }

    /// Appends the end: the last line's CRLF if it lacks one, and the dot.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::LineStart => {}
            Self::Amid => out.extend_from_slice(b"\r\n"),
            Self::AfterCr => out.push(b'\n'),
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut stuffer = Stuffer::default();
        let mut all = Vec::new();
        for piece in pieces {
            let mut out = Vec::new();
            stuffer.push(piece, &mut out);
            assert!(out.len() <= 2 * piece.len() + 1, "{piece:?} became {out:?}");
            all.append(&mut out);
        }
        stuffer.finish(&mut all);
        all
    }

    /// What a strict server makes of it, written apart from the code above.
    fn unstuffed(wire: &[u8]) -> Vec<u8> {
        let wire = wire.strip_suffix(b".\r\n").expect("a final dot");
        assert!(wire.is_empty() || wire.ends_with(b"\r\n"));
        let text = String::from_utf8(wire.to_vec()).expect("the tests' alphabet");
        let lines = text.split_inclusive("\r\n");
        let lines = lines.map(|line| {
            assert_ne!(line, ".\r\n", "an end of data amid the content");
            let bare = line.strip_suffix("\r\n").expect("whole lines");
            assert!(!bare.contains(['\r', '\n']), "a bare newline left");
            line.strip_prefix('.').unwrap_or(line)
        });
        lines.collect::<String>().into_bytes()
    }

    /// Content as it is promised to be: a line ends with CRLF, the last one too.
    fn normal(content: &str) -> Vec<u8> {
        let lf = content.replace("\r\n", "\n").replace('\r', "\n");
        let mut normal = lf.replace('\n', "\r\n");
        if !normal.is_empty() && !normal.ends_with("\r\n") {
            normal.push_str("\r\n");
        }
        normal.into_bytes()
    }

    fn check(content: &str, expected: &str) {
        for size in 1..=content.len().max(1) {
            let wire = stuffed(content.as_bytes().chunks(size));
            assert_eq!(
                String::from_utf8_lossy(&wire),
                expected,
                "{content:?} by {size}"
            );
        }
    }

    #[test]
    fn dots_are_stuffed_at_line_starts_only() {
        check("", ".\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check(".", "..\r\n.\r\n");
        check(".\r\n", "..\r\n.\r\n");
        check("..a\r\n.b.\r\nc.\r\n", "...a\r\n..b.\r\nc.\r\n.\r\n");
        check("a\r\n.\r\n.\r\nb\r\n", "a\r\n..\r\n..\r\nb\r\n.\r\n");
        check("a\r", "a\r\n.\r\n");
    }

    #[test]
    fn bare_newlines_do_not_leave() {
        check("a\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n");
        check("a\r.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n");
        check("a\n\r\n", "a\r\n\r\n.\r\n");
        check("a\r\r\n", "a\r\n\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn unstuffing_gives_the_content_back(
            content in "([.a\r\n]|\r\n|\r\n[.]){0,40}",
            cuts in prop::collection::vec(0..60_usize, 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(content.len())).collect();
            cuts.extend([0, content.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &content.as_bytes()[cut[0]..cut[1]]);
            let wire = stuffed(pieces);
            prop_assert_eq!(unstuffed(&wire), normal(&content));
            prop_assert_eq!(wire, stuffed([content.as_bytes()]));
        }
    }
}
