//! The table of hints given, and how they were kept.

use super::cell::{named, number, read_number};
use super::{Source, run};
use policy::stats::{Change, Counts, Row as Day, Stats};
use policy::{Moment, Reason};
use rusqlite::{Connection, Error, Row, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS stat (
    day        INTEGER NOT NULL, -- on which the hints were given: date(day * 86400, 'unixepoch')
    reason     TEXT NOT NULL,
    given      INTEGER NOT NULL,
    early      INTEGER NOT NULL, -- visits before their time
    on_time    INTEGER NOT NULL,
    late       INTEGER NOT NULL,
    never      INTEGER NOT NULL, -- windows that ended with nobody having come
    PRIMARY KEY (day, reason)
);
";

pub(in crate::policy) const STATS: Source<Day> = Source {
    table: "stat",
    key: "rowid",
    columns: "day, reason, given, early, on_time, late, never",
    read: day,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    stats: &mut Stats,
    now: Moment,
) -> Result<(), Error> {
    STATS.load(connection, |row| stats.restore(row, now))
}

fn day(row: &Row<'_>) -> Result<Day, Error> {
    let reason = |name: &str| Reason::ALL.into_iter().find(|reason| reason.name() == name);
    Ok(Day {
        day: row.get(1)?,
        reason: named(row, 2, reason)?,
        counts: Counts {
            given: read_number(row, 3)?,
            early: read_number(row, 4)?,
            on_time: read_number(row, 5)?,
            late: read_number(row, 6)?,
            never: read_number(row, 7)?,
        },
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(Day {
            day,
            reason,
            counts,
        }) => run(
            transaction,
            "INSERT OR REPLACE INTO stat (day, reason, given, early, on_time, late, never) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                day,
                reason.name(),
                number(counts.given),
                number(counts.early),
                number(counts.on_time),
                number(counts.late),
                number(counts.never),
            ],
        ),
        Change::Drop { day } => run(transaction, "DELETE FROM stat WHERE day = ?1", params![day]),
    }
}
