//! What the log says of an attempt, in Postfix's fields.

use std::time::SystemTime;

use queue::outcome::{Delivered, Problem};
use queue::settle::Entry;
use queue::{Message, Outcome};
use smtp::reply::echo;

/// One line a recipient.
pub(super) fn attempt(message: &Message, entry: &Entry, now: SystemTime) {
    let id = message.id;
    let address = message
        .recipients
        .get(entry.index as usize)
        .map_or("", |recipient| recipient.address.as_str());
    let to = format_args!("<{address}>");
    let delay = now
        .duration_since(message.received)
        .unwrap_or_default()
        .as_millis();
    let delay = format_args!("{}.{:02}", delay / 1000, delay % 1000 / 10);
    let attempt = entry.attempt;
    match &entry.outcome {
        Outcome::Delivered(Delivered {
            relay,
            reply,
            status,
            local,
            tls,
            ..
        }) => tracing::info!(
            target: "queue", %id, %to, relay, %delay, attempt, tls = (!local).then(|| tls.unwrap_or("none")),
            dsn = %status, status = "sent", reply = %one_line(reply),
        ),
        Outcome::Failed(problem) if entry.gave_up.is_some() => {
            bounced(message, entry, problem, "expired", &delay);
        }
        Outcome::Failed(problem) => bounced(message, entry, problem, "bounced", &delay),
        Outcome::Deferred(deferral) if entry.gave_up.is_some() => {
            bounced(message, entry, &deferral.problem, "expired", &delay);
        }
        Outcome::Deferred(deferral) => {
            let Problem {
                status,
                text,
                relay,
                tls,
                ..
            } = &deferral.problem;
            let due = entry.due.map(when);
            match &deferral.hint {
                Some(hint) => tracing::info!(
                    target: "queue", %id, %to, relay, %delay, attempt, tls, dsn = %status, status = "deferred",
                    reply = %one_line(text), hint = hint.wait_secs, tongue = crate::words::tongue(hint.tongue), due,
                ),
                None => tracing::info!(
                    target: "queue", %id, %to, relay, %delay, attempt, tls, dsn = %status, status = "deferred",
                    reply = %one_line(text), due,
                ),
            }
        }
        Outcome::NotTried { parked } => {
            let parked = parked.as_ref().map(ToString::to_string);
            tracing::debug!(target: "queue", %id, %to, parked, "waits");
        }
    }
}

fn bounced(
    message: &Message,
    entry: &Entry,
    problem: &Problem,
    status: &str,
    delay: &dyn std::fmt::Display,
) {
    let address = message
        .recipients
        .get(entry.index as usize)
        .map_or("", |recipient| recipient.address.as_str());
    tracing::info!(
        target: "queue", id = %message.id, to = %format_args!("<{address}>"), relay = problem.relay, %delay,
        attempt = entry.attempt, tls = problem.tls, dsn = %problem.status, status, reply = %one_line(&problem.text),
    );
    if message.sender.is_null() {
        tracing::info!(
            target: "queue", id = %message.id, to = %format_args!("<{address}>"),
            "dropped, mail from <> is never answered",
        );
    }
}

/// `2026-11-23T22:47:01Z`
pub(crate) fn when(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "never".to_owned(), |time| format!("{time:.0}"))
}

fn one_line(text: &str) -> String {
    echo(&text.replace("\r\n", " "), 1000).into_owned()
}
