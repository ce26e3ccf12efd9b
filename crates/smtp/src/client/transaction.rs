//! One mail on its way: what was said, what is awaited, what became of each recipient.

use std::collections::VecDeque;
use std::time::Duration;

use retry_hint::Answered;

use super::address::to_a_labels;
use super::command::{goes_as_utf8, is_safe_address, write_mail, write_rcpt};
use super::outbox::Outbox;
use super::stuffing::Stuffer;
use super::{Broken, Cause, Extensions, Fate, Mail, Protocol, Timeouts, Unfit};
use crate::reply::{Answer, Status};

/// How many octets of commands may wait for their replies. A shell that writes all before it reads can't stall on
/// that: so many fit into the server's receive window, also if it stops reading until we take its replies
/// (RFC 2920 §3.1). It is room for some 80 recipients.
pub const PIPELINE_LEN: usize = 4096;

/// What a reply is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Reset,
    Mail,
    /// With the recipient's place.
    Rcpt(usize),
    Data,
    /// The end of the content.
    Dot,
    /// The same over LMTP, for the recipient at this place: one reply for each that was accepted (RFC 2033 §4.2).
    DotFor(usize),
}

/// How the transaction stands after a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Replies are awaited.
    Under,
    /// Content is awaited.
    Content,
    /// Every recipient has a fate, and no reply is awaited.
    Over,
    /// The reply makes no sense here.
    Garbage,
}

/// One mail on its way.
#[derive(Debug)]
pub(super) struct Transaction {
    mail: Mail,
    protocol: Protocol,
    extensions: Extensions,
    /// Sent as SMTPUTF8.
    utf8: bool,
    fates: Vec<Option<Fate>>,
    /// How many have no fate yet.
    undecided: usize,
    /// Some RCPT was accepted.
    accepted: bool,
    /// The command to be sent next; `None` after DATA.
    next: Option<Command>,
    /// The commands that wait for their replies, with their length.
    awaited: VecDeque<(Command, usize)>,
    awaited_len: usize,
    /// Content is under way.
    content: Option<Stuffer>,
    /// The server may have a mail open that has to be reset before the next.
    dirty: bool,
}

impl Transaction {
    /// `dirty`: the server has a mail open that must be reset first. May be over at once, with nothing said.
    pub(super) fn new(
        mut mail: Mail,
        protocol: Protocol,
        extensions: Extensions,
        dirty: bool,
    ) -> Self {
        if !extensions.smtputf8 {
            to_a_labels(&mut mail);
        }
        let whole = unfit_whole(&mail, &extensions);
        let fates: Vec<_> = mail
            .recipients
            .iter()
            .map(|to| {
                whole
                    .or_else(|| unfit_recipient(&to.address, &extensions))
                    .map(Fate::Unfit)
            })
            .collect();
        Self {
            utf8: goes_as_utf8(&mail, &extensions),
            undecided: fates.iter().filter(|fate| fate.is_none()).count(),
            fates,
            mail,
            protocol,
            extensions,
            accepted: false,
            next: Some(if dirty { Command::Reset } else { Command::Mail }),
            awaited: VecDeque::new(),
            awaited_len: 0,
            content: None,
            dirty,
        }
    }

    /// Writes the commands that may be sent by now: all that fit, or one at a time without PIPELINING.
    pub(super) fn fill(&mut self, outbox: &mut Outbox) {
        while let Some(command) = self.upcoming() {
            let octets = outbox.octets_mut();
            let start = octets.len();
            self.write(command, octets);
            let length = octets.len() - start;
            if !self.awaited.is_empty() && self.awaited_len + length > PIPELINE_LEN {
                octets.truncate(start);
                return;
            }
            outbox.command_added();
            self.awaited.push_back((command, length));
            self.awaited_len += length;
            self.next = match command {
                Command::Reset => Some(Command::Mail),
                Command::Mail => Some(Command::Rcpt(0)),
                Command::Rcpt(place) => Some(Command::Rcpt(place + 1)),
                Command::Data | Command::Dot | Command::DotFor(_) => None,
            };
        }
    }

    /// What may be said next: nothing once all recipients have their fate, so that nobody's DATA is never said.
    fn upcoming(&mut self) -> Option<Command> {
        let may_follow = self.awaited.is_empty() || self.extensions.pipelining;
        if self.undecided == 0 || !may_follow {
            return None;
        }
        if let Some(Command::Rcpt(place)) = self.next {
            let skipped = self.fates[place..].iter().position(Option::is_none);
            self.next =
                Some(skipped.map_or(Command::Data, |skipped| Command::Rcpt(place + skipped)));
        }
        // A mail to nobody has no reply over LMTP, and a server that gives one all the same would shift all that follow.
        // So DATA is said only once it is known that somebody is there.
        let alone = self.protocol == Protocol::Smtp || self.awaited.is_empty();
        self.next.filter(|next| alone || *next != Command::Data)
    }

