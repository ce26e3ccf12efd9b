//! The part for the person who sent the mail.

use std::time::{Duration, SystemTime};

use smtp::Status;

use super::original::What;
use super::{Letter, date, field};
use crate::settle::{About, Ahead, Kind};

pub(super) fn subject(letter: &Letter<'_>) -> &'static str {
    match letter.kind {
        Kind::Failed => "Your mail could not be delivered",
        Kind::Delayed => "Your mail is late, and still being tried (nothing to do)",
        Kind::Delivered => "Your mail was delivered",
        Kind::Relayed => "Your mail was passed on",
    }
}

/// Writes it, lines ended by CRLF.
pub(super) fn write(letter: &Letter<'_>, returned: What) -> String {
    let mut out = String::new();
    let mut say = |text: &str| field::push_folded(&mut out, "", "", text);
    say(&format!(
        "This is the mail server {}.",
        letter.writer.hostname
    ));
    say("");
    say(&opening(letter));
    for (about, recipient) in &letter.about {
        out.push_str("\r\n");
        field::push_folded(&mut out, "  ", "  ", &recipient.address);
        fate(&mut out, letter, about);
    }
    out.push_str("\r\n");
    field::push_folded(&mut out, "", "", &closing(letter, returned));
    out
}

fn opening(letter: &Letter<'_>) -> String {
    let mail = format!("Your mail of {}", readable(letter.message.received));
    let told = letter
        .about
        .iter()
        .all(|(_, recipient)| recipient.notify.wants_failure());
    let or_told = if told {
        ", or you are told that it could not be delivered"
    } else {
        ""
    };
    match letter.kind {
        Kind::Failed => format!("{mail} could not be delivered to:"),
        Kind::Delayed => format!(
            "{mail} has not been delivered to the addresses below yet. You don't have to do anything: \
             it is tried again until it is delivered{or_told}. Sending it once more would only add a second copy."
        ),
        Kind::Delivered => format!("{mail} is in the mailbox of:"),
        Kind::Relayed => format!(
            "{mail} was accepted by the next mail server for the addresses below. That server does not confirm \
             deliveries, so this is the last that you hear from us."
        ),
    }
}

fn fate(out: &mut String, letter: &Letter<'_>, about: &About) {
    let mut say = |text: &str| field::push_folded(out, "      ", "      ", text);
    let problem = &about.problem;
    if letter.kind == Kind::Failed && problem.status == Status(4, 4, 7) {
        say(&format!(
            "Given up after {}.",
            span(since(letter.message.received, letter.now))
        ));
    }
    if let (Kind::Delayed, Some(Ahead { next, until })) = (letter.kind, about.ahead) {
        let released = || "when the administrator of this server releases it".to_owned();
        let next = next.map_or_else(released, |next| ahead(next, letter.now));
        say(&format!("Next attempt: {next}"));
        say(&format!("Tried until: {}", ahead(until, letter.now)));
    }
    let none = problem.relay.is_empty() || problem.relay == "none";
    match (problem.remote, none) {
        (true, true) => say("The other mail server answered:"),
        (true, false) => say(&format!("{} answered:", problem.relay)),
        (false, _) => say("What happened:"),
    }
    field::push_folded(out, "        ", "        ", &problem.text);
}

fn closing(letter: &Letter<'_>, returned: What) -> String {
    let attached = match returned {
        What::Whole => "Your mail is attached.",
        What::Header => {
            "The header of your mail is attached, so that you can tell which one it was."
        }
        What::OnlyHeader => {
            "Only the header of your mail is attached: the mail itself is too long to be returned."
        }
    };
    let name = letter.message.id;
    let end = format!("{attached}\nOur name for it, should you ask somebody for help: {name}");
    match letter.kind {
        Kind::Failed => {
            format!("It is not tried again. What is said above should tell why.\n{end}")
        }
        _ => end,
    }
}

/// A time for people, in UTC: nobody here knows where they live.
fn readable(time: SystemTime) -> String {
    date(time).replace("+0000", "UTC")
}

fn ahead(time: SystemTime, now: SystemTime) -> String {
    if time <= now {
        "as soon as possible".to_owned()
    } else {
        format!("{}, in {}", readable(time), span(since(now, time)))
    }
}

fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

/// A duration in the largest unit of which there are at least two, rounded to the nearest.
fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    let unit = |unit: u64| secs.saturating_add(unit / 2) / unit;
    let (count, name) = match secs {
        172_800.. => (unit(86_400), "day"),
        7_200.. => (unit(3_600), "hour"),
        120.. => (unit(60), "minute"),
        _ => (secs, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (secs, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (3600, "60 minutes"),
            (7199, "120 minutes"),
            (7200, "2 hours"),
            (14_399, "4 hours"),
            (431_999, "5 days"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), expected);
        }
        assert!(span(Duration::MAX).ends_with(" days"));
    }
}
