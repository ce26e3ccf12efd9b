//! The session: its state, and how it moves with time and the end of the connection.

use std::sync::Arc;
use std::time::Duration;

use super::actions::Actions;
use super::grammar::Chunk;
use super::limits::{Clock, Strikes};
use super::line::Line;
use super::mail::Mail;
use super::{Action, Ask, Client, Settings, Tls, Transaction};
use crate::envelope::Content;
use crate::reply::{Reply, Status};

/// What comes next from the client.
#[derive(Debug)]
pub(super) enum State {
    /// A command.
    Command,
    /// Nothing: a question is open.
    Asking,
    /// The same, asked for DATA; or for this chunk, which follows.
    AskingForData(Option<Chunk>),
    /// The rest of DATA.
    Data,
    /// The rest of a chunk. With a reply, the chunk is dropped and then answered with it.
    Chunk {
        left: u64,
        last: bool,
        refusal: Option<Reply>,
    },
    /// The handshake. What comes in clear is dropped.
    Handshake,
    /// Nothing that matters.
    Closed,
}

/// What is known of the client.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) helo: Option<String>,
    /// It was EHLO.
    pub(super) esmtp: bool,
    pub(super) tls: Option<Tls>,
}

/// One session, from the greeting to the close.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) client: Client,
    pub(super) peer: Peer,
    pub(super) state: State,
    pub(super) mail: Mail,
    pub(super) actions: Actions,
    pub(super) strikes: Strikes,
    pub(super) clock: Clock,
    pub(super) line: Line,
    pub(super) output: Vec<u8>,
    pub(super) body: Vec<u8>,
    ending: Ending,
}

/// Whether the session ends after what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// We are shutting down.
    ShutDown,
    /// The peer is gone; only an answer that is being worked on was waited for.
    PeerGone,
}

