//! What the words behind a wait take back: that it is over, that it was too short, or that it is the most there can be.

use super::{Phrase, Scan};

/// "Retry after 30 seconds was too early", "deferred for 4 hours so far", "greylisted for 5 days at most".
pub(super) fn is_taken_back(scan: &Scan<'_>, phrase: &Phrase) -> bool {
    let next = phrase.last + 1;
    if !scan.goes_on(phrase.last) {
        return false;
    }
    let verb = isize::from(scan.is(next, "is was were seems"));
    let too_short = scan.is(next + verb, "too")
        && scan.is(next + verb + 1, "early soon fast quick quickly short");
    too_short
        || scan.is(next, "already without")
        || scan.is(next, "so") && scan.is(next + 1, "far")
        || scan.is(next, "at") && scan.is(next + 1, "most")
}

/// The word at hand says that somebody is put off: not this one now, but "already", "not", or a kind of them.
pub(super) fn is_no_news(scan: &Scan<'_>, phrase: &Phrase) -> bool {
    let been = isize::from(scan.is(-1, "been currently"));
    let denied = scan.is(-1 - been, "already not never");
    let of_a_kind = scan.is(-1, "messages mails emails hosts senders")
        && !scan.is(-2, "all your these")
        || scan.joins(-1) && scan.is(-2, "any every each");
    let goes_on = scan.goes_on(phrase.last);
    let rule = goes_on && scan.is(phrase.last + 1, "will each every daily");
    denied || of_a_kind || rule || goes_on && has_passed(scan, phrase.last + 1)
}

/// "Was greylisted for 300 seconds and is accepted", "has been greylisted for 25 minutes now".
fn has_passed(scan: &Scan<'_>, next: isize) -> bool {
    let over = scan.is(next, "now") || scan.is(next, "and") && scan.is(next + 1, "is are will");
    over && scan.before(0, 3, "been was were had").is_some()
}
