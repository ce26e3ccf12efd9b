//! One delivery attempt: where to, over which session, and what became of it.
//!
//! The module `attempt` decides and does no IO; [`Deliverer`] does what it asks for: looks up the route, connects,
//! shakes hands, drives the session's machine, writes into a Maildir.
#![forbid(unsafe_code)]

mod attempt;
mod convert;
mod deliverer;
mod dial;
mod dns;
#[cfg(test)]
mod fixture;
mod hosts;
mod lane;
pub mod local;
mod pool;
mod route;
mod session;
mod source;
mod tls;
mod words;

pub use deliverer::{Deliverer, Holds, Settings};
pub use dial::{Connection, Dial, Io, Tcp};
pub use dns::{Dns, DnsError};
pub use lane::{Lane, Unasked};
pub use route::{BoxFuture, LookupError, Mx, Resolve};
