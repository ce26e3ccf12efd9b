//! Delivery into Maildirs on this machine.
//!
//! A mail is written to `tmp`, synced, moved to `new`, and that folder synced: only then is it delivered. Lines end
//! with LF, as Maildir readers expect; `Return-Path` and `Delivered-To` stand first; else it is as it came. Whether a
//! Maildir has room for it, its keeper of quotas says ([`Quotas`]).

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use queue::Report;
use queue::dispatch::Job;
use queue::outcome::{Deferral, Delivered, Outcome, Problem};
use queue::spool::Body;
use smtp::Status;

mod maildir;
mod write;

pub(crate) use maildir::Maildir;

/// Finds the mailbox of an address (`local@domain`); `None`: there is none. Called on a thread that may block.
pub type FindMailbox = Arc<dyn Fn(&str) -> Option<Place> + Send + Sync>;

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here.
    Maildir(PathBuf),
    /// Behind another destination: the configuration changed since this attempt was planned.
    Elsewhere,
}

/// Whether there is room for one more mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It fits.
    Fits,
    /// It doesn't.
    Full {
        /// Octets that are used.
        used: u64,
        /// Octets that may be; `None`: it is the number of mails that is limited.
        quota: Option<u64>,
    },
    /// It doesn't, and wouldn't in the empty mailbox, which may hold so many octets.
    TooLarge(u64),
}

/// Keeps the quotas of Maildirs. Called on a thread that may block.
pub trait Quotas: Send + Sync {
    /// Whether a mail of so many octets fits. Where that can't be known, it does.
    fn room(&self, maildir: &Path, octets: u64, now: SystemTime) -> Room;

    /// A mail of so many octets was stored.
    fn stored(&self, maildir: &Path, octets: u64, now: SystemTime);
}

/// Where the mailboxes are.
#[derive(Clone)]
pub struct Settings {
    /// The mailbox of an address. Its Maildir is made (mode 0700) when it is missing.
    pub resolve: FindMailbox,
    /// Who keeps quotas; `None`: there are none.
    pub quotas: Option<Arc<dyn Quotas>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// Why a mail is not in the mailbox.
#[derive(Debug)]
pub(crate) enum NotStored {
    /// It was there before: `Delivered-To` names this mailbox.
    Loop,
    /// With its size.
    NoRoom(Room, u64),
    Io(io::Error),
}

impl From<io::Error> for NotStored {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Delivers to every recipient of the job, each into its own mailbox.
pub(crate) async fn deliver(
    settings: &Settings,
    hostname: &str,
    job: &Job,
    body: Body,
    now: SystemTime,
) -> Report {
    let (settings, hostname) = (settings.clone(), hostname.to_owned());
    let message = job.message.clone();
    let indices: Vec<u32> = job.rows.iter().map(|(index, _)| *index).collect();
    let all = indices.clone();
    let delivering = tokio::task::spawn_blocking(move || {
        let one = |&index: &u32| {
            let address = message
                .recipients
                .get(index as usize)
                .map_or("", |to| to.address.as_str());
            let stored = match (settings.resolve)(address) {
                None => Err(unknown(address)),
                Some(Place::Elsewhere) => Err(Outcome::NotTried { parked: None }),
                Some(Place::Maildir(path)) => {
                    let maildir = Maildir {
                        path,
                        hostname: &hostname,
                        quotas: settings.quotas.as_deref(),
                    };
                    let envelope = write::Envelope {
                        sender: &message.sender.address,
                        recipient: address,
                    };
                    maildir
                        .store(&envelope, &body, now)
                        .map_err(|error| outcome_of(address, &error))
                }
            };
            (
                index,
                stored.map_or_else(|outcome| outcome, |()| delivered()),
            )
        };
        indices.iter().map(one).collect()
    });
    let outcomes = delivering.await.unwrap_or_else(|error| {
        let problem = problem(
            Status(4, 3, 0),
            format!("mailbox delivery broke off: {error}"),
        );
        all.into_iter()
            .map(|index| (index, deferred(problem.clone())))
            .collect()
    });
    Report {
        outcomes,
        hosts: Vec::new(),
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered(Delivered {
        relay: "local".to_owned(),
        reply: "delivered to mailbox".to_owned(),
        status: Status(2, 0, 0),
        local: true,
        dsn_passed_on: false,
        tls: None,
    })
}

fn unknown(address: &str) -> Outcome {
    Outcome::Failed(problem(
        Status(5, 1, 1),
        format!("<{address}>: User unknown in local recipient table"),
    ))
}

fn outcome_of(address: &str, error: &NotStored) -> Outcome {
    let (status, why) = match error {
        NotStored::Loop => {
            let text = format!("mail forwarding loop for {address}");
            return Outcome::Failed(problem(Status(5, 4, 6), text));
        }
        NotStored::NoRoom(room, octets) => return no_room(address, *room, *octets),
        NotStored::Io(error) => match error.kind() {
            ErrorKind::StorageFull => (Status(4, 3, 1), "Insufficient system storage".to_owned()),
            ErrorKind::QuotaExceeded => (Status(4, 2, 2), "Mailbox is over its quota".to_owned()),
            _ => (Status(4, 3, 0), error.to_string()),
        },
    };
    deferred(problem(
        status,
        format!("delivery to the mailbox of <{address}> failed: {why}"),
    ))
}

fn no_room(address: &str, room: Room, octets: u64) -> Outcome {
    let mailbox = format!("the mailbox of <{address}>");
    match room {
        // Room for it can't be made.
        Room::TooLarge(quota) => Outcome::Failed(problem(
            Status(5, 2, 3),
            format!("{mailbox} may hold {quota} octets, and this mail has {octets}"),
        )),
        Room::Fits | Room::Full { quota: None, .. } => deferred(problem(
            Status(4, 2, 2),
            format!("{mailbox} is full: it holds as many mails as it may"),
        )),
        Room::Full {
            used,
            quota: Some(quota),
        } => deferred(problem(
            Status(4, 2, 2),
            format!(
                "{mailbox} is full: {used} of {quota} octets are used, and this mail has {octets}"
            ),
        )),
    }
}

fn deferred(problem: Problem) -> Outcome {
    Outcome::Deferred(Deferral {
        problem,
        hint: None,
        host: None,
        local: None,
    })
}

fn problem(status: Status, text: String) -> Problem {
    Problem {
        status,
        text,
        remote: false,
        relay: "local".to_owned(),
        answered: None,
        tls: None,
    }
}

#[cfg(test)]
mod tests;
