//! The client's side of a session.
//!
//! The shell's loop: [`Session::poll`] until `None`, doing what each [`Action`] asks; write [`Session::output`] and
//! call [`Session::output_taken`]; then read octets until [`Session::deadline`] and hand them to [`Session::receive`].
//! A reply to a command that was not yet written is taken for garbage, so this order matters.
//!
//! Every mail that is handed to [`Session::send`] ends in exactly one [`Action::Done`], whatever happens.

mod address;
mod answer;
mod command;
mod extensions;
mod outbox;
mod session;
mod stuffing;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use retry_hint::Answered;

use crate::envelope::{Content, Recipient, Sender};
use crate::reply::Answer;

pub use command::MAX_ADDRESS_LEN;
pub use extensions::Extensions;
pub use session::Session;
pub use transaction::PIPELINE_LEN;

/// The longest reply that is taken, in octets, all lines together. More is [`Cause::Garbage`].
pub const MAX_REPLY_LEN: usize = 16 * 1024;

/// How much of what is no reply is kept for the log, in octets.
pub const MAX_HEARD_LEN: usize = 100;

/// What a session is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in EHLO or LHLO.
    pub helo: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether STARTTLS is used where offered. "Required" (DANE, MTA-STS) is not built yet.
    pub tls: Tls,
    /// Times to wait for each answer.
    pub timeouts: Timeouts,
}

/// What is spoken over the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321, to a host that takes the mail over.
    #[default]
    Smtp,
    /// RFC 2033, to a server of mailboxes: LHLO, and after the content a reply for each recipient that was accepted,
    /// in their order. Each is that recipient's own outcome.
    Lmtp,
}

/// Use of STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never, also when offered.
    Off,
    /// When offered; whatever the certificate (RFC 7435).
    Opportunistic,
}

/// RFC 5321 §4.5.3.2.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The 220 greeting: 5 min.
    pub greeting: Duration,
    /// EHLO, MAIL, RCPT, RSET, STARTTLS: 5 min.
    pub command: Duration,
    /// The 354 after DATA: 2 min.
    pub data: Duration,
    /// One block of content: 3 min.
    pub block: Duration,
    /// The reply after the last dot: 10 min.
    pub end_of_data: Duration,
    /// QUIT: a few seconds are enough.
    pub quit: Duration,
}

/// One mail for up to some recipients, all at this host.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The sender and its parameters.
    pub sender: Sender,
    /// The recipients of this transaction.
    pub recipients: Vec<Recipient>,
    /// What the content is.
    pub content: Content,
}

/// What the shell has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shake hands, then [`Session::secured`] or [`Session::tls_failed`].
    StartTls,
    /// Ready for a mail: [`Session::send`], or [`Session::quit`]. [`Session::extensions`] says what may be sent.
    Ready,
    /// The server waits for content: [`Session::body`] until the last piece.
    WantBody,
    /// What became of the mail: one fate a recipient, in their order. `Ready` or `Closed` follows.
    Done(Vec<Fate>),
    /// The session is over: write what output holds, if that can be done at once, and close the connection. `None`
    /// after our QUIT.
    Closed(Option<Failure>),
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 2yz at the end of data: the host has it. The reply, for the log; over LMTP this recipient's own.
    Accepted(Answer),
    /// 4yz or 5yz, to which command.
    Refused {
        /// What the reply answered.
        answered: Answered,
        /// The reply.
        reply: Answer,
    },
    /// `452 4.5.3` (or 552) to RCPT after others were accepted: next transaction, at once (RFC 5321 §4.5.3.1.10).
    NextTransaction(Answer),
    /// The host can't take this content as it is, and said so by what it did not offer. Nothing was sent: not for any
    /// recipient, if it is the sender or the content; otherwise not for this one.
    Unfit(Unfit),
    /// The session broke before the outcome was known.
    Broken(Broken),
}

/// What the content needs and the host lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// 8-bit content, no 8BITMIME: 5.6.3 unless converted.
    EightBit,
    /// SMTPUTF8 is not offered, and needed: by the header section, or by an address whose local part is not ASCII or
    /// whose domain has no A-labels. 5.6.7.
    Utf8,
    /// Larger than the host's SIZE: 5.3.4.
    Size,
    /// A recipient's address that would not stay within its command (control characters, `>`, nothing at all), or is
    /// longer than [`MAX_ADDRESS_LEN`]. No host can take it: 5.1.3.
    Address,
    /// The same of the sender's address: 5.1.7.
    Sender,
}

/// Why a session is over without our QUIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A reply that ends the session: a 4yz or 5yz greeting or EHLO (LHLO), or a 421 anywhere.
    Refused {
        /// What the reply answered.
        answered: Answered,
        /// The reply.
        reply: Answer,
    },
    /// It broke.
    Broken(Broken),
}

/// How a session broke, and while what was awaited ("while waiting for the answer to MAIL").
///
/// `EndOfData` is said only once the end of the content was handed over: then the host may have accepted the mail.
/// Before that, while content is under way, it is `Data`. Between mails it is `Mail`, the next to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What was under way.
    pub during: Answered,
    /// It was the content, whose end was not yet handed over; `during` is `Data`.
    pub amid_content: bool,
    /// What happened.
    pub cause: Cause,
}

/// What breaks a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer closed the connection.
    Closed,
    /// No answer in time.
    TimedOut,
    /// What came is no SMTP reply, too long, or none that can stand there. How it begins, without control characters:
    /// at most [`MAX_HEARD_LEN`] octets.
    Garbage(Arc<str>),
    /// STARTTLS was said, and led to no TLS. The caller may try once more in clear, over a new connection.
    Tls(TlsFailure),
    /// We gave up: [`Session::abandon`].
    Abandoned,
}

/// Why there is no TLS though it was offered. A refusal of STARTTLS is none of these: the session goes on in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake failed, and why, as the shell said.
    Handshake(Arc<str>),
    /// Octets came behind the 220, before the handshake: a broken server, or somebody between us who wants them taken
    /// for the server's words under TLS (RFC 3207 §6).
    Injected,
    /// The peer closed the connection instead of an answer to STARTTLS.
    Closed,
    /// No answer to STARTTLS, or no end of the handshake, in time.
    TimedOut,
    /// The answer to STARTTLS is no SMTP reply; as in [`Cause::Garbage`].
    Garbage(Arc<str>),
}
