//! What a test leaves to chance, so that it can be had again.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// A number from the environment: `cargo xtask long` sets how many rounds, and the seed.
#[track_caller]
pub(crate) fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// xorshift: everything follows from one number.
pub(crate) struct Chance(u64);

impl Chance {
    /// From `POSTDATE_TEST_SEED`, or from a seed that nobody chose; it is printed.
    pub(crate) fn new() -> Self {
        let seed = setting("POSTDATE_TEST_SEED").unwrap_or_else(|| {
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
        });
        println!("POSTDATE_TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// Less than `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Whole milliseconds, less than `limit_ms`.
    pub(crate) fn millis(&mut self, limit_ms: u64) -> Duration {
        Duration::from_millis(self.below(limit_ms))
    }
}
