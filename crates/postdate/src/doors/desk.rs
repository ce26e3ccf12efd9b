//! What all doors share: they ask the judge, log what it said, and know what to say when it can't be asked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use policy::{Event, NoHint, Refusal, Verdict};
use smtp::reply::echo;

use crate::config::limiting::Count;
use crate::judge::{Caller, Judge, greylist_field, reply, stage_name};
use crate::spell::Spell;

/// Behind every door.
pub(crate) struct Desk {
    pub(crate) judge: Arc<Judge>,
    misunderstood: Mutex<Spell>,
}

impl Desk {
    pub(crate) fn new(judge: Arc<Judge>) -> Self {
        Self {
            judge,
            misunderstood: Mutex::default(),
        }
    }

    /// The verdict on one step of a session; it is logged. `protocol` is the client's: `ESMTP`, or `SMTP` where the door
    /// isn't told.
    pub(super) async fn ask(
        &self,
        caller: &mut Caller,
        event: &Event<'_>,
        protocol: &str,
    ) -> Verdict {
        // Apart, so that a connection that waits for its next question doesn't hold the room for an answer.
        let verdict = Box::pin(self.judge.judge(caller, event)).await;
        if let Verdict::Refuse(refusal) = &verdict {
            log(event, protocol, refusal);
        }
        verdict
    }

    /// `X-Greylist:` for a mail that came back after so long a wait; `None` where it didn't wait.
    pub(super) fn field(&self, verdict: &Verdict) -> Option<String> {
        match verdict {
            Verdict::Accept {
                waited: Some(waited),
            } if !waited.is_zero() => {
                let site = self.judge.site.get();
                let hostname = &site.config.hostname;
                Some(greylist_field(*waited, hostname, self.judge.now()))
            }
            _ => None,
        }
    }

    /// Whether a rule wants a mail's content, or how long it is.
    pub(super) fn wants_content(&self) -> bool {
        self.counts_octets() || self.judge.reads_content()
    }

    /// Whether a rule wants to know how long a mail's content is.
    pub(super) fn counts_octets(&self) -> bool {
        let site = self.judge.site.get();
        let mut rates = site.config.rates.iter();
        rates.any(|rate| rate.count == Count::Octets)
    }

    /// For a question that can't be judged.
    pub(super) fn without_verdict(&self) -> Verdict {
        self.judge.without_verdict()
    }

    /// Somebody said what makes no sense: logged once, until it was quiet for a while.
    pub(super) fn misunderstood(&self, who: &str, what: &dyn fmt::Display) {
        let mut spell = lock(&self.misunderstood);
        if spell.is_over() {
            let counted = spell.end().filter(|(count, _)| *count > 1);
            if let Some((count, secs)) = counted {
                tracing::warn!(target: "policy", "{count} requests in {secs} s made no sense");
            }
        }
        if spell.felt() {
            tracing::warn!(target: "policy", "{who} asks what makes no sense: {what}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log(event: &Event<'_>, protocol: &str, refusal: &Refusal) {
    let stage = stage_name(event.stage);
    let protocol = if protocol.is_empty() {
        "SMTP"
    } else {
        protocol
    };
    let reply = reply(refusal, event, protocol);
    tracing::info!(
        target: "policy",
        client = %format_args!("[{}]", event.client),
        from = %format_args!("<{}>", echo(event.sender, 256)),
        to = %format_args!("<{}>", echo(event.recipient, 256)),
        proto = %echo(protocol, 16),
        helo = %format_args!("<{}>", echo(event.helo, 128)),
        reason = %refusal.reason,
        rule = refusal.rule,
        hint = refusal.wait_secs,
        no_hint = refusal.no_hint.map(NoHint::name),
        reply = %reply,
        "reject: {stage}",
    );
}
