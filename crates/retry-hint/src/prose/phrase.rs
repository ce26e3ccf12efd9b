//! The phrases that are about the wait itself: "try again in …", "retry-after: …", "wait …", "greylisted for …",
//! "throttled for …".

use super::duration::{Duration, Form, duration};
use super::number::fitting;
use super::scan::is_one_of;
use super::{Phrase, Scan, Topic, put_off, subject};

/// The phrase that begins with the word at hand.
pub(super) fn at(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    if scan.text(0).is_empty() {
        return None;
    }
    retry_after(scan)
        .or_else(|| retry(scan, topic))
        .or_else(|| then_retry(scan))
        .or_else(|| wait(scan))
        .or_else(|| put_off::at(scan, topic))
}

impl Phrase {
    pub(super) fn to(duration: Duration) -> Option<Self> {
        Some(Self {
            secs: duration.secs,
            first: 0,
            last: duration.last,
            remains: false,
        })
    }
}

/// What may stand between "in" or "for" and the number.
const ABOUT: &str = "\
    about approximately approx around roughly circa ca another at least a minimum min of exactly \
    delay period waiting for further additional";

/// The duration at `k`, behind words such as "at least".
pub(super) fn span(scan: &Scan<'_>, mut k: isize) -> Option<Duration> {
    // "Less than 5 minutes" is none.
    if scan.is(k, "no not") && scan.is(k + 1, "less sooner earlier") && scan.is(k + 2, "than") {
        k += 3;
    }
    for _ in 0..5 {
        if !scan.is(k, ABOUT) {
            break;
        }
        let abbreviated = scan.is(k, "approx ca min");
        if !abbreviated && !scan.goes_on(k) {
            return None;
        }
        k += 1;
    }
    duration(scan, k)
}

/// The same, with "the next 5 minutes" and its like: behind "for", but "in the next 5 minutes" is a window.
pub(super) fn lasting(scan: &Scan<'_>, mut k: isize) -> Option<Duration> {
    k += isize::from(scan.is(k, "the a") && scan.is(k + 1, "next further minimum period total"));
    k += isize::from(scan.is(k, "next total"));
    span(scan, k)
}

/// `Retry-After: 300`, as HTTP has it: the only place where a bare number is read, in seconds.
fn retry_after(scan: &Scan<'_>) -> Option<Phrase> {
    if let Some(secs) = one_word(scan.text(0)) {
        return Some(Phrase {
            secs,
            first: 0,
            last: 0,
            remains: false,
        });
    }
    let k = if scan.is(0, "retry-after retry_after retryafter retry-in")
        || scan.is(0, "retry") && scan.word(0)?.colon
    {
        0
    } else if scan.is(0, "retry") && scan.is(1, "after") && scan.word(1)?.colon {
        1
    } else {
        return None;
    };
    let sign = isize::from(scan.is_sign(k + 1));
    let value = k + 1 + sign;
    if let Some(duration) = span(scan, value) {
        return Phrase::to(duration);
    }
    let marked = scan.is(k, "after retry-after retry_after retryafter")
        && (scan.word(k)?.colon || sign == 1);
    let alone = !scan.joins(value) || scan.word(value + 1).is_none();
    let secs = fitting(scan.text(value)).filter(|_| marked && alone)?;
    Some(Phrase {
        secs,
        first: 0,
        last: value,
        remains: false,
    })
}

/// `retry-after=300`
fn one_word(text: &[u8]) -> Option<u64> {
    let name = text
        .get(.."retry-after".len())
        .filter(|&name| is_one_of(name, "retry-after retry_after"))?;
    fitting(
        text[name.len()..]
            .strip_prefix(b"=")
            .or_else(|| text[name.len()..].strip_prefix(b":"))?,
    )
}

const RETRY: &str = "\
    try retry re-try resend re-send resubmit re-submit reconnect re-connect redeliver reattempt \
    retransmit resume reschedule return reconnecting resending resubmitting redelivering";

/// Verbs that "again" goes with.
pub(super) const AGAIN: &str = "\
    try come attempt send connect deliver submit check call transmit available retry resend \
    accept email transfer possible";

/// Words that may stand between the verb and "in".
const BETWEEN: &str = "\
    later again please delivery delivering sending resending send to the your this that it \
    message messages mail mails email emails e-mail same connection connecting connect request \
    transmission transaction once more back submission and only deliver transfer retry retrying \
    come here us allowed possible permitted attempt my server for submitting operation command \
    smtp";

