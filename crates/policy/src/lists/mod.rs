//! The operator's word, above all rules: whom to let in without a wait, and whom to refuse for good.
//!
//! An entry is about a client network, a sender or a recipient. The most specific one of its kind speaks: the longest
//! network; an address before its domain, a domain before what it lies below. Of the three kinds the **recipient**
//! speaks first (so that `postmaster` can be reached by whoever is refused), then the **client**, who has proved its
//! address, and last the **sender**, which anybody can claim.
//!
//! [`postgrey`] reads the files of those who come from there.

pub mod postgrey;

mod networks;
mod row;
mod subject;
mod table;

pub use row::{Action, Change, Entry};
pub use subject::{PATTERN_MAX, Subject, SubjectError};
pub use table::{ENTRIES_MAX, Full, Overrides};
