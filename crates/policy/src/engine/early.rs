//! What is refused before a recipient is named, where the administrator wants that.

use super::{Engine, ReadOnly, Session, Standing, checks};
use crate::Moment;
use crate::event::{Event, Stage};
use crate::greylist::Visit;
use crate::lists::Action;
use crate::verdict::Refusal;

impl Engine {
    /// Whether anything is refused at this step, which is one before the recipient's: not where somebody may turn out to be
    /// exempt by what is said later.
    pub(super) fn speaks_early(&self, stage: Stage) -> bool {
        let (exempt, lists) = (&self.rules.exempt, &self.lists);
        self.rules.early
            && match stage {
                Stage::Connect | Stage::Recipient | Stage::Message => false,
                Stage::Helo => {
                    exempt.visit.domains.is_empty()
                        && exempt.visit.recipients.is_empty()
                        && !lists.allows_mails()
                }
                Stage::Mail => exempt.visit.recipients.is_empty() && !lists.allows_recipients(),
            }
    }

    /// Whether what the checks hang on is to be looked up at this step.
    pub(super) fn asks_early(&self, stage: Stage) -> bool {
        self.speaks_early(stage) && self.checks_early()
    }

    /// Whether no rule that needs the recipient is to speak before the checks.
    fn checks_early(&self) -> bool {
        let rules = self.rules.order.rules();
        let mut early = rules
            .iter()
            .take_while(|rule| !matches!(rule, ReadOnly::Mailbox | ReadOnly::Greylist));
        early.any(|rule| *rule == ReadOnly::Checks)
    }

    /// The operator's list and the checks, as far as they are about what is known. Who never came back is heard at the
    /// recipient: that is where it can come back.
    pub(super) fn early(
        &mut self,
        session: &Session,
        event: &Event<'_>,
        now: Moment,
    ) -> Option<Refusal> {
        if !self.speaks_early(event.stage) {
            return None;
        }
        let entry = match event.stage {
            // Of a sender that was not named yet nothing can be said, and it is not the null sender.
            Stage::Helo => self.lists.judge_client(event.client, now),
            _ => self.lists.judge(
                Visit {
                    client: event.client.to_canonical(),
                    sender: event.sender,
                    recipient: "",
                },
                now,
            ),
        };
        if let Some(entry) = entry {
            return (entry.action == Action::Deny).then(|| super::denied(entry));
        }
        let judged = self.checks_early() && self.standing(session, event) == Standing::Stranger;
        judged
            .then(|| checks::early(self.rules.checks, &session.facts, event.stage))
            .flatten()
    }
}
