//! What every spool must do, as one suite: a new back end is right when [`check`] returns.
//!
//! It panics at the first thing that is wrong, as a test does.

#![expect(
    clippy::unwrap_used,
    reason = "a test suite, if one that others can run"
)]

mod body;
mod lease;
pub mod mail;
mod store;

use queue::spool::Spool;

/// A place for one spool, empty at first.
pub trait Ground {
    /// Opens the spool; again after the last one was dropped: then it is what a new process finds.
    fn open(&mut self) -> Box<dyn Spool>;
}

type Case = (&'static str, fn(&mut dyn Ground));

/// Runs every case on a ground of its own.
///
/// # Panics
/// When a case fails. The case's name is on standard error.
pub fn check(ground: &mut dyn FnMut() -> Box<dyn Ground>) {
    for (name, case) in [store::CASES, body::CASES, lease::CASES].concat() {
        // Shown by the test runner only beside a failure.
        eprintln!("conformance: {name}");
        case(&mut *ground());
    }
}
