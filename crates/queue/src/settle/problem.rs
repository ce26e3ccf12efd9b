//! Why a mail still waits, where no attempt says it: what its hold was told, or what its own last attempt gave.

use smtp::Status;
use smtp::reply::Answer;

use crate::outcome::Problem;
use crate::spool::Hold;
use crate::{HoldKey, Message, Progress};

/// No answer from host (RFC 3463 §3.5).
const NO_ANSWER: Status = Status(4, 4, 1);

/// What stands before a row that is not tried now. What its hold was told is never older than what it was told itself.
pub(super) fn standing(
    message: &Message,
    index: u32,
    row: &Progress,
    hold: Option<&Hold>,
) -> Problem {
    match hold {
        Some(hold) if row.last_reply.as_ref() != Some(&hold.reason) => {
            of_hold(message, index, hold)
        }
        _ => own(row),
    }
}

/// Another mail was told so.
fn of_hold(message: &Message, index: u32, hold: &Hold) -> Problem {
    let recipient = usize::try_from(index)
        .ok()
        .and_then(|index| message.recipients.get(index));
    let address = recipient.map_or("", |recipient| &recipient.address);
    let answer = Answer::parse(&hold.reason).filter(|answer| !answer.is_success());
    let status = answer.as_ref().and_then(|answer| answer.status);
    Problem {
        status: status.unwrap_or(if answer.is_some() {
            Status(4, 0, 0)
        } else {
            NO_ANSWER
        }),
        remote: answer.is_some(),
        relay: match (&hold.relay, &hold.key) {
            (Some(relay), _) => relay.clone(),
            (None, HoldKey::Host(host)) => format!("[{}]:{}", host.0.ip(), host.0.port()),
            (None, HoldKey::Mailbox(_) | HoldKey::Busy(_)) => "none".to_owned(),
        },
        answered: None,
        tls: None,
        text: without_others(&hold.reason, address),
    }
}

/// What a row remembers of its last attempt.
fn own(row: &Progress) -> Problem {
    let text = row
        .last_reply
        .clone()
        .unwrap_or_else(|| "no attempt was made yet".to_owned());
    let answer = Answer::parse(&text).filter(|answer| !answer.is_success());
    let last = row.last_attempt.as_ref();
    let said = answer.as_ref().and_then(|answer| answer.status);
    Problem {
        status: last
            .map(|last| last.status)
            .or(said)
            .unwrap_or(Status(4, 0, 0)),
        remote: answer.is_some(),
        relay: last.map_or_else(|| "none".to_owned(), |last| last.relay.clone()),
        answered: None,
        tls: None,
        text,
    }
}

/// The text without the addresses in it, but for the recipient's own: a reply may repeat who sent the other mail, and
/// that is nobody else's business.
fn without_others(text: &str, recipient: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let ends = |c: char| c.is_whitespace() || "<>()=,;:\"".contains(c);
    for part in text.split_inclusive(ends) {
        let word = part.strip_suffix(ends).unwrap_or(part);
        if word.contains('@') && !word.eq_ignore_ascii_case(recipient) {
            out.push_str("...");
            out.push_str(&part[word.len()..]);
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_others_are_left_out() {
        for (text, expected) in [
            (
                "452 4.2.2 TIME=120 <a@b.example>: Mailbox full; from=<c@d.example> to=<A@b.example>",
                "452 4.2.2 TIME=120 <a@b.example>: Mailbox full; from=<...> to=<A@b.example>",
            ),
            (
                "421 c@d.example: too much\r\n421 é@",
                "421 ...: too much\r\n421 ...",
            ),
            ("421 4.3.2 Later", "421 4.3.2 Later"),
        ] {
            assert_eq!(without_others(text, "a@b.example"), expected);
        }
    }
}
