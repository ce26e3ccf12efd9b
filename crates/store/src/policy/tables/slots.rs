//! The tables of rates, quotas and load.

use super::cell::{
    millis, number, parsed, read_millis, read_moment, read_number, read_number_or, wrong,
};
use super::{Source, add_column, guests, holds, run, runs};
use policy::Moment;
use policy::slots::{Book, Change, Guest, RateCount, Saved, State, Stored};
use rusqlite::{Connection, Error, Row, Transaction, params};
use std::ops::Range;
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS calendar (
    id         INTEGER PRIMARY KEY,
    rule       TEXT NOT NULL,
    key        TEXT NOT NULL,    -- whose limit it is under that rule
    allowed    TEXT NOT NULL,    -- the limit: 100/h burst 20
    series     INTEGER NOT NULL, -- how often its slots were numbered anew
    counted_at INTEGER NOT NULL, -- what follows was so at that time, ms since 1970
    bank       INTEGER,          -- of a rate: slots that passed unused and may be used still
    used       INTEGER,          -- of a quota: in this window
    booked     INTEGER,          -- of a quota: in the next
    client     TEXT,             -- who opened it; none in rows of an earlier release, nor what follows
    live       INTEGER,          -- of a rate: so much that was taken from the bank may come back
    dead       INTEGER,          -- but nothing that was taken when the next slot was an earlier one than this
    spent      TEXT,             -- slots to come that are used up: SLOT+HOW MANY, with spaces between
    lapsed     TEXT              -- slots that passed, and were given back
);
CREATE TABLE IF NOT EXISTS appointment (
    id         INTEGER PRIMARY KEY,
    holder     TEXT NOT NULL,    -- who may claim it: keyed hashes of 128 bits, a guest's with + between, guests with spaces
    client     TEXT NOT NULL,
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,    -- the first that was told
    rule       TEXT NOT NULL,    -- the one that made it wait
    asked      INTEGER NOT NULL, -- the first visit, ms since 1970
    due        INTEGER NOT NULL, -- the time told
    expires    INTEGER NOT NULL, -- the last moment at which this counts
    holds      TEXT NOT NULL,    -- CALENDAR/SERIES:row:SLOT+UNITS@TIME, with spaces between; nothing once it is used
    lapsed     INTEGER,          -- 1: the load's place went to others
    came       INTEGER           -- 1: somebody came for it
);
CREATE TABLE IF NOT EXISTS guest (
    appointment INTEGER NOT NULL,
    holder     TEXT NOT NULL,    -- as in the appointment's holder; who is not there any more is through with it
    recipient  TEXT NOT NULL,
    PRIMARY KEY (appointment, holder)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    ahead      INTEGER NOT NULL  -- limits count by a clock that is so many ms ahead: the wall clock was set back
);
";

pub(in crate::policy) const CALENDARS: Source<Stored> = Source {
    table: "calendar",
    key: "id",
    columns: "rule, key, allowed, series, counted_at, bank, used, booked, client, live, dead, spent, lapsed",
    read: calendar,
};

pub(in crate::policy) const APPOINTMENTS: Source<Stored> = Source {
    table: "appointment",
    key: "id",
    columns: "holder, client, sender, recipient, rule, asked, due, expires, holds, lapsed, came, \
              (SELECT group_concat(guest.holder || ' ' || guest.recipient, char(10)) FROM guest \
               WHERE guest.appointment = appointment.id)",
    read: appointment,
};

pub(super) const CLOCK: Source<Stored> = Source {
    table: "clock",
    key: "id",
    columns: "ahead",
    read: clock,
};

pub(in crate::policy) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(SCHEMA)?;
    for (table, column, kind) in [
        ("calendar", "client", "TEXT"),
        ("calendar", "live", "INTEGER"),
        ("calendar", "dead", "INTEGER"),
        ("calendar", "spent", "TEXT"),
        ("calendar", "lapsed", "TEXT"),
        ("appointment", "lapsed", "INTEGER"),
        ("appointment", "came", "INTEGER"),
    ] {
        add_column(connection, table, column, kind)?;
    }
    Ok(())
}

