//! Each crate of others has its line in CONTRIBUTING.md: what for, and why this one.

use super::Offence;
use super::tree::Tree;

const MANIFEST: &str = "Cargo.toml";
const PAGE: &str = "CONTRIBUTING.md";

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let text = |path| tree.files.get(path).map_or("", String::as_str);
    let explained: Vec<&str> = table(text(PAGE)).collect();
    foreign(text(MANIFEST))
        .filter(|(_, name)| !explained.contains(name))
        .map(|(line, name)| {
            let what = format!("{name} has no line under \"Dependencies\" in {PAGE}: add it");
            Offence::new(MANIFEST, line, what)
        })
        .collect()
}

/// The names in the first column of the page's tables.
fn table(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let name = |c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c));
    cells.flat_map(move |cell| cell.split(name))
}

/// What the workspace depends on and does not have itself, with its line.
fn foreign(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = manifest.lines().enumerate();
    lines
        .skip_while(|(_, line)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.contains("path = "))
        .filter_map(|(index, line)| Some((index + 1, line.split_once(" = ")?.0)))
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn a_crate_without_its_line_is_caught() {
        let manifest = "[workspace.dependencies]\nours = { path = \"x\" }\nserde = \"1\"\ntoml = \"1\"\n\n[x]\ny = 1\n";
        let page = "| crate | for |\n| --- | --- |\n| serde, serde_json | rows |\n";
        let found = offences(check, &[(MANIFEST, manifest), (PAGE, page)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("Cargo.toml:4: toml has no line"),
            "{found:?}"
        );
    }
}
