//! Waits in other languages than English: "bitte versuchen Sie es in 5 Minuten erneut", "veuillez patienter 60
//! secondes".

use super::duration::{Duration, duration};
use super::phrase::{is_no_clock, lasting};
use super::{Phrase, Scan, subject};

/// The phrase that begins with the word at hand.
pub(super) fn at(scan: &Scan<'_>) -> Option<Phrase> {
    if scan.text(0).is_empty() {
        return None;
    }
    again(scan)
        .or_else(|| wait(scan))
        .or_else(|| wait_at_the_end(scan))
        .and_then(Phrase::to)
}

/// Forms of "try again" that ask for it.
const RETRY: &str = "\
    wiederholen réessayer réessayez reessayer reessayez revenez intente inténtelo intentelo inténtalo intentalo \
    intentarlo reintente vuelva riprova riprovare riprovi tente probeer";
/// "In 5 minutes". "Over" and "en" are that in one language and something else in the next.
const IN: &str = "in dans en em tra fra over";
/// "After 5 minutes".
const AFTER: &str = "nach après apres después despues depois dopo na";

/// "Bitte versuchen Sie es in 5 Minuten erneut", "réessayez dans 5 minutes", "reintente dentro de 5 minutos".
fn again(scan: &Scan<'_>) -> Option<Duration> {
    let within = scan.is(0, "dentro") && scan.is(1, "de");
    if !within && !scan.is(0, IN) && !scan.is(0, AFTER) || !scan.goes_on(0) {
        return None;
    }
    // "Versuchen" alone may be "attempts", of which there were too many.
    let asked = scan
        .before(0, 6, "sie")
        .filter(|&sie| scan.is(sie - 1, "versuchen"))
        .or_else(|| scan.before(0, 8, RETRY))
        .is_some_and(|verb| (verb..0).all(|k| !scan.word(k).is_some_and(|word| word.comma)));
    let wait = lasting(scan, 1 + isize::from(within))?;
    if scan.is(0, AFTER) {
        return Some(wait).filter(|wait| asked && is_no_clock(wait));
    }
    let once_more = "erneut nochmal nochmals wieder opnieuw";
    (asked || scan.is(wait.last + 1, once_more)).then_some(wait)
}

/// Forms of "wait" that ask for it.
const WAIT: &str = "patientez attendez espere aguarde attendere attenda attendete wacht";
/// Forms that do so only behind a "please".
const TO_WAIT: &str = "warten patienter attendre esperar aguardar wachten";
const PLEASE: &str =
    "bitte veuillez merci prière priere favor prego prega gelieve alstublieft debe deve moet";
/// What may stand between it and the number.
const ABOUT: &str =
    "sie noch mindestens circa ca etwa au moins environ por lo menos al pelo almeno nog minstens";

/// "Bitte warten Sie 60 Sekunden", "espere 5 minutos".
fn wait(scan: &Scan<'_>) -> Option<Duration> {
    let told = scan.is(0, TO_WAIT) && (scan.is(1, "sie") || scan.before(0, 4, PLEASE).is_some());
    if !told && !scan.is(0, WAIT) || scan.before(0, 3, "nicht ne pas no non não niet").is_some() {
        return None;
    }
    let mut k = 0;
    for _ in 0..5 {
        if !scan.joins(k) {
            return None;
        }
        k += 1;
        if let Some(wait) = duration(scan, k) {
            // "Between two mails", "per mail": the spacing that a limit asks for.
            let spacing = "entre zwischen tra fra tussen pro per par";
            let spaced = scan.joins(wait.last) && scan.is(wait.last + 1, spacing);
            return Some(wait).filter(|wait| is_no_clock(wait) && !spaced);
        }
        if !scan.is(k, ABOUT) {
            return None;
        }
    }
    None
}

/// "Bitte 60 Sekunden warten", "noch 240 Sekunden Greylisting".
fn wait_at_the_end(scan: &Scan<'_>) -> Option<Duration> {
    let wait = duration(scan, 0).filter(is_no_clock)?;
    let next = wait.last + 1;
    let warten =
        scan.is(next, "warten wachten") && scan.before(0, 3, "bitte noch gelieve nog").is_some();
    let grey = scan.is(-1, "noch") && subject::is_grey(scan, next);
    (scan.joins(wait.last) && (warten || grey)).then_some(wait)
}
