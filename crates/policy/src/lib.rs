//! The receiver's judgement as pure rules: event + record + time → record + verdict.
//!
//! No IO, no clock.
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
