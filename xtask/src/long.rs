//! `cargo xtask long`: kill -9 and power cuts, many rounds.

mod power;

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use crate::run::{cargo, run as run_command, succeeds};

/// Runs both kinds, also when the first failed.
///
/// # Errors
/// Mail was lost, or something that the test needs is missing.
pub(crate) fn run(root: &Path, rounds: u32, seed: Option<u64>) -> Result<(), String> {
    let seed = seed.unwrap_or_else(|| {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    });
    println!("long: {rounds} rounds of each kind; again with --seed {seed}");
    let kills = kills(root, rounds, seed);
    let power = power::cut(root, rounds, &mut Chance(seed | 1));
    for (what, result) in [("kills", &kills), ("power cuts", &power)] {
        println!(
            "long: {what}: {}",
            result
                .as_ref()
                .err()
                .map_or("nothing was lost", String::as_str)
        );
    }
    kills.and(power)
}

fn kills(root: &Path, rounds: u32, seed: u64) -> Result<(), String> {
    let mut command = cargo(root);
    if succeeds("cargo", &["nextest", "--version"]) {
        command.args([
            "nextest",
            "run",
            "--profile",
            "long",
            "-p",
            "postdate",
            "--test",
            "kills",
            "--no-capture",
        ]);
    } else {
        command.args([
            "test",
            "-p",
            "postdate",
            "--test",
            "kills",
            "--",
            "--nocapture",
        ]);
    }
    run_command(
        command
            .env("POSTDATE_TEST_KILLS", rounds.to_string())
            .env("POSTDATE_TEST_SEED", seed.to_string()),
    )
}

/// xorshift: all that is drawn by chance comes from the seed that was printed.
struct Chance(u64);

impl Chance {
    fn up_to(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(
            self.0 % (u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)),
        )
    }
}
