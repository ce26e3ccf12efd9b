//! The active set: the recipients that are in memory, and where each of them is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::LaneId;
use crate::{Destination, MessageId};

/// Names one recipient's row.
pub(super) type RowKey = (MessageId, u32);

/// Where a row that is in memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Room was taken for it; its message is not durable yet.
    Admitted,
    /// It waits for a lane.
    Queued,
    /// It is being attempted.
    Lane(LaneId),
}

/// The recipients in memory. A recipient is in it at most once, so it is never in two jobs.
#[derive(Debug, Default)]
pub(super) struct Active {
    rows: BTreeMap<RowKey, (Arc<Destination>, Place)>,
    per_destination: BTreeMap<Arc<Destination>, usize>,
}

impl Active {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = RowKey> {
        self.rows.keys().copied()
    }

    /// How many rows of a destination are in memory.
    pub(super) fn of(&self, destination: &Destination) -> usize {
        self.per_destination.get(destination).copied().unwrap_or(0)
    }

    /// The shared form of a destination.
    pub(super) fn share(&self, destination: Destination) -> Arc<Destination> {
        match self.per_destination.get_key_value(&destination) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(destination),
        }
    }

    pub(super) fn add(&mut self, key: RowKey, destination: &Arc<Destination>, place: Place) {
        let before = self.rows.insert(key, (Arc::clone(destination), place));
        debug_assert!(before.is_none(), "a row is in memory once");
        *self
            .per_destination
            .entry(Arc::clone(destination))
            .or_default() += 1;
    }

    /// Moves a row that is in memory to another place.
    pub(super) fn place(&mut self, key: RowKey, place: Place) {
        if let Some(row) = self.rows.get_mut(&key) {
            row.1 = place;
        }
    }

    pub(super) fn get(&self, key: RowKey) -> Option<(&Arc<Destination>, Place)> {
        self.rows
            .get(&key)
            .map(|(destination, place)| (destination, *place))
    }

    /// The rows of a message that are in memory.
    pub(super) fn of_message(
        &self,
        id: MessageId,
    ) -> impl Iterator<Item = (u32, &Arc<Destination>, Place)> {
        self.rows
            .range((id, 0)..=(id, u32::MAX))
            .map(|(key, (destination, place))| (key.1, destination, *place))
    }

    pub(super) fn remove(&mut self, key: RowKey) -> Option<(Arc<Destination>, Place)> {
        let (destination, place) = self.rows.remove(&key)?;
        if let Some(count) = self.per_destination.get_mut(&destination) {
            *count -= 1;
            if *count == 0 {
                self.per_destination.remove(&destination);
            }
        }
        Some((destination, place))
    }
}
