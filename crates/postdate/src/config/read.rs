//! Reads a text as a configuration, past its mistakes: what is wrong is taken out, and the rest is read again, so that
//! one run names all of them.

use std::mem::replace;
use std::ops::Range;

use serde::Deserialize as _;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::explain::{explain, names_the_key};
use super::{Config, locate};

/// More are not looked for: each costs one reading.
const MISTAKES_MAX: usize = 50;

/// A place, and what is wrong there.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) span: Option<Range<usize>>,
    pub(super) what: String,
    /// The table at the top that it is in, where it was left out of what was read.
    pub(super) table: Option<String>,
}

/// What could be read, without what is wrong; `None` where the text is no TOML at all.
pub(super) fn read(text: &str) -> (Option<Config>, Vec<Mistake>) {
    let (table, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        // What stands behind a broken line may be read as anything, and of two mistakes in it the second comes of the
        // first.
        let mut mistakes: Vec<_> = broken.iter().map(|err| mistake(text, err)).collect();
        mistakes.dedup_by_key(|mistake| line_of(text, mistake));
        return (None, mistakes);
    }
    let mut table = table;
    let mut mistakes = Vec::new();
    while mistakes.len() < MISTAKES_MAX {
        let err = match Config::deserialize(Deserializer::from(table.clone())) {
            Ok(config) => return (Some(config), mistakes),
            Err(err) => err,
        };
        mistakes.push(mistake(text, &err));
        // One key of several: what else is there may be wrong too.
        let alone = names_the_key(err.message());
        if !(err.span()).is_some_and(|span| leave_out(table.get_mut(), &span, alone)) {
            break;
        }
    }
    (None, mistakes)
}

fn line_of(text: &str, mistake: &Mistake) -> usize {
    let start = mistake.span.as_ref().map_or(0, |span| span.start);
    text.get(..start)
        .map_or(0, |before| before.matches('\n').count())
}

fn mistake(text: &str, err: &Error) -> Mistake {
    let span = err.span();
    let written = span.clone().and_then(|span| text.get(span)).unwrap_or("");
    let key = span.as_ref().and_then(|span| locate::key_at(text, span));
    let what = explain(err.message(), written, key.as_deref());
    let table = key
        .as_deref()
        .and_then(|key| key.split('.').next())
        .map(str::to_owned);
    let what = match key {
        Some(key) if !names_the_key(err.message()) => format!("{key}: {what}"),
        _ => what,
    };
    Mistake { span, what, table }
}

/// Takes out the key whose name or value lies at `span`; of one in a list of tables the whole item, unless `alone`: it
/// may have been needed there. Says whether there was one.
fn leave_out(table: &mut DeTable<'_>, span: &Range<usize>, alone: bool) -> bool {
    let mut here = None;
    for (key, value) in table.iter_mut() {
        let inside = match value.get_mut() {
            DeValue::Table(inner) => leave_out(inner, span, alone),
            DeValue::Array(items) => leave_item_out(items, span, alone),
            _ => false,
        };
        if inside {
            return true;
        }
        if locate::holds(&key.span(), span) || locate::holds(&value.span(), span) {
            here = Some(key.clone());
            break;
        }
    }
    here.is_some_and(|key| table.remove(&key).is_some())
}

fn leave_item_out(items: &mut DeArray<'_>, span: &Range<usize>, alone: bool) -> bool {
    let mut found = None;
    for (n, item) in items.iter_mut().enumerate() {
        let whole = locate::holds(&item.span(), span);
        // A key that is the list's own name stands in an item too, and in none of its keys.
        if let DeValue::Table(inner) = item.get_mut()
            && (leave_out(inner, span, alone) || (whole && !alone))
        {
            found = Some(n);
            break;
        }
    }
    let Some(found) = found else { return false };
    if !alone {
        let mut left = DeArray::new();
        for (n, item) in replace(items, DeArray::new()).into_iter().enumerate() {
            if n != found {
                left.push(item);
            }
        }
        *items = left;
    }
    true
}
