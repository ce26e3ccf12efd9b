//! SMTP sessions as pure state machines (RFC 5321): octets, answers and time in; octets, questions and deadlines out.
//!
//! No IO, no clock: `now` is always the time since the session was opened.
#![forbid(unsafe_code)]

pub mod client;
pub mod envelope;
pub mod reply;
pub mod server;

pub use envelope::{BodyKind, Content, Notify, Recipient, Ret, Sender};
pub use reply::{Reply, Status};
