//! Places in limits and load: who takes one, who is told a time, and who may come back for it.

use super::Engine;
use super::limits::{LOAD, Touched, mailbox, touched};
use super::session::Session;
use crate::Moment;
use crate::block::client_network;
use crate::event::{Event, Stage};
use crate::greylist::pool;
use crate::slots::{Booking, Charge, GUESTS_MAX, Guest, Party, Visit, Why};
use crate::verdict::{Reason, Refusal};
use std::time::Duration;

impl Engine {
    /// Charges the event to all limits that it touches, load among them: all reserve at one time. Who is not `strange` may
    /// relay or has logged in.
    pub(super) fn limit(
        &mut self,
        session: &mut Session,
        event: &Event<'_>,
        strange: bool,
        now: Moment,
    ) -> Option<Refusal> {
        let guests = self.guests(session, event);
        let takes_load = strange && self.takes_load(session, event, &guests, now);
        let load = self.rules.load.filter(|_| takes_load);
        let mut touched = touched(&self.rules, session, event, strange);
        touched.extend(load.map(Touched::load));
        let counted: Vec<_> = touched.iter().filter_map(Touched::counted).collect();
        let limits = touched.len();
        let booking = if touched.is_empty() {
            self.book.pass(&guests, now)
        } else {
            let asks: Vec<_> = touched.iter().map(Touched::ask).collect();
            let named: Vec<_> = match event.stage {
                Stage::Message => session.mail.addresses.iter().map(String::as_str).collect(),
                _ => vec![event.recipient],
            };
            // What concerns the client or the sender concerns all recipients of the mail, until somebody is let in.
            let is_open = event.stage == Stage::Recipient && session.mail.recipients.is_empty();
            // Here for a mail's place, the client is told nothing of an own one that is later.
            let skips_load = event.stage == Stage::Connect && load.is_none();
            let visit = Visit {
                guests: &guests,
                party: Party {
                    client: event.client,
                    sender: event.sender,
                    recipients: &named,
                },
                shared: session.mail.shared.filter(|_| is_open),
                besides: skips_load.then_some(LOAD),
            };
            Some(self.book.ask(visit, &asks, now))
        };
        let charge = match booking.map(|booking| self.answer(booking, event, now)) {
            None => None,
            Some(Ok(charge)) => Some(charge),
            Some(Err((refusal, appointment))) => {
                if event.stage == Stage::Recipient && session.mail.recipients.is_empty() {
                    // A recipient's own time is nobody else's.
                    let is_own = refusal.reason == Reason::Recipient;
                    let stays = |id: &u64| is_own || self.book.may_share(*id, limits);
                    let shared = session.mail.shared.filter(stays);
                    session.mail.shared = shared.or(appointment).or(session.mail.shared);
                }
                return Some(refusal);
            }
        };
        // Whoever finds its place used comes as one of the mail that used it: for others of its own mail nothing is
        // counted yet.
        let counts = charge.as_ref().is_none_or(Charge::has_places);
        match event.stage {
            Stage::Connect => {
                session.connected = true;
                // An appointment that was told without load has none.
                session.placed |= charge.as_ref().is_some_and(Charge::has_brief);
                // It is there: nothing can give that back.
                if let Some(charge) = charge {
                    self.book.spend(charge, now);
                }
            }
            _ => {
                if event.stage == Stage::Recipient {
                    session.placed = false;
                    session.mail.connects |= counts && !session.connected;
                    session.connected |= counts;
                    let recipient = mailbox(session, event).to_lowercase();
                    session.mail.recipients.push(recipient);
                    for (rule, key) in counted.into_iter().filter(|_| counts) {
                        session.mail.counted.entry(rule).or_default().insert(key);
                    }
                    let guest = self.guest("message", session, event);
                    session.mail.guests.push(guest);
                    session.mail.addresses.push(event.recipient.to_owned());
                }
                session.mail.charges.extend(charge);
            }
        }
        None
    }