    fn write(&self, command: Command, out: &mut Vec<u8>) {
        match command {
            Command::Reset => out.extend_from_slice(b"RSET\r\n"),
            Command::Mail => write_mail(out, &self.mail, &self.extensions, self.utf8),
            Command::Rcpt(place) => {
                write_rcpt(
                    out,
                    &self.mail.recipients[place],
                    &self.extensions,
                    self.utf8,
                );
            }
            Command::Data => out.extend_from_slice(b"DATA\r\n"),
            Command::Dot | Command::DotFor(_) => out.extend_from_slice(b".\r\n"),
        }
    }

    /// Takes the reply to the command that waits longest, and says what can be said after it.
    pub(super) fn answer(&mut self, answer: &Answer, outbox: &mut Outbox) -> Progress {
        let Some(&(command, length)) = self.awaited.front() else {
            return Progress::Garbage;
        };
        if !self.apply(command, answer, outbox) {
            return Progress::Garbage;
        }
        self.awaited.pop_front();
        self.awaited_len -= length;
        self.fill(outbox);
        self.progress()
    }

    /// How it stands.
    pub(super) fn progress(&self) -> Progress {
        if self.content.is_some() {
            Progress::Content
        } else if self.awaited.is_empty() {
            Progress::Over
        } else {
            Progress::Under
        }
    }

    /// False if the reply is of a class that the command doesn't have.
    fn apply(&mut self, command: Command, answer: &Answer, outbox: &mut Outbox) -> bool {
        let refused = answer.is_transient() || answer.is_permanent();
        match command {
            // After a refused RSET, MAIL would be refused as well, for good, and by no fault of the mail.
            Command::Reset if answer.is_success() => self.dirty = false,
            Command::Mail if answer.is_success() => self.dirty = true,
            Command::Mail if refused => self.decide_all(|| refusal(Answered::Mail, answer)),
            Command::Rcpt(place) => return self.apply_rcpt(place, answer),
            Command::Data if answer.code / 100 == 3 => self.begin_content(outbox),
            Command::Data if refused => self.decide_all(|| refusal(Answered::Data, answer)),
            Command::Dot if answer.is_success() => {
                self.dirty = false;
                self.decide_all(|| Fate::Accepted(answer.clone()));
            }
            Command::Dot if refused => {
                self.dirty = false;
                self.decide_all(|| refusal(Answered::EndOfData, answer));
            }
            Command::DotFor(place) if answer.is_success() => {
                self.dirty = false;
                self.decide(place, Fate::Accepted(answer.clone()));
            }
            Command::DotFor(place) if refused => {
                self.dirty = false;
                self.decide(place, refusal(Answered::EndOfData, answer));
            }
            _ => return false,
        }
        true
    }

    fn apply_rcpt(&mut self, place: usize, answer: &Answer) -> bool {
        if self.fates[place].is_some() {
            // MAIL was refused before: whatever is said now follows from that.
            return true;
        }
        if answer.is_success() {
            self.accepted = true;
        } else if self.accepted && means_too_many(answer) {
            // Those not yet asked for would be told the same, and count as errors.
            let unasked = match self.next {
                Some(Command::Rcpt(unasked)) => unasked,
                _ => self.fates.len(),
            };
            for other in unasked..self.fates.len() {
                self.decide(other, Fate::NextTransaction(answer.clone()));
            }
            self.decide(place, Fate::NextTransaction(answer.clone()));
        } else if answer.is_transient() || answer.is_permanent() {
            self.decide(place, refusal(Answered::Rcpt, answer));
        } else {
            return false;
        }
        true
    }

    fn begin_content(&mut self, outbox: &mut Outbox) {
        if self.undecided > 0 {
            self.content = Some(Stuffer::default());
        } else {
            // DATA went out before all were refused: the only way on is an empty mail to nobody (RFC 2920 §3.1).
            self.write(Command::Dot, outbox.octets_mut());
            self.await_dot(outbox);
        }
    }

    /// Writes a piece of content. False if none is awaited.
    pub(super) fn body(&mut self, piece: &[u8], last: bool, outbox: &mut Outbox) -> bool {
        let Some(stuffer) = &mut self.content else {
            return false;
        };
        stuffer.push(piece, outbox.octets_mut());
        if last {
            stuffer.finish(outbox.octets_mut());
            self.await_dot(outbox);
        }
        true
    }

