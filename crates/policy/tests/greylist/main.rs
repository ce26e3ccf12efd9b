//! Greylisting over virtual time.

mod appointments;
mod dialogue;
mod dialogues;
mod exempt;
mod flood;
mod law;
mod law_of_greylist;
mod names;
mod pools;
mod rows;
mod suspicion;

use policy::greylist::{Secret, Settings, Table};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-01-01, where every test starts.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const DAY: Duration = Duration::from_secs(86_400);

fn table(settings: Settings) -> Table {
    Table::new(settings, Secret::new([1, 2]))
}
