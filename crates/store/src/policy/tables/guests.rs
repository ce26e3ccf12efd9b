//! Who may come for an appointment, as one text: names of 128 bits in hexadecimal, those of one guest with `+` between, and
//! guests with spaces.

use policy::slots::{Guest, Holder};
use std::collections::HashMap;

pub(super) fn text(guests: &[Guest]) -> String {
    let name = |holder: &Holder| format!("{:032x}", holder.0);
    let guest = |guest: &Guest| guest.0.iter().map(name).collect::<Vec<_>>().join("+");
    guests.iter().map(guest).collect::<Vec<_>>().join(" ")
}

/// `None`: one of them can't be read.
pub(super) fn read(text: &str) -> Option<Vec<Guest>> {
    text.split_whitespace().map(read_guest).collect()
}

/// Each guest's forward-path, of lines with a guest and its own. The `first` is the first guest's where none is named:
/// files of earlier releases say no more.
pub(super) fn recipients(guests: &[Guest], lines: &str, first: &str) -> Vec<String> {
    let named: HashMap<_, _> = lines
        .split('\n')
        .filter_map(|line| line.split_once(' '))
        .collect();
    let recipient = |guest: &Guest| named.get(&*text(std::slice::from_ref(guest))).copied();
    let mut all: Vec<_> = guests
        .iter()
        .map(|guest| recipient(guest).unwrap_or_default().to_owned())
        .collect();
    if let Some(one) = all.first_mut().filter(|_| named.is_empty()) {
        first.clone_into(one);
    }
    all
}

fn read_guest(text: &str) -> Option<Guest> {
    let name = |name| u128::from_str_radix(name, 16).ok().map(Holder);
    text.split('+').map(name).collect::<Option<_>>().map(Guest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_guest_is_refused() {
        for text in [
            "x",
            "1+",
            "+1",
            "1++2",
            "1 2 -",
            "123456789012345678901234567890123",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_are_read_as_they_were_written(
            guests in prop::collection::vec(prop::collection::vec(any::<u128>(), 1..4), 0..5),
        ) {
            let guest = |names: Vec<u128>| Guest(names.into_iter().map(Holder).collect());
            let guests: Vec<_> = guests.into_iter().map(guest).collect();
            prop_assert_eq!(read(&text(&guests)), Some(guests));
        }
    }
}
