//! The phrases that are about being put off: "greylisted for …", "throttled for …", "retry delay: …".

use super::duration::{Duration, Form, duration};
use super::phrase::{is_no_clock, lasting};
use super::{Phrase, Scan, Topic, past, subject, suppose};

/// The phrase that begins with the word at hand.
pub(super) fn at(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    let harsh = scan.is(0, SHUT_OUT) && !scan.is(0, "delayed delaying")
        || scan.is(0, SHUT)
        || is_locked_out(scan);
    grey(scan)
        .or_else(|| shut_out(scan))
        .filter(|phrase| !suppose::is_supposed(scan, phrase, harsh))
        .filter(|phrase| !past::is_no_news(scan, phrase))
        .or_else(|| delay(scan, topic))
}

/// Words that may stand between "greylisted" and the duration's "for".
const GREY: &str = "\
    in effect action active enabled is are temporarily please still currently has been \
    and with a your message mail sender address host ip client be will by policy system server \
    this on the triplet recipient connection minimum you here now due to at";

/// "Greylisted for 300 seconds", "greylisting delay of 5 minutes", "greylisted (300 seconds)".
fn grey(scan: &Scan<'_>) -> Option<Phrase> {
    if !subject::is_grey(scan, 0) {
        return None;
    }
    let mut k = isize::from(scan.is(0, "grey gray"));
    let mut direct = true;
    for _ in 0..9 {
        if !scan.goes_on(k) {
            return None;
        }
        k += 1;
        if let Some(wait) = duration(scan, k) {
            let aside = scan.word(k)?.opens && scan.word(wait.last)?.closes;
            let plain = is_no_clock(&wait) && (aside || direct && wait.form == Form::Spoken);
            return if plain { Phrase::to(wait) } else { None };
        }
        let label = scan.is(k, LABELS);
        if label && let Some(wait) = labelled(scan, k) {
            return Phrase::to(wait);
        }
        if scan.is(k, FOR)
            && let Some(wait) = lasting(scan, k + 1)
        {
            return Phrase::to(wait);
        }
        if !scan.is_sign(k) && !label && !scan.is(k, FOR) && !scan.is(k, GREY) {
            return None;
        }
        direct &= scan.is_sign(k);
    }
    None
}

/// "Greylisted für 300 Sekunden": often the only word that is translated.
const FOR: &str = "for für fuer pendant durante por voor";

const LABELS: &str = "delay period time wait interval";

/// "Delay: 5 minutes", "period of …", "time remaining is …", "delay = …".
fn labelled(scan: &Scan<'_>, k: isize) -> Option<Duration> {
    let mut value = k + 1;
    while value < k + 4 && (scan.is_sign(value) || scan.is(value, "is of time remaining for")) {
        value += 1;
    }
    // "Time: 10:05:00" is one of the day.
    lasting(scan, value).filter(|wait| !scan.is(k, "time") || is_no_clock(wait))
}

/// Put off, and nothing else: read in every tense.
const PUT_OFF: &str = "\
    deferred throttled postponed tempfailed temp-failed penalized penalised rate-limited \
    ratelimited throttling tarpitted cooldown backoff back-off rate-limit \
    deferring postponing defer";
/// A period that begins now, unless it is told as one that has passed: "has been blocked for 3 days".
const SHUT_OUT: &str = "delayed blocked banned blacklisted blocklisted restricted delaying";
/// May be so for as long as it likes: read only as "temporarily".
const SHUT: &str = "\
    suspended rejected refused unavailable disabled locked denied limited closed paused blocking \
    refusing rejecting block ban lockout hold";

fn is_locked_out(scan: &Scan<'_>) -> bool {
    scan.is(0, "out") && scan.is(-1, "locked")
}

/// "Throttled for 60 seconds", "temporarily blocked for 10 minutes", "retry delay: 300 seconds".
fn shut_out(scan: &Scan<'_>) -> Option<Phrase> {
    let back_off = scan.is(0, "off") && scan.is(-1, "back") || is_locked_out(scan);
    let rate_limited = || scan.is(0, "limited") && scan.is(-1, "rate");
    let temporarily =
        || scan.before(0, 5, "temporarily temporary").is_some() || scan.is(1, "temporarily");
    let passed = || scan.before(0, 3, "been was were had").is_some();
    let counts = back_off
        || scan.is(0, PUT_OFF)
        || rate_limited()
        || scan.is(0, SHUT_OUT) && (temporarily() || !passed())
        || scan.is(0, SHUT) && temporarily();
    if !counts || scan.is(-1, "not never") {
        return None;
    }
    if (back_off || scan.is(0, "backoff back-off deferred postponed")) && scan.joins(0) {
        let wait = duration(scan, 1).filter(|wait| wait.form == Form::Spoken);
        if wait.is_some() {
            return wait.and_then(Phrase::to);
        }
    }
    let mut k = 0;
    for _ in 0..4 {
        if !scan.goes_on(k) {
            return None;
        }
        k += 1;
        if scan.is(k, FOR) {
            return lasting(scan, k + 1).and_then(Phrase::to);
        }
        let between = "\
            temporarily now again here by us policy message mail sender connection connections \
            address ip host client you your this server messages all";
        if !scan.is(k, between) {
            return None;
        }
    }
    None
}

/// "Retry delay: 300 seconds"; "delay: 5 minutes" where greylisting was named.
fn delay(scan: &Scan<'_>, topic: Topic) -> Option<Phrase> {
    if !scan.is(0, LABELS) && !scan.is(0, "retry-delay retry-time cooldown") {
        return None;
    }
    let retry =
        scan.is(-1, "retry re-try resend greylist deferral defer") && !scan.is(-2, "max maximum");
    let named = retry || scan.is(0, "retry-delay retry-time");
    let grey = topic.grey && scan.is(0, "delay") && !scan.is(-1, "max maximum");
    if !(named || grey) || !scan.goes_on(0) {
        return None;
    }
    labelled(scan, 0).and_then(Phrase::to)
}
