//! A store of rows: what a file would hold.

use policy::greylist::{Change, Stored, Table};
use std::collections::BTreeMap;
use std::time::SystemTime;

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) records: BTreeMap<u64, Stored>,
    pub(crate) networks: BTreeMap<String, Stored>,
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
            Change::Keep(stored @ Stored::Network { network, .. }) => {
                self.networks.insert(network.to_string(), stored);
            }
            Change::Move { id, record: moved } => match self.records.get_mut(&id) {
                Some(Stored::Record { record, .. }) => *record = moved,
                other => panic!("no record {id} to move: {other:?}"),
            },
            Change::Drop { id } => {
                assert!(self.records.remove(&id).is_some(), "no record {id} to drop");
            }
            Change::Forget { network } => {
                assert!(
                    self.networks.remove(&network.to_string()).is_some(),
                    "no network {network} to forget"
                );
            }
        }
    }

    pub(crate) fn read(&self, table: &mut Table, now: SystemTime) {
        for stored in self.networks.values().chain(self.records.values()) {
            table.restore(stored.clone(), now);
        }
    }
}
