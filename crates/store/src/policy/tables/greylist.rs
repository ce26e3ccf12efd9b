//! Greylisting's tables.

use super::cell::{number, parsed, read_moment, read_moment_or_null, read_number};
use super::{Source, add_column, run};
use policy::Moment;
use policy::greylist::{Change, Known, Origin, Record, Stored, Table};
use rusqlite::{Connection, Error, Row, Transaction, params};
use std::time::SystemTime;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS triplet (
    id         INTEGER PRIMARY KEY,
    network    TEXT NOT NULL,    -- the client's
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    first_seen INTEGER NOT NULL, -- when it was refused first, ms since 1970
    due        INTEGER NOT NULL, -- the appointment: from then on it passes
    expires    INTEGER NOT NULL, -- the last moment at which this counts
    passed     INTEGER,          -- when it was last let in; NULL: it waits
    pool       TEXT              -- what else it is found under, with spaces between: spf:DOMAIN name:DOMAIN NETWORK
);
CREATE TABLE IF NOT EXISTS known (
    network    TEXT PRIMARY KEY, -- or spf:DOMAIN
    passes     INTEGER NOT NULL, -- triplets that came back in their window
    last_used  INTEGER NOT NULL, -- to the hour
    for_good   INTEGER NOT NULL  -- 1: let in without a wait
) WITHOUT ROWID;
";

pub(in crate::policy) const KNOWN: Source<Stored> = Source {
    table: "known",
    key: "network",
    columns: "passes, last_used, for_good",
    read: known,
};

pub(in crate::policy) const TRIPLETS: Source<Stored> = Source {
    table: "triplet",
    key: "id",
    columns: "network, sender, recipient, first_seen, due, expires, passed, pool",
    read: triplet,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)?;
    add_column(connection, "triplet", "pool", "TEXT")
}

pub(in crate::policy) fn load(
    connection: &Connection,
    table: &mut Table,
    now: SystemTime,
) -> Result<(), Error> {
    KNOWN.load(connection, |stored| table.restore(stored, now))?;
    TRIPLETS.load(connection, |stored| table.restore(stored, now))
}

fn known(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored::Known {
        origin: parsed(row, 0)?,
        known: Known {
            passes: row.get(1)?,
            last_used: read_moment(row, 2)?,
            for_good: row.get(3)?,
        },
    })
}

fn triplet(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored::Record {
        id: read_number(row, 0)?,
        network: parsed(row, 1)?,
        sender: row.get(2)?,
        recipient: row.get(3)?,
        record: Record {
            first_seen: read_moment(row, 4)?,
            due: read_moment(row, 5)?,
            until: read_moment(row, 6)?,
            passed: read_moment_or_null(row, 7)?,
        },
        // One that can't be read is one less to be found under.
        pool: row
            .get_ref(8)?
            .as_str_or_null()?
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|origin| origin.parse().ok())
            .collect(),
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(stored) => keep(transaction, stored),
        Change::Move { id, record } => run(
            transaction,
            "UPDATE triplet SET first_seen = ?2, due = ?3, expires = ?4, passed = ?5 WHERE id = ?1",
            params![
                number(*id),
                record.first_seen.as_millis(),
                record.due.as_millis(),
                record.until.as_millis(),
                record.passed.map(Moment::as_millis),
            ],
        ),
        Change::Join { id, origin } => run(
            transaction,
            "UPDATE triplet SET pool = coalesce(pool || ' ', '') || ?2 WHERE id = ?1",
            params![number(*id), origin.to_string()],
        ),
        Change::Drop { id } => run(
            transaction,
            "DELETE FROM triplet WHERE id = ?1",
            params![number(*id)],
        ),
        Change::Forget { origin } => run(
            transaction,
            "DELETE FROM known WHERE network = ?1",
            params![origin.to_string()],
        ),
    }
}

fn keep(transaction: &Transaction<'_>, stored: &Stored) -> Result<(), Error> {
    match stored {
        Stored::Record {
            id,
            network,
            pool,
            sender,
            recipient,
            record,
        } => run(
            transaction,
            "INSERT OR REPLACE INTO triplet (id, network, sender, recipient, first_seen, due, expires, passed, pool) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                number(*id),
                network.to_string(),
                sender,
                recipient,
                record.first_seen.as_millis(),
                record.due.as_millis(),
                record.until.as_millis(),
                record.passed.map(Moment::as_millis),
                pool_text(pool),
            ],
        ),
        Stored::Known { origin, known } => run(
            transaction,
            "INSERT OR REPLACE INTO known (network, passes, last_used, for_good) VALUES (?1, ?2, ?3, ?4)",
            params![
                origin.to_string(),
                known.passes,
                known.last_used.as_millis(),
                known.for_good,
            ],
        ),
    }
}

fn pool_text(pool: &[Origin]) -> Option<String> {
    let texts: Vec<_> = pool.iter().map(Origin::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}
