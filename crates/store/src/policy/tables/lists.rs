//! The table of the operator's list.

use super::cell::{read_moment, read_moment_or_null, wrong};
use super::{Source, cell, run};
use policy::Moment;
use policy::lists::{Action, Change, Entry, Overrides, Subject};
use rusqlite::{Connection, Error, Row, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS override (
    kind       TEXT NOT NULL,    -- client, sender or recipient
    pattern    TEXT NOT NULL,    -- a network; an address, a domain, or .DOMAIN for what is below it
    action     TEXT NOT NULL,    -- allow or deny
    expires    INTEGER,          -- the last moment at which it holds, ms since 1970; NULL: until it is removed
    note       TEXT NOT NULL,
    made       INTEGER NOT NULL,
    PRIMARY KEY (kind, pattern)
);
";

pub(in crate::policy) const OVERRIDES: Source<Entry> = Source {
    table: "override",
    key: "rowid",
    columns: "kind, pattern, action, expires, note, made",
    read: entry,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    lists: &mut Overrides,
    now: Moment,
) -> Result<(), Error> {
    let mut entries = Vec::new();
    OVERRIDES.load(connection, |entry| entries.push(entry))?;
    lists.restore(entries, now);
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let kind = row.get_ref(1)?.as_str()?;
    let pattern = row.get_ref(2)?.as_str()?;
    Ok(Entry {
        subject: Subject::parse(kind, pattern).map_err(|error| wrong(2, error))?,
        action: cell::named(row, 3, Action::named)?,
        until: read_moment_or_null(row, 4)?,
        note: row.get(5)?,
        made: read_moment(row, 6)?,
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(entry) => run(
            transaction,
            "INSERT OR REPLACE INTO override (kind, pattern, action, expires, note, made) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                entry.subject.kind(),
                entry.subject.text(),
                entry.action.name(),
                entry.until.map(Moment::as_millis),
                entry.note,
                entry.made.as_millis(),
            ],
        ),
        Change::Drop { subject } => run(
            transaction,
            "DELETE FROM override WHERE kind = ?1 AND pattern = ?2",
            params![subject.kind(), subject.text()],
        ),
    }
}
