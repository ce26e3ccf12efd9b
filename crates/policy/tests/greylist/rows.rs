//! A store of rows: what a file would hold.

use policy::greylist::{Change, Stored, Table};
use std::collections::BTreeMap;
use std::time::SystemTime;

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) records: BTreeMap<u64, Stored>,
    pub(crate) known: BTreeMap<String, Stored>,
}

impl Rows {
    pub(crate) fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.write_one(change);
        }
    }

    fn write_one(&mut self, change: Change) {
        match change {
            Change::Keep(stored @ Stored::Record { id, .. }) => {
                assert!(
                    self.records.insert(id, stored).is_none(),
                    "id {id} is given twice"
                );
            }
            Change::Keep(stored) => {
                let Stored::Known { origin, .. } = &stored else {
                    unreachable!("a record is kept above");
                };
                self.known.insert(origin.to_string(), stored);
            }
            Change::Move { id, record: moved } => match self.records.get_mut(&id) {
                Some(Stored::Record { record, .. }) => *record = moved,
                other => panic!("no record {id} to move: {other:?}"),
            },
            Change::Join { id, origin } => match self.records.get_mut(&id) {
                Some(Stored::Record { pool, .. }) => pool.push(origin),
                other => panic!("no record {id} to join: {other:?}"),
            },
            Change::Drop { id } => {
                assert!(self.records.remove(&id).is_some(), "no record {id} to drop");
            }
            Change::Forget { origin } => {
                assert!(
                    self.known.remove(&origin.to_string()).is_some(),
                    "no {origin} to forget"
                );
            }
        }
    }

    /// Rows in which this address, origin or network stands.
    pub(crate) fn naming(&self, name: &str) -> Vec<Stored> {
        let names = |row: &&Stored| match row {
            Stored::Known { origin, .. } => origin.to_string() == name,
            Stored::Record {
                network,
                pool,
                sender,
                recipient,
                ..
            } => {
                let pooled = pool.iter().any(|origin| origin.to_string() == name);
                pooled || [&network.to_string(), sender, recipient].contains(&&name.to_owned())
            }
        };
        let rows = self.known.values().chain(self.records.values());
        rows.filter(names).cloned().collect()
    }

    pub(crate) fn read(&self, table: &mut Table, now: SystemTime) {
        for stored in self.known.values().chain(self.records.values()) {
            table.restore(stored.clone(), now);
        }
    }
}
