//! One attempt as a stepper: which host next, what to send there, when to stop. No IO, no clock.
//!
//! The driver calls [`Attempt::next`], does what the [`Step`] asks, and tells what came of it, until [`Step::Over`].

use std::collections::VecDeque;
use std::net::IpAddr;

use queue::outcome::{Deferral, HostEvent, Outcome, Problem, Report};
use queue::{HoldKey, HostKey};
use retry_hint::{Answered, Hint, Holds, Tongues};
use smtp::Status;
use smtp::client::{Broken, Cause, Failure, Fate};
use smtp::reply::Answer;

use crate::hosts::{Free, Host, Wish};
use crate::tls::Security;
use crate::words;

mod fates;
mod waiting;

use waiting::{Trouble, Waiting};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Come to a session with this host that is ready for a mail; then [`Attempt::opened`], or what stood against it:
    /// [`Attempt::not_reached`], [`Attempt::not_ready`], [`Attempt::no_slot`], [`Attempt::loops`].
    Open {
        host: Host,
        security: Security,
        /// The session that the lane kept won't do.
        fresh: bool,
        /// Wait a while for a place there, if its sessions are as many as may be.
        patient: bool,
    },
    /// Send to these recipients (their index in the message) over the open session, then [`Attempt::sent`].
    Send {
        recipients: Vec<u32>,
        /// The content as it was converted.
        seven_bit: bool,
    },
    /// Convert the content to seven bits, then [`Attempt::converted`].
    Convert,
    /// All recipients have an outcome: [`Attempt::into_report`].
    Over,
}

/// What a session goes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    /// Our own address.
    pub(crate) local: Option<IpAddr>,
    /// The version of TLS.
    pub(crate) tls: Option<&'static str>,
}

/// How the session stands after a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It can take another.
    Open,
    /// It is over.
    Closed(Option<Failure>),
}

/// Recipients that ask the same hosts, in the same order.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) recipients: Vec<u32>,
    pub(crate) free: Free,
    /// What their appointment asks.
    pub(crate) wish: Wish,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempt {
    tongues: Option<Tongues>,
    groups: VecDeque<Group>,
    asking: Option<Asking>,
    report: Report,
}

/// The group that is under way.
#[derive(Debug)]
struct Asking {
    waiting: Vec<Waiting>,
    hosts: VecDeque<Host>,
    held: Option<HoldKey>,
    wish: Wish,
    /// Where no place was free first. Its equals go before it; then it is waited for.
    crowded: Option<HostKey>,
    at: At,
}

/// How far we are with the first of the hosts.
#[derive(Debug, Default)]
struct At {
    security: Option<Security>,
    fresh: bool,
    stage: Stage,
    path: Path,
    seven_bit: bool,
    /// Who is sent to now; empty: all that wait.
    now: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Apart,
    /// A session is open; `kept` while nothing was answered over it since the lane kept it from an earlier mail.
    Open { kept: bool },
    /// The host lacks 8BITMIME.
    Unfit,
}

impl Attempt {
    pub(crate) fn new(groups: Vec<Group>, tongues: Option<Tongues>) -> Self {
        Self {
            tongues,
            groups: groups.into(),
            asking: None,
            report: Report::default(),
        }
    }

    pub(crate) fn next(&mut self) -> Step {
        loop {
            let Some(asking) = self.asking.as_mut() else {
                match self.groups.pop_front() {
                    Some(group) => self.asking = Some(Asking::new(group)),
                    None => return Step::Over,
                }
                continue;
            };
            match asking.step() {
                Some(step) => return step,
                None => self.finish(),
            }
        }
    }

    /// What it gave. Complete after [`Step::Over`].
    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    /// A session with the host is ready. `kept`: it was open from an earlier mail.
    pub(crate) fn opened(&mut self, kept: bool, path: Path) {
        if let Some(asking) = &mut self.asking {
            asking.at.stage = Stage::Open { kept };
            asking.at.path = path;
        }
    }

    /// No connection.
    pub(crate) fn not_reached(&mut self, problem: Problem) {
        let Some(host) = self.host() else { return };
        self.met(host.key(), HostEvent::Unreachable(problem.text.clone()));
        self.next_host(Trouble {
            host: host.key(),
            local: None,
            problem,
            hint: None,
        });
    }

    /// The host has as many sessions as may be, and none came free: a limit of our own, so no attempt. But first its
    /// equals are asked: RFC 5321 §5.1 spreads mail over them.
    pub(crate) fn no_slot(&mut self) {
        if let Some(asking) = self.asking.as_mut().filter(|asking| !asking.is_patient()) {
            asking.ask_equals_first();
            return;
        }
        if let Some(asking) = self.asking.take() {
            let none = Outcome::NotTried { parked: None };
            let indices = asking.waiting.iter().map(|waiting| waiting.index);
            self.report
                .outcomes
                .extend(indices.map(|index| (index, none.clone())));
        }
    }

