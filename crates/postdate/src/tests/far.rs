//! A host that says what a test wants it to say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

use super::net::{Host, Net};

/// From a command (empty: the greeting; `.`: the end of DATA) and the time, the reply and how long it takes; `None`:
/// it is fine.
type Answer = Box<dyn Fn(&str, Duration) -> Option<(String, Duration)> + Send + Sync>;

pub(super) struct Far {
    net: Net,
    answer: Answer,
    /// The session's number, when, and which command.
    heard: Mutex<Vec<(usize, Duration, String)>>,
    mails: Mutex<Vec<(Duration, String)>>,
}

impl Far {
    /// Mail for this domain comes here.
    pub(super) fn add(
        net: &Net,
        domain: &str,
        addr: &str,
        answer: impl Fn(&str, Duration) -> Option<(String, Duration)> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let far = Arc::new(Self {
            net: net.clone(),
            answer: Box::new(answer),
            heard: Mutex::default(),
            mails: Mutex::default(),
        });
        let host = Arc::clone(&far);
        let host: Host = Arc::new(move |wire, _| {
            let number = host.sessions() + 1;
            host.hear(number, "");
            let host = Arc::clone(&host);
            tokio::spawn(async move {
                // A peer that goes away ends the session.
                let _ = host.serve(number, wire).await;
            });
        });
        net.add(domain, addr, host);
        far
    }

    /// It takes everything.
    pub(super) fn willing(net: &Net, domain: &str, addr: &str) -> Arc<Self> {
        Self::add(net, domain, addr, |_, _| None)
    }

    /// When it heard commands that begin so, over all sessions; empty: when sessions began.
    pub(super) fn heard(&self, verb: &str) -> Vec<Duration> {
        let heard = self.heard.lock().unwrap();
        let of = |said: &str| {
            if verb.is_empty() {
                said.is_empty()
            } else {
                said.starts_with(verb)
            }
        };
        heard
            .iter()
            .filter(|(_, _, said)| of(said))
            .map(|(_, at, _)| *at)
            .collect()
    }

    pub(super) fn sessions(&self) -> usize {
        self.heard("").len()
    }

    /// What came, and when.
    pub(super) fn mails(&self) -> Vec<(Duration, String)> {
        self.mails.lock().unwrap().clone()
    }

    /// The mails with this in them.
    pub(super) fn with(&self, words: &str) -> Vec<(Duration, String)> {
        self.mails()
            .into_iter()
            .filter(|(_, mail)| mail.contains(words))
            .collect()
    }

    fn hear(&self, session: usize, said: &str) {
        self.heard
            .lock()
            .unwrap()
            .push((session, self.net.at(), said.to_owned()));
    }

    async fn say(
        &self,
        wire: &mut BufReader<DuplexStream>,
        said: &str,
        fine: &str,
    ) -> std::io::Result<String> {
        let (reply, after) =
            (self.answer)(said, self.net.at()).unwrap_or((fine.to_owned(), Duration::ZERO));
        tokio::time::sleep(after).await;
        wire.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(reply)
    }

    async fn serve(&self, number: usize, wire: DuplexStream) -> std::io::Result<()> {
        let mut wire = BufReader::new(wire);
        let mut reply = self.say(&mut wire, "", "220 far.example ESMTP").await?;
        let mut said = String::new();
        while !reply.starts_with("421")
            && !reply.starts_with("221")
            && wire.read_line(&mut said).await? > 0
        {
            let line = said.trim_end().to_owned();
            said.clear();
            self.hear(number, &line);
            let fine = match line.get(..4).unwrap_or("") {
                "EHLO" => "250-far.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES",
                "DATA" => "354 go on",
                "QUIT" => "221 2.0.0 bye",
                _ => "250 2.0.0 ok",
            };
            reply = self.say(&mut wire, &line, fine).await?;
            if reply.starts_with("354") {
                let mut mail = String::new();
                while mail != ".\r\n"
                    && !mail.ends_with("\r\n.\r\n")
                    && wire.read_line(&mut mail).await? > 0
                {}
                reply = self.say(&mut wire, ".", "250 2.0.0 ok").await?;
                // Without recipients a client sends no more than the dot.
                if reply.starts_with("250") && mail != ".\r\n" {
                    self.mails.lock().unwrap().push((self.net.at(), mail));
                }
            }
        }
        Ok(())
    }
}
