//! postgrey's files: `whitelist_clients` and `whitelist_recipients`, as postgrey 1.37 reads them.
//!
//! One entry a line; what is after a `#` is a comment, everywhere. A line that can't be read is named, and the others
//! hold: postgrey does the same.
//!
//! Expressions between slashes ignore case and match anywhere, as there. They are those of the `regex` crate, which
//! takes linear time whatever a client is called: no look-around, no back-references. Perl's other everyday forms are
//! the same.

mod clients;
mod expressions;
mod lines;
mod recipients;

pub use clients::Clients;
pub use lines::{LINES_MAX, OCTETS_MAX, Trouble, What};
pub use recipients::Recipients;
