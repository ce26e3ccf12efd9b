//! Rows that keep their place as long as they live.

use std::ops::{Deref, DerefMut};

/// Where a row lies.
pub(crate) type Place = u32;

/// Where none does.
pub(crate) const NOWHERE: Place = Place::MAX;

/// Rows by place. One that is taken out leaves its place to a later one.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    rows: Vec<T>,
    free: Vec<Place>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Where the next row will lie: where one was, or behind all.
    pub(crate) fn next(&self) -> Place {
        self.free
            .last()
            .copied()
            .unwrap_or(self.rows.len() as Place)
    }

    /// Puts a row there.
    pub(crate) fn put(&mut self, row: T) -> Place {
        let place = self.next();
        match self.free.pop() {
            Some(_) => self.rows[place as usize] = row,
            None => self.rows.push(row),
        }
        place
    }

    /// Gives the place to a later row; until then, what was there can be looked at.
    pub(crate) fn free(&mut self, place: Place) {
        self.free.push(place);
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.rows
    }
}

impl<T> DerefMut for Slab<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.rows
    }
}
