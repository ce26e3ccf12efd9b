//! What a pair is found by: keyed hashes, so that nobody who doesn't know the secret makes two collide.

use crate::greylist::Secret;
use std::hash::{BuildHasher, Hasher};

/// 128 bits that stand for a sender's domain and a recipient. With 200,000 pairs, two are the same once in 10^28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PairKey([u64; 2]);

/// 64 bits that stand for a sender, within its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SenderHash(u64);

/// Each purpose hashes apart from the others.
const SENDER: u64 = 1;
const PAIR: [u64; 2] = [2, 3];

pub(super) fn pair(secret: &Secret, sender: &str, recipient: &str) -> PairKey {
    let half = |purpose| hash(secret, purpose, &[domain(sender), recipient]);
    PairKey(PAIR.map(half))
}

pub(super) fn sender(secret: &Secret, sender: &str) -> SenderHash {
    SenderHash(hash(secret, SENDER, &[sender]))
}

/// What is after the last `@`; all of it, of a name without one.
fn domain(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, domain)| domain)
}

/// As if in lower case, without making it so. Words can't run into each other: no character is `u32::MAX`.
fn hash(secret: &Secret, purpose: u64, words: &[&str]) -> u64 {
    let mut hasher = secret.build_hasher();
    hasher.write_u64(purpose);
    for word in words {
        for char in word.chars().flat_map(char::to_lowercase) {
            hasher.write_u32(u32::from(char));
        }
        hasher.write_u32(u32::MAX);
    }
    hasher.finish()
}
