//! The table of estimates that are open: for the statistics alone.

use super::cell::{named, read_moment, wrong};
use super::{Source, run};
use policy::Reason;
use policy::estimates::{Change, Estimate, Estimates};
use policy::slots::Holder;
use rusqlite::{Connection, Error, Row, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS estimate (
    holder     TEXT PRIMARY KEY, -- who was told: 128 bits in hexadecimal, a keyed hash
    reason     TEXT NOT NULL,
    told       INTEGER NOT NULL, -- when
    due        INTEGER NOT NULL, -- when it is to come back
    expires    INTEGER NOT NULL  -- nobody is awaited after that
);
";

pub(in crate::policy) const ESTIMATES: Source<Estimate> = Source {
    table: "estimate",
    key: "rowid",
    columns: "holder, reason, told, due, expires",
    read: estimate,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    estimates: &mut Estimates,
) -> Result<(), Error> {
    ESTIMATES.load(connection, |stored| estimates.restore(stored))
}

fn estimate(row: &Row<'_>) -> Result<Estimate, Error> {
    let holder = row.get_ref(1)?.as_str()?;
    let holder = u128::from_str_radix(holder, 16).map_err(|error| wrong(1, error))?;
    let reason = |name: &str| Reason::ALL.into_iter().find(|reason| reason.name() == name);
    Ok(Estimate {
        holder: Holder(holder),
        reason: named(row, 2, reason)?,
        told: read_moment(row, 3)?,
        due: read_moment(row, 4)?,
        until: read_moment(row, 5)?,
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    let named = |holder: Holder| format!("{:032x}", holder.0);
    match change {
        Change::Keep(open) => run(
            transaction,
            "INSERT OR REPLACE INTO estimate (holder, reason, told, due, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                named(open.holder),
                open.reason.name(),
                open.told.as_millis(),
                open.due.as_millis(),
                open.until.as_millis(),
            ],
        ),
        Change::Drop { holder } => {
            let sql = "DELETE FROM estimate WHERE holder = ?1";
            run(transaction, sql, params![named(*holder)])
        }
    }
}
