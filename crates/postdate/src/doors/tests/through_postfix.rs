//! As Postfix asks, over one connection for all sessions: at each stage, or for recipients only.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::script::{Answer, Door, Step};
use super::told::Told;
use super::{Room, request};
use crate::judge::Judge;

pub(super) struct Postfix {
    room: Room,
    recipients_only: bool,
    wire: DuplexStream,
    client: (String, String),
    user: String,
    sender: String,
    sessions: u32,
    mails: u32,
}

impl Postfix {
    /// `recipients_only`: its line stands in `smtpd_recipient_restrictions` and nowhere else.
    pub(super) fn new(room: Room, recipients_only: bool) -> Self {
        Self {
            wire: room.postfix(),
            room,
            recipients_only,
            client: Default::default(),
            user: String::new(),
            sender: String::new(),
            sessions: 0,
            mails: 0,
        }
    }

    async fn ask(&mut self, state: &str, recipient: &str, size: usize) -> Told {
        if self.recipients_only && state != "RCPT" {
            return Told::Nothing;
        }
        let (address, helo) = &self.client;
        let text = request(state, address, &self.sender, recipient)
            .replace("mail.far.example", helo)
            .replace("=4711", &format!("={}", 4711 + self.sessions))
            .replace(
                "1234.5678.0",
                &format!("1234.{}.{}", self.sessions, self.mails),
            )
            .replace("sasl_username=", &format!("sasl_username={}", self.user))
            .replace("size=100", &format!("size={size}"));
        // In two pieces, as a network may bring it.
        let (first, second) = text.split_at(text.len() / 2);
        for piece in [first, second] {
            self.wire
                .write_all(piece.as_bytes())
                .await
                .expect("written");
            tokio::task::yield_now().await;
        }
        let mut said = Vec::new();
        while !said.ends_with(b"\n\n") {
            let count = self.wire.read_buf(&mut said).await.expect("an answer");
            assert!(count > 0, "closed after {said:?}");
        }
        let said = String::from_utf8(said).expect("text");
        let action = said.trim_end().strip_prefix("action=").expect("an action");
        let (word, rest) = action.split_once(' ').unwrap_or((action, ""));
        match word {
            "DUNNO" => Told::Nothing,
            "PREPEND" => Told::came_back(rest),
            "DEFER_IF_PERMIT" => Told::reply(&format!("450 {rest}")),
            _ => Told::reply(action),
        }
    }
}

impl Door for Postfix {
    fn name(&self) -> &'static str {
        if self.recipients_only {
            "postfix-rcpt"
        } else {
            "postfix"
        }
    }

    fn marks_at_end(&self) -> bool {
        false
    }

    fn judge(&self) -> &Arc<Judge> {
        &self.room.desk.judge
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
                    self.client = (address.clone(), helo.clone());
                    self.sessions += 1;
                    self.user.clear();
                    self.sender.clear();
                    match self.ask("CONNECT", "", 0).await {
                        Told::Nothing => self.ask("EHLO", "", 0).await,
                        told => told,
                    }
                }
                Step::Login(user) => {
                    self.user.clone_from(user);
                    Told::Nothing
                }
                Step::Mail(sender) => {
                    self.sender.clone_from(sender);
                    self.mails += 1;
                    self.ask("MAIL", "", 100).await
                }
                Step::Recipient(recipient) => self.ask("RCPT", recipient, 100).await,
                Step::End => Told::Nothing,
                Step::Done(octets) => self.ask("END-OF-MESSAGE", "", *octets).await,
            }
        })
    }
}
