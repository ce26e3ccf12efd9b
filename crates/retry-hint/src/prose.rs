//! What receivers already write: "Greylisted for 300 seconds", "try again in 5 minutes", "come back in 00:04:53".
//!
//! A number counts only when the words around it say that it is a wait. The phrases are few and each is spelt out;
//! what fits none of them is no hint.

mod aside;
mod duration;
mod elsewhere;
mod instead;
mod number;
mod past;
mod phrase;
mod put_off;
mod scan;
mod speech;
mod subject;
mod suppose;

use core::ops::Range;

pub(crate) use duration::clock;
pub(crate) use instead::{Instead, instead};
pub(crate) use scan::Scan;

use crate::{Found, framing::Reply};

/// A phrase that names a wait, in words relative to the scan's own.
struct Phrase {
    secs: u64,
    first: isize,
    last: isize,
    /// It says what remains, which is nearer the truth than what the whole wait is.
    remains: bool,
}

/// What the reply has been about so far, up to the word at hand.
#[derive(Clone, Copy, Default)]
struct Topic {
    /// Greylisting was named.
    grey: bool,
    /// Being put off was named: a delay, a retry, a block, a limit.
    deferral: bool,
    /// A person's absence was named, or a person: who is "back in 14 days" is not the server.
    person: bool,
}

/// The first wait that is named, or the first that says what remains.
pub(crate) fn find(reply: &Reply<'_>) -> Option<Found> {
    let mut scan = Scan::new(reply);
    let mut topic = Topic::default();
    let mut first = None;
    while scan.word(0).is_some() {
        topic.hear(&scan);
        let phrase = phrase::at(&scan, topic)
            .or_else(|| aside::at(&scan, topic))
            .or_else(|| elsewhere::at(&scan))
            .filter(|phrase| !past::is_taken_back(&scan, phrase));
        if let Some(phrase) = phrase {
            let found = Found {
                wait_secs: phrase.secs,
                bytes: bytes(&scan, &phrase),
            };
            if phrase.remains {
                return Some(found);
            }
            first = first.or(Some(found));
        } else if scan.quotes_another_reply() {
            break;
        }
        scan.advance();
    }
    first
}

impl Topic {
    fn hear(&mut self, scan: &Scan<'_>) {
        self.grey |= subject::is_grey(scan, 0);
        self.deferral |= self.grey || subject::is_deferral(scan.text(0));
        self.person |= subject::is_person(scan, 0);
    }
}

fn bytes(scan: &Scan<'_>, phrase: &Phrase) -> Range<usize> {
    let start = scan.word(phrase.first).map_or(0, |word| word.core_start);
    let end = scan.word(phrase.last).map_or(start, |word| word.core_end);
    // The parenthesis of "hour(s)" is no punctuation.
    start..end + usize::from(scan.text(phrase.last).ends_with(b"(s"))
}
