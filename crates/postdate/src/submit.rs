//! Hands a mail to the server over its submission socket, or, when none runs, to one that stands in: for all of its
//! recipients, or for none.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use smtp::server::SHUTTING_DOWN;
use smtp::{BodyKind, Notify, Recipient, Ret, Sender};

use crate::config::Config;
use crate::node::SUBMIT_SOCKET;
use crate::stand_in::{self, Trouble};

/// Why a mail was not taken. Nothing of it was sent to anybody.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// These recipients will never be accepted: address and reply.
    Recipients(Vec<(String, String)>),
    /// It will never be.
    Refused(String),
    /// It may be later.
    Later(String),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipients(refused) => {
                f.write_str("nothing was sent to anybody: ")?;
                for (n, (address, reply)) in refused.iter().enumerate() {
                    let comma = if n == 0 { "" } else { "; " };
                    write!(f, "{comma}<{address}> was refused ({reply})")?;
                }
                Ok(())
            }
            Self::Refused(why) => write!(f, "nothing was sent: {why}"),
            Self::Later(why) => f.write_str(why),
        }
    }
}

/// How long the server may take for anything.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest reply that is read.
const REPLY_MAX: u64 = 16 * 1024;
/// Another program that stands in for the server has the queue for a moment, or a server that is about to start, or one
/// that stops: that may take 20 s.
const TRIES: u32 = 250;
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// A server that says that it stops is asked again so many times, after twice the pause each time, up to the longest: 26 s.
const TRIES_OF_ONE_THAT_STOPS: u32 = 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection to whoever takes mail now.
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    /// Whoever stands in for a server that does not run.
    stand_in: Option<JoinHandle<()>>,
}

impl Connection {
    /// Waits until whoever stands in has closed the queue.
    pub(crate) fn close(self) {
        drop(self.stream);
        if let Some(thread) = self.stand_in {
            let _ = thread.join();
        }
    }
}

/// Opens a session with the server; without one, with the queue.
///
/// # Errors
/// There is nobody who could take mail now.
pub(crate) fn connect(config: &Config) -> Result<Connection, SubmitError> {
    let mut tries = 1;
    loop {
        if let Ok(stream) = UnixStream::connect(config.data_dir.join(SUBMIT_SOCKET)) {
            return Ok(Connection {
                stream,
                stand_in: None,
            });
        }
        match stand_in::start(config.clone()) {
            Ok((stream, thread)) => {
                return Ok(Connection {
                    stream,
                    stand_in: Some(thread),
                });
            }
            Err(Trouble::Busy(_)) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(TRY_AGAIN);
            }
            Err(Trouble::Busy(why) | Trouble::Failed(why)) => return Err(SubmitError::Later(why)),
        }
    }
}

/// Why it was not taken by the one who was asked.
enum NotTaken {
    /// That server is going, and has no content yet: another one may be asked.
    Gone(SubmitError),
    Error(SubmitError),
}

impl From<SubmitError> for NotTaken {
    fn from(err: SubmitError) -> Self {
        Self::Error(err)
    }
}

/// Hands over one mail whose lines end in CRLF; when this returns it is durable, for all recipients.
///
/// # Errors
/// It was refused, or there is nobody who could take it now: nobody gets it.
pub(crate) fn submit(
    config: &Config,
    sender: &Sender,
    recipients: &[Recipient],
    content: &[u8],
) -> Result<(), SubmitError> {
    let (mut tries, mut pause) = (1, TRY_AGAIN);
    loop {
        let connection = connect(config)?;
        let sent = Dialogue::new(&connection.stream)
            .map_err(broken)
            .and_then(|mut dialogue| {
                dialogue.offer(&config.hostname, sender, recipients, content.len())?;
                Ok(dialogue.send(content)?)
            });
        connection.close();
        match sent {
            Ok(()) => return Ok(()),
            Err(NotTaken::Gone(_)) if tries < TRIES_OF_ONE_THAT_STOPS => {
                tries += 1;
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(NotTaken::Gone(err) | NotTaken::Error(err)) => return Err(err),
        }
    }
}

fn broken(err: io::Error) -> NotTaken {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let is_gone = matches!(err.kind(), BrokenPipe | ConnectionReset | UnexpectedEof);
    let why = SubmitError::Later(format!("the server did not answer: {err}"));
    if is_gone {
        NotTaken::Gone(why)
    } else {
        NotTaken::Error(why)
    }
}

/// One command, one answer: unlike a pipelining client, this one knows of each recipient before it sends the content.
struct Dialogue<'a> {
    read: BufReader<&'a UnixStream>,
    write: &'a UnixStream,
}

struct Reply {
    code: u16,
    text: String,
}

impl Reply {
    fn is(&self, class: u16) -> bool {
        self.code / 100 == class
    }

    /// The server shuts down. One that is short of something says 421 4.3.2 too, and goes on.
    fn is_farewell(&self) -> bool {
        self.text.starts_with("421 4.3.2 ") && self.text.ends_with(SHUTTING_DOWN)
    }

