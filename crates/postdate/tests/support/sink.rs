//! A receiver that does what a test tells it, and remembers what it took.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::now;

/// A mail that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) content: Vec<u8>,
    pub(crate) at: Instant,
}

/// What to answer to a command line; `None`: as a server does that takes everything. End of content is `"."`.
pub(crate) type Answer = Box<dyn FnMut(&str) -> Option<String> + Send>;

/// Listens as long as the test runs.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Mutex<Answer>,
    taken: Mutex<Vec<Taken>>,
    commands: Mutex<Vec<(Instant, String)>>,
}

impl Sink {
    /// Takes everything.
    pub(crate) fn start() -> Self {
        Self::answering(Box::new(|_| None))
    }

    pub(crate) fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            taken: Mutex::default(),
            commands: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        // Ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.state
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All command lines, with their times.
    pub(crate) fn commands(&self) -> Vec<(Instant, String)> {
        self.state
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl State {
    /// A connection that breaks is the other side's matter.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut input = BufReader::new(stream);
        out.write_all(b"220 sink.test ESMTP\r\n").ok()?;
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = Vec::new();
            (input.read_until(b'\n', &mut line).ok()? > 0).then_some(())?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or("")
                .to_ascii_uppercase();
            let mut reply = self.reply_to(&line);
            let refused = reply.is_some();
            match (verb.as_str(), refused) {
                ("EHLO", false) => {
                    reply = Some("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES".to_owned());
                }
                ("MAIL", false) => {
                    from = address(&line);
                    to.clear();
                }
                ("RCPT", false) => to.push(address(&line)),
                ("RSET", false) => to.clear(),
                ("DATA", false) if to.is_empty() => {
                    reply = Some("503 5.5.1 no recipients".to_owned())
                }
                ("DATA", false) => {
                    out.write_all(b"354 go on\r\n").ok()?;
                    let content = content(&mut input)?;
                    reply = self.reply_to(".");
                    if reply.is_none() {
                        let taken = Taken {
                            from: from.clone(),
                            to: std::mem::take(&mut to),
                            content,
                            at: now(),
                        };
                        self.taken
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(taken);
                    }
                }
                ("QUIT", _) => {
                    out.write_all(b"221 2.0.0 Bye\r\n").ok()?;
                    return Some(());
                }
                _ => {}
            }
            let reply = reply.unwrap_or_else(|| "250 2.0.0 Ok".to_owned());
            out.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
        }
    }

    fn reply_to(&self, line: &str) -> Option<String> {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((now(), line.to_owned()));
        (self.answer.lock().unwrap_or_else(PoisonError::into_inner))(line)
    }
}

fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or("", |(address, _)| address).to_owned()
}

fn content(input: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let start = content.len();
        (input.read_until(b'\n', &mut content).ok()? > 0).then_some(())?;
        if &content[start..] == b".\r\n" {
            content.truncate(start);
            return Some(content);
        }
        if content[start] == b'.' {
            content.remove(start);
        }
    }
}
