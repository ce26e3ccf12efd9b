//! SMTP sessions as pure state machines (RFC 5321): octets, answers and time in; octets, questions and deadlines out.
//!
//! No IO, no clock: `now` is always the time since the session was opened.
//!
//! # A server
//!
//! [`server`] says what its shell has to do; sockets, TLS and the clock are the shell's. This one asks every recipient to
//! come back:
//!
//! ```
//! use smtp::server::{Action, Ask, BareNewline, Client, Decision, Session, Settings};
//! use smtp::{Reply, Status};
//! use std::time::Duration;
//!
//! let settings = Settings {
//!     hostname: "mx.example".to_owned(),
//!     max_size: 1 << 20,
//!     max_recipients: 100,
//!     max_recipient_commands: 1_000,
//!     max_command_line: 2_048,
//!     max_text_line: 10_000,
//!     max_header: 100_000,
//!     max_received: 100,
//!     max_errors: 20,
//!     max_idle_commands: 100,
//!     command_timeout: Duration::from_secs(300),
//!     data_timeout: Duration::from_secs(180),
//!     data_total_timeout: Duration::from_secs(3_600),
//!     starttls: false,
//! };
//! let client = Client {
//!     addr: ([192, 0, 2, 1], 4711).into(),
//!     bare_newline: BareNewline::Reject,
//! };
//! let mut session = Session::new(settings.into(), client);
//! let mut now = Duration::ZERO;
//! let mut said = String::new();
//! for line in ["", "EHLO c.example\r\n", "MAIL FROM:<a@c.example>\r\n", "RCPT TO:<b@mx.example>\r\n", "QUIT\r\n"] {
//!     now += Duration::from_millis(10);
//!     let taken = session.receive(now, line.as_bytes());
//!     assert_eq!(taken, line.len());
//!     while let Some(action) = session.poll() {
//!         match action {
//!             Action::Ask(ticket, Ask::Recipient) => {
//!                 let wait = Reply::new(450, Status(4, 2, 0), "Greylisted").with_hint(300);
//!                 session.decide(now, ticket, Decision::Refuse(wait));
//!             }
//!             Action::Ask(ticket, _) => session.decide(now, ticket, Decision::Accept),
//!             Action::StartTls | Action::Discard | Action::Close => {}
//!         }
//!     }
//!     said.push_str(&String::from_utf8_lossy(session.output()));
//!     session.output_taken();
//! }
//! assert!(said.contains("\r\n450 4.2.0 TIME=300 Greylisted\r\n221 "), "{said}");
//! ```
//!
//! # A client
//!
//! [`client`] in the same way: [`client::Session::send`] takes a mail, and [`client::Action::Done`] says what became of it.
#![forbid(unsafe_code)]

pub mod client;
pub mod envelope;
pub mod reply;
pub mod server;

pub use envelope::{BodyKind, Content, Notify, Recipient, Ret, Sender};
pub use reply::{Reply, Status};
