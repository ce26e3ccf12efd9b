//! Rows in the order in which their time is over.

use crate::Moment;
use crate::ring::{self, Ringed};
use crate::slab::Place;
use std::collections::BTreeMap;

/// The order is kept to the minute, in rings of rows; within one, a row stands where it was put, which is the exact order
/// as long as the clock goes forward. So a row takes no entry of its own, and one that is over is the first a minute later
/// at most.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The first row of each minute that has one.
    minutes: BTreeMap<i64, Place>,
    len: usize,
}

impl Ends {
    pub(crate) const fn new() -> Self {
        Self {
            minutes: BTreeMap::new(),
            len: 0,
        }
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The row that ends first.
    pub(crate) fn first(&self) -> Option<Place> {
        self.minutes.values().next().copied()
    }

    /// Adds a row, in no ring so far, that ends at `end`.
    pub(crate) fn insert<T: Ringed>(&mut self, rows: &mut [T], place: Place, end: Moment) {
        let minute = minute(end);
        ring::append(rows, self.minutes.get(&minute).copied(), place);
        self.minutes.entry(minute).or_insert(place);
        self.len += 1;
    }

    /// Takes out a row that was put in with this `end`.
    pub(crate) fn remove<T: Ringed>(&mut self, rows: &mut [T], place: Place, end: Moment) {
        let minute = minute(end);
        let Some(&first) = self.minutes.get(&minute) else {
            return;
        };
        match ring::take_out(rows, first, place) {
            Some(first) => self.minutes.insert(minute, first),
            None => self.minutes.remove(&minute),
        };
        self.len -= 1;
    }
}

fn minute(end: Moment) -> i64 {
    end.as_millis().div_euclid(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    struct Row(Ring);

    impl Ringed for Row {
        fn ring(&mut self) -> &mut Ring {
            &mut self.0
        }
    }

    /// Rows at 0, 1, 2 … that end so many seconds after 1970, and the order in which they go.
    fn order(ends: &[i64]) -> Vec<Place> {
        let mut rows: Vec<_> = ends.iter().map(|_| Row(Ring::NONE)).collect();
        let mut order = Ends::new();
        let end = |place: Place| Moment::from_millis(ends[place as usize] * 1000);
        for place in 0..ends.len() as Place {
            order.insert(&mut rows, place, end(place));
        }
        let went: Vec<_> = std::iter::from_fn(|| {
            let place = order.first()?;
            order.remove(&mut rows, place, end(place));
            Some(place)
        })
        .collect();
        assert_eq!((order.len(), went.len()), (0, ends.len()));
        went
    }

    #[test]
    fn the_first_to_end_is_the_first() {
        assert_eq!(order(&[300, 100, 200, 500, 400]), [1, 2, 0, 4, 3]);
        assert_eq!(order(&[100, 101, 101, 102]), [0, 1, 2, 3]);
        assert_eq!(order(&[30, -30, -90, 0]), [2, 1, 0, 3], "before 1970");
    }

    #[test]
    fn within_a_minute_the_first_put_in_is() {
        assert_eq!(order(&[70, 65, 50, 80]), [2, 0, 1, 3]);
    }

    #[test]
    fn one_from_the_middle_leaves_the_others_in_order() {
        let mut rows: Vec<_> = (0..4).map(|_| Row(Ring::NONE)).collect();
        let mut order = Ends::new();
        let end = Moment::from_millis(0);
        for place in 0..4 {
            order.insert(&mut rows, place, end);
        }
        for (gone, first) in [(1, Some(0)), (0, Some(2)), (3, Some(2)), (2, None)] {
            order.remove(&mut rows, gone, end);
            assert_eq!(order.first(), first);
        }
    }
}
