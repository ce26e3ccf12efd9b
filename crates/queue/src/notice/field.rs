//! Fields and lines that hold foreign words.

use std::fmt::Write as _;

/// Lines are folded at this many octets where a space allows it (RFC 5322 §2.1.1).
const WIDTH: usize = 76;
/// A word of more octets than this is cut, so that no line comes near 998 octets.
const WORD_MAX: usize = 900;
/// No line is longer, without its CRLF (RFC 5322 §2.1.1).
const LINE_MAX: usize = 998;

/// The words of one line: what is left when control characters count as spaces.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty())
}

/// Appends lines of words, each ended by CRLF: the first with `first` before it, all others with `next`. Each line of
/// `text` begins a new one; too long ones are folded between words.
pub(super) fn push_folded(out: &mut String, first: &str, next: &str, text: &str) {
    out.push_str(first);
    let mut column = first.len();
    let mut start = true;
    for line in text.split('\n') {
        let mut fresh = true;
        for word in words(line).flat_map(pieces) {
            let fold = !start && (fresh || column + 1 + word.len() > WIDTH);
            if fold {
                out.push_str("\r\n");
                out.push_str(next);
                column = next.len();
            } else if !start {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += word.len();
            (start, fresh) = (false, false);
        }
    }
    out.push_str("\r\n");
}

/// A word in pieces that fit on a line.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let cut = rest.floor_char_boundary(WORD_MAX);
        let (piece, more) = rest.split_at(cut);
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Appends a field, folded. A field without a value is left out.
pub(super) fn push(out: &mut String, name: &str, value: &str) {
    if words(value).next().is_some() {
        push_folded(out, &format!("{name}: "), " ", value);
    }
}

/// ASCII as it is, other characters as `\x{E9}` (RFC 6533 §3: `EmbeddedUnicodeChar`).
pub(super) fn ascii(text: &str) -> String {
    embed(text, |c| c.is_ascii())
}

/// An address in ASCII: `utf-8-addr-xtext` of RFC 6533 §3.
pub(super) fn utf8_xtext(address: &str) -> String {
    embed(address, |c| c.is_ascii() && !matches!(c, '+' | '=' | '\\'))
}

fn embed(text: &str, is_plain: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    out
}

/// Reads xtext (RFC 3461 §4): `+2B` is an octet. What is no xtext is kept as it came.
pub(super) fn from_xtext(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, more)) = rest.split_first() {
        match (octet, more) {
            (b'+', [high, low, after @ ..]) => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return text.to_owned();
                };
                octets.push(high * 16 + low);
                rest = after;
            }
            (b'+', _) => return text.to_owned(),
            _ => {
                octets.push(octet);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// It can be sent as it is: ASCII that [`fits`].
pub(super) fn is_plain(octets: &[u8]) -> bool {
    octets.is_ascii() && fits(octets)
}

/// Every line ends with CRLF and has at most 998 octets, with no NUL and no other CR or LF (RFC 2045 §2.8).
pub(super) fn fits(octets: &[u8]) -> bool {
    octets.split_inclusive(|&octet| octet == b'\n').all(|line| {
        line.strip_suffix(b"\r\n").is_some_and(|line| {
            line.len() <= LINE_MAX && !line.iter().any(|&octet| matches!(octet, 0 | b'\r'))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_folded_at_spaces_and_line_ends() {
        let check = |value: &str, expected: &str| {
            let mut out = String::new();
            push(&mut out, "Diagnostic-Code", value);
            assert_eq!(out, expected, "{value:?}");
        };
        check("smtp; 550 no", "Diagnostic-Code: smtp; 550 no\r\n");
        check(
            "smtp; 550-no\r\n550 not",
            "Diagnostic-Code: smtp; 550-no\r\n 550 not\r\n",
        );
        check(
            "\r\n a\t\0\u{7}b \r\n\r\n c\rd\n",
            "Diagnostic-Code: a b\r\n c d\r\n",
        );
        check(" \r\n\t", "");
        let long = "x".repeat(70);
        check(
            &format!("a {long} b"),
            &format!("Diagnostic-Code: a\r\n {long} b\r\n"),
        );
        let cut = "x".repeat(950);
        let expected = format!("Diagnostic-Code: {}\r\n {}\r\n", &cut[..900], &cut[900..]);
        check(&cut, &expected);
    }

    #[test]
    fn xtext_is_read() {
        let check =
            |xtext: &str, expected: &str| assert_eq!(from_xtext(xtext), expected, "{xtext:?}");
        check("a+2Bb+3Dc@d", "a+b=c@d");
        check("+C3+A9", "é");
        check("+FF", "\u{FFFD}");
        check("+0D+0A", "\r\n");
        for broken in ["a+", "a+2", "a+zz", "+é"] {
            check(broken, broken);
        }
    }

    #[test]
    fn characters_become_ascii() {
        assert_eq!(
            utf8_xtext("jürgen+a=b@café.example"),
            "j\\x{FC}rgen\\x{2B}a\\x{3D}b@caf\\x{E9}.example"
        );
        assert_eq!(ascii("non é 🙂 +="), "non \\x{E9} \\x{1F642} +=");
    }

    #[test]
    fn what_fits_a_line() {
        for (text, expected) in [
            ("", true),
            ("a\r\n", true),
            ("\r\n\r\n", true),
            ("a", false),
            ("a\n", false),
            ("a\rb\r\n", false),
            ("a\r\r\n", false),
            ("a\0\r\n", false),
            ("a\r\nb\nc\r\n", false),
        ] {
            assert_eq!(fits(text.as_bytes()), expected, "{text:?}");
        }
        assert!(fits(format!("{}\r\n", "x".repeat(998)).as_bytes()));
        assert!(!fits(format!("{}\r\n", "x".repeat(999)).as_bytes()));
    }

    proptest! {
        #[test]
        fn a_field_stays_one_field(value in "(\\PC|[ \t\r\n\0]|a{1,1000}){0,20}") {
            let mut out = String::new();
            push(&mut out, "X", &value);
            prop_assert!(out.is_empty() || out.starts_with("X: "));
            prop_assert!(fits(out.as_bytes()));
            for line in out.split_terminator("\r\n").skip(1) {
                prop_assert!(line.starts_with(' ') && !line.trim_matches(' ').is_empty(), "{:?}", line);
            }
            // Nothing is lost but where the words were parted.
            let letters = |text: &str| text.replace(|c: char| c.is_control() || c == ' ', "");
            prop_assert_eq!(letters(out.get(3..).unwrap_or_default()), letters(&value));
        }
    }
}
