//! What a store keeps of the table, and what changed of it.

use super::{Known, Origin, Record};
use ipnet::IpNet;

/// One row that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A triplet's record, with the addresses in lower case, as they are compared.
    Record {
        /// Names the record; ascends with its age and is never given twice in a table's life.
        id: u64,
        /// The client network.
        network: IpNet,
        /// What else it is found under.
        pool: Vec<Origin>,
        /// The reverse-path.
        sender: String,
        /// The forward-path.
        recipient: String,
        /// What is remembered.
        record: Record,
    },
    /// An origin that passed at least once.
    Known {
        /// Names the row.
        origin: Origin,
        /// What is remembered.
        known: Known,
    },
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a known origin's row anew.
    Keep(Stored),
    /// The times of this record have changed.
    Move {
        /// The record's name.
        id: u64,
        /// What it is now.
        record: Record,
    },
    /// The record is found under this, too.
    Join {
        /// The record's name.
        id: u64,
        /// Where else it is found.
        origin: Origin,
    },
    /// The record is gone.
    Drop {
        /// The record's name.
        id: u64,
    },
    /// The origin is a stranger again.
    Forget {
        /// Names the row.
        origin: Origin,
    },
}
