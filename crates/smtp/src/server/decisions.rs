//! What each answer to a question does.

use std::time::Duration;

use super::content::Framing;
use super::grammar::Chunk;
use super::mail::Chunks;
use super::session::{Session, State};
use super::{Ask, Decision, Ticket, replies};
use crate::reply::Reply;

/// The words we give with an acceptance, if not the machine's own.
type Accepted = Result<Option<Reply>, Reply>;

impl Session {
    /// Answers the open question. A stale ticket is ignored.
    pub fn decide(&mut self, now: Duration, ticket: Ticket, decision: Decision) {
        let Some(ask) = self.actions.answered(ticket) else {
            return;
        };
        self.clock.now = now;
        let state = std::mem::replace(&mut self.state, State::Command);
        let accepted = match decision {
            Decision::Accept => Ok(None),
            Decision::AcceptWith(reply) => Ok(Some(reply)),
            Decision::Refuse(reply) => Err(reply),
        };
        match (ask, state) {
            (Ask::Connect, _) => self.connect_decided(accepted),
            (Ask::Helo, _) => self.helo_decided(accepted),
            (Ask::Mail, _) => self.mail_decided(accepted),
            (Ask::Recipient, _) => self.recipient_decided(accepted),
            (Ask::Data, State::AskingForData(Some(chunk))) => self.chunk_decided(chunk, accepted),
            (Ask::Data, _) => self.data_decided(accepted),
            (Ask::Message, _) => self.message_decided(accepted),
        }
        self.await_command();
    }

    /// A client that may not talk to us is not listened to (RFC 5321 §3.1 would let it say QUIT).
    fn connect_decided(&mut self, accepted: Accepted) {
        let greeting = || Reply::plain(220, format!("{} ESMTP", self.settings.hostname));
        match accepted {
            // Told in place of the greeting, by what follows.
            Ok(_) if self.is_ending() => {}
            Ok(reply) => {
                let greeting = reply.unwrap_or_else(greeting);
                self.reply(&greeting);
            }
            Err(refusal) => self.refuse_session(&refusal),
        }
    }

    fn helo_decided(&mut self, accepted: Accepted) {
        match accepted {
            Ok(reply) => {
                let answer = self.hello_answer(reply);
                self.reply(&answer);
            }
            Err(refusal) => {
                self.peer.helo = None;
                self.peer.esmtp = false;
                self.refuse(&refusal);
            }
        }
    }

    /// The answer to HELO, or to EHLO with what we offer. Words that were given follow our name.
    fn hello_answer(&self, given: Option<Reply>) -> Reply {
        let mut text = self.settings.hostname.clone();
        if let Some(given) = given {
            text = format!("{text} {}", given.text.replace('\n', " "));
        }
        if self.peer.esmtp {
            text.push_str("\nPIPELINING\nSIZE ");
            text.push_str(&self.settings.max_size.to_string());
            text.push_str("\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nCHUNKING\nDSN");
            if self.settings.starttls && self.peer.tls.is_none() {
                text.push_str("\nSTARTTLS");
            }
            text.push_str("\nHELP");
        }
        Reply::plain(250, text)
    }

    fn mail_decided(&mut self, accepted: Accepted) {
        match accepted {
            Ok(reply) => self.reply(&reply.unwrap_or(replies::SENDER_OK)),
            Err(refusal) => {
                self.mail.reset();
                self.refuse(&refusal);
            }
        }
    }

    fn recipient_decided(&mut self, accepted: Accepted) {
        let candidate = self.mail.transaction.candidate.take();
        match accepted {
            Ok(reply) => {
                self.mail.transaction.recipients.extend(candidate);
                self.reply(&reply.unwrap_or(replies::RECIPIENT_OK));
            }
            // No strike for a 4yz: that is what greylisting says, and RCPTs have a limit of their own.
            Err(refusal) => self.reply(&refusal),
        }
    }

    fn data_decided(&mut self, accepted: Accepted) {
        match accepted {
            Ok(reply) => {
                let go_ahead = reply.filter(|reply| reply.code == 354);
                self.begin_content(Framing::Dots);
                self.state = State::Data;
                self.clock.await_content();
                self.reply(&go_ahead.unwrap_or(replies::SEND_CONTENT));
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    fn chunk_decided(&mut self, chunk: Chunk, accepted: Accepted) {
        match accepted {
            Ok(_) => {
                self.begin_content(Framing::Chunks);
                self.begin_chunk(chunk, None);
            }
            Err(refusal) => {
                if !chunk.last {
                    self.mail.chunks = Chunks::Failed;
                }
                self.begin_chunk(chunk, Some(refusal));
            }
        }
    }

    fn begin_content(&mut self, framing: Framing) {
        let bare_newline = self.client.bare_newline;
        self.mail
            .begin_content(framing, bare_newline, &self.settings);
    }

    /// The shell knows what it decided, so there is no `Discard` here.
    fn message_decided(&mut self, accepted: Accepted) {
        debug_assert!(
            accepted.is_err() || self.body.is_empty(),
            "content was accepted that was not taken"
        );
        self.body.clear();
        self.mail.reset();
        match accepted {
            Ok(reply) => {
                self.strikes.forgive();
                self.reply(&reply.unwrap_or(replies::OK));
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Refuses what is not a recipient. Asking again and again is no way to a mail either.
    fn refuse(&mut self, refusal: &Reply) {
        if refusal.is_transient() {
            self.strikes.idle();
        }
        self.reply(refusal);
    }
}
