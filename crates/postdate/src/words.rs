//! The names that logs, tables and JSON use for things.

use queue::State;
use queue::settle::Kind;
use retry_hint::{Holds, Tongue};

/// How a hint was written.
pub(crate) fn tongue(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::Keyword => "keyword",
        Tongue::Draft => "draft",
        Tongue::Prose => "prose",
    }
}

/// What a wait holds back.
pub(crate) fn holds(holds: Holds) -> &'static str {
    match holds {
        Holds::Host => "host",
        Holds::Message => "message",
        Holds::Recipient => "recipient",
        Holds::Mailbox => "mailbox",
    }
}

/// A notice's kind: RFC 3464 `Action`.
pub(crate) fn notice(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Delayed => "delayed",
        Kind::Delivered => "delivered",
        Kind::Relayed => "relayed",
    }
}

/// A row's state.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Held => "held",
    }
}