    fn await_dot(&mut self, outbox: &mut Outbox) {
        self.content = None;
        let dots: Vec<_> = match self.protocol {
            Protocol::Smtp => vec![Command::Dot],
            Protocol::Lmtp => {
                let all = self.fates.iter().enumerate();
                all.filter(|(_, fate)| fate.is_none())
                    .map(|(place, _)| Command::DotFor(place))
                    .collect()
            }
        };
        for dot in dots {
            outbox.command_added();
            self.awaited.push_back((dot, 0));
        }
    }

    fn decide(&mut self, place: usize, fate: Fate) {
        let slot = &mut self.fates[place];
        if slot.is_none() {
            *slot = Some(fate);
            self.undecided -= 1;
        }
    }

    fn decide_all(&mut self, fate: impl Fn() -> Fate) {
        for place in 0..self.fates.len() {
            if self.fates[place].is_none() {
                self.decide(place, fate());
            }
        }
    }

    /// What breaks if the session does.
    pub(super) fn during(&self) -> Answered {
        match self.awaited.front() {
            Some((Command::Reset | Command::Mail, _)) => Answered::Mail,
            Some((Command::Rcpt(_), _)) => Answered::Rcpt,
            Some((Command::Dot | Command::DotFor(_), _)) => Answered::EndOfData,
            // Without its end no content is accepted: that is as far as DATA.
            Some((Command::Data, _)) | None => Answered::Data,
        }
    }

    /// Whether content was begun, and not ended.
    pub(super) fn is_amid_content(&self) -> bool {
        self.during() == Answered::Data && self.content.is_some()
    }

    /// Whether content was begun, so that a refusal means the content, also before its end.
    pub(super) fn is_past_data(&self) -> bool {
        let awaited = self.awaited.front();
        let ended = matches!(awaited, Some((Command::Dot | Command::DotFor(_), _)));
        self.content.is_some() || ended
    }

    /// How long to wait for what is due.
    pub(super) fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match self.awaited.front() {
            Some((Command::Data, _)) => timeouts.data,
            Some((Command::Dot | Command::DotFor(_), _)) => timeouts.end_of_data,
            None if self.content.is_some() => timeouts.block,
            _ => timeouts.command,
        }
    }

    /// Whether the next mail needs RSET before it.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What became of the recipients. One without a fate gets that of a broken session.
    pub(super) fn finish(self, cause: Cause) -> Vec<Fate> {
        let broken = Broken {
            during: self.during(),
            amid_content: self.is_amid_content(),
            cause,
        };
        let fates = self.fates.into_iter();
        fates
            .map(|fate| fate.unwrap_or_else(|| Fate::Broken(broken.clone())))
            .collect()
    }

    /// What became of the recipients when the reply ends the session for all that have no fate yet.
    pub(super) fn refuse(mut self, answered: Answered, reply: &Answer) -> Vec<Fate> {
        self.decide_all(|| refusal(answered, reply));
        self.finish(Cause::Closed)
    }
}

fn refusal(answered: Answered, reply: &Answer) -> Fate {
    Fate::Refused {
        answered,
        reply: reply.clone(),
    }
}

/// Why no recipient of this host can get the mail.
fn unfit_whole(mail: &Mail, extensions: &Extensions) -> Option<Unfit> {
    let Mail {
        sender, content, ..
    } = mail;
    let utf8 = !sender.address.is_ascii() || (sender.smtputf8 && content.utf8_header);
    if !is_safe_address(&sender.address) {
        Some(Unfit::Sender)
    } else if extensions.refuses_size(content.size) {
        Some(Unfit::Size)
    } else if utf8 && !extensions.smtputf8 {
        Some(Unfit::Utf8)
    } else if content.eight_bit && !extensions.eight_bit_mime {
        Some(Unfit::EightBit)
    } else {
        None
    }
}

/// Why this recipient can't get it, though others may.
fn unfit_recipient(address: &str, extensions: &Extensions) -> Option<Unfit> {
    if address.is_empty() || !is_safe_address(address) {
        Some(Unfit::Address)
    } else if !address.is_ascii() && !extensions.smtputf8 {
        Some(Unfit::Utf8)
    } else {
        None
    }
}

/// Whether the refusal of a recipient means that this transaction is full (RFC 5321 §4.5.3.1.10). 452 and 552 are
/// also said for a lack of space and a full mailbox, so the status has to agree; where there is none, the words have
/// to for 452, which asks to wait. 552 is read as 452 as the RFC demands.
fn means_too_many(answer: &Answer) -> bool {
    match (answer.code, answer.status) {
        (452, None) => contains_ignoring_case(&answer.raw, b"too many recipients"),
        (552, None) => true,
        (452 | 552, Some(Status(_, 5, 3))) => true,
        _ => false,
    }
}

fn contains_ignoring_case(text: &str, words: &[u8]) -> bool {
    let mut windows = text.as_bytes().windows(words.len());
    windows.any(|window| window.eq_ignore_ascii_case(words))
}
