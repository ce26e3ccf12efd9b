//! The phrases that name the wait in passing: "(123s left)", "5 minutes before retrying", "the block expires in …",
//! "will be accepted after …".

use super::duration::{Duration, duration};
use super::phrase::{AGAIN, span};
use super::{Phrase, Scan, Topic, subject};

/// The phrase that begins with the word at hand.
pub(super) fn at(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    if scan.text(0).is_empty() {
        return None;
    }
    remaining(scan, topic)
        .or_else(|| time_left(scan, topic))
        .or_else(|| ends(scan))
        .or_else(|| accepted(scan))
}

/// Words before a duration that make it a window or a span of the past.
pub(super) const WINDOW: &str =
    "per every each last past within over during under than max maximum limit first";

/// "300 seconds remaining", "123s left", "5 minutes before retrying", "again 5 minutes from now".
fn remaining(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    let left = duration(scan, 0)?;
    let window = scan.is(-1, WINDOW) || scan.is(-1, "in");
    let next = left.last + 1;
    if !scan.joins(left.last) {
        return None;
    }
    if scan.is(next, "left remaining remain remains to") && topic.deferral && !window {
        return what_is_left(scan, left);
    }
    let before = next + passing(scan, next);
    let before = scan.is(before, "before until") && is_next_attempt(scan, before + 1);
    // Where "wait" or "try" leads up to it, that phrase has read it already.
    let from_now = scan.is(next, "from") && scan.is(next + 1, "now") || scan.is(next, "later");
    let told = from_now && scan.before(0, 6, AGAIN).is_some();
    let past = scan
        .before(
            0,
            8,
            "not didn't only idle after took failed waited between",
        )
        .is_some();
    if window || past || !(before || told) {
        return None;
    }
    Phrase::to(left)
}

/// How many words "… must pass", "… have to elapse" has.
fn passing(scan: &Scan<'_>, k: isize) -> isize {
    let must = if scan.is(k, "must should") {
        1
    } else if scan.is(k, "have has need needs") && scan.is(k + 1, "to") {
        2
    } else {
        return 0;
    };
    (must + 1) * isize::from(scan.is(k + must, "pass elapse"))
}

/// "… retrying", "… the next attempt", "… you may try again", "… sending again".
fn is_next_attempt(scan: &Scan<'_>, k: isize) -> bool {
    let again = "retry retrying re-trying reconnecting resending resubmitting trying try next another \
        attempting again resend reconnect redelivery reset";
    let you_may = scan.is(k, "you the a your") && (scan.is(k + 1, again) || scan.is(k + 2, again));
    scan.is(k, again)
        || you_may
        || scan.is(k, "sending connecting submitting") && scan.is(k + 1, "again")
}

/// "10 days left to clean up" is no wait, "5 minutes left", "5 minutes to go" and "… left to wait" are.
fn what_is_left(scan: &Scan<'_>, left: Duration) -> Option<Phrase> {
    let mut last = left.last + 1;
    if scan.is(last, "to") || scan.joins(last) && scan.is(last + 1, "to for on in of") {
        last += isize::from(!scan.is(last, "to"));
        if !(scan.is(last, "to") && scan.is(last + 1, "wait go retry")) {
            return None;
        }
    }
    Some(Phrase {
        secs: left.secs,
        first: 0,
        last: left.last,
        remains: true,
    })
}

/// "Remaining time: 5 minutes", "time left: 04:53", "remaining: 300 seconds".
fn time_left(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    if !topic.deferral || !scan.is(0, "remaining left") || !scan.goes_on(0) {
        return None;
    }
    let of = "time wait delay waiting period";
    if scan.is(0, "left") && !scan.is(-1, of) {
        return None;
    }
    let mut k = 1;
    while k < 4 && scan.is(k, of) && scan.goes_on(k) {
        k += 1;
    }
    k += isize::from(scan.is(k, "is ="));
    let left = span(scan, k)?;
    Some(Phrase {
        secs: left.secs,
        first: 0,
        last: left.last,
        remains: true,
    })
}

/// "Your block expires in 10 minutes", "the limit resets in 3600 seconds".
fn ends(scan: &Scan<'_>) -> Option<Phrase> {
    const ENDS: &str = "\
        expires ends lifted resets reset cleared released removed refreshes unblocked delisted \
        expiring ending renewed renews";
    const WHAT: &str = "\
        block ban penalty throttle throttling restriction lockout limit ratelimit rate-limit \
        delay blocked banned embargo unblocked throttled deferral blocking limits quota counter \
        cooldown";
    // "After 24 hours" would be the rule, not what remains of it.
    if !scan.is(0, ENDS) || !scan.is(1, "in") || !scan.joins(0) || scan.is(-1, "connection") {
        return None;
    }
    // The record of a first attempt outlives the wait by far.
    if scan
        .before(
            0,
            3,
            "entry entries record records triplet key token window",
        )
        .is_some()
    {
        return None;
    }
    let grey = (1..=6)
        .map(|back| -back)
        .take_while(|&k| scan.goes_on(k))
        .any(|k| subject::is_grey(scan, k));
    if !grey && !scan.is(0, "unblocked delisted") && scan.before(0, 6, WHAT).is_none() {
        return None;
    }
    span(scan, 2).and_then(Phrase::to)
}

/// "Will be accepted in 5 minutes", "next attempt allowed after 300 seconds".
fn accepted(scan: &Scan<'_>) -> Option<Phrase> {
    let again = scan.is(0, "resent retried") && scan.is(-1, "be") && scan.is(-2, "can may");
    if !again && !scan.is(0, "accepted allowed possible permitted available accept")
        || !scan.goes_on(0)
    {
        return None;
    }
    // "Only 10 messages allowed in 60 seconds" is a limit.
    let limit = "only max maximum more than limit not no many most number were was";
    let counted = (1..=8)
        .map(|back| -back)
        .take_while(|&k| scan.goes_on(k) && !scan.word(k).is_some_and(|word| word.comma))
        .any(|k| scan.is(k, limit) || scan.text(k).first().is_some_and(u8::is_ascii_digit));
    let coming = scan.is(-1, "be")
        || scan
            .before(0, 4, "retry attempt retries delivery will next")
            .is_some();
    if counted || !coming {
        return None;
    }
    let again = isize::from(scan.is(1, "again"));
    if !scan.is(1 + again, "in after") || !scan.goes_on(again) {
        return None;
    }
    span(scan, 2 + again).and_then(Phrase::to)
}
