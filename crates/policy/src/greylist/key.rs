//! What a record is found by: a keyed hash of its triplet.

use super::origin::Origin;
use crate::address::plain;
use std::borrow::Cow;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};

/// Keys the hashes, so that nobody who doesn't know it can make two triplets collide.
///
/// Draw it at random once per start. It needs no keeping: a restored record is hashed anew from its addresses.
#[derive(Clone, Copy)]
pub struct Secret([u64; 2]);

impl Secret {
    /// The secret made of these 128 random bits.
    pub const fn new(bits: [u64; 2]) -> Self {
        Self(bits)
    }

    fn hasher(&self, purpose: u64) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.write_u64(purpose);
        hasher
    }

    pub(super) fn key(&self, origin: &Origin, envelope: &Envelope<'_>) -> Key {
        let half = |purpose| {
            let mut hasher = self.hasher(purpose);
            origin.hash(&mut hasher);
            envelope.sender.hash(&mut hasher);
            envelope.recipient.hash(&mut hasher);
            hasher.finish()
        };
        Key::of([half(1), half(2)])
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Tables inside are hashed with the same secret: no randomness but what is passed in.
impl BuildHasher for Secret {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.hasher(0)
    }
}

/// 96 bits that stand for a triplet. With three million of them, two are the same once in 10^16.
///
/// Less than a word's alignment, so that nothing is lost between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u32; 3]);

impl Key {
    /// Of 128 bits, the first 96.
    pub(super) const fn of([one, other]: [u64; 2]) -> Self {
        Self([(one >> 32) as u32, one as u32, (other >> 32) as u32])
    }

    /// The first 64.
    pub(super) const fn hash(self) -> u64 {
        (self.0[0] as u64) << 32 | self.0[1] as u64
    }
}

/// Sender and recipient as they are compared: [`plain`].
#[derive(Clone, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) sender: Cow<'a, str>,
    pub(super) recipient: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(sender: &'a str, recipient: &'a str) -> Self {
        Self {
            sender: plain(sender),
            recipient: plain(recipient),
        }
    }
}
