//! The server's side of a session.
//!
//! The shell's loop:
//!
//! 1. [`Session::poll`] until `None`, doing what each [`Action`] asks. Before [`Ask::Message`] is worked on: 2.
//! 2. Take what [`Session::body`] holds, then [`Session::body_taken`].
//! 3. If octets that were read are left, hand them to [`Session::receive`]. If it consumed any, go on at 1; if not, the
//!    output is full.
//! 4. Write out [`Session::output`], then [`Session::output_taken`]. Only here: so the replies to a pipelined group
//!    leave in one write (RFC 2920). If octets are still left, go on at 3.
//! 5. Wait for octets until [`Session::deadline`]; at the deadline call [`Session::timed_out`], at end of file
//!    [`Session::closed`].

mod actions;
mod commands;
mod content;
mod decisions;
mod grammar;
mod header;
mod limits;
mod line;
mod mail;
mod receive;
mod replies;
mod session;

use std::net::SocketAddr;
use std::time::Duration;

pub use grammar::{is_address, is_domain, is_literal};
pub use session::Session;

use crate::envelope::{Recipient, Sender};
use crate::reply::Reply;

/// How much content [`Session::body`] holds before [`Session::receive`] stops, in octets.
pub const MAX_BODY: usize = 64 * 1024;

/// How much output there may be before [`Session::receive`] stops reading commands, in octets.
pub const MAX_OUTPUT: usize = 16 * 1024;

/// What a peer is told when we shut down, behind `421 4.3.2` and our name. Other shortages are `421 4.3.2` too.
pub const SHUTTING_DOWN: &str = "Shutting down, come back soon";

/// While the server shuts down, content that pauses for so long is waited for no more. A peer that is told 421 keeps the
/// mail, so this costs a retry; a peer that works never pauses so long but on a bad line.
pub const SHUTDOWN_STALL: Duration = Duration::from_secs(5);

/// How long after [`Session::shut_down`] the last content may come. The shell has to leave more time than this, for
/// what is whole by then is still decided on.
pub const SHUTDOWN_TOTAL: Duration = Duration::from_secs(15);

/// What the administrator sets for all sessions of a listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in the greeting, the EHLO answer and the trace.
    pub hostname: String,
    /// The largest mail, in octets; offered as `SIZE`.
    pub max_size: u64,
    /// RCPTs accepted in one transaction; the next is told `452 4.5.3`. RFC 5321 §4.5.3.1.8: at least 100.
    pub max_recipients: usize,
    /// RCPTs of any outcome in one transaction; the next closes the session with 421.
    pub max_recipient_commands: usize,
    /// The longest command line, in octets with its CRLF (RFC 5321 §4.5.3.1.4: 512, more with extensions).
    pub max_command_line: usize,
    /// The longest line of content, in octets with its CRLF. Ours is far above the 1,000 of RFC 5321 §4.5.3.1.6: real mail is.
    pub max_text_line: usize,
    /// The largest header section, in octets.
    pub max_header: usize,
    /// `Received:` fields at which a mail is taken to loop (RFC 5321 §6.3: at least 100).
    pub max_received: u32,
    /// Errors (5yz answers to commands) after which the session is closed with 421. Counted anew after each mail.
    pub max_errors: u32,
    /// Commands without a mail accepted (HELO, NOOP, RSET, VRFY, …; MAIL and DATA when refused with 4yz) after which the
    /// next is told 421. Counted anew after each mail.
    pub max_idle_commands: u32,
    /// Time for one command to arrive whole (RFC 5321 §4.5.3.2.7: 5 min).
    pub command_timeout: Duration,
    /// Time for one block of content (RFC 5321 §4.5.3.2.5: 3 min).
    pub data_timeout: Duration,
    /// Time for one whole transaction's content, so that a drip of octets can't hold a session for ever.
    pub data_total_timeout: Duration,
    /// Offer STARTTLS.
    pub starttls: bool,
}

/// Who is connected, and what was decided about its network before the first octet.
#[derive(Clone, Debug)]
pub struct Client {
    /// Address and port of the peer.
    pub addr: SocketAddr,
    /// What a bare CR or LF means from there.
    pub bare_newline: BareNewline,
}

/// What a bare LF or CR in content or at the end of a command means. Neither ends DATA in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewline {
    /// Refused; never ends a line. In content: after all of it was read. In a command: with 521, and closed, so that
    /// nothing behind it is carried out.
    #[default]
    Reject,
    /// A bare LF is taken as CRLF (it ends a command; content is stored with CRLF). A bare CR in content becomes a
    /// blank; in a command it is refused.
    Normalize,
}

/// What the shell has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A decision is needed; commands that came behind it wait. Answer with [`Session::decide`], same ticket.
    Ask(Ticket, Ask),
    /// Write out the output, drop what was read and not handed over, shake hands, then [`Session::secured`];
    /// if the handshake fails, close.
    StartTls,
    /// The content that was begun will not be accepted (the machine has replied already): drop what was spooled of it.
    /// Not after a refused [`Ask::Message`]: who decides so knows.
    Discard,
    /// Write out the output, then close.
    Close,
}

/// Names one question, so that an answer can't be taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u32);

/// What is asked. Details are in [`Session::transaction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// May this client talk to us at all? Before the greeting. A refusal closes the session, whatever its code.
    Connect,
    /// HELO or EHLO was given: [`Session::helo`].
    Helo,
    /// MAIL was given.
    Mail,
    /// RCPT was given: [`Transaction::candidate`].
    Recipient,
    /// DATA (or the first BDAT) was given, with at least one recipient. Once accepted, content follows in `body`.
    Data,
    /// The content is whole and acceptable. Its end may still be in `body`: take that first. Accept = it is durable now.
    Message,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on, with the machine's own reply.
    Accept,
    /// Go on, with this reply (`250 2.0.0 Ok: queued as …`). Of one to EHLO or HELO only the text is used, behind our
    /// name; one to DATA is used when it is a 354, and for BDAT it is not.
    AcceptWith(Reply),
    /// Refused with this 4yz or 5yz. A 421 closes the session.
    Refuse(Reply),
}

/// TLS as it was agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// What the current mail has so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The sender.
    pub sender: Sender,
    /// The recipients accepted so far.
    pub recipients: Vec<Recipient>,
    /// The recipient that is asked about now.
    pub candidate: Option<Recipient>,
}
