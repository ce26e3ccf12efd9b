//! A mail's content as it comes to a door, where a rule wants to know of it.

use super::Desk;
use crate::checks::Reader;
use crate::judge::Caller;

/// One mail's: how long it is, and what a rule reads of it.
#[derive(Default)]
pub(super) struct Content {
    octets: u64,
    reader: Option<Reader>,
}

impl Content {
    /// Of a mail that begins.
    pub(super) fn begin(desk: &Desk) -> Self {
        let reader = desk.judge.reader();
        Self { octets: 0, reader }
    }

    /// The next octets, as the client sent them, but for dots doubled.
    pub(super) fn take(&mut self, octets: &[u8]) {
        let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(len);
        if let Some(reader) = &mut self.reader {
            reader.write(octets);
        }
    }

    /// Whether some rule reads on, whatever is counted.
    pub(super) fn is_read(&self) -> bool {
        self.reader.as_ref().is_some_and(Reader::wants_more)
    }

    /// That was all of it: hands over what was read, and says how long it was. `None`: nothing came, as nobody asked for
    /// content.
    pub(super) fn end(&mut self, caller: &mut Caller) -> Option<u64> {
        let Self { octets, reader } = std::mem::take(self);
        if octets == 0 {
            return None;
        }
        caller.holds(reader.map(Reader::end));
        Some(octets)
    }
}
