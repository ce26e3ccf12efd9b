//! One value of a row.

use policy::Moment;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use std::error::Error as StdError;
use std::str::FromStr;
use std::time::Duration;

/// A number as SQLite holds it. It counts up to here; a server that names a million rows a second gets there in 292,000
/// years.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn read_number(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    unsigned(row.get(column)?, column)
}

/// Where there is none, in a row of an earlier release, this.
pub(super) fn read_number_or(row: &Row<'_>, column: usize, none: u64) -> Result<u64, Error> {
    match row.get(column)? {
        Some(number) => unsigned(number, column),
        None => Ok(none),
    }
}

pub(super) fn read_millis(row: &Row<'_>, column: usize) -> Result<Duration, Error> {
    read_number(row, column).map(Duration::from_millis)
}

pub(super) fn read_moment(row: &Row<'_>, column: usize) -> Result<Moment, Error> {
    row.get(column).map(Moment::from_millis)
}

pub(super) fn read_moment_or_null(row: &Row<'_>, column: usize) -> Result<Option<Moment>, Error> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Moment::from_millis))
}

pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Result<T, Error>
where
    T::Err: StdError + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| wrong(column, error))
}

/// A word that stands for one of a few things.
pub(super) fn named<T>(
    row: &Row<'_>,
    column: usize,
    named: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Error> {
    let text = row.get_ref(column)?.as_str()?;
    named(text).ok_or_else(|| wrong(column, format!("{text:?} is none of its values")))
}

pub(super) fn wrong(column: usize, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

fn unsigned(number: i64, column: usize) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}
