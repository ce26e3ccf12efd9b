//! As a mail server asks over milter: a connection for each client.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::script::{Answer, Door, Step, content};
use super::told::Told;
use super::{Room, packet};
use crate::judge::Judge;

pub(super) struct Milter {
    room: Room,
    wire: Option<DuplexStream>,
    user: Option<String>,
    /// The content is asked for.
    content: bool,
}

impl Milter {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            wire: None,
            user: None,
            content: false,
        }
    }

    fn wire(&mut self) -> &mut DuplexStream {
        self.wire.as_mut().expect("a client")
    }

    async fn say(&mut self, command: u8, data: &[u8]) {
        let octets = packet(command, data);
        self.wire().write_all(&octets).await.expect("written");
    }

    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let len = self.wire().read_u32().await.expect("an answer");
        let mut data = vec![0; len as usize];
        self.wire().read_exact(&mut data).await.expect("an answer");
        (data.remove(0), data)
    }

    async fn ask(&mut self, command: u8, data: &[u8]) -> Told {
        self.say(command, data).await;
        let mut marked = Told::Nothing;
        loop {
            let (command, data) = self.hear().await;
            let text = String::from_utf8(data).expect("text");
            let text = text.trim_end_matches('\0');
            match command {
                b'c' | b's' => return marked,
                b'y' => return Told::reply(&text.replace("%%", "%")),
                b'h' => {
                    marked = Told::came_back(text.strip_prefix("X-Greylist\0").expect("a field"))
                }
                _ => panic!("{}", char::from(command)),
            }
        }
    }

    async fn client(&mut self, address: &str, helo: &str) -> Told {
        self.wire = Some(self.room.milter());
        self.user = None;
        let offer = [6u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
        self.say(b'O', &offer).await;
        let (command, flags) = self.hear().await;
        assert_eq!(command, b'O');
        let unwanted = flags[11];
        assert!(
            [0, 0x70].contains(&(unwanted & 0x70)),
            "all of it or nothing"
        );
        self.content = unwanted & 0x70 == 0;
        self.say(b'D', b"C{client_ptr}\0unknown\0").await;
        let family = if address.contains(':') { '6' } else { '4' };
        let connect = format!("[{address}]\0{family}\x12\x34{address}\0");
        match self.ask(b'C', connect.as_bytes()).await {
            Told::Nothing => self.ask(b'H', format!("{helo}\0").as_bytes()).await,
            told => told,
        }
    }

    /// Header fields, the header's end, the body in two pieces.
    async fn content(&mut self, octets: usize) {
        let (field, lines) = content(octets);
        let body = lines.join("\r\n") + "\r\n";
        let (first, second) = body.split_at(body.len() / 2);
        let pieces = [
            (b'L', field.replace(": ", "\0") + "\0"),
            (b'N', String::new()),
            (b'B', first.to_owned()),
            (b'B', second.to_owned()),
        ];
        for (command, data) in pieces {
            assert_eq!(self.ask(command, data.as_bytes()).await, Told::Nothing);
        }
    }
}

impl Door for Milter {
    fn name(&self) -> &'static str {
        "milter"
    }

    fn marks_at_end(&self) -> bool {
        true
    }

    fn judge(&self) -> &Arc<Judge> {
        &self.room.desk.judge
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => self.client(address, helo).await,
                Step::Login(user) => {
                    self.user = Some(user.clone());
                    Told::Nothing
                }
                Step::Mail(sender) => {
                    if let Some(user) = self.user.clone() {
                        self.say(b'D', format!("M{{auth_authen}}\0{user}\0").as_bytes())
                            .await;
                    }
                    self.ask(b'M', format!("<{sender}>\0SIZE=100\0").as_bytes())
                        .await
                }
                Step::Recipient(recipient) => {
                    self.ask(b'R', format!("<{recipient}>\0").as_bytes()).await
                }
                Step::End => {
                    self.say(b'A', b"").await;
                    Told::Nothing
                }
                Step::Done(octets) => {
                    if self.content {
                        self.content(*octets).await;
                    }
                    let told = self.ask(b'E', b"").await;
                    self.say(b'A', b"").await;
                    told
                }
            }
        })
    }
}
