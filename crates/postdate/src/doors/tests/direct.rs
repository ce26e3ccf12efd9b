//! The judge itself.

use std::net::IpAddr;

use policy::{Event, Stage, Verdict};

use super::Room;
use super::script::{Step, Told, told};
use crate::judge::{Caller, reply};

pub(super) struct Direct {
    room: Room,
    caller: Caller,
    client: IpAddr,
    helo: String,
    user: Option<String>,
    sender: String,
}

impl Direct {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            caller: Caller::default(),
            client: IpAddr::from([0; 4]),
            helo: String::new(),
            user: None,
            sender: String::new(),
        }
    }

    pub(super) async fn step(&mut self, step: &Step) -> Told {
        match step {
            Step::Client { address, helo } => {
                self.caller = Caller::default();
                self.caller.named("", "");
                self.client = address.parse().expect("an address");
                self.helo.clone_from(helo);
                self.user = None;
                let told = self.ask(Stage::Connect, "").await;
                assert_eq!(told, Told::Nothing);
                self.ask(Stage::Helo, "").await
            }
            Step::Login(user) => {
                self.user = Some(user.clone());
                Told::Nothing
            }
            Step::Mail(sender) => {
                self.caller.next_mail();
                self.sender.clone_from(sender);
                self.ask(Stage::Mail, "").await
            }
            Step::Recipient(recipient) => self.ask(Stage::Recipient, recipient).await,
            Step::End => Told::Nothing,
            Step::Done => self.ask(Stage::Message, "").await,
        }
    }

    async fn ask(&mut self, stage: Stage, recipient: &str) -> Told {
        let event = Event {
            stage,
            client: self.client,
            helo: &self.helo,
            user: self.user.as_deref(),
            sender: if stage < Stage::Mail {
                ""
            } else {
                &self.sender
            },
            recipient,
            size: if stage < Stage::Mail { 0 } else { 100 },
        };
        match self.room.desk.judge.judge(&mut self.caller, &event).await {
            Verdict::Accept {
                waited: Some(waited),
            } => Told::CameBack(waited.as_secs()),
            Verdict::Accept { waited: None } => Told::Nothing,
            Verdict::Refuse(refusal) => {
                let mut octets = Vec::new();
                reply(&refusal, &event, "SMTP").write_to(&mut octets);
                told(&String::from_utf8_lossy(&octets))
            }
        }
    }
}
