//! The session: greeting, EHLO, STARTTLS, then mails, then QUIT.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use retry_hint::Answered;

use super::answer::{Garbage, Reader};
use super::outbox::Outbox;
use super::transaction::{Progress, Transaction};
use super::{
    Action, Broken, Cause, Extensions, Failure, Fate, MAX_HEARD_LEN, Mail, Protocol, Settings, Tls,
    TlsFailure,
};
use crate::reply::{Answer, echo};

/// "Service not available, closing transmission channel" (RFC 5321 §3.8): legal as the reply to any command, and
/// without one.
const CLOSING: u16 = 421;

/// What is awaited.
#[derive(Debug)]
enum State {
    Greeting,
    /// The reply to EHLO, or over LMTP to LHLO.
    Ehlo,
    Helo,
    /// The reply to STARTTLS.
    StartTls,
    /// The shell shakes hands.
    Handshake,
    /// The shell's next mail.
    Ready,
    /// A mail is under way.
    Mail(Box<Transaction>),
    /// The reply to QUIT.
    Quit,
    Closed,
}

/// One session, for any number of mails.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    state: State,
    reader: Reader,
    outbox: Outbox,
    actions: VecDeque<Action>,
    extensions: Extensions,
    /// The host's own, from its answer to EHLO.
    name: String,
    secured: bool,
    /// The last mail was left open on the server: RSET before the next.
    dirty: bool,
    deadline: Duration,
}

impl Session {
    /// A session on a connection that was just made.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            deadline: settings.timeouts.greeting,
            settings,
            state: State::Greeting,
            reader: Reader::default(),
            outbox: Outbox::default(),
            actions: VecDeque::new(),
            extensions: Extensions::default(),
            name: String::new(),
            secured: false,
            dirty: false,
        }
    }

    /// The next thing to do, or `None` when the session waits for octets.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Hands over octets that came; all are consumed.
    pub fn receive(&mut self, now: Duration, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            match self.state {
                State::Closed => return,
                // Whoever wrote this did it before the handshake, so it may be someone between us and the server
                // who wants it taken for the server's words under TLS (RFC 3207 §6).
                State::Handshake => return self.fail(Cause::Tls(TlsFailure::Injected)),
                _ => {}
            }
            match self.reader.read(&mut rest) {
                Some(Ok(answer)) => self.answer(now, answer),
                Some(Err(Garbage(heard))) => self.fail(Cause::Garbage(heard)),
                None => return,
            }
        }
    }

    /// Starts a mail. Only after `Ready`; on a session that is closed, all its recipients are `Broken`.
    pub fn send(&mut self, now: Duration, mail: Mail) {
        if !matches!(self.state, State::Ready) {
            let broken = Fate::Broken(Broken {
                during: Answered::Mail,
                amid_content: false,
                cause: Cause::Closed,
            });
            self.actions
                .push_back(Action::Done(vec![broken; mail.recipients.len()]));
            return;
        }
        let protocol = self.settings.protocol;
        let mut transaction = Box::new(Transaction::new(
            mail,
            protocol,
            self.extensions,
            self.dirty,
        ));
        transaction.fill(&mut self.outbox);
        self.proceed(now, transaction);
    }

    /// Hands over content (CRLF lines, dots not stuffed). Only after `WantBody`. `last` ends it; a missing final CRLF
    /// is added. Output grows by at most twice the piece and some octets. Nothing happens when the session was closed
    /// in the meantime.
    pub fn body(&mut self, now: Duration, piece: &[u8], last: bool) {
        if let State::Mail(transaction) = &mut self.state
            && transaction.body(piece, last, &mut self.outbox)
        {
            self.deadline = now.saturating_add(transaction.timeout(&self.settings.timeouts));
        }
    }

    /// The content could not be read: the connection must be dropped, so that nothing half is accepted. Nothing of the
    /// output may be written any more; it is empty. `Done` and `Closed` follow, with [`Cause::Abandoned`].
    pub fn abandon(&mut self) {
        self.fail(Cause::Abandoned);
    }

    /// Says QUIT. Only after `Ready`; nothing happens otherwise.
    pub fn quit(&mut self, now: Duration) {
        if matches!(self.state, State::Ready) {
            self.outbox.command("QUIT");
            self.state = State::Quit;
            self.deadline = now.saturating_add(self.settings.timeouts.quit);
        }
    }

    /// The handshake is done: all that was known of the host is forgotten (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Duration) {
        if matches!(self.state, State::Handshake) {
            self.secured = true;
            self.extensions = Extensions::default();
            self.hello(now);
        }
    }

    /// The handshake failed: `Closed(Broken(Tls))`. `why` is for the log. One that takes too long is
    /// [`Session::timed_out`].
    pub fn tls_failed(&mut self, why: &str) {
        if matches!(self.state, State::Handshake) {
            let why = echo(why, MAX_HEARD_LEN).into();
            self.fail(Cause::Tls(TlsFailure::Handshake(why)));
        }
    }

    /// The deadline passed.
    pub fn timed_out(&mut self, _now: Duration) {
        self.fail(Cause::TimedOut);
    }

    /// The peer closed the connection (or it broke). After a failed write, hand over first what can still be read:
    /// a server that has had enough of a mail says why before it closes.
    pub fn closed(&mut self) {
        self.fail(Cause::Closed);
    }

    /// When [`Session::timed_out`] is due, as time since the session was opened. A part of a reply doesn't move it.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Octets to be written. While content is under way, write it before handing over the next piece.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.outbox.octets()
    }

    /// The output was written. Replies to commands are only expected from here on.
    pub fn output_taken(&mut self) {
        self.outbox.taken();
    }

    /// What the host offered.
    #[must_use]
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// The name that the host gave itself in its last answer to EHLO or HELO (RFC 5321 §4.1.1.1), as it wrote it; empty
    /// if it gave none. No longer than [`super::MAX_REPLY_LEN`].
    #[must_use]
    pub fn host_name(&self) -> &str {
        &self.name
    }

    /// Whether TLS is on.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.secured
    }
}