    /// The host is ourselves: neither it nor any that is not better is asked (RFC 5321 §5.1). What the better ones said
    /// is what counts. Without, the mail waits all the same: that two machines have one name is easily mended.
    pub(crate) fn loops(&mut self) {
        let Some(asking) = self.asking.as_mut() else {
            return;
        };
        let Some(host) = asking.hosts.front().cloned() else {
            return;
        };
        for waiting in &mut asking.waiting {
            if waiting.troubles.is_empty() && asking.held.is_none() {
                waiting.troubles.push(Trouble {
                    host: host.key(),
                    local: None,
                    problem: words::loops(&host),
                    hint: None,
                });
            }
        }
        asking.leave_host();
        let is_better = |other: &Host| other.preference < host.preference;
        asking.hosts.retain(is_better);
    }

    /// A new session, from our address `local`, ended before it was ready for a mail.
    pub(crate) fn not_ready(&mut self, failure: Option<Failure>, local: Option<IpAddr>) {
        let Some((host, at)) = self.place() else {
            return;
        };
        if is_tls(failure.as_ref()) && at.security != Some(Security::Clear) {
            *at = At {
                security: Some(Security::Clear),
                fresh: true,
                ..At::default()
            };
            return;
        }
        self.closed(&host, failure.as_ref());
        let trouble = self.trouble_of(&host, failure, local);
        self.next_host(trouble);
    }

    /// The content was converted; or can't be, and why.
    pub(crate) fn converted(&mut self, result: Result<(), String>) {
        let Some((host, at)) = self.place() else {
            return;
        };
        match result {
            Ok(()) => {
                at.seven_bit = true;
                at.stage = Stage::Open { kept: false };
            }
            Err(why) => {
                let text = format!("{why}, and {} does not offer 8BITMIME", host.peer());
                let problem = words::ours(Status(5, 6, 3), text, &host);
                self.end_all(&Outcome::Failed(problem));
            }
        }
    }

    /// The content could not be read: for now, and none of the host's fault. Ends the attempt for who was sent to.
    pub(crate) fn unreadable(&mut self, why: &str) {
        let Some(host) = self.host() else { return };
        let problem = words::ours(
            Status(4, 3, 0),
            format!("the message could not be read: {why}"),
            &host,
        );
        self.end_all(&Outcome::Deferred(Deferral {
            problem,
            hint: None,
            host: None,
            local: None,
        }));
    }

    fn host(&self) -> Option<Host> {
        self.asking.as_ref()?.hosts.front().cloned()
    }

    fn place(&mut self) -> Option<(Host, &mut At)> {
        let asking = self.asking.as_mut()?;
        Some((asking.hosts.front()?.clone(), &mut asking.at))
    }

    /// All that wait in this group get this outcome.
    fn end_all(&mut self, outcome: &Outcome) {
        if let Some(asking) = self.asking.take() {
            let indices = asking.waiting.iter().map(|waiting| waiting.index);
            self.report
                .outcomes
                .extend(indices.map(|index| (index, outcome.clone())));
        }
    }

    /// All that wait have had this trouble; the next host.
    fn next_host(&mut self, trouble: Trouble) {
        if let Some(asking) = &mut self.asking {
            for waiting in &mut asking.waiting {
                waiting.troubles.push(trouble.clone());
            }
            asking.leave_host();
        }
    }

    /// What a session's end says about its host.
    fn closed(&mut self, host: &Host, failure: Option<&Failure>) {
        let event = match failure {
            None => return,
            Some(Failure::Broken(broken)) => {
                HostEvent::Unreachable(words::broken(host, broken).text)
            }
            // A 5yz greeting is an answer, and no reason to make other mail wait: see `trouble_of` for where it is.
            Some(Failure::Refused { reply, .. }) if reply.is_permanent() && !host.is_lmtp() => {
                HostEvent::Works
            }
            Some(Failure::Refused { answered, reply }) => HostEvent::Refused {
                reply: reply.raw.clone(),
                hint: host_hint(reply, *answered, self.tongues),
            },
        };
        self.met(host.key(), event);
    }

    fn trouble_of(&self, host: &Host, failure: Option<Failure>, local: Option<IpAddr>) -> Trouble {
        let (problem, hint) = match failure {
            Some(Failure::Refused { answered, reply }) => {
                let mut problem = words::refused(host, answered, &reply);
                // A server of mailboxes that wants nothing of us is set up wrongly, here or there, and is mended.
                // Until then mail waits.
                if host.is_lmtp() {
                    problem.status.0 = 4;
                }
                (problem, self.hint(&reply.raw, answered))
            }
            Some(Failure::Broken(broken)) => (words::broken(host, &broken), None),
            None => (words::ended(host), None),
        };
        Trouble {
            host: host.key(),
            local,
            problem,
            hint,
        }
    }

