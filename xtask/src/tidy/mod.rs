//! What no compiler checks. Each check looks at a [`Tree`] and names its offences as `file:line: what, and what to do`.

mod arrows;
mod dependencies;
mod links;
mod purity;
mod reach;
mod size;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offence {
    path: String,
    line: usize,
    what: String,
}

impl Offence {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks the whole repository.
///
/// # Errors
/// Something is wrong; it was printed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::load(root)?;
    let mut offences = check(&tree);
    offences.sort();
    for offence in &offences {
        eprintln!("{offence}");
    }
    match offences.len() {
        0 => {
            println!("tidy: {} files are in order", tree.files.len());
            Ok(())
        }
        1 => Err("tidy: 1 offence".to_owned()),
        count => Err(format!("tidy: {count} offences")),
    }
}

fn check(tree: &Tree) -> Vec<Offence> {
    [
        arrows::check,
        purity::check,
        size::check,
        links::check,
        reach::check,
        words::check,
        dependencies::check,
    ]
    .iter()
    .flat_map(|check| check(tree))
    .collect()
}

#[cfg(test)]
fn offences(check: fn(&Tree) -> Vec<Offence>, files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree {
        files: files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
    };
    check(&tree).iter().map(ToString::to_string).collect()
}
