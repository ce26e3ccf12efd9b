//! A window that moves over a reply's words: the word at hand, ten before it, twenty behind it.

use crate::framing::Reply;
use crate::words::{Word, Words};

const RING: usize = 32;
const BEFORE: isize = 10;
const BEHIND: isize = 20;

/// Words are counted from the one at hand, which is 0.
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    words: Words<'a>,
    ring: [Word; RING],
    head: usize,
    filled: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(reply: &Reply<'a>) -> Self {
        let words = Words::new(reply);
        let mut scan = Self {
            bytes: reply.bytes,
            words,
            ring: [Word::default(); RING],
            head: 0,
            filled: 0,
        };
        scan.fill();
        scan
    }

    fn fill(&mut self) {
        while self.filled <= self.head + BEHIND.unsigned_abs() {
            let Some(word) = self.words.next() else {
                return;
            };
            self.ring[self.filled % RING] = word;
            self.filled += 1;
        }
    }

    /// On to the next word.
    pub(crate) fn advance(&mut self) {
        self.head += 1;
        self.fill();
    }

    pub(crate) fn word(&self, k: isize) -> Option<&Word> {
        let at = self.head.checked_add_signed(k)?;
        (at < self.filled && (-BEFORE..=BEHIND).contains(&k)).then(|| &self.ring[at % RING])
    }

    /// The word without its punctuation. Empty where there is none, and where it is blanked.
    pub(crate) fn text(&self, k: isize) -> &'a [u8] {
        match self.word(k) {
            Some(word) if !word.blanked => &self.bytes[word.core_start..word.core_end],
            _ => b"",
        }
    }

    /// The word is one of these, which are separated by spaces, whatever its case.
    pub(crate) fn is(&self, k: isize, any: &str) -> bool {
        is_one_of(self.text(k), any)
    }

    /// The word is punctuation alone: "-" or "=".
    pub(crate) fn is_sign(&self, k: isize) -> bool {
        self.word(k)
            .is_some_and(|word| word.core_start == word.core_end)
    }

    /// Nothing but spaces stands between the word and the next one.
    pub(crate) fn joins(&self, k: isize) -> bool {
        self.word(k).is_some_and(Word::is_joined)
            && self.word(k + 1).is_some_and(|next| !next.opens)
    }

    /// No sentence or clause ends with the word.
    pub(crate) fn goes_on(&self, k: isize) -> bool {
        self.word(k).is_some_and(|word| !word.stop)
    }

    /// Where the nearest of these words stands, at most `reach` before word `k` and in the same sentence.
    pub(crate) fn before(&self, k: isize, reach: isize, any: &str) -> Option<isize> {
        (1..=reach)
            .map(|back| k - back)
            .take_while(|&at| self.goes_on(at))
            .find(|&at| self.is(at, any))
    }
}

/// The text is one of these words, which are separated by spaces, whatever its case.
pub(super) fn is_one_of(text: &[u8], any: &str) -> bool {
    let mut words = any.as_bytes();
    if text.is_empty() {
        return false;
    }
    while let Some((word, rest)) = words.split_at_checked(text.len()) {
        // Only where a word of the same length ends can it be the same word.
        if matches!(rest.first(), None | Some(b' ')) && word.eq_ignore_ascii_case(text) {
            return true;
        }
        match words.iter().position(|&b| b == b' ') {
            Some(space) => words = &words[space + 1..],
            None => return false,
        }
    }
    false
}
