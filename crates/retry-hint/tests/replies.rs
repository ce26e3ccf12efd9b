//! Replies as servers write them: those that were collected from the field, and those that were thought up for trouble.

use retry_hint::{Answered, Tongue, Tongues, explain, read};

/// `source, reply, wait_seconds, meaning, reference`; `\r\n` written out separates lines.
const COLLECTED: &str = include_str!("replies.tsv");
/// `wait_seconds, tongue, reply, source`; no wait means that there is no hint.
const MORE: &str = include_str!("more.tsv");
/// The same columns. Three blind tests: their replies and what is expected of them were written without knowledge of the reader.
const BLIND: &str = include_str!("blind.tsv");

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|row| row.split('\t').collect())
}

fn wire(reply: &str) -> Vec<u8> {
    reply
        .replace("\\r\\n", "\r\n")
        .replace("\\n", "\n")
        .into_bytes()
}

fn failures(
    rows: impl Iterator<Item = (String, Option<u64>, Option<&'static str>)>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (reply, wait_secs, tongue) in rows {
        let bytes = wire(&reply);
        let hint = read(&bytes, Answered::Rcpt, Tongues::default());
        let right_tongue =
            tongue.is_none_or(|tongue| hint.is_some_and(|hint| named(hint.tongue) == tongue));
        if hint.map(|hint| hint.wait_secs) != wait_secs || !right_tongue {
            let explanation = explain(&bytes, Answered::Rcpt, Tongues::default());
            failures.push(format!(
                "{reply}\n    expected {wait_secs:?}, {explanation}"
            ));
        }
    }
    failures
}

fn named(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::Keyword => "keyword",
        Tongue::Draft => "draft",
        Tongue::Prose => "prose",
    }
}

#[test]
fn every_collected_wait_is_read_and_nothing_else() {
    let expected = rows(COLLECTED).map(|row| {
        let wait = matches!(row[3], "remaining" | "total")
            .then(|| row[2].parse().ok())
            .flatten();
        (row[1].to_owned(), wait, None)
    });
    let failures = failures(expected);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(
        rows(COLLECTED).filter(|row| !row[2].is_empty()).count(),
        24,
        "rows with a wait"
    );
}

#[test]
fn replies_beyond_the_collection() {
    all_read_as_expected(MORE);
    assert!(rows(MORE).count() >= 500);
}

/// The rows "arguable" could be read otherwise with good reason; what is doubtful there is no hint.
#[test]
fn replies_by_somebody_who_did_not_know_the_reader() {
    all_read_as_expected(BLIND);
    assert!(rows(BLIND).count() >= 980);
}

fn all_read_as_expected(table: &'static str) {
    let expected = rows(table).map(|row| {
        let wait = (!row[0].is_empty()).then(|| row[0].parse().expect("whole seconds"));
        (row[2].to_owned(), wait, wait.map(|_| row[1]))
    });
    let failures = failures(expected);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn without_prose_only_machines_words_are_read() {
    let off = Tongues { prose: false };
    for row in rows(MORE).chain(rows(BLIND)) {
        let hint = read(&wire(row[2]), Answered::Rcpt, off);
        assert_eq!(
            hint.is_some(),
            matches!(row[1], "keyword" | "draft"),
            "{}",
            row[2]
        );
    }
}
