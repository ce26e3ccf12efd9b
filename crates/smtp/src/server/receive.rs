//! Octets in: lines, DATA and chunks.

use std::time::Duration;

use super::content::Fault;
use super::grammar::Chunk;
use super::line::Framed;
use super::mail::Chunks;
use super::session::{Session, State};
use super::{Ask, MAX_BODY, MAX_OUTPUT, replies};
use crate::reply::Reply;

impl Session {
    /// Hands over octets. Returns how many were consumed: it stops at a question, or when `body` or `output` is full.
    /// Never loses or reorders any, but for those that come in clear behind STARTTLS and those that come after the
    /// close: they are dropped. `now` is the time since the session was opened.
    pub fn receive(&mut self, now: Duration, octets: &[u8]) -> usize {
        self.clock.now = now;
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            let used = match self.state {
                State::Asking | State::AskingForData(_) => 0,
                State::Handshake | State::Closed => rest.len(),
                State::Command if self.output.len() >= MAX_OUTPUT => 0,
                State::Command => self.receive_line(rest),
                State::Data => self.receive_data(rest),
                State::Chunk { .. } => self.receive_chunk(rest),
            };
            if used == 0 {
                break;
            }
            at += used;
        }
        at
    }

    fn receive_line(&mut self, octets: &[u8]) -> usize {
        let (used, framed) = self.line.read(octets);
        match framed {
            None => return used,
            Some(Framed::BareNewline) => self.reply(&replies::BARE_NEWLINE_IN_COMMAND),
            Some(Framed::TooLong) => self.reply(&replies::TOO_LONG),
            Some(Framed::Whole) => {}
        }
        let text = self.line.take();
        if framed == Some(Framed::Whole) {
            self.command(&text);
        }
        self.line.clear(text);
        self.await_command();
        // A bare CR is found by the octet behind it, which is not used then; the session is closed, so it has to be.
        used.max(1)
    }

    fn receive_data(&mut self, octets: &[u8]) -> usize {
        let Some(receiver) = self.mail.receiver() else {
            return 0;
        };
        let readable = receiver.readable(MAX_BODY.saturating_sub(self.body.len()));
        let (used, ended) = receiver.read(&octets[..octets.len().min(readable)], &mut self.body);
        if used > 0 {
            self.clock.await_content();
        }
        if ended {
            self.end_of_content();
        }
        used
    }

    fn receive_chunk(&mut self, octets: &[u8]) -> usize {
        let State::Chunk { left, refusal, .. } = &mut self.state else {
            return 0;
        };
        let mut used = usize::try_from(*left)
            .unwrap_or(usize::MAX)
            .min(octets.len());
        if refusal.is_none()
            && let Some(receiver) = self.mail.receiver()
        {
            used = used.min(receiver.readable(MAX_BODY.saturating_sub(self.body.len())));
            receiver.read(&octets[..used], &mut self.body);
        }
        *left -= used as u64;
        if used > 0 {
            self.clock.await_content();
        }
        self.end_chunk_if_whole();
        used
    }

    /// Begins a chunk. Its content goes to the body, unless there is a reply to be given in its place.
    pub(super) fn begin_chunk(&mut self, chunk: Chunk, refusal: Option<Reply>) {
        if refusal.is_none()
            && let Some(receiver) = self.mail.receiver()
        {
            receiver.announce(chunk.size);
        }
        self.state = State::Chunk {
            left: chunk.size,
            last: chunk.last,
            refusal,
        };
        self.clock.await_content();
        self.end_chunk_if_whole();
    }

    fn end_chunk_if_whole(&mut self) {
        let State::Chunk {
            left: 0,
            last,
            refusal,
        } = &mut self.state
        else {
            return;
        };
        let last = *last;
        let refusal = refusal.take();
        self.state = State::Command;
        if let Some(refusal) = refusal {
            self.clock_out_refused_chunk();
            self.reply(&refusal);
        } else if last {
            self.end_of_content();
            return;
        } else if let Some(fault) = self.fault() {
            self.discard_content();
            self.mail.chunks = Chunks::Failed;
            self.reply(&fault.reply());
        } else {
            self.mail.chunks = Chunks::Open;
            self.reply(&replies::CHUNK_OK);
        }
        self.await_command();
    }

    /// A refused chunk's time is over, but that of a mail whose earlier chunks were taken runs on.
    fn clock_out_refused_chunk(&mut self) {
        if self.mail.receiver().is_none() {
            self.clock.end_content();
        }
    }

    /// All content is here: it is refused, or asked about.
    fn end_of_content(&mut self) {
        if let Some(receiver) = self.mail.receiver() {
            receiver.finish(&mut self.body);
        }
        self.clock.end_content();
        match self.fault() {
            None => self.ask(Ask::Message, State::Asking),
            Some(fault) => {
                self.state = State::Command;
                self.reset();
                self.reply(&fault.reply());
                self.await_command();
            }
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        self.mail.receiver().and_then(|receiver| receiver.fault())
    }
}
