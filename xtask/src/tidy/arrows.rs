//! Arrows between crates run as the table in `ARCHITECTURE.md` says. Dev-dependencies are not held to it.

use super::Offence;
use super::tree::Tree;

/// Crate, and the crates of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("retry-hint", &[]),
    ("smtp", &["retry-hint"]),
    ("policy", &["retry-hint"]),
    ("queue", &["smtp", "retry-hint"]),
    // `smtp` and `retry-hint` for the types of which the rows of `queue` are made, to write them down.
    ("store", &["policy", "queue", "smtp", "retry-hint"]),
    ("delivery", &["smtp", "queue", "retry-hint"]),
    (
        "postdate",
        &["retry-hint", "smtp", "policy", "queue", "store", "delivery"],
    ),
    ("lab", &["retry-hint", "smtp", "policy", "queue", "store"]),
    ("xtask", &[]),
];

/// What brings IO, threads or clocks with it: not for a pure crate.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-rustls",
    "rusqlite",
    "socket2",
    "rustix",
    "hickory-resolver",
    "tempfile",
    "rand",
];

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree
        .with_extension("toml")
        .filter(|(path, _)| path.ends_with("/Cargo.toml"))
    {
        let Ok(manifest) = text.parse::<toml::Table>() else {
            offences.push(Offence::new(path, 1, "is no TOML"));
            continue;
        };
        let name = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            offences.push(Offence::new(path, 1, format!("the crate \"{name}\" has no place in the table of arrows: add it there, or make it a module")));
            continue;
        };
        for dependency in dependencies(&manifest) {
            if let Some(what) = judge(name, allowed, dependency) {
                offences.push(Offence::new(path, line_of(text, dependency), what));
            }
        }
    }
    offences
}

fn judge(name: &str, allowed: &[&str], dependency: &str) -> Option<String> {
    let ours = ARROWS.iter().any(|(known, _)| *known == dependency);
    if ours && !allowed.contains(&dependency) {
        let may = if allowed.is_empty() {
            "nothing of ours".to_owned()
        } else {
            allowed.join(", ")
        };
        return Some(format!(
            "{name} must not depend on {dependency}: it may depend on {may}"
        ));
    }
    if name == "retry-hint" {
        return Some(format!(
            "retry-hint has no dependencies: take {dependency} out, other MTAs import this crate"
        ));
    }
    let impure = super::purity::PURE.contains(&name) && IMPURE.contains(&dependency);
    impure.then(|| format!("{name} is pure, and {dependency} brings IO or a clock: do that in another crate, and pass in what comes out"))
}

/// Normal and build dependencies, of all targets.
fn dependencies(manifest: &toml::Table) -> Vec<&str> {
    let mut tables = vec![manifest];
    tables.extend(
        manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|targets| targets.values())
            .filter_map(toml::Value::as_table),
    );
    tables
        .into_iter()
        .flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")])
        .flatten()
        .filter_map(toml::Value::as_table)
        .flat_map(|table| table.keys().map(String::as_str))
        .collect()
}

fn line_of(text: &str, dependency: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start().starts_with(dependency))
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    fn manifest(name: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        offences(check, &[("crates/x/Cargo.toml", &text)])
    }

    #[test]
    fn an_arrow_the_wrong_way_is_caught() {
        let found = manifest(
            "smtp",
            "[dependencies]\nretry-hint.workspace = true\nqueue.workspace = true\n",
        );
        assert_eq!(
            found,
            ["crates/x/Cargo.toml:5: smtp must not depend on queue: it may depend on retry-hint"]
        );
        assert_eq!(
            manifest("policy", "[target.'cfg(unix)'.dependencies]\nstore = {}\n").len(),
            1
        );
    }

    #[test]
    fn dev_dependencies_are_free() {
        assert!(manifest("smtp", "[dev-dependencies]\nqueue.workspace = true\n").is_empty());
    }

    #[test]
    fn retry_hint_depends_on_nothing_and_pure_crates_on_no_runtime() {
        assert_eq!(
            manifest("retry-hint", "[dependencies]\nmemchr = \"2\"\n").len(),
            1
        );
        assert_eq!(
            manifest("queue", "[dependencies]\ntokio = \"1\"\n").len(),
            1
        );
        assert!(manifest("delivery", "[dependencies]\ntokio = \"1\"\n").is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_caught() {
        assert_eq!(manifest("common", "").len(), 1);
    }
}
