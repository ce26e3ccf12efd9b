//! The other end of a session with a node.

use queue::MessageId;
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream,
};

pub(super) struct Client(pub(super) BufReader<DuplexStream>);

impl Client {
    pub(super) fn new(wire: DuplexStream) -> Self {
        Self(BufReader::new(wire))
    }

    pub(super) async fn write(&mut self, octets: &[u8]) {
        self.0.write_all(octets).await.expect("the server listens");
    }

    /// A whole reply; empty at the end.
    pub(super) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let begin = reply.len();
            let count = self.0.read_line(&mut reply).await.expect("a reply");
            if count == 0 || reply.as_bytes().get(begin + 3) != Some(&b'-') {
                return reply.trim_end().to_owned();
            }
        }
    }

    /// All that comes until the server closes.
    pub(super) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.expect("the end");
        rest
    }

    /// Says a line and wants a reply that begins so.
    pub(super) async fn ask(&mut self, line: &str, wanted: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        let reply = self.reply().await;
        assert!(
            reply.starts_with(wanted),
            "{line:?} was answered {reply:?}, not {wanted:?}"
        );
        reply
    }

    /// Greeting and EHLO.
    pub(super) async fn hello(&mut self) {
        let greeting = self.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        self.ask("EHLO client.example", "250-").await;
    }

    /// A mail in its DATA.
    pub(super) async fn begin(&mut self, from: &str, to: &str) {
        self.hello().await;
        self.ask(&format!("MAIL FROM:<{from}>"), "250 ").await;
        self.ask(&format!("RCPT TO:<{to}>"), "250 ").await;
        self.ask("DATA", "354 ").await;
    }

    pub(super) async fn send(mut self, from: &str, to: &str, content: &str) -> MessageId {
        self.begin(from, to).await;
        let queued = self
            .ask(&format!("{content}."), "250 2.0.0 Ok: queued as ")
            .await;
        self.ask("QUIT", "221 ").await;
        queued.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