/// What replies do.
impl Session {
    fn answer(&mut self, now: Duration, answer: Answer) {
        let due = self.outbox.answered() || matches!(self.state, State::Greeting | State::Quit);
        if !due && answer.code != CLOSING {
            return self.unasked(answer);
        }
        if answer.code == CLOSING && !matches!(self.state, State::Quit) {
            return self.refused(self.answering(), answer);
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Greeting => self.after_greeting(now, answer),
            // LMTP has nothing to fall back to (RFC 2033 §4.1).
            State::Ehlo if answer.is_permanent() && self.settings.protocol == Protocol::Smtp => {
                self.greet(now, "HELO ", State::Helo);
            }
            State::Ehlo if answer.is_success() => {
                self.name = name(&answer);
                self.extensions = Extensions::read(&answer);
                self.after_ehlo(now);
            }
            State::Helo if answer.is_success() => {
                self.name = name(&answer);
                self.ready(now);
            }
            State::Ehlo | State::Helo => self.turned_away(Answered::Ehlo, answer),
            State::StartTls => self.after_starttls(now, answer),
            State::Mail(mut transaction) => match transaction.answer(&answer, &mut self.outbox) {
                Progress::Garbage => {
                    self.state = State::Mail(transaction);
                    self.fail(garbage(&answer));
                }
                _ => self.proceed(now, transaction),
            },
            State::Quit => self.close(None),
            // No reply is due there.
            State::Handshake | State::Ready | State::Closed => {}
        }
    }

    fn after_greeting(&mut self, now: Duration, answer: Answer) {
        if answer.is_success() {
            self.hello(now);
        } else {
            self.turned_away(Answered::Greeting, answer);
        }
    }

    fn after_ehlo(&mut self, now: Duration) {
        let wanted = self.settings.tls == Tls::Opportunistic && !self.secured;
        if wanted && self.extensions.starttls {
            self.outbox.command("STARTTLS");
            self.await_reply(now, State::StartTls);
        } else {
            self.ready(now);
        }
    }

    fn after_starttls(&mut self, now: Duration, answer: Answer) {
        if answer.is_success() {
            self.actions.push_back(Action::StartTls);
            self.await_reply(now, State::Handshake);
        } else if answer.is_transient() || answer.is_permanent() {
            self.ready(now);
        } else {
            self.state = State::StartTls;
            self.fail(garbage(&answer));
        }
    }

    /// Goes where the transaction stands.
    fn proceed(&mut self, now: Duration, transaction: Box<Transaction>) {
        match transaction.progress() {
            Progress::Over => {
                self.dirty = transaction.is_dirty();
                self.actions
                    .push_back(Action::Done(transaction.finish(Cause::Closed)));
                return self.ready(now);
            }
            Progress::Content => self.actions.push_back(Action::WantBody),
            Progress::Under | Progress::Garbage => {}
        }
        self.deadline = now.saturating_add(transaction.timeout(&self.settings.timeouts));
        self.state = State::Mail(transaction);
    }

    fn hello(&mut self, now: Duration) {
        let verb = match self.settings.protocol {
            Protocol::Smtp => "EHLO ",
            Protocol::Lmtp => "LHLO ",
        };
        self.greet(now, verb, State::Ehlo);
    }

