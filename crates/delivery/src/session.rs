//! Drives the client's machine over a connection.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use smtp::client::{Action, Extensions, Failure, Fate, Mail, Session as Machine, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::attempt::After;
use crate::dial::Io;
use crate::hosts::Host;
use crate::source::Source;
use crate::tls::Handshake;

/// Room for replies that come before they are read: more than a whole pipelined group needs.
const READ_LEN: usize = 8 * 1024;

/// After a failed write, how long to wait for the words that the peer left behind.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A session with a host.
pub(crate) struct Session {
    machine: Machine,
    io: Box<dyn Io>,
    opened: Instant,
    input: Box<[u8]>,
    /// How much of `input` came while we wrote, and was not handed over yet.
    early: usize,
    /// How much of the machine's output was written.
    written: usize,
    /// What the machine asked for while content was under way.
    asked: Option<Action>,
    /// The version of TLS.
    tls: Option<&'static str>,
}

/// What sending a mail gave.
pub(crate) enum Sent {
    /// A fate for each recipient.
    Fates(Vec<Fate>, After),
    /// The content could not be read. The session is of no use any more.
    Unreadable(io::Error),
}

impl Session {
    /// Greeting, EHLO, STARTTLS, until the host is ready for a mail.
    pub(crate) async fn open(
        io: Box<dyn Io>,
        settings: Arc<Settings>,
        handshake: &Handshake,
        host: &Host,
    ) -> Result<Self, Option<Failure>> {
        let mut session = Self {
            machine: Machine::new(settings),
            io,
            opened: Instant::now(),
            input: vec![0; READ_LEN].into(),
            early: 0,
            written: 0,
            asked: None,
            tls: None,
        };
        loop {
            match session.advance().await {
                Action::Ready => return Ok(session),
                Action::StartTls => session.secure(handshake, host).await,
                Action::Closed(failure) => {
                    session.part().await;
                    return Err(failure);
                }
                Action::WantBody | Action::Done(_) => {}
            }
        }
    }

    /// Sends a mail.
    pub(crate) async fn send(&mut self, mail: Mail, mut source: Source) -> Sent {
        let now = self.now();
        self.machine.send(now, mail);
        loop {
            match self.advance().await {
                Action::WantBody => {
                    if let Err(error) = self.feed(&mut source).await {
                        self.machine.abandon();
                        return Sent::Unreadable(error);
                    }
                }
                Action::Done(fates) => return Sent::Fates(fates, self.after()),
                Action::Closed(failure) => return Sent::Fates(Vec::new(), After::Closed(failure)),
                Action::Ready | Action::StartTls => {}
            }
        }
    }

    pub(crate) fn extensions(&self) -> Extensions {
        self.machine.extensions()
    }

    /// Whether the host gives itself this name, and it is one that only one machine should have.
    pub(crate) fn is_with(&self, name: &str) -> bool {
        let given = self.machine.host_name();
        let given = given.strip_suffix('.').unwrap_or(given);
        given.eq_ignore_ascii_case(name) && name.contains('.') && !name.starts_with("localhost")
    }

