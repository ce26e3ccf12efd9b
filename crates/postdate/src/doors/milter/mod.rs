//! The milter protocol, for Postfix and Sendmail. Here the whole reply is ours, so the hint stands in the first place.

mod answer;
mod packet;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use policy::{Event, Stage, Verdict};
use tokio::sync::watch;

use self::answer::Terms;
use self::packet::{Malformed, Packet, Packets};
use super::Desk;
use super::content::Content;
use super::reading::{self, HALF_TIMEOUT, Wire, more};
use crate::judge::{Caller, reply};

/// A client may say nothing for minutes, and a large mail, of which we hear only the end, may take an hour. The same as
/// libmilter's.
const IDLE_TIMEOUT: Duration = Duration::from_secs(7210);

/// A milter isn't told the client's protocol.
const PROTOCOL: &str = "SMTP";

/// One client of the mail server.
struct Session {
    caller: Caller,
    client: IpAddr,
    client_name: String,
    reverse_name: String,
    helo: String,
    user: Option<String>,
    sender: String,
    /// Octets, as the client announced them.
    size: u64,
    /// Of this mail, where it is sent here.
    content: Content,
    field: Option<String>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            caller: Caller::default(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            client_name: String::new(),
            reverse_name: String::new(),
            helo: String::new(),
            user: None,
            sender: String::new(),
            size: 0,
            content: Content::default(),
            field: None,
        }
    }
}

/// Answers until the mail server is through with its client, says what can't be understood, or nothing for too long.
pub(super) async fn serve<W: Wire>(mut wire: W, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let mut packets = Packets::default();
    let mut session = Session::default();
    let mut terms = Terms::default();
    loop {
        while let Some(packet) = packets.next() {
            let answer = match packet {
                Ok(Packet::Negotiate(offer)) => {
                    let (answer, agreed) = answer::negotiate(offer, desk.wants_content());
                    terms = agreed;
                    answer
                }
                Ok(Packet::Quit) => {
                    session.end_mail(&desk);
                    return;
                }
                Ok(packet) => session.take(&desk, packet, terms).await,
                Err(why) => {
                    desk.misunderstood("a milter's client", &why);
                    session.end_mail(&desk);
                    return;
                }
            };
            if !answer.is_empty() && !reading::answer(&mut wire, &answer).await {
                session.end_mail(&desk);
                return;
            }
        }
        let patience = if packets.is_half() {
            HALF_TIMEOUT
        } else {
            IDLE_TIMEOUT
        };
        if !more(&mut wire, packets.buffer(), patience, &mut stop).await {
            if packets.is_half() {
                desk.misunderstood("a milter's client", &Malformed::Half);
            }
            session.end_mail(&desk);
            return;
        }
    }
}

impl Session {
    /// The answer to one packet; empty where none is expected.
    async fn take(&mut self, desk: &Desk, packet: Packet, terms: Terms) -> Vec<u8> {
        match packet {
            Packet::Macros(mut macros) => {
                if let Some(name) = macros.remove("client_ptr") {
                    self.reverse_name = if name == "unknown" {
                        String::new()
                    } else {
                        name
                    };
                }
                if let Some(user) = macros.remove("auth_authen") {
                    self.user = Some(user).filter(|user| !user.is_empty());
                }
                Vec::new()
            }
            Packet::Connect { name, client } => {
                self.end_mail(desk);
                let reverse_name = std::mem::take(&mut self.reverse_name);
                *self = Self {
                    client,
                    client_name: name,
                    reverse_name,
                    ..Self::default()
                };
                self.caller.named(&self.client_name, &self.reverse_name);
                self.ask(desk, Stage::Connect, "").await
            }
            Packet::Helo(name) => {
                self.helo = name;
                self.ask(desk, Stage::Helo, "").await
            }
            Packet::Mail { sender, size } => {
                self.end_mail(desk);
                (self.sender, self.size) = (sender, size);
                self.content = Content::begin(desk);
                self.ask(desk, Stage::Mail, "").await
            }
            Packet::Recipient(recipient) => self.ask(desk, Stage::Recipient, &recipient).await,
            Packet::Field(name, value) => {
                self.content.take(&name);
                self.content
                    .take(if terms.leading_space { b":" } else { b": " });
                for (n, line) in value.split(|&octet| octet == b'\n').enumerate() {
                    self.content.take(if n > 0 { b"\r\n" } else { b"" });
                    self.content.take(line.strip_suffix(b"\r").unwrap_or(line));
                }
                self.content.take(b"\r\n");
                answer::CONTINUE.to_vec()
            }
            Packet::EndOfHeader => {
                self.content.take(b"\r\n");
                answer::CONTINUE.to_vec()
            }
            Packet::Body(octets) => {
                self.content.take(&octets);
                let enough = !self.content.is_read() && !desk.counts_octets();
                if enough && terms.skips {
                    answer::SKIP.to_vec()
                } else {
                    answer::CONTINUE.to_vec()
                }
            }
            Packet::EndOfMessage => {
                // What came is true, what was announced may not be.
                let octets = self.content.end(&mut self.caller);
                if let Some(octets) = octets.filter(|_| desk.counts_octets()) {
                    self.size = octets;
                }
                let mut answer = self.ask(desk, Stage::Message, "").await;
                if answer == answer::CONTINUE {
                    desk.judge.taken(&mut self.caller);
                    if let Some(field) = self.field.take().filter(|_| terms.adds_headers) {
                        answer = answer::add_header(&field);
                        answer.extend_from_slice(answer::CONTINUE);
                    }
                }
                self.end_mail(desk);
                answer
            }
            Packet::Abort => {
                self.end_mail(desk);
                Vec::new()
            }
            Packet::QuitAndStay => {
                self.end_mail(desk);
                *self = Self::default();
                Vec::new()
            }
            Packet::Negotiate(_) | Packet::Quit | Packet::Other => answer::CONTINUE.to_vec(),
        }
    }

    async fn ask(&mut self, desk: &Desk, stage: Stage, recipient: &str) -> Vec<u8> {
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
            size: if stage < Stage::Mail { 0 } else { self.size },
        };
        let verdict = desk.ask(&mut self.caller, &event, PROTOCOL).await;
        match &verdict {
            Verdict::Refuse(refusal) => {
                let mut octets = Vec::new();
                reply(refusal, &event, PROTOCOL).write_to(&mut octets);
                answer::refuse(String::from_utf8_lossy(&octets).trim_end())
            }
            Verdict::Accept { .. } => {
                if self.field.is_none() {
                    self.field = desk.field(&verdict);
                }
                answer::CONTINUE.to_vec()
            }
        }
    }

    /// What is known of one mail, and not of its client. It didn't come in when its end was not let in.
    fn end_mail(&mut self, desk: &Desk) {
        desk.judge.gave_up(&mut self.caller);
        self.sender.clear();
        (self.size, self.content) = (0, Content::default());
        self.field = None;
    }
}
