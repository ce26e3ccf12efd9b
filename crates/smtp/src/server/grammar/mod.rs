//! The grammar of one complete command line (RFC 5321 §4.1).
//!
//! Why none of this is left to a library: what we take in we hand on, so an address must come out octet for octet as it
//! went in (a quoted local part with its quotes), `<postmaster>` must not become `<>`, `ENVID` and `ORCPT` stay in
//! xtext, nothing may be skipped over, and a chunk size that does not fit must never become a small one.

mod command;
mod params;
mod path;
mod xtext;

pub(super) use command::{Chunk, Command, parse};
pub(super) use params::{MailParams, RcptParams};
pub(super) use path::Mailbox;
pub use path::{is_address, is_domain, is_literal};
