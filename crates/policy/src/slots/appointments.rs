//! Places that were told, and who may claim them.

use super::calendar::Hold;
use super::change::Change;
use super::{EARLY, Grace, Guest, Holder};
use crate::greylist::Secret;
use crate::{Block, Moment};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// So long what is kept briefly is kept. The time told is a full second of the wait, so it may be that much later.
pub(super) const BRIEF: Duration = Duration::from_secs(Grace::BRIEF.as_secs() + 1);

/// One time told. It carries its own times, so that no later setting takes back what was told.
#[derive(Debug)]
pub(super) struct Appointment {
    /// Those who were told, and are not through with it.
    pub(super) seats: Vec<Seat>,
    pub(super) block: Block,
    /// The rule whose time was the latest.
    pub(super) rule: Arc<str>,
    /// The first visit.
    pub(super) asked: Moment,
    /// The time told. Never moves while its places are kept.
    pub(super) due: Moment,
    /// The last moment at which it counts.
    pub(super) until: Moment,
    /// What it has in calendars; nothing once that is spent on the first guest.
    pub(super) holds: Vec<Hold>,
    /// What was kept briefly went to others.
    pub(super) lapsed: bool,
    /// A guest came for it once.
    pub(super) came: bool,
    pub(super) listed: Listed,
}

/// A guest's.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) guest: Guest,
    /// It came, and what becomes of it is not known.
    pub(super) inside: bool,
}

/// Under what a row stands in the indexes.
#[derive(Debug, Default)]
pub(super) struct Listed {
    end: Option<Moment>,
    /// Some guest has yet to come, at this time.
    waits: Option<Moment>,
    unclaimed: bool,
    changed: bool,
}

impl Appointment {
    /// The last moment at which all that it has is kept.
    pub(super) fn brief_end(&self) -> Moment {
        let brief = self.holds.iter().any(|hold| hold.brief);
        if brief {
            self.due.after(BRIEF).min(self.until)
        } else {
            self.until
        }
    }

    pub(super) fn is_empty_inside(&self) -> bool {
        self.seats.iter().all(|seat| !seat.inside)
    }

    pub(super) fn guests(&self) -> Vec<Guest> {
        self.seats.iter().map(|seat| seat.guest.clone()).collect()
    }
}

/// All of them. Every operation takes O(log n) for each guest at most.
#[derive(Debug)]
pub(super) struct Appointments {
    rows: BTreeMap<u64, Appointment>,
    /// Who has yet to come, by each of its names. One may have several: it was told another while its first mail was
    /// inside, and that was refused after all.
    names: BTreeSet<(Holder, u64)>,
    ends: BTreeSet<(Moment, u64)>,
    /// Those with a guest that has yet to come, by their time.
    expected: BTreeSet<(Block, Moment, u64)>,
    /// How many each network has that nobody came for.
    unclaimed: HashMap<Block, usize, Secret>,
    seats: usize,
    seats_of: HashMap<Block, usize, Secret>,
    /// Rows that have others or hold another number since they were handed out.
    changed: Vec<u64>,
}

impl Appointments {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            rows: BTreeMap::new(),
            names: BTreeSet::new(),
            ends: BTreeSet::new(),
            expected: BTreeSet::new(),
            unclaimed: HashMap::with_hasher(secret),
            seats: 0,
            seats_of: HashMap::with_hasher(secret),
            changed: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Guests of all.
    pub(super) fn seats(&self) -> usize {
        self.seats
    }

    /// Guests of this network's.
    pub(super) fn seats_in(&self, block: Block) -> usize {
        self.seats_of.get(&block).copied().unwrap_or(0)
    }

    fn count_seats(&mut self, block: Block, more: usize, less: usize) {
        self.seats = self.seats + more - less;
        let now = self.seats_in(block) + more - less;
        match now {
            0 => self.seats_of.remove(&block),
            now => self.seats_of.insert(block, now),
        };
    }

    pub(super) fn get(&self, id: u64) -> Option<&Appointment> {
        self.rows.get(&id)
    }

