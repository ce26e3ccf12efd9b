//! As OpenSMTPD asks its filter: all sessions over one pipe.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

use super::Room;
use super::script::{Answer, Door, Step, content};
use super::told::Told;
use crate::judge::Judge;

pub(super) struct OpenSmtpd {
    room: Room,
    wire: BufReader<DuplexStream>,
    header: bool,
    /// The content is asked for, once that was said.
    content: Option<bool>,
    sessions: u32,
    tokens: u32,
}

impl OpenSmtpd {
    pub(super) fn new(room: Room, header: bool) -> Self {
        Self {
            wire: BufReader::new(room.opensmtpd(header).0),
            room,
            content: None,
            header,
            sessions: 0,
            tokens: 0,
        }
    }

    async fn report(&mut self, event: &str, rest: &str) {
        let line = format!(
            "report|0.6|1.5|smtp-in|{event}|{:x}|{rest}\n",
            self.sessions
        );
        self.wire
            .get_mut()
            .write_all(line.as_bytes())
            .await
            .expect("written");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.wire.read_line(&mut line).await.expect("an answer");
        line.trim_end_matches('\n').to_owned()
    }

    async fn ask(&mut self, phase: &str, rest: &str) -> Told {
        self.tokens += 1;
        let id = format!("{:x}|{:x}", self.sessions, self.tokens);
        let line = format!("filter|0.6|1.5|smtp-in|{phase}|{id}|{rest}\n");
        self.wire
            .get_mut()
            .write_all(line.as_bytes())
            .await
            .expect("written");
        let said = self.line().await;
        let decision = said
            .strip_prefix(&format!("filter-result|{id}|"))
            .unwrap_or_else(|| panic!("{said}"));
        match decision.split_once('|') {
            None if decision == "proceed" => Told::Nothing,
            Some((how @ ("reject" | "disconnect"), reply)) => {
                let told = Told::reply(reply);
                assert_eq!(told.closes(), how == "disconnect", "{said}");
                told
            }
            _ => panic!("{said}"),
        }
    }

    /// Once, what is wanted.
    async fn register(&mut self) {
        if self.content.is_some() {
            return;
        }
        let ready = b"config|ready\n";
        self.wire.get_mut().write_all(ready).await.expect("written");
        let mut content = false;
        loop {
            match self.line().await.as_str() {
                "register|ready" => break,
                "register|filter|smtp-in|data-line" => content = true,
                _ => {}
            }
        }
        self.content = Some(content);
    }

    /// The wait that stands before the first line.
    async fn content(&mut self, octets: usize) -> Told {
        self.tokens += 1;
        let id = format!("{:x}|{:x}", self.sessions, self.tokens);
        let mut told = Told::Nothing;
        let (field, lines) = content(octets);
        let sent = [field, String::new()].into_iter().chain(lines);
        for sent in sent.chain([".".to_owned()]) {
            let line = format!("filter|0.6|1.5|smtp-in|data-line|{id}|{sent}\n");
            self.wire
                .get_mut()
                .write_all(line.as_bytes())
                .await
                .expect("written");
            loop {
                let said = self.line().await;
                let line = said
                    .strip_prefix(&format!("filter-dataline|{id}|"))
                    .unwrap_or_else(|| panic!("{said}"));
                if line == sent {
                    break;
                }
                told = Told::came_back(line);
            }
        }
        told
    }
}

impl Door for OpenSmtpd {
    fn name(&self) -> &'static str {
        if self.header {
            "opensmtpd-header"
        } else {
            "opensmtpd"
        }
    }

    fn marks_at_end(&self) -> bool {
        true
    }

    fn marks(&self) -> bool {
        self.header
    }

    fn judge(&self) -> &Arc<Judge> {
        &self.room.desk.judge
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
                    self.register().await;
                    self.report("link-disconnect", "").await;
                    self.sessions += 1;
                    let source = if address.contains(':') {
                        format!("[{address}]")
                    } else {
                        address.clone()
                    };
                    self.report(
                        "link-connect",
                        &format!("<unknown>|fail|{source}:4711|192.0.2.25:25"),
                    )
                    .await;
                    let told = self.ask("connect", &format!("<unknown>|{source}")).await;
                    if told != Told::Nothing {
                        return told;
                    }
                    let told = self.ask("ehlo", helo).await;
                    self.report("link-identify", &format!("EHLO|{helo}")).await;
                    told
                }
                Step::Login(user) => {
                    self.report("link-auth", &format!("{user}|pass")).await;
                    Told::Nothing
                }
                Step::Mail(sender) => self.ask("mail-from", &format!("<{sender}> SIZE=100")).await,
                Step::Recipient(recipient) => self.ask("rcpt-to", &format!("<{recipient}>")).await,
                Step::End => {
                    self.report("tx-rollback", "f00").await;
                    Told::Nothing
                }
                Step::Done(octets) => {
                    let marked = if self.content == Some(true) {
                        self.content(*octets).await
                    } else {
                        Told::Nothing
                    };
                    let told = self.ask("commit", "").await;
                    if told == Told::Nothing {
                        self.report("tx-commit", &format!("f00|{octets}")).await;
                    } else {
                        self.report("tx-rollback", "f00").await;
                    }
                    if told == Told::Nothing { marked } else { told }
                }
            }
        })
    }
}
