//! What is said while records can't be kept.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use policy::{Event, Reason, Refusal, Stage, Verdict};

use crate::config::OnFailure;
use crate::node::RECORDS;

/// Whether the log has said that records can't be kept, and not yet that they can again.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<bool>);

impl Trouble {
    /// Logged once, not once a mail. `dir` is the data directory.
    pub(super) fn felt(&self, why: &str, dir: &Path, on_failure: OnFailure) {
        if self.turn(true) {
            return;
        }
        let meanwhile = match on_failure {
            OnFailure::Open => "nobody is asked to wait",
            OnFailure::Closed => "all mail is answered 451",
        };
        let why = with_advice(why, &dir.join(RECORDS));
        tracing::error!(target: "policy", "records can't be kept: {why}; until they can, {meanwhile} (policy.on_failure)");
    }

    /// Records are kept.
    pub(super) fn over(&self) {
        if self.turn(false) {
            tracing::info!(target: "policy", "records are kept again");
        }
    }

    fn turn(&self, on: bool) -> bool {
        let mut in_trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *in_trouble, on)
    }
}

/// What SQLite says of a file that somebody else holds.
const LOCKED: &str = "database is locked";
/// How the store says that a write takes long.
const SLOW: &str = "has not ended for";

/// What went wrong with the records' file, and what to look for.
pub(crate) fn with_advice(why: &str, file: &Path) -> String {
    let file = file.display();
    let holder = format!(
        "another process that has {file} open, such as a sqlite3 shell in a transaction (`fuser -v {file}` names it)"
    );
    if why.contains(LOCKED) {
        format!("{why}: look for {holder}")
    } else if why.contains(SLOW) {
        format!("{why}: look for a slow disk, or {holder}")
    } else {
        why.to_owned()
    }
}

/// A wait that can't be written down is not told; what is refused for good stays so.
pub(super) fn without_records(
    verdict: Verdict,
    event: &Event<'_>,
    on_failure: OnFailure,
) -> Verdict {
    match (on_failure, verdict) {
        (_, Verdict::Refuse(refusal)) if refusal.code >= 500 => Verdict::Refuse(refusal),
        (OnFailure::Closed, _) if event.stage == Stage::Recipient => {
            Verdict::Refuse(out_of_order())
        }
        (_, Verdict::Refuse(_)) => Verdict::Accept { waited: None },
        (_, verdict) => verdict,
    }
}

/// 451 4.3.0: nobody's storage is full.
pub(super) fn out_of_order() -> Refusal {
    let words = "Records are out of order here";
    Refusal::wait(Reason::Storage, (451, (4, 3, 0)), words, None)
}
