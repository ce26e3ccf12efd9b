//! One attempt, step by step.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use queue::Report;
use queue::dispatch::Job;
use queue::outcome::Problem;
use queue::spool::Body;
use smtp::BodyKind;
use smtp::client::{Failure, Mail};
use tokio::time::timeout;

use super::{Deliverer, Set};
use crate::attempt::{After, Attempt, Step};
use crate::convert::{self, CannotConvert};
use crate::hosts::Host;
use crate::lane::{Kept, Lane};
use crate::pool::Slot;
use crate::session::{Sent, Session};
use crate::source::{Source, read_whole};
use crate::tls::Security;
use crate::words;

/// How long to wait for a slot at a host that has as many sessions as may be.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// What stood against a session.
enum NotOpen {
    NoSlot,
    NoConnection(Problem),
    Ended(Option<Failure>),
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
        loop {
            match attempt.next() {
                Step::Open {
                    host,
                    security,
                    fresh,
                } => match self.open(set, open.take(), &host, security, fresh).await {
                    Ok((kept, reused)) => {
                        open = Some(kept);
                        attempt.opened(reused);
                    }
                    Err(NotOpen::NoSlot) => attempt.no_slot(),
                    Err(NotOpen::NoConnection(problem)) => attempt.not_reached(problem),
                    Err(NotOpen::Ended(failure)) => attempt.not_ready(failure),
                },
                Step::Send {
                    recipients,
                    seven_bit,
                } => {
                    open = send(open, &mut attempt, &letter, &recipients, seven_bit).await;
                }
                Step::Convert => attempt.converted(letter.convert().await),
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
    ) -> Result<(Kept, bool), NotOpen> {
        let settings = &set.settings;
        if let Some(mut kept) = kept {
            let same = !fresh
                && kept.host.addr == host.addr
                && (security == Security::AsSet || kept.clear);
            if same && kept.has_room(settings.mails_per_session, settings.session_age) {
                if !kept.session.is_gone().await {
                    kept.host = host.clone();
                    return Ok((kept, true));
                }
            } else {
                kept.session.quit().await;
            }
        }
        let slot = self
            .0
            .slots
            .claim(host.key(), settings.sessions_per_host, SLOT_PATIENCE)
            .await;
        let slot = slot.ok_or(NotOpen::NoSlot)?;
        let session = self.connect(set, host, security, slot).await?;
        Ok((session, false))
    }

    async fn connect(
        &self,
        set: &Set,
        host: &Host,
        security: Security,
        slot: Slot,
    ) -> Result<Kept, NotOpen> {
        let dialling = self.0.dial.dial(host.addr, set.settings.local_addr);
        let dialled = timeout(set.settings.connect_timeout, dialling).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let io =
            dialled.map_err(|error| NotOpen::NoConnection(words::no_connection(host, &error)))?;
        let (client, clear) = match security {
            Security::AsSet => (&set.as_set, false),
            Security::Clear => (&set.clear, true),
        };
        let session = Session::open(io, client.clone(), &self.0.handshake, host).await;
        let session = session.map_err(NotOpen::Ended)?;
        Ok(Kept {
            session,
            host: host.clone(),
            clear,
            mails: 0,
            _slot: slot,
        })
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
        attempt.not_ready(None);
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
            Some(Body::Inline(octets)) if seven_bit => {
                mail.sender.body = BodyKind::SevenBit;
                mail.content.size = octets.len() as u64;
                mail.content.eight_bit = false;
                self.converted.as_ref().unwrap_or(self.body)
            }
            _ => self.body,
        };
        (mail, Source::open(body))
    }

    async fn convert(&mut self) -> Result<(), String> {
        if self.converted.is_some() {
            return Ok(());
        }
        let body = self.body.clone();
        let converting = tokio::task::spawn_blocking(move || convert_body(&body)).await;
        let converted = converting
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        self.converted = Some(Body::Inline(converted));
        Ok(())
    }
}

fn convert_body(body: &Body) -> Result<Arc<[u8]>, CannotConvert> {
    let octets = read_whole(body, convert::LEN_MAX).map_err(|_| CannotConvert::Unreadable)?;
    let octets = octets.ok_or(CannotConvert::TooLarge)?;
    convert::to_seven_bit(&octets).map(Arc::from)
}
