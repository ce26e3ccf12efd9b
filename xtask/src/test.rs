//! `cargo xtask test`: everything a change must pass, in one command.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::run::{cargo, line, succeeds};
use crate::{peers, tidy};

/// Binaries of tests that need real peers begin so; `--hermetic` leaves them out.
const PEER_TESTS: &str = "peer_";

/// Runs every step, also after one that failed, and sums up; `false`: one failed.
fn run_steps(steps: Vec<(&'static str, Step<'_>)>) -> (String, bool) {
    let mut summary = String::new();
    let mut good = true;
    for (name, step) in steps {
        println!("\n== {name}");
        let started = now();
        let result = step();
        let secs = elapsed(started).as_secs_f64();
        let verdict = match &result {
            Ok(()) => "passed".to_owned(),
            Err(what) => format!("FAILED: {what}"),
        };
        good &= result.is_ok();
        summary.push_str(&format!("  {name:<14} {secs:>6.1} s  {verdict}\n"));
    }
    (summary, good)
}

type Step<'a> = Box<dyn FnOnce() -> Result<(), String> + 'a>;

#[allow(
    clippy::disallowed_methods,
    reason = "how long a step takes is shown to whoever waits for it"
)]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

pub(crate) fn elapsed(since: std::time::Instant) -> Duration {
    since.elapsed()
}

/// Runs it all.
///
/// # Errors
/// At least one step failed.
pub(crate) fn run(root: &Path, hermetic: bool) -> Result<(), String> {
    let started = now();
    if hermetic {
        println!("{HERMETIC}");
    } else {
        peers::install(root)?;
    }
    let nextest = succeeds("cargo", &["nextest", "--version"]);
    if !nextest {
        println!(
            "cargo-nextest is not installed: using `cargo test`, which is slower and reports less"
        );
    }
    let steps: Vec<(&'static str, Step<'_>)> = vec![
        (
            "formatting",
            Box::new(|| say(cargo(root).args(["fmt", "--all", "--check"]))),
        ),
        ("tidy", Box::new(|| tidy::run(root))),
        (
            "lints",
            Box::new(|| {
                say(cargo(root).args([
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ]))
            }),
        ),
        ("tests", Box::new(|| tests(root, nextest, hermetic))),
        (
            "doctests",
            Box::new(|| say(cargo(root).args(["test", "--quiet", "--workspace", "--doc"]))),
        ),
        (
            "documentation",
            Box::new(|| say(cargo(root).args(DOC).env("RUSTDOCFLAGS", "-D warnings"))),
        ),
    ];
    let (summary, good) = run_steps(steps);
    println!(
        "\n== summary\n{summary}  {:<14} {:>6.1} s",
        "in all",
        elapsed(started).as_secs_f64()
    );
    if hermetic {
        println!("{HERMETIC}");
    }
    if good {
        Ok(())
    } else {
        Err("the test did not pass".to_owned())
    }
}

const DOC: &[&str] = &[
    "doc",
    "--quiet",
    "--workspace",
    "--no-deps",
    "--document-private-items",
];

const HERMETIC: &str = "\
##############################################################################
##  HERMETIC: the tests against real peers (Postfix, postgrey, Exim,        ##
##  OpenSMTPD, swaks, Python) and those that need root were NOT run.        ##
##  `cargo xtask test` runs them.                                           ##
##############################################################################";

fn say(command: &mut Command) -> Result<(), String> {
    println!("   {}", line(command));
    crate::run::run(command)
}

fn tests(root: &Path, nextest: bool, hermetic: bool) -> Result<(), String> {
    let mut command = cargo(root);
    match (nextest, hermetic) {
        (true, _) => {
            command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
            if hermetic {
                command.args(["--filterset", &format!("not binary(/^{PEER_TESTS}/)")]);
            }
        }
        (false, false) => {
            command.args(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
        }
        (false, true) => {
            command.args([
                "test",
                "--workspace",
                "--no-fail-fast",
                "--lib",
                "--bins",
                "--examples",
            ]);
            for name in hermetic_test_binaries(root) {
                command.args(["--test", &name]);
            }
        }
    }
    say(&mut command)
}

fn hermetic_test_binaries(root: &Path) -> Vec<String> {
    let crates = fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = crates
        .filter_map(|entry| fs::read_dir(entry.path().join("tests")).ok())
        .flat_map(|tests| tests.flatten())
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".rs")
                .map(str::to_owned)
        })
        .filter(|name| !name.starts_with(PEER_TESTS))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_hide_the_others() {
        let (summary, good) = run_steps(vec![
            ("one", Box::new(|| Err("broken".to_owned()))),
            ("two", Box::new(|| Ok(()))),
        ]);
        assert!(!good);
        assert!(
            summary.contains("FAILED: broken")
                && summary.contains("two")
                && summary.contains("passed"),
            "{summary}"
        );
    }

    #[test]
    fn peer_tests_are_known_by_their_name() {
        let names = hermetic_test_binaries(&crate::root());
        assert!(names.iter().all(|name| !name.starts_with(PEER_TESTS)));
    }
}