impl Session {
    /// Opens a session. The first action is `Ask(Connect)`.
    #[must_use]
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        let line = Line::new(settings.max_command_line, client.bare_newline);
        let mut session = Self {
            settings,
            client,
            peer: Peer::default(),
            state: State::Command,
            mail: Mail::default(),
            actions: Actions::default(),
            strikes: Strikes::default(),
            clock: Clock::default(),
            line,
            output: Vec::new(),
            body: Vec::new(),
            ending: Ending::No,
        };
        session.ask(Ask::Connect, State::Asking);
        session
    }

    /// The next thing to do, or `None` when the session waits for octets (or for the open question's answer).
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.next()
    }

    /// The handshake is done: forget HELO and everything buffered (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Duration, tls: Tls) {
        self.clock.now = now;
        if !matches!(self.state, State::Handshake) {
            return;
        }
        self.peer = Peer {
            tls: Some(tls),
            ..Peer::default()
        };
        self.reset();
        self.line.clear(Vec::new());
        self.state = State::Command;
        self.await_command();
    }

    /// The deadline passed: 421, close. Does nothing while a question is open: then we are the one who is late.
    pub fn timed_out(&mut self, now: Duration) {
        self.clock.now = now;
        match self.state {
            State::Asking | State::AskingForData(_) | State::Closed => {}
            State::Handshake => self.close(),
            State::Command | State::Data | State::Chunk { .. } => match self.ending {
                Ending::ShutDown => self.leave(),
                Ending::No | Ending::PeerGone => {
                    self.good_bye(421, Status(4, 4, 2), "Timed out, closing");
                }
            },
        }
    }

    /// The peer closed its side. Emits `Discard` if content was under way, then `Close`. While `Ask(Message)` is open,
    /// the answer still counts, and `Close` comes after it.
    pub fn closed(&mut self) {
        if self.actions.question() == Some(Ask::Message) {
            self.ending = Ending::PeerGone;
        } else if !matches!(self.state, State::Closed) {
            self.actions.withdraw();
            self.close();
        }
    }

    /// We are shutting down: 421 4.3.2, then close. At once, unless content is on its way, which has until
    /// [`Session::deadline`], or a question is open. What was only announced by MAIL and RCPT is not waited for: the
    /// peer still has it.
    pub fn shut_down(&mut self, now: Duration) {
        if self.ending == Ending::No {
            self.clock.now = now;
            self.clock.shut_down();
            self.ending = Ending::ShutDown;
            self.end_if_due();
        }
    }

    fn end_if_due(&mut self) {
        if !matches!(self.state, State::Command) {
            return;
        }
        match self.ending {
            Ending::PeerGone => self.close(),
            Ending::ShutDown if !self.clock.awaits_content() => self.leave(),
            Ending::ShutDown | Ending::No => {}
        }
    }

    fn leave(&mut self) {
        self.good_bye(421, Status(4, 3, 2), super::SHUTTING_DOWN);
    }

    /// Whether the session is to end as soon as it may.
    pub(super) fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// When [`Session::timed_out`] is due, as time since the session was opened. Means nothing while a question is open.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        match self.state {
            State::Data | State::Chunk { .. } => self.clock.content_deadline(&self.settings),
            _ => self.clock.command_deadline(&self.settings),
        }
    }

    /// Replies to be written; at most [`super::MAX_OUTPUT`] octets and one more reply.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The output was written.
    pub fn output_taken(&mut self) {
        self.output.clear();
    }

    /// Content that arrived, dots unstuffed, CRLF line ends; at most [`super::MAX_BODY`] octets. The last line of a mail that
    /// came by BDAT may lack its line end, as it came.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The content was taken.
    pub fn body_taken(&mut self) {
        self.body.clear();
    }

    /// The HELO or EHLO name, as given.
    #[must_use]
    pub fn helo(&self) -> Option<&str> {
        self.peer.helo.as_deref()
    }

    /// `SMTP`, `ESMTP`, `ESMTPS`, `UTF8SMTP`, … (RFC 3848, RFC 6531 §4.3): for replies and trace.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        let utf8 = self.mail.transaction.sender.smtputf8;
        match (self.peer.esmtp, utf8, self.peer.tls.is_some()) {
            (false, ..) => "SMTP",
            (true, false, false) => "ESMTP",
            (true, false, true) => "ESMTPS",
            (true, true, false) => "UTF8SMTP",
            (true, true, true) => "UTF8SMTPS",
        }
    }

    /// The TLS agreed on, if any.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.peer.tls.as_ref()
    }

    /// Who is connected, as told to [`Session::new`].
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The current mail. Empty between mails; still whole while `Ask(Message)` is open.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.mail.transaction
    }

    /// What is known of the content by now; complete at `Ask(Message)`.
    #[must_use]
    pub fn content(&self) -> Content {
        self.mail.content()
    }

    /// Opens a question and stops reading commands until it is answered.
    pub(super) fn ask(&mut self, ask: Ask, state: State) {
        self.actions.ask(ask);
        self.state = state;
    }

    /// From now on a command is awaited, if the session goes on at all.
    pub(super) fn await_command(&mut self) {
        if matches!(self.state, State::Command | State::Handshake) {
            self.clock.await_command();
        }
        self.end_if_due();
    }

    /// Gives up the mail under way.
    pub(super) fn reset(&mut self) {
        self.discard_content();
        self.mail.reset();
    }

    /// Gives up the content under way.
    pub(super) fn discard_content(&mut self) {
        self.clock.end_content();
        if self.mail.end_content() {
            self.body.clear();
            self.actions.discard();
        }
    }

    /// Answers a command. 421 and 521 close the session, and so does one error too many.
    pub(super) fn reply(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
        if reply.is_permanent() {
            self.strikes.error();
        }
        if matches!(reply.code, 421 | 521) {
            self.close();
        } else if reply.is_permanent() && self.strikes.too_many_errors(&self.settings) {
            self.good_bye(421, Status(4, 7, 0), "Too many errors, closing");
        }
    }

    /// A reply that starts with our name (RFC 5321 §4.2), then the close.
    pub(super) fn good_bye(&mut self, code: u16, status: Status, words: &str) {
        let text = format!("{} {words}", self.settings.hostname);
        Reply::new(code, status, text).write_to(&mut self.output);
        self.close();
    }

    /// The reply to a client that is not wanted, then the close.
    pub(super) fn refuse_session(&mut self, refusal: &Reply) {
        refusal.write_to(&mut self.output);
        self.close();
    }

    fn close(&mut self) {
        self.reset();
        self.state = State::Closed;
        self.actions.close();
    }
}