    /// The version of TLS it goes over; `None`: in clear.
    pub(crate) fn tls(&self) -> Option<&'static str> {
        self.tls
    }

    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether a session that nothing is awaited of can be used still. If not: what [`Session::gone`] gives.
    pub(crate) async fn still_open(&mut self) -> Result<(), Option<Failure>> {
        let mut gone = pin!(self.gone());
        poll_fn(|cx| {
            Poll::Ready(match gone.as_mut().poll(cx) {
                Poll::Ready(failure) => Err(failure),
                Poll::Pending => Ok(()),
            })
        })
        .await
    }

    /// Resolves when the peer closes the session, or has said something unasked, with what that was. Can be cancelled.
    pub(crate) async fn gone(&mut self) -> Option<Failure> {
        loop {
            match self.machine.poll() {
                Some(Action::Closed(failure)) => return failure,
                Some(_) => return None,
                None => {}
            }
            match self.io.read(&mut self.input).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.hand_over(count),
            }
        }
    }

    /// QUIT, its answer, and the end of the connection.
    pub(crate) async fn quit(mut self) {
        let now = self.now();
        self.machine.quit(now);
        while !matches!(self.advance().await, Action::Closed(_)) {}
        self.part().await;
    }

    /// After the machine's `Closed`: says what is left to be said, if that goes at once, and closes.
    async fn part(mut self) {
        let last = async {
            self.io.write_all(self.machine.output()).await?;
            self.io.shutdown().await
        };
        let _: Result<io::Result<()>, _> = timeout(LAST_WORDS, last).await;
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    fn deadline(&self) -> Instant {
        let deadline = self.opened.checked_add(self.machine.deadline());
        deadline.unwrap_or(self.opened + Duration::from_secs(24 * 3600))
    }

    /// The machine tells at once what follows a mail.
    fn after(&mut self) -> After {
        match self.machine.poll() {
            Some(Action::Closed(failure)) => After::Closed(failure),
            Some(Action::Ready) => After::Open,
            _ => After::Closed(None),
        }
    }

    /// Writes and reads until the machine asks for something.
    async fn advance(&mut self) -> Action {
        loop {
            if let Some(action) = self.asked.take().or_else(|| self.machine.poll()) {
                return action;
            }
            self.flush().await;
            self.listen().await;
        }
    }

    /// Hands over the content, and stops early when the machine does not want more of it.
    async fn feed(&mut self, source: &mut Source) -> io::Result<()> {
        let mut spare = Vec::new();
        loop {
            // What a command left is written with the first piece.
            let (chunk, last) = source.next(spare).await?;
            let now = self.now();
            self.machine.body(now, chunk.octets(), last);
            if last || !self.flush().await {
                return Ok(());
            }
            self.hand_over(0);
            self.asked = self.machine.poll();
            if self.asked.is_some() {
                return Ok(());
            }
            spare = chunk.into_spare();
        }
    }

    async fn secure(&mut self, handshake: &Handshake, host: &Host) {
        let deadline = self.deadline();
        let plain = std::mem::replace(&mut self.io, Box::new(tokio::io::empty()));
        let shaken = timeout_at(deadline, handshake.shake(host, plain)).await;
        let now = self.now();
        match shaken {
            Ok(Ok((io, version))) => {
                self.io = io;
                self.tls = Some(version);
                self.machine.secured(now);
            }
            Ok(Err(error)) => self.machine.tls_failed(&error.to_string()),
            Err(_) => self.machine.timed_out(now),
        }
    }

    /// Writes all output. False if the connection broke, which the machine was told.
    async fn flush(&mut self) -> bool {
        if self.machine.output().is_empty() {
            return true;
        }
        let deadline = self.deadline();
        let wrote = timeout_at(deadline, poll_fn(|cx| self.poll_flush(cx))).await;
        let now = self.now();
        match wrote {
            Ok(Ok(())) => {
                self.written = 0;
                self.machine.output_taken();
                return true;
            }
            Ok(Err(_)) => self.hear_out().await,
            Err(_) => self.machine.timed_out(now),
        }
        false
    }

    /// Writes, and reads what comes meanwhile, so that neither side waits for the other to read first.
    fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.machine.output().len() {
            match Pin::new(&mut self.io).poll_write(cx, &self.machine.output()[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(self.poll_early(cx))?,
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Reads into what room there is. Ready when something was read: then writing is worth another try.
    fn poll_early(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        if self.early == self.input.len() {
            return Poll::Pending;
        }
        let mut room = ReadBuf::new(&mut self.input[self.early..]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        match room.filled().len() {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            count => {
                self.early += count;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Hands over what came early, or waits for something to come.
    async fn listen(&mut self) {
        if self.early > 0 {
            return self.hand_over(0);
        }
        let deadline = self.deadline();
        let read = timeout_at(deadline, self.io.read(&mut self.input)).await;
        let now = self.now();
        match read {
            Ok(Ok(0) | Err(_)) => self.machine.closed(),
            Ok(Ok(count)) => self.hand_over(count),
            Err(_) => self.machine.timed_out(now),
        }
    }

    fn hand_over(&mut self, count: usize) {
        let (now, length) = (self.now(), std::mem::take(&mut self.early) + count);
        if length > 0 {
            self.machine.receive(now, &self.input[..length]);
        }
    }

    /// The connection can't be written to any more: a peer that had enough of us may have said why.
    async fn hear_out(&mut self) {
        self.hand_over(0);
        let read = timeout(LAST_WORDS, self.io.read(&mut self.input)).await;
        if let Ok(Ok(count)) = read {
            self.hand_over(count);
        }
        self.machine.closed();
    }
}