    /// What the book says, as a refusal and the appointment that was told; counted for the statistics.
    fn answer(
        &mut self,
        booking: Booking,
        event: &Event<'_>,
        now: Moment,
    ) -> Result<Charge, (Refusal, Option<u64>)> {
        match booking {
            Booking::Admitted { charge, kept } => {
                if let Some(kept) = kept.filter(|kept| kept.first) {
                    let reason = self.rules.reason_of(&kept.rule);
                    let given = now.before(kept.waited);
                    let due = now.before(kept.late);
                    self.stats.came(reason, given, due, now);
                }
                Ok(charge)
            }
            Booking::Told {
                id,
                rule,
                wait_secs,
                first,
                waited,
            } => {
                let reason = self.rules.reason_of(&rule);
                if first {
                    self.stats.given(reason, now);
                } else if let Some(waited) = waited {
                    let due = now.after(Duration::from_secs(wait_secs));
                    self.stats.came(reason, now.before(waited), due, now);
                }
                let refusal = Refusal {
                    rule: plain(&rule),
                    ..refusal(reason, event.stage, Some(wait_secs))
                };
                Err((refusal, Some(id)))
            }
            Booking::Full {
                rule,
                why: Why::TooLarge,
            } => {
                let words = "More octets than this limit ever lets through at once";
                let reason = self.rules.reason_of(&rule);
                let refusal = Refusal {
                    rule: plain(&rule),
                    ..Refusal::never(reason, (552, (5, 3, 4)), words)
                };
                Err((refusal, None))
            }
            Booking::Full { rule, why } => {
                let refusal = Refusal {
                    rule: plain(&rule),
                    no_hint: Some(why.into()),
                    ..refusal(self.rules.reason_of(&rule), event.stage, None)
                };
                Err((refusal, None))
            }
        }
    }

    /// Whether the event needs a place of the load's: each connection, which its first mail uses, and each mail more.
    fn takes_load(
        &mut self,
        session: &Session,
        event: &Event<'_>,
        guests: &[Guest],
        now: Moment,
    ) -> bool {
        match event.stage {
            // Who has to be here now for a mail's place can't bring it without a connection: it takes that place, or one of
            // its own, with the mail.
            Stage::Connect => self.book.comes(guests, now) || !self.book.expects(event.client, now),
            Stage::Recipient => session.mail.recipients.is_empty() && !session.placed,
            _ => false,
        }
    }

    /// Who may come back for this event's place.
    pub(super) fn guests(&self, session: &Session, event: &Event<'_>) -> Vec<Guest> {
        match event.stage {
            // All that is known of who connects is its address.
            Stage::Connect => {
                let client = event.client.to_canonical().to_string();
                vec![self.lasting.holder("connect", &client, "", "").into()]
            }
            // Each of the recipients, together or alone.
            Stage::Message if !session.mail.guests.is_empty() => {
                let guests = session.mail.guests.iter().take(GUESTS_MAX);
                guests.cloned().collect()
            }
            Stage::Message => vec![self.guest("message", session, event)],
            _ => vec![self.guest("recipient", session, event)],
        }
    }

    /// This sender and recipient, from the client's network or from another address of its pool. Named alike whatever
    /// greylisting is set to: a changed configuration moves no appointment.
    fn guest(&self, what: &str, session: &Session, event: &Event<'_>) -> Guest {
        let (sender, recipient) = (event.sender.to_lowercase(), event.recipient.to_lowercase());
        let network = client_network(event.client).to_string();
        let facts = &session.facts;
        let spf = facts.spf.known().and_then(|spf| spf.pool.as_ref());
        let name = facts.reverse.known().filter(|reverse| reverse.confirmed);
        let name = name.and_then(|reverse| pool::confirmed(reverse.name.as_deref()?, event.client));
        let pools = spf.into_iter().chain(&name).map(ToString::to_string);
        let names = std::iter::once(network).chain(pools);
        let holder = |origin: String| self.lasting.holder(what, &origin, &sender, &recipient);
        Guest(names.map(holder).collect())
    }
}

/// A limit's name as people know it.
fn plain(rule: &str) -> Option<String> {
    let name = rule.strip_prefix('.').unwrap_or(rule);
    (!name.is_empty()).then(|| name.to_owned())
}

fn refusal(reason: Reason, stage: Stage, wait_secs: Option<u64>) -> Refusal {
    // 421 closes the session: only before anything else is under way, for what concerns the client itself.
    let (code, status) = match (reason, stage) {
        (Reason::Load, Stage::Connect) => (421, (4, 3, 2)),
        (Reason::Load, _) => (451, (4, 3, 2)),
        (_, Stage::Connect) => (421, (4, 7, 0)),
        (Reason::Recipient, _) => (450, (4, 2, 1)),
        _ => (450, (4, 7, 0)),
    };
    let words = match reason {
        Reason::Load => "Too busy",
        Reason::Recipient => "Too much mail for this recipient",
        Reason::Sender => "Too much mail from this sender",
        _ => "Too much mail from your network",
    };
    Refusal::wait(reason, (code, status), words, wait_secs)
}