    fn hint(&self, raw: &str, answered: Answered) -> Option<Hint> {
        retry_hint::read(raw.as_bytes(), answered, self.tongues?)
    }

    fn met(&mut self, host: HostKey, event: HostEvent) {
        let entry = (host, event);
        if self.report.hosts.last() != Some(&entry) {
            self.report.hosts.push(entry);
        }
    }

    /// No host is left to be asked, or nobody waits: the group is done.
    fn finish(&mut self) {
        if let Some(asking) = self.asking.take() {
            let Asking { waiting, held, .. } = asking;
            let ends = waiting
                .into_iter()
                .map(|one| (one.index, one.outcome(held.as_ref())));
            self.report.outcomes.extend(ends);
        }
    }
}

impl Asking {
    fn new(group: Group) -> Self {
        Self {
            waiting: group.recipients.into_iter().map(Waiting::new).collect(),
            hosts: group.free.hosts.into(),
            held: group.free.held,
            wish: group.wish,
            crowded: None,
            at: At::default(),
        }
    }

    /// `None`: done.
    fn step(&mut self) -> Option<Step> {
        if self.waiting.is_empty() {
            return None;
        }
        let host = self.hosts.front()?;
        Some(match self.at.stage {
            Stage::Apart => Step::Open {
                host: host.clone(),
                security: self.at.security.unwrap_or(Security::AsSet),
                fresh: self.at.fresh,
                patient: self.is_patient(),
            },
            Stage::Open { .. } => {
                if self.at.now.is_empty() {
                    self.at.now = self.waiting.iter().map(|waiting| waiting.index).collect();
                }
                Step::Send {
                    recipients: self.at.now.clone(),
                    seven_bit: self.at.seven_bit,
                }
            }
            Stage::Unfit => Step::Convert,
        })
    }

    /// Whether the first of the hosts is waited for, if no place is free there: where an appointment is kept, or a session
    /// was lost, and where none of its equals has one.
    fn is_patient(&self) -> bool {
        let Some(host) = self.hosts.front() else {
            return true;
        };
        self.wish.host() == Some(host.key())
            || self.crowded == Some(host.key())
            || self.at.fresh
            || self.equals(host) == 1
    }

    /// How many of the hosts, from the first on, are as good as it.
    fn equals(&self, host: &Host) -> usize {
        let is_equal = |other: &&Host| other.preference == host.preference;
        self.hosts.iter().take_while(is_equal).count()
    }

    fn ask_equals_first(&mut self) {
        if let Some(host) = self.hosts.pop_front() {
            let equals = self.equals(&host);
            self.crowded.get_or_insert(host.key());
            self.hosts.insert(equals, host);
            self.at = At::default();
        }
    }

    fn leave_host(&mut self) {
        self.hosts.pop_front();
        self.at = At::default();
    }

    /// This recipient had this trouble with the host.
    fn blame(&mut self, index: u32, trouble: Trouble) {
        if let Some(waiting) = self
            .waiting
            .iter_mut()
            .find(|waiting| waiting.index == index)
        {
            waiting.troubles.push(trouble);
        }
    }

    /// Takes a recipient out, for whom it is over.
    fn take(&mut self, index: u32) {
        self.waiting.retain(|waiting| waiting.index != index);
    }
}

fn is_tls(failure: Option<&Failure>) -> bool {
    matches!(
        failure,
        Some(Failure::Broken(Broken {
            cause: Cause::Tls(_),
            ..
        }))
    )
}

/// The wait that a refusal names for all mail to its host.
pub(crate) fn host_hint(
    reply: &Answer,
    answered: Answered,
    tongues: Option<Tongues>,
) -> Option<Hint> {
    retry_hint::read(reply.raw.as_bytes(), answered, tongues?)
        .filter(|hint| hint.holds == Holds::Host)
}

/// Whether a kept session turned out to be gone: nothing of this mail was answered over it.
fn is_stale(fates: &[Fate], has_hint: impl Fn(&str) -> bool) -> bool {
    use retry_hint::Answered::Mail;
    fates.iter().all(|fate| match fate {
        Fate::Broken(broken) => broken.during == Mail && broken.cause != Cause::TimedOut,
        Fate::Refused {
            answered: Mail,
            reply,
        } => reply.code == 421 && !has_hint(&reply.raw),
        _ => false,
    })
}

#[cfg(test)]
mod tests;