    /// The one that these are here for, of those that they have yet to come for: one whose time has come, before one that
    /// is early, before one that has lost a place; of equals, the first that is due.
    pub(super) fn of(&self, guests: &[Guest], now: Moment) -> Option<u64> {
        self.all_of(guests).min_by_key(|id| {
            let row = self.rows.get(id);
            let kept = row.is_some_and(|row| now <= row.brief_end() && !row.lapsed);
            let comes = row.is_some_and(|row| row.due <= now.after(EARLY));
            (!kept, !comes, row.map(|row| row.due), *id)
        })
    }

    /// The first that is due of those that are early.
    pub(super) fn early_of(&self, guests: &[Guest], now: Moment) -> Option<(u64, &Appointment)> {
        let rows = self
            .all_of(guests)
            .filter_map(|id| Some((id, self.rows.get(&id)?)));
        let early = rows.filter(|(_, row)| now.after(EARLY) < row.due);
        early.min_by_key(|(id, row)| (row.due, *id))
    }

    fn all_of<'a>(&'a self, guests: &'a [Guest]) -> impl Iterator<Item = u64> + 'a {
        let names = guests.iter().flat_map(|guest| &guest.0);
        names.flat_map(|name| {
            let own = self.names.range((*name, 0)..=(*name, u64::MAX));
            own.map(|&(_, id)| id)
        })
    }

    pub(super) fn unclaimed_in(&self, block: Block) -> usize {
        self.unclaimed.get(&block).copied().unwrap_or(0)
    }

    /// Whether somebody of this network may come at `now`, for what was told: as long as load keeps its place.
    pub(super) fn expects(&self, client: IpAddr, now: Moment) -> bool {
        let block = Block::holding(client);
        let first = (block, now.before(EARLY).before(BRIEF), 0);
        let mut own = self.expected.range(first..=(block, now, u64::MAX));
        // Those whose time is over are there until they are swept.
        own.any(|(_, _, id)| self.rows.get(id).is_some_and(|row| now <= row.until))
    }

    /// Adds one that nobody came for yet.
    pub(super) fn insert(&mut self, id: u64, row: Appointment) {
        self.count_seats(row.block, row.seats.len(), 0);
        for name in row.seats.iter().flat_map(|seat| &seat.guest.0) {
            self.names.insert((*name, id));
        }
        self.rows.insert(id, row);
        self.list(id);
    }

    /// Changes one, and lists it anew.
    pub(super) fn change(&mut self, id: u64, change: impl FnOnce(&mut Appointment)) {
        if let Some(row) = self.rows.get_mut(&id) {
            change(row);
            self.list(id);
        }
    }

    /// Whether this is one of its guests.
    pub(super) fn seats_guest(&self, id: u64, guest: &Guest) -> bool {
        let mut names = guest.0.iter();
        names.any(|name| self.names.contains(&(*name, id)))
    }

