//! One client of OpenSMTPD: a task of its own, so that one that has to wait for a look-up keeps nobody else waiting.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use policy::{Event, Stage, Verdict};
use tokio::sync::mpsc;

use super::line::{Question, Report};
use crate::doors::Desk;
use crate::doors::content::Content;
use crate::judge::{Caller, reply};

/// A filter isn't told the client's protocol.
const PROTOCOL: &str = "SMTP";

/// What OpenSMTPD says of a session.
#[derive(Debug)]
pub(super) enum Step {
    Report(Report),
    Question { token: String, what: Question },
}

/// One client.
pub(super) struct Session {
    desk: Arc<Desk>,
    id: String,
    /// Mail that came back is marked.
    header: bool,
    caller: Caller,
    client: IpAddr,
    helo: String,
    user: Option<String>,
    sender: String,
    /// Octets, as the client announced them.
    size: u64,
    /// Of this mail, where it is sent here.
    content: Content,
    /// `X-Greylist:`, until it is written.
    field: Option<String>,
}

impl Session {
    pub(super) fn new(desk: Arc<Desk>, id: String, header: bool) -> Self {
        Self {
            desk,
            id,
            header,
            caller: Caller::default(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            helo: String::new(),
            user: None,
            sender: String::new(),
            size: 0,
            content: Content::default(),
            field: None,
        }
    }

    /// Until the session ends, or nobody takes its answers.
    pub(super) async fn run(
        mut self,
        mut steps: mpsc::Receiver<Step>,
        answers: mpsc::Sender<Vec<u8>>,
    ) {
        while let Some(step) = steps.recv().await {
            match step {
                Step::Report(what) => self.note(what),
                Step::Question { token, what } => {
                    let answer = self.answer(&token, what).await;
                    if answers.send(answer).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.end_mail();
    }

    fn note(&mut self, what: Report) {
        match what {
            Report::Connected {
                name,
                confirmed,
                client,
            } => {
                self.client = client;
                let confirmed = if confirmed { name.as_str() } else { "" };
                self.caller.named(confirmed, &name);
            }
            Report::Identified(name) => self.helo = name,
            Report::User(user) => self.user = Some(user),
            Report::Committed => {
                self.desk.judge.taken(&mut self.caller);
                self.end_mail();
            }
            Report::RolledBack | Report::Disconnected => self.end_mail(),
        }
    }

    async fn answer(&mut self, token: &str, what: Question) -> Vec<u8> {
        let mut recipient = String::new();
        let stage = match what {
            Question::Connect => Some(Stage::Connect),
            Question::Helo(name) => {
                self.helo = name;
                Some(Stage::Helo)
            }
            Question::Mail { sender, size } => {
                self.end_mail();
                (self.sender, self.size) = (sender, size);
                self.content = Content::begin(&self.desk);
                Some(Stage::Mail)
            }
            Question::Recipient(named) => {
                recipient = named;
                Some(Stage::Recipient)
            }
            Question::Commit => {
                // What came is true, what was announced may not be.
                if let Some(octets) = self.content.end(&mut self.caller) {
                    self.size = octets;
                }
                Some(Stage::Message)
            }
            Question::Content(line) => return self.content(token, &line),
            Question::Other => None,
        };
        let decision = match stage {
            Some(stage) => self.judge(stage, &recipient).await,
            None => "proceed".to_owned(),
        };
        format!("filter-result|{}|{token}|{decision}\n", self.id).into_bytes()
    }

    async fn judge(&mut self, stage: Stage, recipient: &str) -> String {
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
        let verdict = self.desk.ask(&mut self.caller, &event, PROTOCOL).await;
        match &verdict {
            Verdict::Refuse(refusal) => {
                let mut octets = Vec::new();
                reply(refusal, &event, PROTOCOL).write_to(&mut octets);
                let text = String::from_utf8_lossy(&octets);
                // What has more lines than one would be more answers than one.
                let line = text.lines().next().unwrap_or_default();
                let how = if refusal.code == 421 {
                    "disconnect"
                } else {
                    "reject"
                };
                format!("{how}|{line}")
            }
            Verdict::Accept { .. } => {
                if self.header && self.field.is_none() {
                    self.field = self.desk.field(&verdict);
                }
                "proceed".to_owned()
            }
        }
    }

    /// The line as it is, and `X-Greylist:` before the first of them.
    fn content(&mut self, token: &str, line: &[u8]) -> Vec<u8> {
        // As it was on the wire: a dot alone is the end of all, and one before a line is doubled (RFC 5321 §4.5.2).
        if line != b"." {
            self.content.take(line.strip_prefix(b".").unwrap_or(line));
            self.content.take(b"\r\n");
        }
        let start = format!("filter-dataline|{}|{token}|", self.id);
        let mut out = Vec::with_capacity(start.len() + line.len() + 1);
        if let Some(field) = self.field.take() {
            out.extend_from_slice(format!("{start}{field}\n").as_bytes());
        }
        out.extend_from_slice(start.as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
        out
    }

    /// It didn't come in when OpenSMTPD has not said that it did.
    fn end_mail(&mut self) {
        self.desk.judge.gave_up(&mut self.caller);
        self.sender.clear();
        (self.size, self.content) = (0, Content::default());
        self.field = None;
    }
}
