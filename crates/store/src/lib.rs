//! The back ends: where mail and records lie. They implement the traits of `queue` and `policy`.
//!
//! | what | memory | SQLite |
//! | --- | --- | --- |
//! | mail ([`queue::spool::Spool`]) | [`memory::MemorySpool`] | [`sqlite::SqliteSpool`] |
//!
//! Whatever stands behind the trait passes [`conformance::check`].
#![forbid(unsafe_code)]

pub mod conformance;
mod drain;
mod ids;
pub mod lock;
pub mod memory;
pub mod policy;
pub mod sqlite;

pub use ids::MAX_ID;
