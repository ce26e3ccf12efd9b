//! The repository's files, as the checks see them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// They hold nothing of ours. In a worktree `.git` is a file.
const SKIPPED: &[&str] = &[".git", "target", "postdate-data"];

/// The text of every file, by its path from the root.
pub(super) struct Tree {
    pub(super) files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the whole repository.
    ///
    /// # Errors
    /// A folder or file can't be read.
    pub(super) fn load(root: &Path) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let unreadable = |err: std::io::Error| format!("{}: {err}", folder.display());
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let kind = entry.file_type().map_err(unreadable)?;
                if SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()) {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let octets = fs::read(entry.path()).map_err(unreadable)?;
                    let path = entry.path();
                    let path = path
                        .strip_prefix(root)
                        .unwrap_or(&path)
                        .to_string_lossy()
                        .into_owned();
                    files.insert(path, String::from_utf8_lossy(&octets).into_owned());
                }
            }
        }
        Ok(Self { files })
    }

    /// Whether there is a file or a folder of this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// Files with this extension.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let dotted = format!(".{extension}");
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(&dotted))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// Whether a file holds only tests.
pub(super) fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

/// The lines of Rust code, numbered, without comments and without the tests at a file's end.
pub(super) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, without_comment(line)))
}

/// A `//` inside a string literal is taken for a comment only where a quote is open before it.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(found) = line[from..].find("//") {
        let at = from + found;
        if line[..at].matches('"').count().is_multiple_of(2) {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "let a = 1; // std::fs\nlet url = \"http://x\";\n#[cfg(test)]\nmod tests {}\n";
        let lines: Vec<_> = code(text).collect();
        assert_eq!(lines, [(1, "let a = 1; "), (2, "let url = \"http://x\";")]);
    }

    #[test]
    fn test_files_are_known_by_their_path() {
        for path in [
            "crates/a/tests/b.rs",
            "crates/a/src/x/tests.rs",
            "crates/a/src/check_tests.rs",
        ] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("crates/a/src/contests.rs"));
    }
}
