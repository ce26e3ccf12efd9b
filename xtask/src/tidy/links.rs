//! Links in the documentation lead somewhere: relative paths to files that exist, anchors to headings that exist.

use super::Offence;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree.with_extension("md") {
        for (line, target) in links(text) {
            if let Some(what) = dead(tree, path, target) {
                offences.push(Offence::new(path, line, what));
            }
        }
    }
    offences
}

/// The targets of `[text](target)` and `[name]: target`, outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let mut from = 0;
        while let Some(found) = line[from..].find("](") {
            let start = from + found + 2;
            let Some(length) = line[start..].find(')') else {
                break;
            };
            let in_code = line[..start].matches('`').count() % 2 == 1;
            from = start + length;
            if !in_code {
                links.push((
                    number,
                    line[start..from].split_whitespace().next().unwrap_or(""),
                ));
            }
        }
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
            && !name.starts_with("[^")
        {
            links.push((number, target.split_whitespace().next().unwrap_or("")));
        }
    }
    links
}

/// Numbered lines that are not in a code block.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence && !line.starts_with("    ")).then_some((index + 1, line))
    })
}

fn dead(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('<') {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        resolve(from, file)
    };
    if !tree.has(&path) {
        return Some(format!("the link to {target} is dead: there is no {path}"));
    }
    let text = tree.files.get(&path).filter(|_| path.ends_with(".md"))?;
    let found = anchor.is_empty() || anchors(text).iter().any(|known| known == anchor);
    (!found).then(|| {
        format!("the link to {target} is dead: no heading of {path} has the anchor #{anchor}")
    })
}

fn resolve(from: &str, file: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if file.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            _ => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// Headings as anchors: lower case, spaces to hyphens, punctuation gone; a repeated one is numbered.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let base: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = anchors.iter().filter(|known| **known == base).count();
        anchors.push(if again == 0 {
            base
        } else {
            format!("{base}-{again}")
        });
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::super::offences;
    use super::*;

    #[test]
    fn dead_links_are_caught_and_live_ones_pass() {
        let readme = "# The `one` & only\n[a](docs/flow.md#the-way-of-a-mail) [b](docs) [c](https://x.example/y)\n\
                      [d](#the-one--only) [e](gone.md)\n```\n[f](gone.md)\n```\n`[g](gone.md)` [h](docs/flow.md#no)\n[i]: ./lost\n";
        let flow = "## The way of a mail\n[up](../README.md)\n";
        let found = offences(check, &[("README.md", readme), ("docs/flow.md", flow)]);
        assert_eq!(
            found,
            [
                "README.md:3: the link to gone.md is dead: there is no gone.md",
                "README.md:7: the link to docs/flow.md#no is dead: no heading of docs/flow.md has the anchor #no",
                "README.md:8: the link to ./lost is dead: there is no lost",
            ]
        );
    }
}
