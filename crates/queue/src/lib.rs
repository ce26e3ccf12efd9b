//! The queue: message and recipient states, the schedule, back-off and appointments, notices, and the contract of a spool.
//!
//! No IO, no clock: the time is an argument, and what is random is passed in.
#![forbid(unsafe_code)]

pub mod dispatch;
pub mod hold;
pub mod id;
pub mod message;
pub mod notice;
pub mod outcome;
pub mod parked;
pub mod plan;
pub mod progress;
pub mod route;
pub mod settle;
pub mod spool;

pub use hold::{HoldKey, HostKey};
pub use id::MessageId;
pub use message::{Message, Origin};
pub use outcome::{Outcome, Report};
pub use plan::Rules;
pub use progress::{Progress, State, Stretched};
pub use route::Destination;
