//! `retry=00:05:00`: the hint of the expired draft-santos-smtpgrey, last in the last line.

use core::ops::Range;

use crate::prose::{Scan, clock};
use crate::{Found, framing::Reply, words};

/// The hint, where it stands.
pub(crate) fn find(reply: &Reply<'_>) -> Option<Found> {
    let bytes = named(reply)?;
    let value = &reply.bytes[bytes.start + "retry=".len()..bytes.end];
    let wait_secs = words::digits(value).or_else(|| draft_clock(value))?;
    Some(Found { wait_secs, bytes })
}

/// `retry=` in its place, whatever its value.
pub(crate) fn named(reply: &Reply<'_>) -> Option<Range<usize>> {
    let mut last_two = [0..0, 0..0];
    let mut scan = Scan::new(reply);
    while let Some(word) = scan.word(0) {
        if scan.quotes_another_reply() {
            return None;
        }
        let [_, last] = last_two;
        last_two = [
            last,
            if word.blanked {
                0..0
            } else {
                word.start..word.end
            },
        ];
        scan.advance();
    }
    let [before, last] = last_two;
    alone(reply, &last, &last).or_else(|| {
        starts(reply.bytes, last.clone(), b"expire=").then_some(())?;
        alone(reply, &before, &last)
    })
}

/// `retry=…` as the word `at`, with parentheses around it and what follows up to `end`, or none.
fn alone(reply: &Reply<'_>, at: &Range<usize>, end: &Range<usize>) -> Option<Range<usize>> {
    let mut word = at.clone();
    let opens = reply.bytes[word.clone()].first() == Some(&b'(');
    let closes = reply.bytes[end.clone()].last() == Some(&b')');
    if opens != closes {
        return None;
    }
    word.start += usize::from(opens);
    word.end -= usize::from(closes && at == end);
    (word.start >= reply.last_line() && starts(reply.bytes, word.clone(), b"retry="))
        .then_some(word)
}

fn starts(bytes: &[u8], word: Range<usize>, name: &[u8]) -> bool {
    bytes
        .get(word)
        .and_then(|word| word.get(..name.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// `[DD-]HH:MM:SS`: three parts, never two.
fn draft_clock(value: &[u8]) -> Option<u64> {
    let clock = clock(value)?;
    (clock.parts == 3).then_some(clock.secs)
}
