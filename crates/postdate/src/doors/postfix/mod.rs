//! Postfix's policy delegation (SMTPD_POLICY_README): in the place of postgrey, or beside it. Exim's `${readsocket}`
//! speaks it too.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use policy::{Stage, Verdict};
use tokio::sync::watch;

use self::answer::answer;
use self::request::{Malformed, Request, Requests};
use super::Desk;
use super::reading::{self, HALF_TIMEOUT, Wire, more};
use crate::config::PostfixAction;
use crate::judge::Caller;

/// Postfix itself closes what it doesn't use after 300 s (`smtpd_policy_service_max_idle`).
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// What is known of the session that the last request was of.
#[derive(Default)]
struct Session {
    last: Option<Request>,
    caller: Caller,
    /// The mail has its `X-Greylist:` already.
    marked: bool,
}

impl Session {
    /// What became of its last mail Postfix doesn't say: it counts as taken.
    fn end(mut self, desk: &Desk) {
        if self.last.is_some() {
            desk.judge.taken(&mut self.caller);
        }
    }
}

/// Answers requests until Postfix closes, says something that can't be understood, or says nothing for too long.
pub(super) async fn serve<W: Wire>(mut wire: W, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let mut session = Session::default();
    converse(&mut wire, &desk, &mut session, &mut stop).await;
    session.end(&desk);
}

async fn converse<W: Wire>(
    wire: &mut W,
    desk: &Desk,
    session: &mut Session,
    stop: &mut watch::Receiver<bool>,
) {
    let mut requests = Requests::default();
    loop {
        while let Some(request) = requests.next() {
            let (reply, go_on) = match request {
                Ok(request) => (reply(desk, session, request).await, true),
                Err(why) => {
                    desk.misunderstood("Postfix", &why);
                    let reply = answer(&desk.without_verdict(), None, action(desk));
                    (reply, !why.is_fatal())
                }
            };
            if !reading::answer(wire, reply.as_bytes()).await || !go_on {
                return;
            }
        }
        let patience = if requests.is_half() {
            HALF_TIMEOUT
        } else {
            IDLE_TIMEOUT
        };
        if !more(wire, requests.buffer(), patience, stop).await {
            if requests.is_half() {
                desk.misunderstood("Postfix", &Malformed::Half);
            }
            return;
        }
    }
}

fn action(desk: &Desk) -> PostfixAction {
    desk.judge.site.get().config.policy.postfix_action
}

async fn reply(desk: &Desk, session: &mut Session, request: Request) -> String {
    let same = session.last.as_ref().map(|last| {
        let same_session = last.same_session(&request);
        (same_session, same_session && last.same_mail(&request))
    });
    match same {
        Some((true, true)) => {}
        Some((true, false)) => {
            session.caller.next_mail();
            session.marked = false;
        }
        _ => std::mem::take(session).end(desk),
    }
    let caller = &mut session.caller;
    caller.named(&request.client_name, &request.reverse_client_name);
    let reply = match request.event() {
        None => answer(&Verdict::Accept { waited: None }, None, action(desk)),
        Some(event) => {
            let verdict = desk.ask(caller, &event, &request.protocol).await;
            let marks = event.stage == Stage::Recipient && !session.marked;
            let field = desk.field(&verdict).filter(|_| marks);
            session.marked |= field.is_some();
            answer(&verdict, field.as_deref(), action(desk))
        }
    };
    session.last = Some(request);
    reply
}
