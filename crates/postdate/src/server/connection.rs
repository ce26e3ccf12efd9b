//! Drives one session over one connection: moves octets, asks the gate, and waits no longer than the machine allows.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use smtp::server::{Action, Client, Session, Settings, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::gate::{Gate, Visitor};
use super::listener::stopped;
use super::stream::{Stream, Wire};

/// Octets read in one go: most mails fit.
const READ_LEN: usize = 16 * 1024;
/// How long a peer may take to read our replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a peer may take to see that we closed, and how much of what it still sends is thrown away meanwhile. To
/// close on unread octets is a reset, and may take the last reply away from the peer.
const LINGER: Duration = Duration::from_secs(2);
/// The same while the server stops, in which nothing has to come for the end: an idle client must not hold it up.
const STOP_LINGER: Duration = Duration::from_millis(200);
const LINGER_LEN: usize = 1024 * 1024;

/// What a session is served with.
pub(crate) struct Service {
    /// Limits and offers.
    pub(crate) settings: Arc<Settings>,
    /// Decides.
    pub(crate) gate: Arc<Gate>,
    /// For STARTTLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Turns true when the server shuts down.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Serves a session to its end.
pub(crate) async fn serve<S: Wire>(service: Service, wire: S, client: Client, visitor: Visitor) {
    let mut connection = Connection {
        session: Session::new(Arc::clone(&service.settings), client),
        stream: Stream::Clear(wire),
        service,
        visitor,
        opened: Instant::now(),
        buffer: vec![0; READ_LEN].into_boxed_slice(),
        filled: 0,
        taken: 0,
        stop_told: false,
        peer_gone: false,
    };
    connection.run().await;
    connection.service.gate.left(&mut connection.visitor);
    connection.part().await;
}

struct Connection<S> {
    session: Session,
    stream: Stream<S>,
    service: Service,
    visitor: Visitor,
    opened: Instant,
    buffer: Box<[u8]>,
    filled: usize,
    taken: usize,
    /// The machine knows that the server stops.
    stop_told: bool,
    /// Nothing more comes from the peer, or it takes nothing more.
    peer_gone: bool,
}

/// Whether the session goes on.
enum Flow {
    Go,
    End,
}

impl<S: Wire> Connection<S> {
    async fn run(&mut self) {
        loop {
            if let Flow::End = self.act().await {
                break;
            }
            self.take_body().await;
            // Also before what was read already: the decisions that a whole group needs may take long.
            if !self.stop_told && *self.service.stop.borrow() {
                self.stop_told = true;
                self.session.shut_down(self.opened.elapsed());
                continue;
            }
            if self.taken < self.filled {
                let taken = self
                    .session
                    .receive(self.opened.elapsed(), &self.buffer[self.taken..self.filled]);
                self.taken += taken;
                if taken > 0 {
                    continue;
                }
            }
            if self.flush().await.is_err() {
                self.lost();
                self.taken = self.filled;
                continue;
            }
            // What is left was not taken because the output was full: it is empty now.
            if self.taken == self.filled {
                self.read().await;
            }
        }
    }

    /// The peer is gone.
    fn lost(&mut self) {
        self.peer_gone = true;
        self.session.closed();
    }

    /// Closes so that the peer reads our last words, if it listens at all.
    async fn part(mut self) {
        let linger = !self.peer_gone && self.visitor.is_welcome();
        let quiet = if *self.service.stop.borrow() {
            STOP_LINGER
        } else {
            LINGER
        };
        let parting = async {
            self.stream.shutdown().await?;
            let mut left = if linger { LINGER_LEN } else { 0 };
            while left > 0 {
                match timeout(quiet, self.stream.read(&mut self.buffer)).await?? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            std::io::Result::Ok(())
        };
        let _ = timeout(LINGER, parting).await;
    }

    /// Does what the machine asks until it asks no more.
    async fn act(&mut self) -> Flow {
        while let Some(action) = self.session.poll() {
            match action {
                Action::Ask(ticket, ask) => {
                    self.take_body().await;
                    let gate = &self.service.gate;
                    let decision = gate.answer(ask, &self.session, &mut self.visitor).await;
                    self.session.decide(self.opened.elapsed(), ticket, decision);
                }
                Action::StartTls => {
                    if self.flush().await.is_err() || self.handshake().await.is_err() {
                        return Flow::End;
                    }
                }
                Action::Discard => self.visitor.discard(),
                Action::Close => {
                    let _ = self.flush().await;
                    return Flow::End;
                }
            }
        }
        Flow::Go
    }

    async fn take_body(&mut self) {
        if !self.session.body().is_empty() {
            self.visitor.write(self.session.body()).await;
            self.session.body_taken();
        }
    }

    async fn flush(&mut self) -> Result<(), ()> {
        if self.session.output().is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(self.session.output()).await?;
            self.stream.flush().await
        };
        let written = tokio::select! {
            written = timeout(WRITE_TIMEOUT, write) => matches!(written, Ok(Ok(()))),
            () = stopped_for(&mut self.service.stop, LINGER) => false,
        };
        self.session.output_taken();
        written.then_some(()).ok_or(())
    }

    /// Waits for octets, the deadline, the end of the stream, or the end of the server.
    async fn read(&mut self) {
        let deadline = self.opened + self.session.deadline();
        if deadline <= Instant::now() {
            // Also for who sends so fast that there is always something to read.
            return self.session.timed_out(self.opened.elapsed());
        }
        tokio::select! {
            biased;
            () = stopped(&mut self.service.stop), if !self.stop_told => {}
            read = timeout_at(deadline, self.stream.read(&mut self.buffer)) => match read {
                Ok(Ok(0) | Err(_)) => self.lost(),
                Ok(Ok(filled)) => {
                    self.filled = filled;
                    self.taken = self.session.receive(self.opened.elapsed(), &self.buffer[..filled]);
                }
                Err(_) => self.session.timed_out(self.opened.elapsed()),
            },
        }
    }

    async fn handshake(&mut self) -> Result<(), ()> {
        let config = self.service.tls.clone().ok_or(())?;
        // What was read with the STARTTLS and not consumed is not for the encrypted session.
        self.taken = self.filled;
        let Stream::Clear(wire) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(());
        };
        let shaking = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(wire));
        let accepted = tokio::select! {
            accepted = shaking => accepted,
            // Nothing can be said in the middle of it.
            () = stopped_for(&mut self.service.stop, LINGER) => return Err(()),
        };
        match accepted {
            Ok(Ok(stream)) => {
                let (_, tls) = stream.get_ref();
                let agreed = Tls {
                    version: tls.protocol_version().map_or_else(String::new, |v| {
                        v.as_str().unwrap_or("TLS").replace('_', ".")
                    }),
                    cipher: tls
                        .negotiated_cipher_suite()
                        .and_then(|suite| {
                            suite
                                .suite()
                                .as_str()
                                .map(|name| name.replacen("TLS13_", "TLS_", 1))
                        })
                        .unwrap_or_default(),
                };
                self.stream = Stream::Tls(Box::new(stream));
                self.session.secured(self.opened.elapsed(), agreed);
                Ok(())
            }
            Ok(Err(err)) => {
                tracing::info!(target: "smtp", client = %self.visitor.name(), "TLS handshake failed: {err}");
                Err(())
            }
            Err(_) => {
                tracing::info!(target: "smtp", client = %self.visitor.name(), "TLS handshake timed out");
                Err(())
            }
        }
    }
}

/// Resolves so long after the server stops.
async fn stopped_for(stop: &mut watch::Receiver<bool>, wait: Duration) {
    stopped(stop).await;
    sleep(wait).await;
}