/// "Try again later, in 5 minutes", "come back in 00:04:53", "do not retry for 300 seconds".
fn retry(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    let verb = verb(scan)?;
    let forbids = forbids(scan, verb);
    let owners = topic.person && scan.is(verb, "be expected back return available");
    if owners || !is_asked(scan, verb) {
        return None;
    }
    let mut later = scan.is(0, "again");
    let mut k = 0;
    for _ in 0..9 {
        if !scan.goes_on(k) {
            return None;
        }
        k += 1;
        if let Some(wait) = named_at(scan, k, forbids, later) {
            return Phrase::to(wait).map(|phrase| Phrase {
                first: verb,
                ..phrase
            });
        }
        later |= scan.is(k, "later again");
        if !scan.is_sign(k) && !scan.is(k, BETWEEN) {
            return None;
        }
    }
    None
}

/// "In 5 minutes, please try again", "After 5 minutes please retry": where a sentence begins so. In the midst of one it is
/// a report: "200 messages in 60 seconds, please try again later".
fn then_retry(scan: &Scan<'_>) -> Option<Phrase> {
    let begins = scan.word(-1).is_none_or(|word| word.stop || word.colon) || scan.is_sign(-1);
    if !begins || !scan.is(0, "in after") {
        return None;
    }
    let wait = span(scan, 1).filter(is_no_clock)?;
    if !scan.goes_on(wait.last) {
        return None;
    }
    let next = wait.last + 1;
    let may = scan.is(next, "you") && scan.is(next + 1, "can may should must");
    let asked = isize::from(scan.is(next, "please")) + 2 * isize::from(may);
    let verb = next + asked;
    let last = if scan.is(verb, "try come send") {
        (verb + 1..verb + 4).find(|&k| scan.is(k, "again back"))?
    } else {
        Some(verb).filter(|&verb| asked > 0 && scan.is(verb, RETRY))?
    };
    Some(Phrase {
        last,
        ..Phrase::to(wait)?
    })
}

