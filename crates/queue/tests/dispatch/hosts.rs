//! The hosts that mail is delivered to, by script.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use queue::outcome::{Deferral, Delivered, HostEvent, Problem};
use queue::{HostKey, MessageId, Outcome};
use retry_hint::{Answered, Hint, Holds, Tongue};
use smtp::Status;

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn host(n: u8) -> HostKey {
    HostKey(SocketAddr::from(([192, 0, 2, n], 25)))
}

/// How a host behaves until a time; afterwards it takes everything.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    Works,
    /// No answer; found out after so many seconds.
    Dead {
        until: SystemTime,
        after: u64,
    },
    /// 421 at the greeting.
    Refuses {
        until: SystemTime,
        hint: Option<u64>,
    },
    /// 421 at the greeting until a time; and between two others no session is free at it, a limit of our own.
    Crowded {
        refuses: SystemTime,
        hint: u64,
        from: SystemTime,
        until: SystemTime,
    },
    /// Greylisting, by recipient and mail.
    Grey {
        delay: u64,
    },
    /// 452 4.2.2 for this mailbox.
    Full {
        mailbox: String,
        until: SystemTime,
        hint: Option<u64>,
    },
    /// 450 4.2.0 without a hint for everyone.
    Busy {
        until: SystemTime,
    },
    /// 550 for everyone.
    Nobody,
    /// 550 for this mailbox.
    Unknown {
        mailbox: String,
    },
}

/// What a host answers.
pub(crate) enum Answer {
    /// No session.
    Away(HostEvent, u64),
    /// No session was free in five seconds.
    NoSlot,
    /// A session: what each recipient gets.
    Session(Vec<(u32, Outcome)>),
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    first: BTreeMap<(MessageId, u32), SystemTime>,
}

fn problem(code: &str, status: Status, answered: Answered) -> Problem {
    Problem {
        status,
        text: code.to_owned(),
        remote: true,
        relay: "mx".to_owned(),
        answered: Some(answered),
        tls: None,
    }
}

pub(crate) fn hint(wait_secs: u64, holds: Holds) -> Hint {
    Hint {
        wait_secs,
        tongue: Tongue::Keyword,
        holds,
    }
}

pub(crate) fn delivered() -> Outcome {
    Outcome::Delivered(Delivered {
        relay: "mx".to_owned(),
        reply: "250 2.0.0 ok".to_owned(),
        status: Status(2, 0, 0),
        local: false,
        dsn_passed_on: false,
        tls: None,
    })
}

pub(crate) fn deferred(host: Option<HostKey>, hint: Option<Hint>) -> Outcome {
    let text = hint.map_or("450 4.2.0 later".to_owned(), |hint| {
        format!("450 4.2.0 TIME={}", hint.wait_secs)
    });
    let problem = problem(&text, Status(4, 2, 0), Answered::Rcpt);
    Outcome::Deferred(Deferral {
        problem,
        hint,
        host,
        local: None,
    })
}

fn refused(wait: Option<u64>) -> Answer {
    let event = HostEvent::Refused {
        reply: "421 4.3.2 later".to_owned(),
        hint: wait.map(|wait| hint(wait, Holds::Host)),
    };
    Answer::Away(event, 0)
}

impl Script {
    pub(crate) fn answer(
        &self,
        at: HostKey,
        seen: &mut Seen,
        now: SystemTime,
        id: MessageId,
        rows: &[(u32, String)],
    ) -> Answer {
        match self {
            Self::Dead { until, after } if now < *until => Answer::Away(
                HostEvent::Unreachable("connect: timed out".to_owned()),
                *after,
            ),
            Self::Refuses { until, hint } if now < *until => refused(*hint),
            Self::Crowded { refuses, hint, .. } if now < *refuses => refused(Some(*hint)),
            Self::Crowded { from, until, .. } if *from <= now && now < *until => Answer::NoSlot,
            _ => Answer::Session(
                rows.iter()
                    .map(|(index, to)| (*index, self.recipient(at, seen, now, (id, *index), to)))
                    .collect(),
            ),
        }
    }

    fn recipient(
        &self,
        at: HostKey,
        seen: &mut Seen,
        now: SystemTime,
        key: (MessageId, u32),
        to: &str,
    ) -> Outcome {
        match self {
            Self::Grey { delay } => {
                let first = *seen.first.entry(key).or_insert(now);
                let end = first + secs(*delay);
                match end.duration_since(now) {
                    Ok(left) if !left.is_zero() => {
                        let wait = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                        deferred(Some(at), Some(hint(wait, Holds::Recipient)))
                    }
                    _ => delivered(),
                }
            }
            Self::Full {
                mailbox,
                until,
                hint: wait,
            } if to == mailbox && now < *until => {
                deferred(Some(at), wait.map(|wait| hint(wait, Holds::Mailbox)))
            }
            Self::Busy { until } if now < *until => deferred(Some(at), None),
            Self::Unknown { mailbox } if to != mailbox => delivered(),
            Self::Unknown { .. } | Self::Nobody => Outcome::Failed(problem(
                "550 5.1.1 unknown",
                Status(5, 1, 1),
                Answered::Rcpt,
            )),
            _ => delivered(),
        }
    }
}
