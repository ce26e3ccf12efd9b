//! Mail in memory: for tests and the simulator. Everything is "durable" at once.

mod shelf;

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use queue::MessageId;
use queue::spool::{
    Body, BodyFile, Change, Count, Done, Entry, Hold, INLINE_MAX, Lease, Leased, Spool, SpoolError,
    Staging, Step,
};

use crate::drain::Drain;
use crate::ids::Ids;
use shelf::{Shelf, entry, octets};

/// See the module. A clone is another handle to the same mail.
#[derive(Clone, Debug)]
pub struct MemorySpool {
    ids: Arc<Ids>,
    drain: Arc<Drain>,
    capacity: Option<u64>,
    shelf: Arc<Mutex<Shelf>>,
}

impl Default for MemorySpool {
    fn default() -> Self {
        Self::new(None)
    }
}

impl MemorySpool {
    /// With room for so many octets of content; `None`: unlimited.
    #[must_use]
    pub fn new(capacity: Option<u64>) -> Self {
        Self {
            ids: Arc::new(Ids::after(0)),
            drain: Arc::default(),
            capacity,
            shelf: Arc::default(),
        }
    }

    /// What a process finds that starts after this one ended: the same mail, without the holds and parks that don't
    /// outlive a process. Changes to the one are not seen in the other.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut shelf = self.shelf().clone();
        shelf.restart();
        Self {
            ids: Arc::new(Ids::after(shelf.last_id)),
            drain: Arc::default(),
            capacity: self.capacity,
            shelf: Arc::new(Mutex::new(shelf)),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_shelf(&self) -> Result<MutexGuard<'_, Shelf>, SpoolError> {
        let shelf = self.shelf();
        if shelf.closed {
            Err(SpoolError::Closed)
        } else {
            Ok(shelf)
        }
    }

    fn apply(&self, change: Change) -> Result<(), SpoolError> {
        let mut shelf = self.open_shelf()?;
        let incoming: u64 = change.enqueue.iter().map(|(_, body, _)| octets(body)).sum();
        let only_grows = incoming > 0 && change.done.is_empty();
        if only_grows
            && self
                .capacity
                .is_some_and(|capacity| shelf.octets + incoming > capacity)
        {
            return Err(SpoolError::Full);
        }
        shelf.apply(change);
        Ok(())
    }
}

impl Spool for MemorySpool {
    fn new_id(&self, now: SystemTime) -> MessageId {
        self.drain.sample(now, self.shelf().removed_octets);
        self.ids.next(now)
    }

    fn stage(&self, _id: MessageId) -> Result<Box<dyn Staging>, SpoolError> {
        drop(self.open_shelf()?);
        Ok(Box::new(Incoming {
            content: Vec::new(),
            room: self.free_octets(),
        }))
    }

    fn submit(&self, change: Change, done: Done<()>) {
        // Called without the lock: it may submit more.
        done(self.apply(change));
    }

    fn lease(
        &self,
        which: Lease,
        now: SystemTime,
        limit: usize,
        step: Step,
        done: Done<Vec<Leased>>,
    ) {
        let leased = self.open_shelf().map(|mut shelf| {
            self.drain.sample(now, shelf.removed_octets);
            shelf.lease(&which, now, limit, &step)
        });
        done(leased);
    }

    fn next_wake(&self) -> Result<Option<SystemTime>, SpoolError> {
        Ok(self.shelf().wakes.first().map(|(wake, ..)| *wake))
    }

    fn body(&self, id: MessageId) -> Result<Option<Body>, SpoolError> {
        Ok(self
            .open_shelf()?
            .mails
            .get(&id)
            .map(|mail| mail.body.clone()))
    }

    fn holds(&self) -> Result<Vec<Hold>, SpoolError> {
        Ok(self.open_shelf()?.holds.values().cloned().collect())
    }

    fn get(&self, id: MessageId) -> Result<Option<Entry>, SpoolError> {
        Ok(self.open_shelf()?.mails.get(&id).map(entry))
    }

    fn list(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<Entry>, SpoolError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        Ok(self
            .open_shelf()?
            .mails
            .range((from, Unbounded))
            .take(limit)
            .map(|(_, mail)| entry(mail))
            .collect())
    }

    fn count(&self) -> Result<Count, SpoolError> {
        let shelf = self.shelf();
        Ok(Count {
            messages: shelf.mails.len() as u64,
            recipients: shelf.recipients,
        })
    }

    fn free_octets(&self) -> Option<u64> {
        Some(self.capacity?.saturating_sub(self.shelf().octets))
    }

    fn drain_rate(&self) -> Option<f64> {
        self.drain.rate()
    }

    fn close(&self, _within: Duration) {
        self.shelf().closed = true;
    }
}

/// Content on its way.
struct Incoming {
    content: Vec<u8>,
    room: Option<u64>,
}

impl Staging for Incoming {
    fn write(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        let len = (self.content.len() + octets.len()) as u64;
        if self.room.is_some_and(|room| len > room) {
            return Err(SpoolError::Full);
        }
        self.content.extend_from_slice(octets);
        Ok(())
    }

    fn is_on_disk(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>) -> Result<Body, SpoolError> {
        let content: Arc<[u8]> = self.content.into();
        Ok(if content.len() <= INLINE_MAX {
            Body::Inline(content)
        } else {
            Body::File(Arc::new(MemoryFile(content)))
        })
    }
}

/// A "file".
struct MemoryFile(Arc<[u8]>);

impl std::fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryFile({} octets)", self.0.len())
    }
}

impl BodyFile for MemoryFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(Arc::clone(&self.0))))
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::mail;
    use queue::Message;

    #[test]
    fn a_full_spool_keeps_nothing_and_recovers() {
        let spool = MemorySpool::new(Some(1000));
        let (first, second) = (mail::at(&spool, 1), mail::at(&spool, 1));
        let rows = vec![mail::row(60)];
        let add = |message: &Message, len| {
            mail::submit(
                &spool,
                mail::enqueue(message, &vec![b'x'; len], rows.clone()),
            )
        };
        assert_eq!(add(&first, 900), Ok(()));
        assert_eq!(add(&second, 101), Err(SpoolError::Full));
        assert_eq!(spool.free_octets(), Some(100));
        assert!(spool.get(second.id).unwrap().is_none());
        let mut staging = spool.stage(second.id).unwrap();
        assert_eq!(staging.write(&[b'x'; 101]), Err(SpoolError::Full));
        assert_eq!(mail::submit(&spool, mail::done(first.id, 0)), Ok(()));
        assert_eq!(add(&second, 101), Ok(()));
    }
}