    fn expect(self, class: u16) -> Result<(), NotTaken> {
        if self.is(class) {
            Ok(())
        } else if self.is(5) {
            Err(SubmitError::Refused(self.text).into())
        } else if self.is_farewell() {
            Err(NotTaken::Gone(SubmitError::Later(self.text)))
        } else {
            Err(SubmitError::Later(self.text).into())
        }
    }
}

impl<'a> Dialogue<'a> {
    fn new(stream: &'a UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self {
            read: BufReader::new(stream),
            write: stream,
        })
    }

    /// To where the server waits for content.
    fn offer(
        &mut self,
        hostname: &str,
        sender: &Sender,
        recipients: &[Recipient],
        size: usize,
    ) -> Result<(), NotTaken> {
        self.reply()?.expect(2)?;
        self.ask(&format!("EHLO {hostname}"))?.expect(2)?;
        self.ask(&mail(sender, size))?.expect(2)?;
        self.recipients(recipients)?;
        self.ask("DATA")?.expect(3)
    }

    /// From here on nobody knows what an answer that does not come would have been.
    fn send(&mut self, content: &[u8]) -> Result<(), SubmitError> {
        self.content(content).map_err(|err| match err {
            NotTaken::Gone(err) | NotTaken::Error(err) => err,
        })
    }

    fn content(&mut self, content: &[u8]) -> Result<(), NotTaken> {
        let mut stuffed = Vec::with_capacity(content.len() + content.len() / 64 + 8);
        for line in content.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        stuffed.extend_from_slice(b".\r\n");
        self.write.write_all(&stuffed).map_err(broken)?;
        self.reply()?.expect(2)?;
        // It is durable: what becomes of the session is all the same.
        let _ = self.ask("QUIT");
        Ok(())
    }

    /// All of them, or an error that names those that are not taken.
    fn recipients(&mut self, recipients: &[Recipient]) -> Result<(), NotTaken> {
        let (mut never, mut later) = (Vec::new(), None);
        for recipient in recipients {
            let reply = self.ask(&rcpt(recipient))?;
            if reply.is_farewell() && never.is_empty() && later.is_none() {
                return reply.expect(2);
            }
            let closed = reply.code == 421;
            if reply.is(5) {
                never.push((recipient.address.clone(), reply.text));
            } else if !reply.is(2) {
                later = later.or(Some(format!(
                    "nothing was sent to anybody: <{}> was deferred ({})",
                    recipient.address, reply.text
                )));
            }
            if closed {
                break;
            }
        }
        match later {
            _ if !never.is_empty() => Err(SubmitError::Recipients(never).into()),
            Some(why) => Err(SubmitError::Later(why).into()),
            None => Ok(()),
        }
    }

    fn ask(&mut self, command: &str) -> Result<Reply, NotTaken> {
        if command.chars().any(char::is_control) {
            return Err(SubmitError::Refused(format!(
                "{command:?}: an address can't hold control characters"
            ))
            .into());
        }
        self.write
            .write_all(format!("{command}\r\n").as_bytes())
            .map_err(broken)?;
        self.reply()
    }

    /// The last line of a reply, whole.
    fn reply(&mut self) -> Result<Reply, NotTaken> {
        loop {
            let mut line = String::new();
            (&mut self.read)
                .take(REPLY_MAX)
                .read_line(&mut line)
                .map_err(broken)?;
            let text = line.trim_end().to_owned();
            let code = text.get(..3).and_then(|code| code.parse().ok());
            match (code, text.as_bytes().get(3)) {
                (Some(_), Some(b'-')) => {}
                (Some(code), _) => return Ok(Reply { code, text }),
                (None, _) => {
                    let why = "the server closed the connection".to_owned();
                    return Err(NotTaken::Gone(SubmitError::Later(why)));
                }
            }
        }
    }
}

fn mail(sender: &Sender, size: usize) -> String {
    let mut line = format!("MAIL FROM:<{}> SIZE={size}", sender.address);
    if sender.body == BodyKind::EightBitMime {
        line.push_str(" BODY=8BITMIME");
    }
    if sender.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    match sender.ret {
        Some(Ret::Full) => line.push_str(" RET=FULL"),
        Some(Ret::Hdrs) => line.push_str(" RET=HDRS"),
        None => {}
    }
    if let Some(envid) = &sender.envid {
        line.push_str(" ENVID=");
        line.push_str(envid);
    }
    line
}

fn rcpt(recipient: &Recipient) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    match recipient.notify {
        Notify::Unspecified => {}
        Notify::Never => line.push_str(" NOTIFY=NEVER"),
        Notify::On {
            success,
            failure,
            delay,
        } => {
            let names = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let names: Vec<&str> = names
                .iter()
                .filter_map(|&(on, name)| on.then_some(name))
                .collect();
            line.push_str(" NOTIFY=");
            line.push_str(&names.join(","));
        }
    }
    line
}
