//! A refusal in a protocol's words.

use std::time::{Duration, SystemTime};

use policy::{Event, Refusal, Stage};
use smtp::reply::echo;
use smtp::{Reply, Status};

use crate::server::date;

/// The whole reply, for a door where all of it is ours: `450 4.2.0 TIME=300 <rcpt>: Recipient address rejected: …`.
/// `protocol` is `ESMTP` and the like; a door that doesn't know it says `SMTP`.
pub(crate) fn reply(refusal: &Refusal, event: &Event<'_>, protocol: &str) -> Reply {
    let about = match event.stage {
        Stage::Recipient => event.recipient,
        Stage::Mail => event.sender,
        Stage::Helo => event.helo,
        Stage::Connect | Stage::Message => "",
    };
    let mut text = String::with_capacity(320);
    if event.stage >= Stage::Helo {
        if event.stage != Stage::Message {
            text.push_str(&format!("<{}>: ", echo(about, 128)));
        }
        text.push_str(&format!(
            "{}: {}; ",
            refusal.what(event.stage),
            refusal.text
        ));
        if event.stage >= Stage::Mail {
            text.push_str(&format!("from=<{}> ", echo(event.sender, 80)));
        }
        if event.stage == Stage::Recipient {
            text.push_str(&format!("to=<{}> ", echo(event.recipient, 80)));
        }
        text.push_str(&format!("proto={protocol} helo=<{}>", echo(event.helo, 64)));
    } else {
        text.push_str(&refusal.text);
    }
    with_text(refusal, text)
}

/// The whole reply in no words but ours: `452 4.3.1 TIME=60 Insufficient system storage, …`.
pub(crate) fn bare(refusal: &Refusal) -> Reply {
    with_text(refusal, refusal.text.clone())
}

fn with_text(refusal: &Refusal, text: String) -> Reply {
    let (class, subject, detail) = refusal.status;
    let reply = Reply::new(
        refusal.code,
        Status(class, u16::from(subject), detail),
        text,
    );
    match refusal.wait_secs {
        Some(secs) => reply.with_hint(secs),
        None => reply,
    }
}

/// Where in a session it was, as Postfix's log says it.
pub(crate) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "CONNECT",
        Stage::Helo => "HELO",
        Stage::Mail => "MAIL",
        Stage::Recipient => "RCPT",
        Stage::Message => "END-OF-MESSAGE",
    }
}

/// Only our own words, hint first, for a door that puts the rest around them: `TIME=300 Greylisted, …`.
pub(crate) fn brief(refusal: &Refusal) -> String {
    match refusal.wait_secs {
        Some(secs) if (400..500).contains(&refusal.code) => {
            format!("TIME={secs} {}", refusal.text)
        }
        _ => refusal.text.clone(),
    }
}

/// The field of a mail that came back: `X-Greylist: delayed 300 seconds by postdate-0.1.0 at mx.example.org; Mon, …`, in
/// one line and without its end.
pub(crate) fn greylist_field(waited: Duration, hostname: &str, now: SystemTime) -> String {
    format!(
        "X-Greylist: delayed {} seconds by postdate-{} at {hostname}; {}",
        waited.as_secs(),
        env!("CARGO_PKG_VERSION"),
        date(now)
    )
}
