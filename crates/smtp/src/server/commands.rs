//! What each command does (RFC 5321 §4.1.1, §4.1.4).

use super::grammar::{self, Chunk, Command, MailParams, Mailbox, RcptParams};
use super::mail::Chunks;
use super::session::{Session, State};
use super::{Ask, replies};
use crate::envelope::{Recipient, Sender};
use crate::reply::{Reply, Status};

impl Session {
    /// Carries out one line, or says what is wrong with it.
    pub(super) fn command(&mut self, line: &[u8]) {
        let done = grammar::parse(line).and_then(|command| self.carry_out(command));
        if let Err(refusal) = done {
            self.reply(&refusal);
        }
    }

    fn carry_out(&mut self, command: Command<'_>) -> Result<(), Reply> {
        match command {
            Command::Mail { .. } | Command::Rcpt { .. } | Command::Data | Command::Bdat(_) => {}
            _ => self.strikes.idle(),
        }
        if self.strikes.too_many_idle(&self.settings) && command != Command::Quit {
            self.good_bye(
                421,
                Status(4, 7, 0),
                "Too many commands without a mail, closing",
            );
            return Ok(());
        }
        match command {
            Command::Helo(name) => self.hello(name, false),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Mail { address, params } => return self.mail_from(address, params),
            Command::Rcpt { address, params } => return self.rcpt_to(address, params),
            Command::Data => return self.data(),
            Command::Bdat(chunk) => self.bdat(chunk),
            Command::Rset => {
                self.reset();
                self.reply(&replies::OK);
            }
            Command::Noop => self.reply(&replies::OK),
            Command::Vrfy => self.reply(&replies::VRFY),
            Command::Help => self.reply(&replies::HELP),
            Command::Quit => self.good_bye(221, Status(2, 0, 0), "Bye"),
            Command::StartTls => return self.start_tls(),
        }
        Ok(())
    }

    /// Also ends a mail under way, as RSET would (RFC 5321 §4.1.4).
    fn hello(&mut self, name: &str, esmtp: bool) {
        self.reset();
        self.peer.helo = Some(name.to_owned());
        self.peer.esmtp = esmtp;
        self.ask(Ask::Helo, State::Asking);
    }

    fn mail_from(&mut self, address: Mailbox<'_>, params: MailParams) -> Result<(), Reply> {
        if self.peer.helo.is_none() {
            return Err(replies::HELO_FIRST);
        }
        if self.mail.open {
            return Err(replies::NESTED_MAIL);
        }
        if !self.peer.esmtp && !params.is_empty() {
            return Err(replies::UNKNOWN_PARAMETER);
        }
        if address.needs_smtputf8() && !params.smtputf8 {
            return Err(replies::NEEDS_SMTPUTF8);
        }
        if params
            .size
            .is_some_and(|size| size > self.settings.max_size)
        {
            return Err(replies::TOO_LARGE);
        }
        self.mail.open = true;
        self.mail.transaction.sender = Sender {
            address: address.0.to_owned(),
            body: params.body.unwrap_or_default(),
            smtputf8: params.smtputf8,
            size: params.size,
            ret: params.ret,
            envid: params.envid,
        };
        self.ask(Ask::Mail, State::Asking);
        Ok(())
    }

    fn rcpt_to(&mut self, address: Mailbox<'_>, params: RcptParams) -> Result<(), Reply> {
        if !self.mail.open {
            return Err(replies::MAIL_FIRST);
        }
        self.mail.recipient_commands += 1;
        if self.mail.recipient_commands > self.settings.max_recipient_commands {
            self.good_bye(421, Status(4, 5, 3), "Too many recipients, closing");
            return Ok(());
        }
        self.chunks_not_begun()?;
        if !self.peer.esmtp && !params.is_empty() {
            return Err(replies::UNKNOWN_PARAMETER);
        }
        if address.needs_smtputf8() && !self.mail.transaction.sender.smtputf8 {
            return Err(replies::NEEDS_SMTPUTF8);
        }
        if self.mail.transaction.recipients.len() >= self.settings.max_recipients {
            return Err(replies::TOO_MANY_RECIPIENTS);
        }
        self.mail.transaction.candidate = Some(Recipient {
            address: address.0.to_owned(),
            notify: params.notify.unwrap_or_default(),
            orcpt: params.orcpt,
        });
        self.ask(Ask::Recipient, State::Asking);
        Ok(())
    }

    fn data(&mut self) -> Result<(), Reply> {
        self.ready_for_content()?;
        self.chunks_not_begun()?;
        self.ask(Ask::Data, State::AskingForData(None));
        Ok(())
    }

    /// What is announced is on its way whatever we say to it, so it is read in any case (RFC 3030 §2).
    fn bdat(&mut self, chunk: Chunk) {
        let ready = match self.mail.chunks {
            Chunks::Failed => Err(replies::CHUNKS_FAILED),
            Chunks::None | Chunks::Open => self.ready_for_content(),
        };
        match ready {
            Err(refusal) => self.begin_chunk(chunk, Some(refusal)),
            Ok(()) if self.mail.chunks == Chunks::Open => self.begin_chunk(chunk, None),
            Ok(()) => self.ask(Ask::Data, State::AskingForData(Some(chunk))),
        }
    }

    fn ready_for_content(&self) -> Result<(), Reply> {
        if !self.mail.open {
            Err(replies::MAIL_FIRST)
        } else if self.mail.transaction.recipients.is_empty() {
            Err(replies::NO_RECIPIENTS)
        } else {
            Ok(())
        }
    }

    fn chunks_not_begun(&self) -> Result<(), Reply> {
        match self.mail.chunks {
            Chunks::None => Ok(()),
            Chunks::Open => Err(replies::CHUNKS_UNDER_WAY),
            Chunks::Failed => Err(replies::CHUNKS_FAILED),
        }
    }

    /// What comes behind it in clear is dropped: it is not from whom the handshake is with (RFC 3207 §4.2, §6).
    fn start_tls(&mut self) -> Result<(), Reply> {
        if !self.settings.starttls {
            return Err(replies::NOT_OFFERED);
        }
        if self.peer.tls.is_some() {
            return Err(replies::TLS_ALREADY);
        }
        if self.mail.open {
            return Err(replies::TLS_NOT_NOW);
        }
        self.reply(&replies::READY_FOR_TLS);
        self.state = State::Handshake;
        self.actions.start_tls();
        Ok(())
    }
}
