//! The judge itself.

use std::net::IpAddr;
use std::sync::Arc;

use policy::{Event, Stage, Verdict};

use super::Room;
use super::script::{Answer, Door, Step};
use super::told::Told;
use crate::judge::{Caller, Judge, reply};

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

    async fn step(&mut self, step: &Step) -> Told {
        match step {
            Step::Client { address, helo } => {
                self.room.desk.judge.gave_up(&mut self.caller);
                self.caller = Caller::default();
                self.caller.named("", "");
                self.client = address.parse().expect("an address");
                self.helo.clone_from(helo);
                self.user = None;
                match self.ask(Stage::Connect, "", 0).await {
                    Told::Nothing => self.ask(Stage::Helo, "", 0).await,
                    told => told,
                }
            }
            Step::Login(user) => {
                self.user = Some(user.clone());
                Told::Nothing
            }
            Step::Mail(sender) => {
                self.room.desk.judge.gave_up(&mut self.caller);
                self.sender.clone_from(sender);
                self.ask(Stage::Mail, "", 100).await
            }
            Step::Recipient(recipient) => self.ask(Stage::Recipient, recipient, 100).await,
            Step::End => {
                self.room.desk.judge.gave_up(&mut self.caller);
                Told::Nothing
            }
            Step::Done(octets) => {
                let octets = u64::try_from(*octets).expect("a size");
                let told = self.ask(Stage::Message, "", octets).await;
                if told == Told::Nothing {
                    self.room.desk.judge.taken(&mut self.caller);
                }
                told
            }
        }
    }

    async fn ask(&mut self, stage: Stage, recipient: &str, size: u64) -> Told {
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
            size,
        };
        match self.room.desk.judge.judge(&mut self.caller, &event).await {
            Verdict::Accept {
                waited: Some(waited),
            } => Told::CameBack(waited.as_secs()),
            Verdict::Accept { waited: None } => Told::Nothing,
            Verdict::Refuse(refusal) => {
                let mut octets = Vec::new();
                reply(&refusal, &event, "SMTP").write_to(&mut octets);
                Told::reply(&String::from_utf8_lossy(&octets))
            }
        }
    }
}

/// The judge, without a door.
impl Door for Direct {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn marks_at_end(&self) -> bool {
        false
    }

    fn judge(&self) -> &Arc<Judge> {
        &self.room.desk.judge
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(self.step(step))
    }
}
