//! Where a reply stops to speak for its own server and repeats what another one said.

use super::{Scan, duration};

/// Verbs and nouns of an answer. Alone they say little ("you returned too early"): a colon or a code must follow.
const REPORTS: &str =
    "responded replied answered returned returns response reply reported with error was code got";
/// Verbs that have another speaker, colon or not.
const SPEAKS: &str = "said says answered replied responded answers replies responds";
/// The same, unless the client is spoken to: "you are asked to".
const ADDRESSES: &str = "told tells asked asks instructed instructs wants wanted";
/// Who else there is on a mail's way.
const OTHERS: &str = "upstream downstream nexthop next-hop remote smarthost backend back-end";
/// What is done with another server.
const ERRANDS: &str = "\
    delivery deliver delivering relay relaying relayed forward forwarding forwarded connection connect connecting \
    verification callout transfer transport proxy proxying nexthop hop";

/// How far behind "remote" or before "failed:" is looked, in words.
const REACH: isize = 8;

impl Scan<'_> {
    /// From here on the server repeats what another one said: `host x said: 450 …`, `… was: 451 4.7.1 …`,
    /// `delivery to x failed: …`, `backend told us to …`.
    pub(crate) fn quotes_another_reply(&self) -> bool {
        let colon = self.word(0).is_some_and(|word| word.colon);
        self.is(0, SPEAKS)
            || self.is(0, ADDRESSES) && !(-3..=1).any(|k| self.is(k, "you your"))
            || self.is(0, "according") && self.is(1, "to")
            || self.is_code(0) && self.is_status(1)
            || self.reports_code(colon)
            || self.is(0, "answer reply response") && (colon || self.is(1, "was is"))
            || self.names_another()
            || self.tells_failure(colon)
            || self.is(0, "callout call-out")
            || self.is(0, "unverified") && self.is(1, "address")
            || super::subject::begins(self.text(0), b"action=")
    }

    fn reports_code(&self, colon: bool) -> bool {
        (colon || self.is(0, REPORTS)) && self.is_code(1) && duration::unit(self.text(2)).is_none()
    }

    /// "SMTP error from remote mail server after RCPT TO:<…>:". A colon says that its words follow.
    fn names_another(&self) -> bool {
        self.is_another(0)
            && (0..REACH)
                .find(|&k| self.word(k).is_none_or(|word| word.colon || word.stop))
                .is_some_and(|k| self.word(k).is_some_and(|word| word.colon))
    }

    /// Another server; but a "remote host" or "remote address" may be the client's.
    pub(super) fn is_another(&self, k: isize) -> bool {
        self.is(k, OTHERS) && !self.is(k + 1, "client ip address")
            || self.is(k, "next") && self.is(k + 1, "hop")
    }

    /// "Delivery to mx.example.net failed: …"; "SPF check failed: …" is the server's own.
    fn tells_failure(&self, colon: bool) -> bool {
        let with = self.is(1, "with") && self.goes_on(0);
        self.is(0, "failed failure fails")
            && (colon || with)
            && (1..=REACH)
                .map(|back| -back)
                .take_while(|&k| self.goes_on(k))
                .any(|k| self.is(k, ERRANDS) || k == -1 && self.is_host(k))
    }

    /// A host's name or address: "mx.example.net".
    pub(super) fn is_host(&self, k: isize) -> bool {
        let text = self.text(k);
        text.contains(&b'.') && text.iter().filter(|b| b.is_ascii_alphanumeric()).count() > 2
    }

    /// A reply code: 450, or 450-4.7.1 in one word.
    fn is_code(&self, k: isize) -> bool {
        matches!(self.text(k), [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9', rest @ ..] if rest.is_empty() || rest.starts_with(b"-"))
    }

    fn is_status(&self, k: isize) -> bool {
        matches!(self.text(k), [b'2' | b'4' | b'5', b'.', b'0'..=b'9', rest @ ..] if rest.contains(&b'.'))
    }
}
