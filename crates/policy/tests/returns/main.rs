//! Who never came back, over virtual time.

mod attack;
mod dnsbl;
mod law;
mod story;

use policy::Moment;
use policy::greylist::Secret;
use policy::returns::{Change, Returns, Settings, State, Stored};
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;

/// 2026-01-01 and so many minutes.
fn at(minutes: u64) -> Moment {
    Moment::from_millis(1_767_225_600_000).after(Duration::from_secs(60 * minutes))
}

fn returns(settings: Settings) -> Returns {
    Returns::new(settings, Secret::new([1, 2]))
}

/// What a store does with the changes.
#[derive(Debug, Default)]
struct Store {
    pairs: BTreeMap<u64, Stored>,
    accepted: BTreeMap<String, Stored>,
}

impl Store {
    fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Keep(row @ Stored::Pair { id, .. }) => {
                    self.pairs.insert(id, row);
                }
                Change::Keep(row @ Stored::Accepted { client, .. }) => {
                    self.accepted.insert(client.to_string(), row);
                }
                Change::Move { id, until, state } => {
                    let row = self.pairs.get_mut(&id).expect("a pair that moves is there");
                    if let Stored::Pair {
                        until: to,
                        state: now,
                        ..
                    } = row
                    {
                        (*to, *now) = (until, state);
                    }
                }
                Change::Drop { id } => {
                    self.pairs.remove(&id).expect("a pair that goes is there");
                }
                Change::Forget { client } => {
                    self.accepted
                        .remove(&client.to_string())
                        .expect("a client that is forgotten is there");
                }
            }
        }
    }

    fn restart(&self, settings: Settings, now: Moment) -> Returns {
        // Another secret: rows are hashed anew.
        let mut returns = Returns::new(settings, Secret::new([3, 4]));
        for row in self.accepted.values().chain(self.pairs.values()) {
            returns.restore(row.clone(), now);
        }
        returns
    }

    fn counted(&self) -> usize {
        let counts = |row: &&Stored| {
            matches!(
                row,
                Stored::Pair {
                    state: State::Counted,
                    ..
                }
            )
        };
        self.pairs.values().filter(counts).count()
    }
}
