//! The table of sender domains of which mail was accepted.

use super::cell::{number, parsed, read_moment, read_number};
use super::{Source, run};
use policy::Moment;
use policy::domains::{Change, Domains, Stored};
use rusqlite::{Connection, Error, Row, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS domain (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,    -- as it was registered
    network    TEXT NOT NULL,    -- the client's that brought it
    last       INTEGER NOT NULL  -- when mail of it was last accepted, to the hour, ms since 1970
);
";

pub(in crate::policy) const DOMAINS: Source<Stored> = Source {
    table: "domain",
    key: "id",
    columns: "name, network, last",
    read: domain,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    domains: &mut Domains,
    now: Moment,
) -> Result<(), Error> {
    // Those unused for longest first: the rule sheds in the order in which it met them.
    let mut rows = Vec::new();
    DOMAINS.load(connection, |stored| rows.push(stored))?;
    rows.sort_unstable_by_key(|row| (row.last, row.id));
    rows.into_iter().for_each(|row| domains.restore(row, now));
    Ok(())
}

fn domain(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored {
        id: read_number(row, 0)?,
        domain: row.get(1)?,
        network: parsed(row, 2)?,
        last: read_moment(row, 3)?,
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(Stored {
            id,
            domain,
            network,
            last,
        }) => run(
            transaction,
            "INSERT OR REPLACE INTO domain (id, name, network, last) VALUES (?1, ?2, ?3, ?4)",
            params![number(*id), domain, network.to_string(), last.as_millis()],
        ),
        Change::Move { id, last } => run(
            transaction,
            "UPDATE domain SET last = ?2 WHERE id = ?1",
            params![number(*id), last.as_millis()],
        ),
        Change::Drop { id } => run(
            transaction,
            "DELETE FROM domain WHERE id = ?1",
            params![number(*id)],
        ),
    }
}
