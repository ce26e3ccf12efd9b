//! Which key stands at a place in a configuration, and where a key stands.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The key whose name or value lies at `span`, dotted from the top. Also in a text with mistakes, as far as it can be
/// read.
pub(super) fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut path = Vec::new();
    if down(table.get_ref(), span, &mut path) {
        return Some(dotted(&path));
    }
    // Where the reader gave up: what stands before the `=` in that line.
    let line = text.get(..span.start)?.lines().next_back()?;
    let (key, _) = line.split_once('=')?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}

fn down(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    table.iter().any(|(key, value)| {
        path.push(key.get_ref().to_string());
        let inside = match value.get_ref() {
            DeValue::Table(inner) => down(inner, span, path),
            DeValue::Array(items) => items.iter().any(|item| match item.get_ref() {
                DeValue::Table(inner) => down(inner, span, path),
                _ => false,
            }),
            _ => false,
        };
        let here = inside || holds(&key.span(), span) || holds(&value.span(), span);
        if !here {
            path.pop();
        }
        here
    })
}

pub(super) fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && inner.start < outer.end
}

/// The place of a key, or of the nearest table above it that there is.
pub(super) fn place_of(text: &str, path: &[String]) -> Option<Range<usize>> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut table = root.get_ref();
    let mut place = None;
    for name in path {
        let Some((key, value)) = table
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name.as_str())
        else {
            break;
        };
        place = Some(key.span());
        let DeValue::Table(inner) = value.get_ref() else {
            break;
        };
        table = inner;
    }
    place
}

/// As it is written in TOML: a name that is no bare key stands in quotes.
pub(super) fn dotted(path: &[String]) -> String {
    let bare = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    path.iter()
        .map(|name| {
            if bare(name) {
                name.clone()
            } else {
                format!("\"{name}\"")
            }
        })
        .collect::<Vec<_>>()
        .join(".")
}
