//! `cargo xtask long`: kill -9, bad lines and power cuts, many rounds.

mod power;

use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{cargo, line, output, succeeds};
use crate::test::{elapsed, now};

/// Sessions that a bad line strikes, for each kill and each power cut.
const FAULTS_A_ROUND: u32 = 5;

/// What came of one kind: in numbers, or what went wrong.
type Outcome = Result<String, String>;

/// Runs all kinds, also when one failed, and sums up.
///
/// # Errors
/// Mail was lost, or something that the test needs is missing.
pub(crate) fn run(root: &Path, rounds: u32, seed: Option<u64>) -> Result<(), String> {
    let seed = seed.unwrap_or_else(|| {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    });
    let commit = output(
        Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .current_dir(root),
    );
    let commit = commit.map_or_else(
        |_| "no commit is known".to_owned(),
        |text| text.trim().to_owned(),
    );
    let again = format!("cargo xtask long --rounds {rounds} --seed {seed} ({commit})");
    println!("long: {again}");
    let kinds: [(&str, &dyn Fn() -> Outcome); 3] = [
        ("kill -9", &|| {
            under_load(root, "kills", "POSTDATE_TEST_KILLS", rounds, seed)
        }),
        ("bad line", &|| {
            let faults = rounds.saturating_mul(FAULTS_A_ROUND);
            under_load(root, "network", "POSTDATE_TEST_FAULTS", faults, seed)
        }),
        ("power cuts", &|| {
            power::cut(root, rounds, &mut Chance(seed | 1))
        }),
    ];
    let mut summary = String::new();
    let mut failed = 0;
    for (name, kind) in kinds {
        println!("\n== {name}");
        let started = now();
        let outcome = kind();
        failed += u32::from(outcome.is_err());
        let text = match outcome {
            Ok(numbers) => format!("nothing lost: {numbers}"),
            Err(what) => format!("FAILED: {what}"),
        };
        let secs = elapsed(started).as_secs_f64();
        summary.push_str(&format!("  {name:<11} {secs:>6.1} s  {text}\n"));
    }
    println!("\n== summary\n{summary}  again with: {again}");
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of 3 kinds failed"))
    }
}

/// One test of the whole binary, which says in one line what it counted.
fn under_load(root: &Path, test: &str, setting: &str, count: u32, seed: u64) -> Outcome {
    let mut command = cargo(root);
    if succeeds("cargo", &["nextest", "--version"]) {
        command.args(["nextest", "run", "--profile", "long", "--no-capture"]);
        command.args(["-p", "postdate", "--test", test]);
    } else {
        command.args(["test", "-p", "postdate", "--test", test]);
        command.args(["--", "--nocapture"]);
    }
    command
        .env(setting, count.to_string())
        .env("POSTDATE_TEST_SEED", seed.to_string());
    numbers(&mut command)
}

/// Runs it to its end, shows what it says, and picks the line with the numbers.
fn numbers(command: &mut Command) -> Outcome {
    let words = line(command);
    let failed = |err: &dyn std::fmt::Display| format!("{words}: {err}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|err| failed(&err))?;
    let mut numbers = None;
    if let Some(out) = child.stdout.take() {
        for said in BufReader::new(out).lines().map_while(Result::ok) {
            println!("{said}");
            if said.contains(" acknowledged, ") {
                numbers = Some(said);
            }
        }
    }
    let status = child.wait().map_err(|err| failed(&err))?;
    if !status.success() {
        return Err(failed(&status));
    }
    numbers.ok_or_else(|| failed(&"it did not say what it counted"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Outcome {
        numbers(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_test_that_counts_nothing_or_fails_is_no_success() {
        let counted = shell("echo running; echo '7 acknowledged, 7 arrived'; echo ok");
        assert_eq!(counted, Ok("7 acknowledged, 7 arrived".to_owned()));
        assert!(shell("echo 0 tests run").is_err());
        assert!(shell("echo '7 acknowledged, 6 arrived'; exit 1").is_err());
    }
}
