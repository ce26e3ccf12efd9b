//! The tables: a file for each rule's, that an administrator can read with `sqlite3`.
//!
//! Times are milliseconds since 1970-01-01 UTC.

pub(super) mod domains;
pub(super) mod estimates;
pub(super) mod greylist;
pub(super) mod lists;
pub(super) mod mailboxes;
pub(super) mod returns;
pub(super) mod slots;
pub(super) mod stats;

mod cell;
mod guests;
mod holds;
mod runs;

#[cfg(test)]
mod tests;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction};

/// A table, as it is read.
#[derive(Clone, Copy)]
pub(super) struct Source<T> {
    table: &'static str,
    /// What names a row: the first that is read, and the order.
    key: &'static str,
    /// Read after it, in this order.
    columns: &'static str,
    read: fn(&Row<'_>) -> Result<T, rusqlite::Error>,
}

impl<T> Source<T> {
    /// Shows the rows in order, until `act` says that it has enough; says whether it has. What can't be read was edited
    /// by hand, and wrongly: it is passed over, and its key goes into `broken`.
    pub(super) fn each(
        &self,
        connection: &Connection,
        broken: &mut Vec<Value>,
        mut act: impl FnMut(T) -> bool,
    ) -> Result<bool, rusqlite::Error> {
        let Self {
            table,
            key,
            columns,
            read,
        } = self;
        let sql = format!("SELECT {key}, {columns} FROM {table} ORDER BY {key}");
        let mut query = connection.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(stored) => {
                    if !act(stored) {
                        return Ok(true);
                    }
                }
                Err(_) => broken.push(row.get(0)?),
            }
        }
        Ok(false)
    }

    /// Takes all rows over. What can't be read goes: one record less, not all.
    fn load(
        &self,
        connection: &Connection,
        mut take: impl FnMut(T),
    ) -> Result<(), rusqlite::Error> {
        let mut broken = Vec::new();
        self.each(connection, &mut broken, |stored| {
            take(stored);
            true
        })?;
        let Self { table, key, .. } = self;
        let mut delete = connection.prepare(&format!("DELETE FROM {table} WHERE {key} = ?1"))?;
        for row in broken {
            delete.execute([row])?;
        }
        Ok(())
    }
}

/// Files of earlier releases lack it.
fn add_column(
    connection: &Connection,
    table: &str,
    column: &str,
    kind: &str,
) -> Result<(), rusqlite::Error> {
    match connection.column_exists(None, table, column)? {
        true => Ok(()),
        false => {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))
        }
    }
}

fn run(
    transaction: &Transaction<'_>,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}