/// "Do not retry for 300 seconds": what may lead to the duration then. "No retry for 5 minutes" may be a report.
fn forbids(scan: &Scan<'_>, verb: isize) -> Option<&'static str> {
    if scan.is(verb - 1, "not don't dont never") {
        Some("for before within")
    } else if scan.is(verb - 1, "no") && scan.joins(verb - 1) {
        Some("before")
    } else {
        None
    }
}

/// Where the verb stands that the word at hand completes.
fn verb(scan: &Scan<'_>) -> Option<isize> {
    if scan.is(0, RETRY) || scan.is(0, "retries") && scan.is(-1, "no") {
        return Some(0);
    }
    if scan.is(0, "back") {
        // "…, back in 5 minutes"
        return if scan.joins(-1) {
            scan.is(-1, "come be check call try get expected")
                .then_some(-1)
        } else {
            Some(0)
        };
    }
    if scan.is(0, "next") {
        // "You can send your next message in 95 seconds"
        return scan
            .before(0, 2, "send submit deliver")
            .filter(|&verb| scan.is(verb - 1, "can may") && scan.is(verb - 2, "you"));
    }
    scan.is(0, "again")
        .then(|| scan.before(0, 9, AGAIN))
        .flatten()
}

/// The client is asked to. "We will retry in 5 minutes" is the server's own affair, "the last retry" is past.
fn is_asked(scan: &Scan<'_>, verb: isize) -> bool {
    // "We will be back in 5 minutes", "service will resume in …": what the client waits for.
    if scan.is(verb, "be expected resume back") {
        return true;
    }
    let told = "\
        would it'll they automatically next each every last first second per max maximum without many failed \
        this did didn't one his their my previous cannot can't couldn't successful servers mtas clients usually \
        normally typically generally";
    let past = "\
        failed failure fails unable refused had continue continues going used did tried trying attempted attempts \
        times many not";
    let told = scan.joins(verb - 1) && scan.is(verb - 1, told);
    // "You will be blocked if you try again in …"
    let threat = "blocked banned blacklisted blocklisted rejected refused penalized penalised";
    let threatens = scan.before(verb, 3, "if").is_some() && scan.before(verb, 10, threat).is_some();
    let did_not = scan.is(verb - 1, "not") && scan.is(verb - 2, "did could will");
    !(told
        || threatens
        || did_not
        || is_servers_own(scan, verb)
        || scan.is(verb - 1, "to") && scan.is(verb - 2, past))
}

/// "We will try to send it again", and not "you will be able to" or "we ask you to".
fn is_servers_own(scan: &Scan<'_>, verb: isize) -> bool {
    for k in (verb - 4..verb).rev() {
        if !scan.joins(k) || scan.is(k, "please you kindly ask able possible") {
            return false;
        }
        if scan.is(k, "need must should") {
            return scan.is(k - 1, "we i");
        }
        if scan.is(k, "we i we'll i'll") || scan.is(k, "will shall") {
            return !scan.is(k - 1, "you");
        }
    }
    false
}

/// The connective at `k` and the duration behind it; or the duration in parentheses, behind "later".
fn named_at(scan: &Scan<'_>, k: isize, forbids: Option<&str>, later: bool) -> Option<Duration> {
    if later && scan.word(k)?.opens {
        let aside = duration(scan, k).filter(|aside| {
            is_no_clock(aside) && scan.word(aside.last).is_some_and(|word| word.closes)
        });
        if aside.is_some() {
            return aside;
        }
    }
    if let Some(until) = forbids {
        return if scan.is(k, until) {
            lasting(scan, k + 1)
        } else {
            None
        };
    }
    if scan.is(k, "in") {
        return span(scan, k + 1);
    }
    if scan.is(k, "after") {
        return span(scan, k + 1).filter(|wait| is_no_clock(wait) || runs_down(scan, wait));
    }
    // "not before 5 minutes", "no sooner than 300 seconds"
    if scan.is(k, "not no") && scan.is(k + 1, "before earlier sooner") {
        let than = isize::from(scan.is(k + 2, "than"));
        let in_ = isize::from(scan.is(k + 2 + than, "in"));
        return span(scan, k + 2 + than + in_).filter(is_no_clock);
    }
    None
}

/// "After 10:05:00" is a time of the day.
pub(super) fn is_no_clock(duration: &Duration) -> bool {
    duration.form != Form::Clock
}

/// "After 00:15:00." begins with a midnight that nobody means, and no date or zone is near.
fn runs_down(scan: &Scan<'_>, clock: &Duration) -> bool {
    let below_an_hour = matches!(scan.text(clock.last), [b'0', b'0', b':', _, _, b':', _, _]);
    let ends = scan
        .word(clock.last)
        .is_some_and(|word| word.stop || word.closes);
    below_an_hour && (ends || scan.word(clock.last + 1).is_none())
}

/// "Please wait at least 5 minutes", "wait time: 300 seconds".
fn wait(scan: &Scan<'_>) -> Option<Phrase> {
    let noun = scan.is(0, "wait-time waittime")
        || scan.is(0, "wait waiting") && scan.is(1, "time period interval");
    if !noun && !scan.is(0, "wait") {
        return None;
    }
    let others = "\
        max maximum lock not didn't can't cannot i we will server connection queue no don't \
        average i/o would did";
    let past = "had not failed refused unable unwilling we i";
    let own = scan.is(-1, "must should") && scan.is(-2, "we i")
        || scan.is(-1, "to") && scan.is(-2, "have need") && scan.is(-3, "we i");
    if own || scan.is(-1, others) || scan.is(-1, "to") && scan.is(-2, past) {
        return None;
    }
    let mut k = 0;
    for _ in 0..4 {
        if !scan.goes_on(k) {
            return None;
        }
        k += 1;
        if let Some(wait) = lasting(scan, k) {
            // "Wait until 10:05" names a time of the day.
            let until = scan.before(k, k, "until").is_some();
            if until && !is_no_clock(&wait) {
                return None;
            }
            let next = wait.last + 1;
            let else_for =
                scan.is(next, "for") && !(next..next + 4).any(|k| subject::is_grey(scan, k));
            // What an impatient client is told at the start of a session.
            let banner = scan.is(next, "before")
                && (next..next + 4).any(|k| scan.is(k, "helo ehlo command commands data"));
            let joined = scan.joins(wait.last);
            return if joined && (else_for || banner || scan.is(next, "between on")) {
                None
            } else {
                Phrase::to(wait)
            };
        }
        if !scan.is(k, "for time period interval is of please until remaining") {
            return None;
        }
    }
    None
}
