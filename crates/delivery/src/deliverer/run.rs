//! One attempt, step by step.

use std::io;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use queue::Report;
use queue::dispatch::Job;
use queue::outcome::Problem;
use queue::spool::Body;
use retry_hint::{Hint, Tongues};
use smtp::BodyKind;
use smtp::client::{Broken, Cause, Failure, Mail};
use tokio::time::timeout;

use super::{Deliverer, Set};
use crate::attempt::{After, Attempt, Path, Step, host_hint};
use crate::convert::{CannotConvert, to_seven_bit};
use crate::dial::Connection;
use crate::hosts::{Host, Way};
use crate::lane::{Kept, Lane};
use crate::pool::Slot;
use crate::session::{Sent, Session};
use crate::source::Source;
use crate::tls::Security;
use crate::words;

/// How long to wait for a slot at a host that has as many sessions as may be.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// What stood against a session.
enum NotOpen {
    NoSlot,
    NoConnection(Problem),
    /// With our own address.
    Ended(Option<Failure>, Option<IpAddr>),
    /// The host is ourselves.
    Loop,
}

/// The mail of an attempt.
struct Letter<'a> {
    job: &'a Job,
    body: &'a Body,
    /// The content in seven bits, once a host needed that.
    converted: Option<Body>,
}

impl Deliverer {
    pub(super) async fn run(
        &self,
        lane: &mut Lane,
        set: &Set,
        mut attempt: Attempt,
        job: &Job,
        body: &Body,
    ) -> Report {
        let mut letter = Letter {
            job,
            body,
            converted: None,
        };
        // Taken out of the lane while it is used: an attempt that is dropped takes the session with it.
        let mut open = lane.kept.take();
        let mut no_tls = None;
        loop {
            match attempt.next() {
                Step::Open {
                    host,
                    security,
                    fresh,
                    patient,
                } => match self
                    .open(set, open.take(), &host, security, fresh, patient)
                    .await
                {
                    Ok((kept, reused)) => {
                        if let Some(why) = no_tls.take().filter(|_| kept.clear) {
                            tracing::info!(
                                target: "queue", id = %job.message.id, relay = %host,
                                "STARTTLS failed ({why}), sent in clear",
                            );
                        }
                        attempt.opened(reused, kept.path);
                        open = Some(kept);
                    }
                    Err(NotOpen::NoSlot) => attempt.no_slot(),
                    Err(NotOpen::Loop) => attempt.loops(),
                    Err(NotOpen::NoConnection(problem)) => attempt.not_reached(problem),
                    Err(NotOpen::Ended(failure, local)) => {
                        no_tls = tls_failure(failure.as_ref());
                        attempt.not_ready(failure, local);
                    }
                },
                Step::Send {
                    recipients,
                    seven_bit,
                } => {
                    open = send(open, &mut attempt, &letter, &recipients, seven_bit).await;
                }
                Step::Convert => match letter.convert().await {
                    Ok(()) => attempt.converted(Ok(())),
                    Err(CannotConvert::Unreadable(why)) => attempt.unreadable(&why),
                    Err(why) => attempt.converted(Err(why.to_string())),
                },
                Step::Over => break,
            }
        }
        lane.kept = open;
        attempt.into_report()
    }

    /// The session that the lane kept, if it is with this host and still good, or else a new one.
    async fn open(
        &self,
        set: &Set,
        kept: Option<Kept>,
        host: &Host,
        security: Security,
        fresh: bool,
        patient: bool,
    ) -> Result<(Kept, bool), NotOpen> {
        let settings = &set.settings;
        if let Some(mut kept) = kept {
            let same = !fresh
                && kept.host.addr == host.addr
                && host.from.is_none_or(|from| kept.path.local == Some(from))
                && (security == Security::AsSet || kept.clear);
            if same && kept.has_room(settings.mails_per_session, settings.session_age) {
                match kept.session.still_open().await {
                    Ok(()) => {
                        kept.host = host.clone();
                        return Ok((kept, true));
                    }
                    Err(Some(failure)) if told_to_wait(&failure, settings.tongues).is_some() => {
                        return Err(NotOpen::Ended(Some(failure), kept.path.local));
                    }
                    // It has had enough of the session, not of us.
                    Err(_) => {}
                }
            } else {
                kept.quit().await;
            }
        }
        let patience = if patient {
            SLOT_PATIENCE
        } else {
            Duration::ZERO
        };
        let slot = self
            .0
            .slots
            .claim(host.key(), settings.sessions_per_host, patience)
            .await;
        let slot = slot.ok_or(NotOpen::NoSlot)?;
        let kept = self.connect(set, host, security, slot).await?;
        // Our address may be one that no interface has, and the MX record may give it any name.
        if host.preference.is_some() && kept.session.is_with(&settings.hostname) {
            kept.quit().await;
            return Err(NotOpen::Loop);
        }
        Ok((kept, false))
    }