    /// One more may come.
    pub(super) fn seat(&mut self, id: u64, guest: Guest) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        for name in &guest.0 {
            self.names.insert((*name, id));
        }
        row.seats.push(Seat {
            guest,
            inside: false,
        });
        let block = row.block;
        self.count_seats(block, 1, 0);
        self.touch(id);
        self.list(id);
    }

    /// These are here for it: says which of its guests that are.
    pub(super) fn claim(&mut self, id: u64, guests: &[Guest]) -> Vec<Guest> {
        let Some(row) = self.rows.get_mut(&id) else {
            return Vec::new();
        };
        row.came = true;
        let here = |seat: &&mut Seat| {
            !seat.inside && guests.iter().any(|guest| guest.is_also(&seat.guest))
        };
        let mut claimed = Vec::new();
        for seat in row.seats.iter_mut().filter(here) {
            seat.inside = true;
            claimed.push(seat.guest.clone());
        }
        for name in claimed.iter().flat_map(|guest| &guest.0) {
            self.names.remove(&(*name, id));
        }
        self.touch(id);
        self.list(id);
        claimed
    }

    /// These were refused for another reason, and may come again.
    pub(super) fn reopen(&mut self, id: u64, guests: &[Guest]) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        for seat in row
            .seats
            .iter_mut()
            .filter(|seat| guests.contains(&seat.guest))
        {
            seat.inside = false;
            for name in &seat.guest.0 {
                self.names.insert((*name, id));
            }
        }
        self.list(id);
    }

    /// These are through with it. Says whether somebody else may come.
    pub(super) fn leave(&mut self, id: u64, guests: &[Guest]) -> bool {
        let Some(row) = self.rows.get_mut(&id) else {
            return false;
        };
        let before = row.seats.len();
        row.seats
            .retain(|seat| !(seat.inside && guests.contains(&seat.guest)));
        let (remain, block) = (row.seats.len(), row.block);
        self.count_seats(block, 0, before - remain);
        self.touch(id);
        self.list(id);
        remain > 0
    }

    /// Whoever this is may not come any more. Says whether somebody else is there, or may come.
    pub(super) fn unseat(&mut self, id: u64, name: Holder) -> bool {
        let Some(row) = self.rows.get_mut(&id) else {
            return false;
        };
        let own = |seat: &mut Seat| !seat.inside && seat.guest.0.contains(&name);
        let gone: Vec<_> = row.seats.extract_if(.., own).collect();
        for name in gone.iter().flat_map(|seat| &seat.guest.0) {
            self.names.remove(&(*name, id));
        }
        let (remain, block) = (row.seats.len(), row.block);
        self.count_seats(block, 0, gone.len());
        self.touch(id);
        self.list(id);
        remain > 0
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Appointment> {
        let row = self.rows.get_mut(&id)?;
        for name in row.seats.iter().flat_map(|seat| &seat.guest.0) {
            self.names.remove(&(*name, id));
        }
        let (block, seats) = (row.block, row.seats.len());
        row.seats.clear();
        self.count_seats(block, 0, seats);
        self.list(id);
        let row = self.rows.remove(&id)?;
        self.ends.remove(&(row.listed.end?, id));
        Some(row)
    }

    /// The one of which something ended first, if any has by `now`.
    pub(super) fn ended(&self, now: Moment) -> Option<u64> {
        let &(end, id) = self.ends.first()?;
        (now > end).then_some(id)
    }

    /// Those with something in this calendar, oldest first. Looks at all.
    pub(super) fn within(&self, calendar: u64) -> Vec<u64> {
        let has = |row: &Appointment| row.holds.iter().any(|hold| hold.calendar == calendar);
        let rows = self.rows.iter().filter(|(_, row)| has(row));
        rows.map(|(&id, _)| id).collect()
    }

    /// What its row says of guests and places is old.
    pub(super) fn touch(&mut self, id: u64) {
        if let Some(row) = self.rows.get_mut(&id)
            && !row.listed.changed
        {
            row.listed.changed = true;
            self.changed.push(id);
        }
    }

    pub(super) fn untaken(&self) -> usize {
        self.changed.len()
    }

    /// The rows that are others since the last call, in the order in which they became so.
    pub(super) fn take_changed(&mut self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.changed.len());
        for id in std::mem::take(&mut self.changed) {
            if let Some(row) = self.rows.get_mut(&id) {
                row.listed.changed = false;
                changes.push(Change::Guests {
                    id,
                    guests: row.guests(),
                    holds: row.holds.clone(),
                    lapsed: row.lapsed,
                    came: row.came,
                });
            }
        }
        changes
    }

    fn list(&mut self, id: u64) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        let end = Some(row.brief_end());
        if row.listed.end != end {
            let before = std::mem::replace(&mut row.listed.end, end);
            if let Some(before) = before {
                self.ends.remove(&(before, id));
            }
            self.ends.extend(end.map(|end| (end, id)));
        }
        // It may come so much early.
        let at = row.due.before(EARLY);
        let waits = row.seats.iter().any(|seat| !seat.inside).then_some(at);
        if row.listed.waits != waits {
            let before = std::mem::replace(&mut row.listed.waits, waits);
            if let Some(before) = before {
                self.expected.remove(&(row.block, before, id));
            }
            self.expected.extend(waits.map(|at| (row.block, at, id)));
        }
        let unclaimed = !row.seats.is_empty() && !row.holds.is_empty() && row.is_empty_inside();
        if row.listed.unclaimed != unclaimed {
            row.listed.unclaimed = unclaimed;
            let count = self.unclaimed.entry(row.block).or_default();
            if unclaimed {
                *count += 1;
            } else {
                *count -= 1;
                if *count == 0 {
                    self.unclaimed.remove(&row.block);
                }
            }
        }
    }
}
