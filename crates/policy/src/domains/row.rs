//! What a store keeps of domains that were seen, and what changed of it.

use crate::Moment;
use ipnet::IpNet;

/// One row that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Names the row; never given twice in a table's life.
    pub id: u64,
    /// In lower case.
    pub domain: String,
    /// The /24 or /64 whose mail brought it.
    pub network: IpNet,
    /// When a mail of it was last accepted; to the hour.
    pub last: Moment,
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row.
    Keep(Stored),
    /// It was used again.
    Move {
        /// The row's name.
        id: u64,
        /// When.
        last: Moment,
    },
    /// The row is gone.
    Drop {
        /// The row's name.
        id: u64,
    },
}
