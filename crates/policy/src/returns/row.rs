//! What a store keeps of who never came back, and what changed of it.

use crate::Moment;
use ipnet::IpNet;

/// How far a telling is. The names are for the store's rows, where an administrator reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing came yet.
    Waiting,
    /// Something came: it will not be counted.
    Came,
    /// The window is over, and nothing came: it counts against the client.
    Counted,
}

impl State {
    /// `waiting`, `came`, `counted`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Came => "came",
            Self::Counted => "counted",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Came, Self::Counted]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// One row that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A client was told to wait.
    Pair {
        /// Names the row; ascends with its age and is never given twice in a table's life.
        id: u64,
        /// A single address, or a /64.
        client: IpNet,
        /// The reverse-path.
        sender: String,
        /// The forward-path.
        recipient: String,
        /// When.
        told: Moment,
        /// The end of the window in which a retry is awaited.
        until: Moment,
        /// How far it is.
        state: State,
    },
    /// A client was accepted.
    Accepted {
        /// A single address, or a /64, which names the row.
        client: IpNet,
        /// When last; to the hour.
        last: Moment,
    },
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a client's row anew.
    Keep(Stored),
    /// A pair is further.
    Move {
        /// The pair's name.
        id: u64,
        /// The end of its window.
        until: Moment,
        /// How far it is.
        state: State,
    },
    /// The pair is gone.
    Drop {
        /// The pair's name.
        id: u64,
    },
    /// It is forgotten that the client was accepted.
    Forget {
        /// The client's name.
        client: IpNet,
    },
}
