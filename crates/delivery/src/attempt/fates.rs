//! What the host decided about each recipient of a transaction, and where that leads.

use std::net::IpAddr;

use queue::outcome::{Delivered, HostEvent, Outcome, Problem};
use retry_hint::{Answered, Hint, Holds};
use smtp::client::{Failure, Fate, Unfit};
use smtp::reply::Answer;

use super::waiting::Trouble;
use super::{After, Asking, At, Attempt, Path, Stage, is_stale};
use crate::hosts::Host;
use crate::words;

/// Where one fate leads.
enum Turn {
    /// It is over for this recipient.
    End(Outcome),
    /// The next host.
    On(Trouble),
    /// This host again, at once. With what it is if that does not help.
    Again(Trouble),
    /// This host again, once the content is converted.
    Convert,
}

impl Attempt {
    /// What became of a transaction: a fate for each recipient of the [`super::Step::Send`], in their order, and how
    /// the session stands. `dsn`: the host took the DSN parameters.
    pub(crate) fn sent(&mut self, fates: Vec<Fate>, dsn: bool, after: &After) {
        let Some((host, at)) = self.place() else {
            return;
        };
        let kept = at.stage == Stage::Open { kept: true };
        let tongues = self.tongues;
        let hinted = |raw: &str| {
            tongues
                .and_then(|t| retry_hint::read(raw.as_bytes(), Answered::Mail, t))
                .is_some()
        };
        if kept && is_stale(&fates, hinted) {
            self.reopen();
            return;
        }
        if fates.iter().any(is_verdict) {
            self.met(host.key(), HostEvent::Works);
        }
        match after {
            After::Open => {}
            After::Closed(Some(failure)) => self.closed(&host, Some(failure)),
            After::Closed(None) => self.broken_by_fate(&host, &fates),
        }
        self.turn_all(&host, fates, dsn, after);
    }

    /// The same host and the same recipients, over a new connection.
    fn reopen(&mut self) {
        if let Some((_, at)) = self.place() {
            let At {
                now,
                seven_bit,
                security,
                ..
            } = std::mem::take(at);
            *at = At {
                security,
                fresh: true,
                stage: Stage::Apart,
                path: Path::default(),
                seven_bit,
                now,
            };
        }
    }

    fn broken_by_fate(&mut self, host: &Host, fates: &[Fate]) {
        let broken = fates.iter().find_map(|fate| match fate {
            Fate::Broken(broken) => Some(Failure::Broken(broken.clone())),
            _ => None,
        });
        self.closed(host, broken.as_ref());
    }

    fn turn_all(&mut self, host: &Host, fates: Vec<Fate>, dsn: bool, after: &After) {
        let Some(mut asking) = self.asking.take() else {
            return;
        };
        let sent = std::mem::take(&mut asking.at.now);
        let progress = fates
            .iter()
            .any(|fate| !matches!(fate, Fate::NextTransaction(_)));
        let mut again = Vec::new();
        let mut convert = false;
        for (&index, fate) in sent.iter().zip(fates) {
            match self.turn(host, &asking, fate, dsn) {
                Turn::End(outcome) => self.end_one(&mut asking, index, outcome),
                Turn::On(trouble) => asking.blame(index, trouble),
                // Every transaction leaves fewer for the next one, so that this ends.
                Turn::Again(_) if progress => again.push(index),
                Turn::Again(trouble) => {
                    self.end_one(&mut asking, index, trouble.into_deferral());
                }
                Turn::Convert => {
                    again.push(index);
                    convert = true;
                }
            }
        }
        if again.is_empty() {
            asking.leave_host();
        } else {
            asking.at.now = again;
            asking.at.fresh = true;
            asking.at.stage = match after {
                After::Open if convert => Stage::Unfit,
                After::Open => Stage::Open { kept: false },
                After::Closed(_) => Stage::Apart,
            };
        }
        self.asking = Some(asking);
    }

    fn end_one(&mut self, asking: &mut Asking, index: u32, outcome: Outcome) {
        asking.take(index);
        self.report.outcomes.push((index, outcome));
    }