/// Of appointments that are no more.
const DROP_GUESTS: &str = "DELETE FROM guest WHERE appointment NOT IN (SELECT id FROM appointment)";

/// In the order that the book demands.
pub(in crate::policy) fn load(connection: &Connection, book: &mut Book) -> Result<(), Error> {
    connection.execute_batch(DROP_GUESTS)?;
    for source in [CLOCK, CALENDARS, APPOINTMENTS] {
        source.load(connection, |stored| book.restore(stored))?;
    }
    Ok(())
}

fn clock(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored::Clock {
        ahead: read_millis(row, 1)?,
    })
}

fn calendar(row: &Row<'_>) -> Result<Stored, Error> {
    let limit: policy::slots::Limit = parsed(row, 3)?;
    Ok(Stored::Calendar {
        id: read_number(row, 0)?,
        rule: row.get(1)?,
        key: row.get(2)?,
        client: match row.get_ref(9)?.as_str_or_null()? {
            Some(_) => Some(parsed(row, 9)?),
            None => None,
        },
        saved: Saved {
            limit,
            series: row.get(4)?,
            at: read_moment(row, 5)?,
            state: match limit.burst() {
                Some(_) => State::Rate(RateCount {
                    bank: read_number(row, 6)?,
                    live: read_number_or(row, 10, 0)?,
                    dead: read_number_or(row, 11, u64::MAX)?,
                    spent: read_runs(row, 12)?,
                    lapsed: read_runs(row, 13)?,
                }),
                None => State::Quota {
                    used: read_number(row, 7)?,
                    booked: read_number(row, 8)?,
                },
            },
        },
    })
}

fn read_runs(row: &Row<'_>, column: usize) -> Result<Vec<Range<u64>>, Error> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let read = runs::read(text.unwrap_or_default());
    read.ok_or_else(|| wrong(column, "its slots can't be read"))
}

fn appointment(row: &Row<'_>) -> Result<Stored, Error> {
    let guests = guests::read(row.get_ref(1)?.as_str()?);
    let guests = guests.ok_or_else(|| wrong(1, "who may claim it can't be read"))?;
    let named = row.get_ref(12)?.as_str_or_null()?.unwrap_or_default();
    let holds = holds::read(row.get_ref(9)?.as_str()?);
    Ok(Stored::Appointment {
        id: read_number(row, 0)?,
        recipients: guests::recipients(&guests, named, row.get_ref(4)?.as_str()?),
        guests,
        client: parsed(row, 2)?,
        sender: row.get(3)?,
        rule: row.get(5)?,
        asked: read_moment(row, 6)?,
        due: read_moment(row, 7)?,
        until: read_moment(row, 8)?,
        holds: holds.ok_or_else(|| wrong(9, "what it holds can't be read"))?,
        lapsed: row.get::<_, Option<bool>>(10)?.unwrap_or(false),
        came: row.get::<_, Option<bool>>(11)?.unwrap_or(false),
    })
}

pub(in crate::policy) fn apply(
    transaction: &Transaction<'_>,
    change: &Change,
) -> Result<(), Error> {
    match change {
        Change::Keep(stored) => keep(transaction, stored),
        Change::Count { id, saved } => count(transaction, *id, saved),
        Change::Clock { ahead } => set_clock(transaction, *ahead),
        Change::Guests {
            id,
            guests,
            holds: held,
            lapsed,
            came,
        } => run(
            transaction,
            "UPDATE appointment SET holder = ?2, holds = ?3, lapsed = ?4, came = ?5 WHERE id = ?1",
            params![
                number(*id),
                guests::text(guests),
                holds::text(held),
                lapsed,
                came
            ],
        ),
        Change::DropCalendar { id } => run(
            transaction,
            "DELETE FROM calendar WHERE id = ?1",
            params![number(*id)],
        ),
        Change::Seat {
            id,
            guest,
            recipient,
        } => name_guest(transaction, *id, guest, recipient),
        Change::DropAppointment { id } => {
            for table in ["appointment WHERE id", "guest WHERE appointment"] {
                let sql = format!("DELETE FROM {table} = ?1");
                run(transaction, &sql, params![number(*id)])?;
            }
            Ok(())
        }
    }
}