    async fn connect(
        &self,
        set: &Set,
        host: &Host,
        security: Security,
        slot: Slot,
    ) -> Result<Kept, NotOpen> {
        let dialled = timeout(set.settings.connect_timeout, self.dial(set, host)).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let Connection { io, local } =
            dialled.map_err(|error| NotOpen::NoConnection(words::no_connection(host, &error)))?;
        let clear = security == Security::Clear;
        let spoken = match &host.way {
            // Nobody listens in on a socket of this machine.
            Way::Socket(_) => &set.clear.lmtp,
            Way::Lmtp if clear => &set.clear.lmtp,
            Way::Lmtp => &set.as_set.lmtp,
            Way::Smtp if clear => &set.clear.smtp,
            Way::Smtp => &set.as_set.smtp,
        };
        let session = Session::open(io, spoken.clone(), &self.0.handshake, host).await;
        let session = session.map_err(|failure| NotOpen::Ended(failure, local))?;
        let tls = session.tls();
        Ok(Kept {
            session,
            path: Path { local, tls },
            host: host.clone(),
            clear,
            mails: 0,
            slot,
        })
    }

    /// From the address of the appointment, as long as this machine has it.
    async fn dial(&self, set: &Set, host: &Host) -> io::Result<Connection> {
        // Our address is for hosts out there: a server of mailboxes may listen on loopback.
        let usual = set.settings.local_addr.filter(|_| !host.is_lmtp());
        if let Way::Socket(path) = &host.way {
            return self.0.dial.dial_socket(path).await;
        }
        let dialled = self.0.dial.dial(host.addr, host.from.or(usual)).await;
        match (dialled, host.from) {
            (Err(error), Some(from)) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                self.note_gone(from);
                self.0.dial.dial(host.addr, usual).await
            }
            (dialled, _) => dialled,
        }
    }

    fn note_gone(&self, address: IpAddr) {
        let mut gone = self.0.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.replace(address) != Some(address) {
            tracing::warn!(
                target: "queue",
                "{address} is no address of this machine any more: appointments made from it are kept from another, \
                 which the host may not know",
            );
        }
    }
}

/// The reply that ended a session, and the time for all mail to its host that it names.
pub(super) fn told_to_wait(failure: &Failure, tongues: Option<Tongues>) -> Option<(String, Hint)> {
    let Failure::Refused { answered, reply } = failure else {
        return None;
    };
    Some((reply.raw.clone(), host_hint(reply, *answered, tongues)?))
}

/// Why STARTTLS gave no TLS, if that was what ended the session.
fn tls_failure(failure: Option<&Failure>) -> Option<String> {
    match failure {
        Some(Failure::Broken(Broken {
            cause: Cause::Tls(failure),
            ..
        })) => Some(words::no_tls(failure)),
        _ => None,
    }
}

/// Sends, and gives the session back if it is good for more.
async fn send(
    open: Option<Kept>,
    attempt: &mut Attempt,
    letter: &Letter<'_>,
    recipients: &[u32],
    seven_bit: bool,
) -> Option<Kept> {
    let Some(mut kept) = open else {
        attempt.not_ready(None, None);
        return None;
    };
    let dsn = kept.session.extensions().dsn;
    let (mail, source) = letter.mail(recipients, seven_bit);
    match kept.session.send(mail, source).await {
        Sent::Fates(fates, after) => {
            kept.mails += 1;
            attempt.sent(fates, dsn, &after);
            (after == After::Open).then_some(kept)
        }
        Sent::Unreadable(error) => {
            attempt.unreadable(&error.to_string());
            None
        }
    }
}

impl Letter<'_> {
    fn mail(&self, recipients: &[u32], seven_bit: bool) -> (Mail, Source) {
        let message = &self.job.message;
        let addressed = recipients
            .iter()
            .filter_map(|&index| message.recipients.get(index as usize));
        let mut mail = Mail {
            sender: message.sender.clone(),
            recipients: addressed.cloned().collect(),
            content: message.content,
        };
        let body = match &self.converted {
            Some(converted) if seven_bit => {
                mail.sender.body = BodyKind::SevenBit;
                mail.content.size = match converted {
                    Body::Inline(octets) => octets.len() as u64,
                    Body::File(file) => file.len(),
                };
                mail.content.eight_bit = false;
                converted
            }
            _ => self.body,
        };
        (mail, Source::open(body))
    }

    async fn convert(&mut self) -> Result<(), CannotConvert> {
        if self.converted.is_none() {
            let body = self.body.clone();
            let converting = tokio::task::spawn_blocking(move || to_seven_bit(&body)).await;
            let converted =
                converting.map_err(|error| CannotConvert::Unreadable(error.to_string()))??;
            self.converted = Some(converted);
        }
        Ok(())
    }
}
