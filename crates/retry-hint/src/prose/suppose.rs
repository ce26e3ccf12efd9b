//! What could happen, happens to others, or happens to the server itself: "you will be blocked for 24 hours if …",
//! "new senders are greylisted for …", "we are being greylisted for …". It names a time, but none to wait now.

use super::{Phrase, Scan};

/// How far back the subject of a verb is looked for, in words.
const REACH: isize = 9;

/// The word at hand says how a client is put off; is that told of this client, now?
///
/// A `harsh` measure (a block, a ban) that lies in the future is a threat; "your mail will be deferred" is none.
pub(super) fn is_supposed(scan: &Scan<'_>, phrase: &Phrase, harsh: bool) -> bool {
    let next = phrase.last + 1;
    let on_condition = scan.goes_on(phrase.last)
        && (scan.is(next, "if unless whenever when yesterday earlier previously")
            || scan.is(next, "on upon after at")
                && scan.is(next + 1, "next every each any repeated further another"));
    let by_another = scan.is(next, "by") && scan.joins(phrase.last) && scan.is_host(next + 1);
    let perhaps = "if unless whenever avoid prevent risk";
    let another = (1..=4)
        .map(|back| -back)
        .take_while(|&k| scan.goes_on(k))
        .any(|k| scan.is_another(k));
    if on_condition || by_another || another || scan.before(0, 10, perhaps).is_some() {
        return true;
    }
    let verb = "be being am are is was were get gets got getting been";
    let Some(verb) = scan.before(0, 3, verb) else {
        return false;
    };
    if scan.is(verb, "be get") {
        let modal = scan.before(verb, 3, "would could might may should can");
        return modal.is_some()
            || harsh
            || may_not_come(scan)
            || scan.before(verb, REACH, CLASS).is_some() && !names_this(scan, verb);
    }
    let ourselves = scan.before(verb, 3, "we i we're i'm our").is_some();
    if ourselves && scan.is(verb, "being are am were been is was") {
        return true;
    }
    let class = scan.is(verb, "are") || scan.before(verb, REACH, CLASS).is_some();
    class && scan.is(verb, "are is gets") && !names_this(scan, verb)
}

/// Kinds of clients.
const CLASS: &str = "\
    senders hosts clients servers users mailers mtas networks domains offenders spammers addresses ips those who \
    anyone anybody everyone whoever every each any a an";

/// "After one more failure …", "any further attempt and …".
fn may_not_come(scan: &Scan<'_>) -> bool {
    let perhaps = "\
        when after once any another further otherwise or repeat repeated continued continuing next more";
    scan.before(0, 10, perhaps).is_some()
}

/// The subject is this client or mail, and not a kind of them: "hosts that retry too fast are …" names none.
fn names_this(scan: &Scan<'_>, verb: isize) -> bool {
    let this = "\
        you your you're you've it this these all temporarily currently now still";
    (1..=REACH)
        .map(|back| verb - back)
        .take_while(|&k| scan.goes_on(k))
        .any(|k| {
            scan.is(k, this)
                || scan.is_host(k)
                || scan.text(k).contains(&b':')
                || scan.word(k).is_some_and(|word| word.blanked)
        })
}