    fn greet(&mut self, now: Duration, verb: &str, state: State) {
        // The name is the administrator's, but a line end in it must not become a command.
        let name = self.settings.helo.chars().filter(|c| !c.is_control());
        let line = verb.chars().chain(name).collect::<String>();
        self.outbox.command(&line);
        self.await_reply(now, state);
    }

    fn await_reply(&mut self, now: Duration, state: State) {
        self.state = state;
        self.deadline = now.saturating_add(self.settings.timeouts.command);
    }

    fn ready(&mut self, now: Duration) {
        self.actions.push_back(Action::Ready);
        self.await_reply(now, State::Ready);
    }
}

/// How a session ends.
impl Session {
    /// A reply that nothing asked for.
    fn unasked(&mut self, answer: Answer) {
        let refused = answer.is_transient() || answer.is_permanent();
        let answering = self.answering();
        if refused && answering == Answered::EndOfData {
            // Some servers that have seen enough of a mail say so before its end.
            self.refused(answering, answer);
        } else {
            self.fail(garbage(&answer));
        }
    }

    /// The host doesn't want to talk to us. It waits for QUIT (RFC 5321 §3.1), we don't for its answer.
    fn turned_away(&mut self, answered: Answered, reply: Answer) {
        if reply.is_transient() || reply.is_permanent() {
            self.outbox.command("QUIT");
            self.close(Some(Failure::Refused { answered, reply }));
        } else {
            self.broken(answered, garbage(&reply));
        }
    }

    /// A reply after which the connection is of no more use.
    fn refused(&mut self, answered: Answered, reply: Answer) {
        self.outbox.clear();
        if let State::Mail(transaction) = std::mem::replace(&mut self.state, State::Closed) {
            let fates = transaction.refuse(answered, &reply);
            self.give_up(fates);
        }
        self.close(Some(Failure::Refused { answered, reply }));
    }

    fn fail(&mut self, cause: Cause) {
        let during = self.during();
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            // Said, and not awaited any longer.
            State::Quit => self.close(None),
            State::Mail(transaction) => {
                let amid_content = transaction.is_amid_content();
                self.give_up(transaction.finish(cause.clone()));
                self.end(Broken {
                    during,
                    amid_content,
                    cause,
                });
            }
            State::StartTls | State::Handshake => self.broken(during, without_tls(cause)),
            _ => self.broken(during, cause),
        }
    }

    fn broken(&mut self, during: Answered, cause: Cause) {
        self.end(Broken {
            during,
            amid_content: false,
            cause,
        });
    }

    fn end(&mut self, broken: Broken) {
        self.outbox.clear();
        self.close(Some(Failure::Broken(broken)));
    }

    fn give_up(&mut self, fates: Vec<Fate>) {
        self.drop_stale();
        self.actions.push_back(Action::Done(fates));
    }

    fn close(&mut self, failure: Option<Failure>) {
        self.drop_stale();
        self.state = State::Closed;
        self.actions.push_back(Action::Closed(failure));
    }

    /// What was not yet asked of the shell is not asked any more, but fates stand.
    fn drop_stale(&mut self) {
        self.actions
            .retain(|action| matches!(action, Action::Done(_)));
    }

    /// What a reply answers that comes now.
    fn answering(&self) -> Answered {
        match &self.state {
            State::Mail(transaction) if transaction.is_past_data() => Answered::EndOfData,
            _ => self.during(),
        }
    }

    /// What breaks if the session does.
    fn during(&self) -> Answered {
        match &self.state {
            State::Greeting => Answered::Greeting,
            State::Ehlo | State::Helo | State::StartTls | State::Handshake => Answered::Ehlo,
            State::Mail(transaction) => transaction.during(),
            // What would come next.
            State::Ready | State::Quit | State::Closed => Answered::Mail,
        }
    }
}

/// The first word of the first line.
fn name(answer: &Answer) -> String {
    let line = answer.raw.split("\r\n").next().unwrap_or_default();
    let mut words = line.get(4..).unwrap_or_default().split_ascii_whitespace();
    words.next().unwrap_or_default().to_owned()
}

/// A reply that can't stand where it came.
fn garbage(answer: &Answer) -> Cause {
    Cause::Garbage(Garbage::new(&answer.raw).0)
}

/// What a break means between STARTTLS and the end of the handshake.
fn without_tls(cause: Cause) -> Cause {
    Cause::Tls(match cause {
        Cause::Closed => TlsFailure::Closed,
        Cause::TimedOut => TlsFailure::TimedOut,
        Cause::Garbage(heard) => TlsFailure::Garbage(heard),
        Cause::Tls(failure) => failure,
        Cause::Abandoned => return Cause::Abandoned,
    })
}