fn keep(transaction: &Transaction<'_>, stored: &Stored) -> Result<(), Error> {
    match stored {
        Stored::Clock { ahead } => set_clock(transaction, *ahead),
        Stored::Calendar {
            id,
            rule,
            key,
            client,
            saved,
        } => {
            run(
                transaction,
                "INSERT OR REPLACE INTO calendar (id, rule, key, allowed, series, counted_at, client) \
                 VALUES (?1, ?2, ?3, '', 0, 0, ?4)",
                params![
                    number(*id),
                    rule,
                    key,
                    client.map(|client| client.to_string())
                ],
            )?;
            count(transaction, *id, saved)
        }
        Stored::Appointment {
            id,
            guests,
            client,
            sender,
            recipients,
            rule,
            asked,
            due,
            until,
            holds: held,
            lapsed,
            came,
        } => {
            for (guest, recipient) in guests.iter().zip(recipients) {
                name_guest(transaction, *id, guest, recipient)?;
            }
            run(
                transaction,
                "INSERT OR REPLACE INTO appointment \
             (id, holder, client, sender, recipient, rule, asked, due, expires, holds, lapsed, came) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                params![
                    number(*id),
                    guests::text(guests),
                    client.to_string(),
                    sender,
                    recipients
                        .iter()
                        .find(|named| !named.is_empty())
                        .map_or("", String::as_str),
                    rule,
                    asked.as_millis(),
                    due.as_millis(),
                    until.as_millis(),
                    holds::text(held),
                    lapsed,
                    came,
                ],
            )
        }
    }
}

/// Where its name is known now.
fn name_guest(
    transaction: &Transaction<'_>,
    id: u64,
    guest: &Guest,
    recipient: &str,
) -> Result<(), Error> {
    if recipient.is_empty() {
        return Ok(());
    }
    run(
        transaction,
        "INSERT OR REPLACE INTO guest (appointment, holder, recipient) VALUES (?1, ?2, ?3)",
        params![
            number(id),
            guests::text(std::slice::from_ref(guest)),
            recipient
        ],
    )
}

fn count(transaction: &Transaction<'_>, id: u64, saved: &Saved) -> Result<(), Error> {
    let (rate, quota) = match &saved.state {
        State::Rate(count) => (Some(count), None),
        State::Quota { used, booked } => (None, Some((*used, *booked))),
    };
    run(
        transaction,
        "UPDATE calendar SET allowed = ?2, series = ?3, counted_at = ?4, bank = ?5, used = ?6, booked = ?7, \
         live = ?8, dead = ?9, spent = ?10, lapsed = ?11 WHERE id = ?1",
        params![
            number(id),
            saved.limit.to_string(),
            saved.series,
            Moment::as_millis(saved.at),
            rate.map(|rate| number(rate.bank)),
            quota.map(|(used, _)| number(used)),
            quota.map(|(_, booked)| number(booked)),
            rate.map(|rate| number(rate.live)),
            rate.map(|rate| number(rate.dead)),
            rate.map(|rate| runs::text(&rate.spent)),
            rate.map(|rate| runs::text(&rate.lapsed)),
        ],
    )
}

fn set_clock(transaction: &Transaction<'_>, ahead: Duration) -> Result<(), Error> {
    if ahead.is_zero() {
        return run(transaction, "DELETE FROM clock", params![]);
    }
    run(
        transaction,
        "INSERT OR REPLACE INTO clock (id, ahead) VALUES (1, ?1)",
        params![millis(ahead)],
    )
}
