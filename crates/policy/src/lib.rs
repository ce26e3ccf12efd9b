//! The receiver's judgement as pure rules: event + record + time → record + verdict.
//!
//! No IO, no clock.
//!
//! A door makes a [`engine::Session`] when a client comes and hands in an [`Event`] for each step; what [`Engine::questions`]
//! names it looks up first, into [`engine::Session::facts`]. The records are the engine's; what has to outlive a restart
//! the shell reads from them and writes down.
//!
//! [`Engine::questions`]: engine::Engine::questions
//!
//! ```
//! use policy::engine::{Engine, LastingKey, Rules, Session};
//! use policy::greylist::Secret;
//! use policy::{Event, Moment, Stage};
//! use std::time::Duration;
//!
//! // Both random; the key is kept, since stored appointments are found by it.
//! let (secret, key) = (Secret::new([1, 2]), LastingKey([3; 16]));
//! let mut engine = Engine::new(Rules::default(), secret, key);
//! let event = Event {
//!     stage: Stage::Recipient,
//!     client: [192, 0, 2, 1].into(),
//!     helo: "c.example",
//!     user: None,
//!     sender: "a@c.example",
//!     recipient: "b@mx.example",
//!     size: 0,
//! };
//! let now = Moment::from_millis(1_795_000_000_000);
//! let verdict = engine.judge(&mut Session::default(), &event, now);
//! let wait = verdict.refusal().and_then(|refusal| refusal.wait_secs);
//! assert_eq!(wait, Some(300), "a stranger is told when to come back");
//!
//! let on_time = now.after(Duration::from_secs(300));
//! let verdict = engine.judge(&mut Session::default(), &event, on_time);
//! assert_eq!(verdict.refusal(), None, "and is let in then");
//! ```
#![forbid(unsafe_code)]

pub mod domains;
pub mod drain;
pub mod engine;
pub mod estimates;
pub mod greylist;
pub mod lists;
pub mod mailbox;
pub mod returns;
pub mod slots;
pub mod stats;
pub mod zone;

mod address;
mod block;
mod chains;
mod ends;
mod event;
mod facts;
mod holdings;
mod moment;
mod ring;
mod shares;
mod slab;
mod verdict;

pub use block::Block;
pub use event::{Event, Stage};
pub use facts::{Fact, Facts, Finding, Listing, Question, Reverse, Spf};
pub use moment::Moment;
pub use verdict::{About, NoHint, Reason, Refusal, Verdict};
