//! When two addresses are the same.

use std::borrow::Cow;

/// An address as it is compared: in lower case, quoted only where it has to be, its domain in A-labels.
///
/// A domain ignores case (RFC 5321 §2.4). A local part may not, strictly; but senders are seen that change its case
/// between two attempts, and a record that a retry doesn't find breaks an appointment, while two mailboxes that
/// differ in case alone merely share one. `"a"@x` is the mailbox `a@x` (RFC 5321 §4.1.2). A domain's two forms are one
/// domain (RFC 5890 §2.3.2.1). Most addresses are as they are compared already: no allocation for them.
///
/// What has no `@` is a domain.
pub(crate) fn plain(address: &str) -> Cow<'_, str> {
    match meant(address) {
        Cow::Owned(address) => Cow::Owned(address.to_lowercase()),
        Cow::Borrowed(address) => lower(address),
    }
}

/// An address as it is meant, in the case in which it was written: quoted only where it has to be, its domain in A-labels.
pub(crate) fn meant(address: &str) -> Cow<'_, str> {
    let unquoted = unquoted(address).map_or(Cow::Borrowed(address), Cow::Owned);
    match in_a_labels(&unquoted) {
        Some(address) => Cow::Owned(address),
        None => unquoted,
    }
}

/// What is before the last `@` of an address as [`plain`] gives it, and what is after it; nothing, without one.
pub(crate) fn parts(plain: &str) -> (&str, &str) {
    plain.rsplit_once('@').unwrap_or((plain, ""))
}

/// In lower case, of whatever script.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    let as_is = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(as_is) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// The address, where its domain is written in another script than ASCII.
fn in_a_labels(address: &str) -> Option<String> {
    let domain = address.rfind('@').map_or(0, |at| at + 1);
    let (local, domain) = address.split_at(domain);
    if domain.is_ascii() {
        return None;
    }
    let domain = idna::domain_to_ascii(domain).ok()?;
    // Characters that stand for nothing.
    if domain.is_empty() {
        return None;
    }
    Some(format!("{local}{domain}"))
}

/// The address with a local part that is quoted without need, or has escapes without need, written plainly.
fn unquoted(address: &str) -> Option<String> {
    let (local, domain) = address.strip_prefix('"')?.rsplit_once('@')?;
    let inside = local.strip_suffix('"')?;
    let mut words = String::with_capacity(inside.len());
    let mut escaped = false;
    for c in inside.chars() {
        if escaped || c != '\\' {
            words.push(c);
            escaped = false;
        } else {
            escaped = true;
        }
    }
    if !words.split('.').all(is_atom) {
        words = format!("\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\""));
    }
    Some(format!("{words}@{domain}"))
}

/// RFC 5322 §3.2.3, RFC 6532 §3.2.
fn is_atom(word: &str) -> bool {
    let is_atext =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !word.is_empty() && word.chars().all(is_atext)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_mailbox_is_the_same_address() {
        for (written, compared) in [
            ("", ""),
            ("postmaster", "postmaster"),
            ("a@x.example", "a@x.example"),
            ("A@X.Example", "a@x.example"),
            ("Ä@x.example", "ä@x.example"),
            (r#""a"@x.example"#, "a@x.example"),
            (r#""A.b+c"@X.example"#, "a.b+c@x.example"),
            (r#""\a\b"@x.example"#, "ab@x.example"),
            ("a@Bücher.example", "a@xn--bcher-kva.example"),
            ("A@XN--Bcher-Kva.example", "a@xn--bcher-kva.example"),
            (r#""ä"@ü.example"#, "ä@xn--tda.example"),
            ("Bücher.example", "xn--bcher-kva.example"),
            (".bücher.example", ".xn--bcher-kva.example"),
            ("a@\u{ad}", "a@\u{ad}"),
            // Must stay quoted.
            (r#""a b"@x.example"#, r#""a b"@x.example"#),
            (r#""a\ b"@x.example"#, r#""a b"@x.example"#),
            (r#""a@b"@x.example"#, r#""a@b"@x.example"#),
            (r#""a..b"@x.example"#, r#""a..b"@x.example"#),
            (r#"""@x.example"#, r#"""@x.example"#),
            (r#""\"a\""@x.example"#, r#""\"a\""@x.example"#),
            (r#""a\\b"@x.example"#, r#""a\\b"@x.example"#),
        ] {
            assert_eq!(plain(written), compared, "{written}");
            assert_eq!(plain(compared), compared, "once is enough: {written}");
            assert_eq!(meant(written).to_lowercase(), compared, "{written}");
        }
    }
}
