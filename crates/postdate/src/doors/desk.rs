//! What all doors share: they ask the judge, log what it said, and know what to say when it can't be asked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use policy::{Event, Reason, Refusal, Stage, Verdict};
use smtp::reply::echo;

use super::spell::Spell;
use crate::config::OnFailure;
use crate::judge::{Caller, Judge, greylist_field, reply};

/// Behind every door.
pub(crate) struct Desk {
    pub(crate) judge: Arc<Judge>,
    /// Whether the log has said that records can't be kept, and not yet that they can again.
    in_trouble: Mutex<bool>,
    misunderstood: Mutex<Spell>,
}

impl Desk {
    pub(crate) fn new(judge: Arc<Judge>) -> Self {
        Self {
            judge,
            in_trouble: Mutex::default(),
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
        let verdict = match self.judge.trouble() {
            None => {
                self.recovered();
                verdict
            }
            Some(trouble) => {
                let on_failure = self.on_failure();
                self.failed(&trouble, on_failure);
                without_records(verdict, event, on_failure)
            }
        };
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

    /// For a question that can't be judged.
    pub(super) fn without_verdict(&self) -> Verdict {
        match self.on_failure() {
            OnFailure::Open => Verdict::Accept { waited: None },
            OnFailure::Closed => Verdict::Refuse(out_of_order()),
        }
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

    fn on_failure(&self) -> OnFailure {
        self.judge.site.get().config.policy.on_failure
    }

    fn failed(&self, trouble: &str, on_failure: OnFailure) {
        if std::mem::replace(&mut *lock(&self.in_trouble), true) {
            return;
        }
        let meanwhile = match on_failure {
            OnFailure::Open => "nobody is asked to wait",
            OnFailure::Closed => "all mail is answered 451",
        };
        tracing::error!(target: "policy", "records can't be kept: {trouble}; until they can, {meanwhile} (policy.on_failure)");
    }

    fn recovered(&self) {
        if std::mem::replace(&mut *lock(&self.in_trouble), false) {
            tracing::info!(target: "policy", "records are kept again");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait that can't be written down is not told; what is refused for good stays so.
fn without_records(verdict: Verdict, event: &Event<'_>, on_failure: OnFailure) -> Verdict {
    match (on_failure, verdict) {
        (_, Verdict::Refuse(refusal)) if refusal.code >= 500 => Verdict::Refuse(refusal),
        (OnFailure::Closed, _) if event.stage == Stage::Recipient => {
            Verdict::Refuse(out_of_order())
        }
        (_, Verdict::Refuse(_)) => Verdict::Accept { waited: None },
        (_, verdict) => verdict,
    }
}

fn out_of_order() -> Refusal {
    Refusal {
        reason: Reason::Storage,
        code: 451,
        status: (4, 3, 0),
        wait_secs: None,
        text: "Records are out of order here, try again later".to_owned(),
    }
}

fn log(event: &Event<'_>, protocol: &str, refusal: &Refusal) {
    let stage = match event.stage {
        Stage::Connect => "CONNECT",
        Stage::Helo => "HELO",
        Stage::Mail => "MAIL",
        Stage::Recipient => "RCPT",
        Stage::Message => "END-OF-MESSAGE",
    };
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
        hint = refusal.wait_secs,
        reply = %reply,
        "reject: {stage}",
    );
}