    fn turn(&self, host: &Host, asking: &Asking, fate: Fate, dsn: bool) -> Turn {
        let Path { local, tls } = asking.at.path;
        let decides = asking.wish.decides() == Some(host.key());
        let over = |problem: Problem| Problem {
            tls: (!host.is_lmtp()).then(|| tls.unwrap_or("none")),
            ..problem
        };
        match fate {
            Fate::Accepted(reply) => Turn::End(Outcome::Delivered(Delivered {
                relay: host.to_string(),
                status: words::status(&reply),
                reply: reply.raw,
                // Over LMTP the mail is in the mailbox: that was its last step, and nobody else tells of it.
                local: host.is_lmtp() && !dsn,
                dsn_passed_on: dsn,
                tls,
            })),
            Fate::NextTransaction(reply) => {
                let problem = over(words::refused(host, Answered::Rcpt, &reply));
                Turn::Again(self.trouble(host, local, Answered::Rcpt, problem))
            }
            Fate::Refused { answered, reply } => {
                let problem = over(words::refused(host, answered, &reply));
                let trouble = self.trouble(host, local, answered, problem);
                refused(trouble, answered, &reply, decides)
            }
            Fate::Unfit(Unfit::EightBit) if !asking.at.seven_bit => Turn::Convert,
            Fate::Unfit(unfit) => Turn::End(Outcome::Failed(over(words::unfit(host, unfit)))),
            Fate::Broken(broken) => {
                let trouble = Trouble {
                    host: host.key(),
                    local,
                    problem: over(words::broken(host, &broken)),
                    hint: None,
                };
                // Nobody knows whether the host has it. Another would make a second copy of it at once; the same one,
                // later, can tell.
                if broken.during == Answered::EndOfData {
                    Turn::End(trouble.into_deferral())
                } else {
                    Turn::On(trouble)
                }
            }
        }
    }

    fn trouble(
        &self,
        host: &Host,
        local: Option<IpAddr>,
        answered: Answered,
        problem: Problem,
    ) -> Trouble {
        Trouble {
            host: host.key(),
            local,
            hint: self.hint(&problem.text, answered),
            problem,
        }
    }
}

/// A reply of 4yz or 5yz. `decides`: the host gave an appointment, so that its word about the mail is the last.
fn refused(trouble: Trouble, answered: Answered, reply: &Answer, decides: bool) -> Turn {
    if reply.is_permanent() {
        Turn::End(Outcome::Failed(trouble.problem))
    } else if is_about_host(answered, reply) {
        Turn::On(trouble)
    } else if decides || ends(answered, trouble.hint) {
        Turn::End(trouble.into_deferral())
    } else {
        Turn::On(trouble)
    }
}

/// Whether a 4yz is about the host and nothing else: whatever wait it names, in whatever tongue, another host that is
/// free is not bound by it. (The hint of a greeting comes by [`Attempt::not_ready`], which always goes on.) If no
/// other takes the mail, the wait counts: [`super::waiting`].
fn is_about_host(answered: Answered, reply: &Answer) -> bool {
    reply.code == 421 || matches!(answered, Answered::Greeting | Answered::Ehlo)
}

/// Whether a 4yz about the mail ends the attempt for its recipients. What a host says of a recipient or of content,
/// its siblings would say too, and asking each of them is what greylisters punish. To MAIL or DATA, `TIME=` is about
/// this host; the other tongues don't know the difference, and hold the recipient.
fn ends(answered: Answered, hint: Option<Hint>) -> bool {
    matches!(answered, Answered::Rcpt | Answered::EndOfData)
        || hint.is_some_and(|hint| matches!(hint.holds, Holds::Recipient | Holds::Mailbox))
}

/// Whether the host, being up, said something about the mail.
fn is_verdict(fate: &Fate) -> bool {
    match fate {
        Fate::Accepted(_) | Fate::NextTransaction(_) | Fate::Unfit(_) => true,
        Fate::Refused { reply, .. } => reply.code != 421,
        Fate::Broken(_) => false,
    }
}
