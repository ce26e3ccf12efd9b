//! The tables of who never came back.

use super::cell::{named, number, parsed, read_moment, read_number};
use super::{Source, run};
use policy::Moment;
use policy::returns::{Change, Returns, State, Stored};
use rusqlite::{Connection, Error, Row, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS told (
    id         INTEGER PRIMARY KEY,
    client     TEXT NOT NULL,    -- an address, or a /64
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    told       INTEGER NOT NULL, -- when it was asked to come back, ms since 1970
    expires    INTEGER NOT NULL, -- the end of the window in which a retry is awaited
    state      TEXT NOT NULL     -- waiting; came; counted: nobody came, and it stands against the client
);
CREATE TABLE IF NOT EXISTS accepted (
    client     TEXT PRIMARY KEY, -- an address, or a /64
    last       INTEGER NOT NULL  -- when mail of it was last accepted, to the hour, ms since 1970
);
";

pub(in crate::policy) const TOLD: Source<Stored> = Source {
    table: "told",
    key: "id",
    columns: "client, sender, recipient, told, expires, state",
    read: told,
};

pub(in crate::policy) const ACCEPTED: Source<Stored> = Source {
    table: "accepted",
    key: "rowid",
    columns: "client, last",
    read: accepted,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    returns: &mut Returns,
    now: Moment,
) -> Result<(), Error> {
    for source in [ACCEPTED, TOLD] {
        source.load(connection, |stored| returns.restore(stored, now))?;
    }
    Ok(())
}

fn told(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored::Pair {
        id: read_number(row, 0)?,
        client: parsed(row, 1)?,
        sender: row.get(2)?,
        recipient: row.get(3)?,
        told: read_moment(row, 4)?,
        until: read_moment(row, 5)?,
        state: named(row, 6, State::named)?,
    })
}

fn accepted(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored::Accepted {
        client: parsed(row, 1)?,
        last: read_moment(row, 2)?,
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(stored) => keep(transaction, stored),
        Change::Move { id, until, state } => run(
            transaction,
            "UPDATE told SET expires = ?2, state = ?3 WHERE id = ?1",
            params![number(*id), until.as_millis(), state.name()],
        ),
        Change::Drop { id } => run(
            transaction,
            "DELETE FROM told WHERE id = ?1",
            params![number(*id)],
        ),
        Change::Forget { client } => run(
            transaction,
            "DELETE FROM accepted WHERE client = ?1",
            params![client.to_string()],
        ),
    }
}

fn keep(transaction: &Transaction<'_>, stored: &Stored) -> Result<(), Error> {
    match stored {
        Stored::Pair {
            id,
            client,
            sender,
            recipient,
            told,
            until,
            state,
        } => run(
            transaction,
            "INSERT OR REPLACE INTO told (id, client, sender, recipient, told, expires, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                number(*id),
                client.to_string(),
                sender,
                recipient,
                told.as_millis(),
                until.as_millis(),
                state.name(),
            ],
        ),
        Stored::Accepted { client, last } => run(
            transaction,
            "INSERT OR REPLACE INTO accepted (client, last) VALUES (?1, ?2)",
            params![client.to_string(), last.as_millis()],
        ),
    }
}
