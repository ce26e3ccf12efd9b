//! Every Rust file is part of a crate: a file that no `mod` names is dead.

use std::collections::BTreeSet;

use super::Offence;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = tree
        .with_extension("rs")
        .map(|(path, _)| path)
        .filter(|path| is_root(path))
        .map(str::to_owned)
        .collect();
    while let Some(path) = open.pop() {
        if let Some(text) = tree.files.get(&path) {
            open.extend(
                modules(&path, text)
                    .into_iter()
                    .flatten()
                    .filter(|module| tree.files.contains_key(module)),
            );
            reached.insert(path);
        }
    }
    tree.with_extension("rs")
        .filter(|(path, _)| !reached.contains(*path))
        .map(|(path, _)| {
            Offence::new(
                path,
                1,
                "no `mod` leads to this file: name it in its parent, or delete it",
            )
        })
        .collect()
}

/// `src/lib.rs`, `src/main.rs`, `build.rs`, and what stands directly in `src/bin`, `tests`, `examples`, `benches`,
/// `fuzz_targets`, or there in a folder as `main.rs`.
fn is_root(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    match folder {
        "src" => file == "lib.rs" || file == "main.rs",
        "bin" | "examples" | "benches" | "fuzz_targets" => true,
        "tests" => !path.contains("/src/"),
        _ => {
            file == "build.rs"
                || (file == "main.rs"
                    && matches!(parts.next(), Some("tests" | "examples" | "benches")))
        }
    }
}

/// For each `mod x;` of a file, the paths where it may be.
fn modules(path: &str, text: &str) -> Vec<Vec<String>> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let own = match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ if is_root(path) => folder.to_owned(),
        _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    let mut named = None;
    let mut modules = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(path) = line
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"))
        {
            named = Some(format!("{folder}/{path}"));
        } else if let Some(module) = module_name(line) {
            modules.push(match named.take() {
                Some(path) => vec![path],
                None => vec![
                    format!("{own}/{module}.rs"),
                    format!("{own}/{module}/mod.rs"),
                ],
            });
        } else if let Some(include) = line
            .split_once("include!(\"")
            .and_then(|(_, rest)| rest.split_once('"'))
        {
            modules.push(vec![format!("{folder}/{}", include.0)]);
        }
    }
    modules
}

/// `x` of `mod x;`, `pub(crate) mod x;`, …
fn module_name(line: &str) -> Option<&str> {
    let name = line.strip_suffix(';')?;
    let name = name
        .split_once("mod ")
        .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?
        .1;
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn a_file_that_nothing_names_is_caught() {
        let files = [
            (
                "crates/a/src/lib.rs",
                "mod b;\npub(crate) mod d;\n#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\n",
            ),
            ("crates/a/src/b.rs", "mod c;\n"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/src/d/mod.rs", ""),
            ("crates/a/src/x_tests.rs", ""),
            ("crates/a/src/c.rs", ""),
            ("crates/a/tests/e.rs", "mod support;\n"),
            ("crates/a/tests/support/mod.rs", ""),
            ("crates/a/tests/wide/main.rs", "mod part;\n"),
            ("crates/a/tests/wide/part.rs", ""),
            ("crates/a/tests/support/lost.rs", ""),
        ];
        let found = offences(check, &files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("crates/a/src/c.rs:1: ")
                && found[1].starts_with("crates/a/tests/support/lost.rs:1: ")
        );
    }
}
