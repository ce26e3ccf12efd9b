//! As Postfix asks: at each stage, over one connection for all sessions.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::script::{Answer, Door, Step, Told, came_back, hint};
use super::{Room, request};

pub(super) struct Postfix {
    _room: Room,
    wire: DuplexStream,
    client: (String, String),
    user: String,
    sender: String,
    sessions: u32,
    mails: u32,
}

impl Postfix {
    pub(super) fn new(room: Room) -> Self {
        Self {
            wire: room.postfix(),
            _room: room,
            client: Default::default(),
            user: String::new(),
            sender: String::new(),
            sessions: 0,
            mails: 0,
        }
    }

    async fn ask(&mut self, state: &str, recipient: &str) -> Told {
        let (address, helo) = &self.client;
        let text = request(state, address, &self.sender, recipient)
            .replace("mail.far.example", helo)
            .replace("=4711", &format!("={}", 4711 + self.sessions))
            .replace(
                "1234.5678.0",
                &format!("1234.{}.{}", self.sessions, self.mails),
            )
            .replace("sasl_username=", &format!("sasl_username={}", self.user));
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
            "PREPEND" => came_back(rest),
            "DEFER_IF_PERMIT" => {
                let (status, rest) = rest.split_once(' ').expect("a status");
                Told::Wait(format!("450 {status}"), hint(rest))
            }
            _ => panic!("{action}"),
        }
    }
}

impl Door for Postfix {
    fn name(&self) -> &'static str {
        "Postfix's door"
    }

    fn marks_at_end(&self) -> bool {
        false
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
                    self.client = (address.clone(), helo.clone());
                    self.sessions += 1;
                    self.user.clear();
                    self.sender.clear();
                    assert_eq!(self.ask("CONNECT", "").await, Told::Nothing);
                    self.ask("EHLO", "").await
                }
                Step::Login(user) => {
                    self.user.clone_from(user);
                    Told::Nothing
                }
                Step::Mail(sender) => {
                    self.sender.clone_from(sender);
                    self.mails += 1;
                    self.ask("MAIL", "").await
                }
                Step::Recipient(recipient) => self.ask("RCPT", recipient).await,
                Step::End => Told::Nothing,
                Step::Done => self.ask("END-OF-MESSAGE", "").await,
            }
        })
    }
}
