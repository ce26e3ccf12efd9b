//! Rows in an order that is kept in the rows themselves.

use crate::slab::{NOWHERE, Place};

/// A row's neighbours; the last one's next is the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    before: Place,
    after: Place,
}

/// A row that may stand in a ring.
pub(crate) trait Ringed {
    fn ring(&mut self) -> &mut Ring;
}

impl Ring {
    /// Of a row that is in none.
    pub(crate) const NONE: Self = Self {
        before: NOWHERE,
        after: NOWHERE,
    };
}

/// Makes a row that is in no ring the last of the one that begins at `first`; where there is none, it is one by itself.
pub(crate) fn append<T: Ringed>(rows: &mut [T], first: Option<Place>, place: Place) {
    let first = first.unwrap_or(place);
    *ring(rows, place) = Ring {
        before: place,
        after: place,
    };
    let last = ring(rows, first).before;
    join(rows, last, place);
    join(rows, place, first);
}

/// Takes a row out of the ring that begins at `first`, and says where it begins then; `None`: nothing is left.
pub(crate) fn take_out<T: Ringed>(rows: &mut [T], first: Place, place: Place) -> Option<Place> {
    let Ring { before, after } = std::mem::replace(ring(rows, place), Ring::NONE);
    if after == place {
        return None;
    }
    join(rows, before, after);
    Some(if first == place { after } else { first })
}

fn join<T: Ringed>(rows: &mut [T], before: Place, after: Place) {
    ring(rows, before).after = after;
    ring(rows, after).before = before;
}

fn ring<T: Ringed>(rows: &mut [T], place: Place) -> &mut Ring {
    rows[place as usize].ring()
}
