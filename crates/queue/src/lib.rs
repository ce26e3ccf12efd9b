//! The queue: message and recipient states, the schedule, back-off and appointments, notices, and the contract of a spool.
//!
//! No IO, no clock: the time is an argument, and what is random is passed in.
//!
//! A server hands its events to [`dispatch::Dispatcher`], does what that commands, and keeps rows in a [`spool::Spool`].
//! Underneath is the sender's plan, which can be used alone:
//!
//! ```
//! use queue::outcome::{Deferral, Problem};
//! use queue::plan::{Next, after, first};
//! use queue::{Message, MessageId, Origin, Rules};
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! let now = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
//! let message = Message {
//!     id: MessageId::from_time(now),
//!     received: now,
//!     sender: smtp::Sender { address: "a@c.example".to_owned(), ..Default::default() },
//!     recipients: vec![smtp::Recipient { address: "b@mx.example".to_owned(), ..Default::default() }],
//!     content: smtp::Content::default(),
//!     origin: Origin::default(),
//! };
//! let rules = Rules::default();
//! let row = first(&rules, &message, now, false);
//! assert_eq!(row.due, now, "the first attempt is at once");
//!
//! let reply = "450 4.2.0 TIME=300 Greylisted";
//! let hint = retry_hint::read(reply.as_bytes(), retry_hint::Answered::Rcpt, retry_hint::Tongues::default());
//! let deferral = Deferral {
//!     problem: Problem {
//!         status: smtp::Status(4, 2, 0),
//!         text: reply.to_owned(),
//!         remote: true,
//!         relay: "mx.example[192.0.2.1]:25".to_owned(),
//!         answered: Some(retry_hint::Answered::Rcpt),
//!         tls: None,
//!     },
//!     hint,
//!     host: None,
//!     local: None,
//! };
//! // What is random in 0..=1 spreads appointments over a second; here it is 0.
//! let Next::Wait(row) = after(&rules, &row, &deferral, now, 0.0) else { panic!("given up") };
//! assert_eq!(row.due, now + Duration::from_secs(300), "the second when the receiver said");
//! assert_eq!(row.backoff_steps, 0, "and the back-off has not begun");
//! ```
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
