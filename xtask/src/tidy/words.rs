//! What must not be left behind in a file.

use super::Offence;
use super::tree::{Tree, code};

/// Macros that say that something is unfinished.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "dbg!("];

/// Places of one machine. Put together here so that this file does not offend.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp", "/t-"),
];

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in &tree.files {
        for (index, line) in text.lines().enumerate() {
            if let Some(place) = MACHINE.iter().find(|place| line.contains(**place)) {
                offences.push(Offence::new(
                    path,
                    index + 1,
                    format!(
                        "{place} is a place of one machine: write a path from the repository's root"
                    ),
                ));
            }
        }
    }
    for (path, text) in tree
        .with_extension("rs")
        .filter(|(path, _)| !path.ends_with("tidy/words.rs"))
    {
        for (line, code) in code(text) {
            if let Some(word) = UNFINISHED.iter().find(|word| code.contains(**word)) {
                offences.push(Offence::new(
                    path,
                    line,
                    format!("{word}…) is unfinished work: finish it or take it out"),
                ));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn unfinished_work_and_machine_paths_are_caught() {
        for planted in ["    todo!()", "dbg!(x);", "unimplemented!(\"later\")"] {
            assert_eq!(
                offences(check, &[("crates/a/src/b.rs", planted)]).len(),
                1,
                "{planted}"
            );
        }
        let path = format!("see {}main", MACHINE[0]);
        assert_eq!(offences(check, &[("README.md", &path)]).len(), 1);
        assert!(offences(check, &[("crates/a/src/b.rs", "// no todo!() here\n")]).is_empty());
    }
}
