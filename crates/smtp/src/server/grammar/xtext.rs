//! xtext, in which DSN parameters are written (RFC 3461 §4).

/// How many octets it says, or `None` when it is not well-formed. What it says must be printable ASCII, so that it can
/// stand in a notice; with `utf8`, characters beyond ASCII may stand for themselves (RFC 6533 §3).
pub(super) fn decoded_len(text: &str, utf8: bool) -> Option<usize> {
    let mut len = 0;
    let mut octets = text.bytes();
    while let Some(b) = octets.next() {
        let ok = match b {
            b'+' => (b' '..=b'~').contains(&(hex(octets.next()?)? << 4 | hex(octets.next()?)?)),
            b'=' => false,
            b'!'..=b'~' => true,
            _ => utf8 && !b.is_ascii(),
        };
        if !ok {
            return None;
        }
        len += 1;
    }
    Some(len)
}

/// RFC 3461 wants capitals; small letters are understood everywhere.
fn hex(b: u8) -> Option<u8> {
    char::from(b)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::decoded_len;

    #[test]
    fn xtext() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(decoded_len(text, false), expected, "{text}");
        };
        check("", Some(0));
        check("abc", Some(3));
        check("a+2Bb+3Dc+20", Some(6));
        check("a+2bb", Some(3));
        for bad in [
            "a=b", "a b", "+", "+2", "+2G", "+0D+0A", "+7F", "+FF", "é", "a\tb",
        ] {
            check(bad, None);
        }
        assert_eq!(decoded_len("é", true), Some(2));
    }
}
