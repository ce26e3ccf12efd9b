//! The key under which an appointment is found again.

use crate::slots::Holder;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::fmt;
use std::hash::Hasher as _;

/// Keys the names of appointments, so that nobody who doesn't know it can make two the same. Kept with them: a stored
/// appointment is found by a hash that was made with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LastingKey(pub [u8; 16]);

impl fmt::Debug for LastingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastingKey(…)")
    }
}

impl LastingKey {
    /// Who comes back for `what`. A hash that no release of the compiler changes, since it is stored.
    pub(super) fn holder(&self, what: &str, client: &str, sender: &str, recipient: &str) -> Holder {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(what.as_bytes());
        for part in [client, sender, recipient] {
            // No part holds a NUL, so no two triples read the same.
            hasher.write(&[0]);
            hasher.write(part.as_bytes());
        }
        Holder(hasher.finish128().as_u128())
    }
}
