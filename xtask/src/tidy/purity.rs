//! Pure crates do no IO and read no clock; only one file of the binary reads one; no crate has unsafe code.

use super::Offence;
use super::tree::{Tree, code, is_test};

/// Crates to which time, answers and randomness are passed in.
pub(super) const PURE: &[&str] = &["retry-hint", "smtp", "policy", "queue", "lab"];

/// The one file that reads a clock.
const CLOCK_FILE: &str = "crates/postdate/src/clock.rs";

/// Files beside it that may, and why.
const OTHER_CLOCKS: &[(&str, &str)] = &[(
    "xtask/",
    "shows how long the steps of the test take, and draws a seed",
)];

const CLOCKS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

const IMPURE: &[(&str, &str)] = &[
    ("TcpStream", "network"),
    ("TcpListener", "network"),
    ("UdpSocket", "network"),
    ("UnixStream", "network"),
    ("std::os::unix::net", "network"),
    ("std::fs", "files"),
    ("std::thread", "threads"),
    ("std::process", "processes"),
    ("std::env::", "the environment"),
    ("tokio", "a runtime"),
    ("thread_rng", "randomness of its own"),
    ("rand::rng", "randomness of its own"),
    ("OsRng", "randomness of its own"),
    ("RandomState::new", "randomness of its own"),
];

/// Modules in `use std::{…}`.
const GROUPED: &[&str] = &["fs", "thread", "process", "env"];

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        let mut parts = path.split('/');
        let (Some("crates"), Some(name), Some(folder)) = (parts.next(), parts.next(), parts.next())
        else {
            if !is_test(path)
                && !OTHER_CLOCKS
                    .iter()
                    .any(|(allowed, _)| path.starts_with(allowed))
            {
                clocks(path, text, &mut offences);
            }
            continue;
        };
        if folder != "src" || is_test(path) {
            continue;
        }
        if path != CLOCK_FILE {
            clocks(path, text, &mut offences);
        }
        if PURE.contains(&name) {
            impure(name, path, text, &mut offences);
        }
        let root = format!("crates/{name}/src/");
        if [format!("{root}lib.rs"), format!("{root}main.rs")].contains(&path.to_owned()) {
            crate_root(name, path, text, &mut offences);
        }
    }
    offences
}

/// tokio's `Instant` counts time-outs of a connection; it can be paused by a test, and no due time comes from it.
fn clocks(path: &str, text: &str, offences: &mut Vec<Offence>) {
    let timer = text
        .lines()
        .any(|line| line.starts_with("use tokio::time::") && has_word(line, "Instant"));
    for (line, code) in code(text) {
        let code = if timer {
            &code.replace("Instant::now", "")
        } else {
            code
        };
        let code = &code.replace("tokio::time::Instant::now", "");
        if let Some(clock) = CLOCKS.iter().find(|clock| code.contains(**clock)) {
            offences.push(Offence::new(
                path,
                line,
                format!("{clock} reads a clock: take the time as an argument, or ask {CLOCK_FILE}"),
            ));
        }
    }
}

fn impure(name: &str, path: &str, text: &str, offences: &mut Vec<Offence>) {
    for (line, code) in code(text) {
        let found = IMPURE
            .iter()
            .find(|(pattern, _)| has_word(code, pattern))
            .map(|(pattern, what)| (*pattern, *what));
        let grouped = code.split_once("std::{").and_then(|(_, group)| {
            let mut words = group.split(|c: char| !c.is_alphanumeric() && c != '_');
            words
                .find_map(|word| GROUPED.iter().find(|module| **module == word))
                .map(|module| (*module, "the outside world"))
        });
        if let Some((pattern, what)) = found.or(grouped) {
            offences.push(Offence::new(
                path,
                line,
                format!("{pattern} brings {what} into {name}, which is pure: pass it in"),
            ));
        }
    }
}

fn has_word(code: &str, pattern: &str) -> bool {
    code.match_indices(pattern).any(|(at, _)| {
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        !code[..at].ends_with(joined)
            && (pattern.ends_with(':') || !code[at + pattern.len()..].starts_with(joined))
    })
}

fn crate_root(name: &str, path: &str, text: &str, offences: &mut Vec<Offence>) {
    if !text.contains("#![forbid(unsafe_code)]") {
        offences.push(Offence::new(
            path,
            1,
            "a crate's root says #![forbid(unsafe_code)]: add it below the crate's documentation",
        ));
    }
    if name == "retry-hint"
        && !text.contains("#![no_std]")
        && !text.contains("#![cfg_attr(not(test), no_std)]")
    {
        offences.push(Offence::new(
            path,
            1,
            "retry-hint is no_std: add #![no_std]",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn planted_io_in_a_pure_crate_is_caught() {
        for planted in [
            "use std::net::TcpStream;",
            "let file = std::fs::File::open(path);",
            "use std::{fmt, fs};",
            "tokio::spawn(work);",
            "std::thread::sleep(wait);",
            "let home = std::env::var(\"HOME\");",
            "let dice = rand::thread_rng();",
        ] {
            let found = offences(
                check,
                &[(
                    "crates/queue/src/plan.rs",
                    &format!("//! Plan.\n{planted}\n"),
                )],
            );
            assert_eq!(found.len(), 1, "{planted}: {found:?}");
            assert!(
                found[0].starts_with("crates/queue/src/plan.rs:2: "),
                "{found:?}"
            );
            assert!(offences(check, &[("crates/delivery/src/plan.rs", planted)]).is_empty());
        }
    }

    #[test]
    fn words_that_only_look_alike_pass() {
        let text = "use std::{fmt, hash};\n// std::fs is not used\nlet refs = std::fsx();\nlet tokio_like = 1;\n";
        assert!(offences(check, &[("crates/queue/src/plan.rs", text)]).is_empty());
    }

    #[test]
    fn a_second_clock_is_caught_everywhere() {
        let planted = "fn f() -> std::time::Instant { std::time::Instant::now() }\n";
        for path in [
            "crates/queue/src/plan.rs",
            "crates/postdate/src/node.rs",
            "crates/store/src/open.rs",
            "bench/src/main.rs",
        ] {
            assert_eq!(offences(check, &[(path, planted)]).len(), 1, "{path}");
        }
        for path in [
            CLOCK_FILE,
            "crates/store/tests/a.rs",
            "crates/store/examples/a.rs",
            "xtask/src/test.rs",
        ] {
            assert!(offences(check, &[(path, planted)]).is_empty(), "{path}");
        }
    }

    #[test]
    fn a_crate_root_forbids_unsafe_code() {
        assert_eq!(
            offences(check, &[("crates/store/src/lib.rs", "//! Store.\n")]).len(),
            1
        );
        assert_eq!(
            offences(
                check,
                &[("crates/retry-hint/src/lib.rs", "#![forbid(unsafe_code)]\n")]
            )
            .len(),
            1
        );
    }
}
