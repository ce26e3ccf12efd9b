//! What the documentation says to paste: tests paste the same.

use std::fs;

use super::repository;

/// What a page below `docs` says within a line, and must say for a test to do it.
#[track_caller]
pub(crate) fn said<'t>(page: &str, words: &'t str) -> &'t str {
    let text = fs::read_to_string(repository("docs").join(page)).expect("the page");
    assert!(text.contains(words), "docs/{page} does not say {words}");
    words
}

/// The block of a page below `docs` that is marked with this name.
#[track_caller]
pub(crate) fn pasted(page: &str, mark: &str) -> String {
    let text = fs::read_to_string(repository("docs").join(page)).expect("the page");
    let start = format!("```{mark}\n");
    let (_, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("docs/{page} has no block {mark}"));
    let (block, _) = rest.split_once("```").expect("the block's end");
    block.to_owned()
}

/// The same with another port in the place of the one that the page names, which it must name once.
#[track_caller]
pub(crate) fn pasted_with_port(page: &str, mark: &str, named: u16, port: u16) -> String {
    let block = pasted(page, mark);
    let named = named.to_string();
    assert_eq!(block.matches(&named).count(), 1, "{block}");
    block.replace(&named, &port.to_string())
}
