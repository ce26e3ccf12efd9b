//! What a word is about: greylisting, being put off, somebody's absence.

use super::Scan;

/// "greylisted", "Gray-listing", or "grey" with "listed" behind it.
pub(super) fn is_grey(scan: &Scan<'_>, k: isize) -> bool {
    let Some(rest) = after_grey(scan.text(k)) else {
        return false;
    };
    if rest.is_empty() {
        return begins(scan.text(k + 1), b"list");
    }
    let rest = if let [b'-' | b'_', rest @ ..] = rest {
        rest
    } else {
        rest
    };
    begins(rest, b"list")
}

fn after_grey(text: &[u8]) -> Option<&[u8]> {
    let grey = text.get(..4)?;
    (grey.eq_ignore_ascii_case(b"grey") || grey.eq_ignore_ascii_case(b"gray")).then(|| &text[4..])
}

/// A word that belongs to being put off.
pub(super) fn is_deferral(text: &[u8]) -> bool {
    const STEMS: [&[u8]; 14] = [
        b"retry",
        b"wait",
        b"delay",
        b"defer",
        b"throttl",
        b"block",
        b"ban",
        b"limit",
        b"ratelimit",
        b"rate-limit",
        b"cooldown",
        b"penal",
        b"again",
        b"backoff",
    ];
    STEMS.iter().any(|stem| begins(text, stem))
}

/// A word about a mailbox's owner, who may be away.
pub(super) fn is_person(scan: &Scan<'_>, k: isize) -> bool {
    let person = "\
        user owner he she vacation holiday holidays leave office out-of-office away absent absence travelling \
        traveling sick";
    scan.is(k, person)
}

pub(super) fn begins(text: &[u8], stem: &[u8]) -> bool {
    text.get(..stem.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(stem))
}
