//! Small rooms: files that fit a head.

use super::Offence;
use super::tree::{Tree, is_test};

const MAX_LINES: usize = 500;
const MAX_TEST_LINES: usize = 700;

/// Files that may be longer, and why.
const EXCEPTIONS: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    tree.with_extension("rs")
        .filter(|(path, _)| !EXCEPTIONS.iter().any(|(exception, _)| exception == path))
        .filter_map(|(path, text)| {
            let limit = if is_test(path) {
                MAX_TEST_LINES
            } else {
                MAX_LINES
            };
            let lines = text.lines().count();
            let what = format!("{lines} lines are more than {limit}: split the file by its nouns");
            (lines > limit).then(|| Offence::new(path, lines, what))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn a_long_file_is_caught() {
        let long = "\n".repeat(MAX_LINES + 1);
        assert_eq!(
            offences(check, &[("crates/a/src/b.rs", &long)]),
            ["crates/a/src/b.rs:501: 501 lines are more than 500: split the file by its nouns"]
        );
        assert!(offences(check, &[("crates/a/tests/b.rs", &long)]).is_empty());
        assert!(offences(check, &[("crates/a/src/b.rs", &long[1..])]).is_empty());
    }
}
