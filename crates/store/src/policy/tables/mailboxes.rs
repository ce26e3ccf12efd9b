//! The table of mailboxes that were full.

use super::cell::{millis, read_moment, read_moment_or_null, wrong};
use super::{Source, run};
use policy::Moment;
use policy::mailbox::{Change, Episode, History, Mailboxes, Stored};
use rusqlite::{Connection, Error, Row, Transaction, params};
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS mailbox (
    address    TEXT PRIMARY KEY,
    lengths    TEXT NOT NULL,    -- how long it was full the last few times, in ms, the latest last
    since      INTEGER,          -- when a mail first did not fit, ms since 1970; NULL: it has room
    until      INTEGER,          -- mail is refused up to then
    estimated  INTEGER,          -- 1: that is an estimate, and told; 0: only when it is tried again
    used       INTEGER NOT NULL  -- when it was last heard of
);
";

pub(in crate::policy) const MAILBOXES: Source<Stored> = Source {
    table: "mailbox",
    key: "rowid",
    columns: "address, lengths, since, until, estimated, used",
    read: mailbox,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)
}

pub(in crate::policy) fn load(
    connection: &Connection,
    mailboxes: &mut Mailboxes,
) -> Result<(), Error> {
    MAILBOXES.load(connection, |stored| mailboxes.restore(stored))
}

fn mailbox(row: &Row<'_>) -> Result<Stored, Error> {
    let lengths = row.get_ref(2)?.as_str()?.split_whitespace();
    let lengths: Result<Vec<_>, _> = lengths
        .map(|length| length.parse().map(Duration::from_millis))
        .collect();
    let since = read_moment_or_null(row, 3)?;
    let current = since.map(|since| {
        Ok::<_, Error>(Episode {
            since,
            until: read_moment(row, 4)?,
            estimated: row.get(5)?,
        })
    });
    Ok(Stored {
        mailbox: row.get(1)?,
        history: History {
            lengths: lengths.map_err(|error| wrong(2, error))?,
            current: current.transpose()?,
            used: read_moment(row, 6)?,
        },
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    let Stored { mailbox, history } = match change {
        Change::Keep(stored) => stored,
        Change::Drop { mailbox } => {
            let sql = "DELETE FROM mailbox WHERE address = ?1";
            return run(transaction, sql, params![mailbox]);
        }
    };
    let lengths: Vec<_> = history
        .lengths
        .iter()
        .map(|length| millis(*length).to_string())
        .collect();
    let current = history.current;
    run(
        transaction,
        "INSERT OR REPLACE INTO mailbox (address, lengths, since, until, estimated, used) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            mailbox,
            lengths.join(" "),
            current.map(|episode| episode.since.as_millis()),
            current.map(|episode| Moment::as_millis(episode.until)),
            current.map(|episode| episode.estimated),
            history.used.as_millis(),
        ],
    )
}
