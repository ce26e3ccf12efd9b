//! A shell in miniature: feeds a session in pieces of a given size and gathers what comes out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smtp::server::{
    Action, Ask, BareNewline, Client, Decision, MAX_BODY, MAX_OUTPUT, Session, Settings, Ticket,
    Tls,
};

/// More than the longest single reply of these tests.
const ONE_REPLY: usize = 8 * 1024;

pub(crate) fn settings() -> Settings {
    Settings {
        hostname: "mx.example".into(),
        max_size: 1_000_000,
        max_recipients: 100,
        max_recipient_commands: 1_000,
        max_command_line: 2048,
        max_text_line: 10_000,
        max_header: 100_000,
        max_received: 100,
        max_errors: 20,
        max_idle_commands: 100,
        command_timeout: Duration::from_secs(300),
        data_timeout: Duration::from_secs(180),
        data_total_timeout: Duration::from_secs(3600),
        starttls: true,
    }
}

/// What was asked, with the body that was there at `Ask(Message)`; `None` for `Discard`.
pub(crate) type Asked = Vec<(Option<Ask>, Vec<u8>)>;

pub(crate) struct Driver {
    pub(crate) session: Session,
    pub(crate) now: Duration,
    pub(crate) output: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) actions: VecDeque<Action>,
    pending: VecDeque<u8>,
    piece_len: usize,
}

impl Driver {
    pub(crate) fn new(settings: Settings, bare_newline: BareNewline, piece_len: usize) -> Self {
        let client = Client {
            addr: SocketAddr::from(([192, 0, 2, 1], 4711)),
            bare_newline,
        };
        let mut driver = Self {
            session: Session::new(Arc::new(settings), client),
            now: Duration::ZERO,
            output: Vec::new(),
            body: Vec::new(),
            actions: VecDeque::new(),
            pending: VecDeque::new(),
            piece_len,
        };
        driver.pump();
        driver
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.pending.extend(octets);
        self.pump();
    }

    /// Does all that can be done without an answer.
    fn pump(&mut self) {
        loop {
            self.drain();
            let len = self.piece_len.min(self.pending.len());
            let piece: Vec<u8> = self.pending.range(..len).copied().collect();
            let used = self.session.receive(self.now, &piece);
            assert!(used <= piece.len());
            assert!(
                self.session.body().len() <= MAX_BODY,
                "the body has a bound"
            );
            assert!(
                self.session.output().len() <= MAX_OUTPUT + ONE_REPLY,
                "the output has a bound"
            );
            self.pending.drain(..used);
            if used == 0 && !self.drain() {
                return;
            }
        }
    }

    /// Takes what there is. Says whether there was anything.
    fn drain(&mut self) -> bool {
        let mut any = false;
        loop {
            let mut more = !self.session.output().is_empty() || !self.session.body().is_empty();
            while let Some(action) = self.session.poll() {
                if action == Action::Discard {
                    self.body.clear();
                }
                self.actions.push_back(action);
                more = true;
            }
            self.output.extend_from_slice(self.session.output());
            self.session.output_taken();
            self.body.extend_from_slice(self.session.body());
            self.session.body_taken();
            if !more {
                return any;
            }
            any = true;
        }
    }

    pub(crate) fn decide(&mut self, ticket: Ticket, decision: Decision) {
        self.session.decide(self.now, ticket, decision);
        self.pump();
    }

    /// Accepts whatever is asked until nothing is; says what was asked and done.
    pub(crate) fn accept_all(&mut self) -> Asked {
        let mut seen = Vec::new();
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Ask(ticket, ask) => {
                    let body = if ask == Ask::Message {
                        std::mem::take(&mut self.body)
                    } else {
                        Vec::new()
                    };
                    seen.push((Some(ask), body));
                    self.decide(ticket, Decision::Accept);
                }
                Action::StartTls => self.secure(),
                Action::Discard => seen.push((None, Vec::new())),
                Action::Close => {}
            }
        }
        seen
    }

    pub(crate) fn secure(&mut self) {
        let tls = Tls {
            version: "TLSv1.3".into(),
            cipher: "TLS_AES_256_GCM_SHA384".into(),
        };
        self.session.secured(self.now, tls);
        self.pump();
    }

    /// Time passes; the deadline, if it is met on the way, is kept.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        if self.session.deadline() <= until {
            self.now = self.session.deadline();
            self.session.timed_out(self.now);
        }
        self.now = until;
        self.pump();
    }

    pub(crate) fn eof(&mut self) {
        self.session.closed();
        self.pump();
    }

    pub(crate) fn shut_down(&mut self) {
        self.session.shut_down(self.now);
        self.pump();
    }
}
