//! As OpenSMTPD asks its filter: all sessions over one pipe.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

use super::Room;
use super::script::{Answer, Door, Step, Told, came_back, told};

pub(super) struct OpenSmtpd {
    _room: Room,
    wire: BufReader<DuplexStream>,
    header: bool,
    sessions: u32,
    tokens: u32,
}

impl OpenSmtpd {
    pub(super) fn new(room: Room, header: bool) -> Self {
        Self {
            wire: BufReader::new(room.opensmtpd(header).0),
            _room: room,
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
            Some(("reject", reply)) => told(reply),
            _ => panic!("{said}"),
        }
    }

    /// The wait that stands before the first line.
    async fn content(&mut self) -> Told {
        self.tokens += 1;
        let id = format!("{:x}|{:x}", self.sessions, self.tokens);
        let mut told = Told::Nothing;
        for sent in ["Subject: words", "", "words", "."] {
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
                told = came_back(line);
            }
        }
        told
    }
}

impl Door for OpenSmtpd {
    fn name(&self) -> &'static str {
        "OpenSMTPD's filter"
    }

    fn marks_at_end(&self) -> bool {
        true
    }

    fn marks(&self) -> bool {
        self.header
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
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
                    assert_eq!(
                        self.ask("connect", &format!("<unknown>|{source}")).await,
                        Told::Nothing
                    );
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
                Step::Done => {
                    let marked = if self.header {
                        self.content().await
                    } else {
                        Told::Nothing
                    };
                    let told = self.ask("commit", "").await;
                    self.report("tx-commit", "f00|100").await;
                    if told == Told::Nothing { marked } else { told }
                }
            }
        })
    }
}
