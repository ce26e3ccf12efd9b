//! Who is told what: RFC 3461 §4.1 (NOTIFY) and §5.2, RFC 5321 §6.1 (nobody answers the null sender).

use std::time::SystemTime;

use smtp::Notify;

use super::{About, Ahead, Kind, Notice};
use crate::Message;
use crate::outcome::{Delivered, Problem};

/// Collects what is told of one message, a notice a kind.
pub(super) struct Tell<'a> {
    message: &'a Message,
    notices: [Notice; 4],
}

impl<'a> Tell<'a> {
    pub(super) fn new(message: &'a Message) -> Self {
        let notice = |kind| Notice {
            kind,
            about: Vec::new(),
        };
        Self {
            message,
            notices: [
                notice(Kind::Failed),
                notice(Kind::Delayed),
                notice(Kind::Delivered),
                notice(Kind::Relayed),
            ],
        }
    }

    /// Those with something to tell.
    pub(super) fn finish(self) -> Vec<Notice> {
        let notices = self.notices.into_iter();
        notices.filter(|notice| !notice.about.is_empty()).collect()
    }

    pub(super) fn failed(
        &mut self,
        index: u32,
        problem: Problem,
        last_attempt: Option<SystemTime>,
    ) {
        if self.wants(index, Notify::wants_failure) {
            self.add(Kind::Failed, index, problem, last_attempt, None);
        }
    }

    /// Whether it is to be told.
    pub(super) fn delayed(
        &mut self,
        index: u32,
        problem: Problem,
        last_attempt: Option<SystemTime>,
        ahead: Ahead,
    ) -> bool {
        let wanted = self.wants(index, Notify::wants_delay);
        if wanted {
            self.add(Kind::Delayed, index, problem, last_attempt, Some(ahead));
        }
        wanted
    }

    /// Nothing is told where the next hop took that over.
    pub(super) fn delivered(&mut self, index: u32, delivered: &Delivered, now: SystemTime) {
        let kind = match (delivered.local, delivered.dsn_passed_on) {
            (true, _) => Kind::Delivered,
            (false, false) => Kind::Relayed,
            (false, true) => return,
        };
        if !self.wants(index, Notify::wants_success) {
            return;
        }
        let problem = Problem {
            status: delivered.status,
            text: delivered.reply.clone(),
            remote: !delivered.local,
            relay: delivered.relay.clone(),
            answered: None,
            tls: None,
        };
        self.add(kind, index, problem, Some(now), None);
    }

    fn wants(&self, index: u32, what: impl Fn(&Notify) -> bool) -> bool {
        let recipients = &self.message.recipients;
        let recipient = usize::try_from(index)
            .ok()
            .and_then(|index| recipients.get(index));
        !self.message.sender.is_null() && recipient.is_some_and(|recipient| what(&recipient.notify))
    }

    fn add(
        &mut self,
        kind: Kind,
        index: u32,
        problem: Problem,
        last_attempt: Option<SystemTime>,
        ahead: Option<Ahead>,
    ) {
        if let Some(notice) = self.notices.iter_mut().find(|notice| notice.kind == kind) {
            notice.about.push(About {
                index,
                problem,
                last_attempt,
                ahead,
            });
        }
    }
}
