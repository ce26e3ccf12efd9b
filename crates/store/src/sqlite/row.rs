//! What is in memory, as columns, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::progress::{Appointment, LastAttempt};
use queue::{HoldKey, Message, MessageId, Origin, Progress, State, Stretched};
use retry_hint::Tongue;
use rusqlite::types::Type;
use rusqlite::{Row, Statement, params};
use serde::{Deserialize, Serialize};
use smtp::{Content, Recipient, Sender, Status};

/// The columns that [`read_progress`] expects, in its order.
pub(super) const PROGRESS: &str = "message, recipient, state, due, expires, attempts, backoff_steps, broken, \
     appointment_host, appointment_secs, appointment_tongue, parked, stretched, delay_notice, last_reply, \
     appointment_local, last_attempt, last_relay, last_status";

/// All columns of a row, as [`write_progress`] binds them.
pub(super) const INSERT_PROGRESS: &str = "INSERT INTO progress (message, recipient, state, due, expires, wake, attempts, \
     backoff_steps, broken, appointment_host, appointment_secs, appointment_tongue, parked, stretched, delay_notice, \
     last_reply, appointment_local, last_attempt, last_relay, last_status) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

/// The same for a row that is there.
pub(super) const UPDATE_PROGRESS: &str = "UPDATE progress SET state = ?3, due = ?4, expires = ?5, wake = ?6, \
     attempts = ?7, backoff_steps = ?8, broken = ?9, appointment_host = ?10, appointment_secs = ?11, \
     appointment_tongue = ?12, parked = ?13, stretched = ?14, delay_notice = ?15, last_reply = ?16, \
     appointment_local = ?17, last_attempt = ?18, last_relay = ?19, last_status = ?20 \
     WHERE message = ?1 AND recipient = ?2";

/// The times a column holds: whole milliseconds since 1970, rounded up so that nothing is due early, and clamped.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// Back again.
pub(super) fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The same for a time at which something is looked for: rounded down, so that only what is due is found.
pub(super) fn millis_now(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Binds all columns and runs it; gives the number of rows changed.
pub(super) fn write_progress(
    statement: &mut Statement<'_>,
    message: i64,
    recipient: u32,
    row: &Progress,
) -> rusqlite::Result<usize> {
    let appointment = row.appointment.as_ref();
    let last = row.last_attempt.as_ref();
    statement.execute(params![
        message,
        recipient,
        match row.state {
            State::Waiting => "waiting",
            State::Held => "held",
        },
        millis(row.due),
        millis(row.expires),
        millis(row.wake()),
        row.attempts,
        row.backoff_steps,
        row.broken,
        appointment
            .and_then(|a| a.host)
            .map(|host| host.to_string()),
        appointment.map(|a| i64::try_from(a.wait_secs).unwrap_or(i64::MAX)),
        appointment.map(|a| tongue_name(a.tongue)),
        row.parked.as_ref().map(HoldKey::to_string),
        stretched_bits(row.stretched),
        row.delay_notice.map(millis),
        row.last_reply,
        appointment
            .and_then(|a| a.local)
            .map(|local| local.to_string()),
        last.map(|last| millis(last.at)),
        last.map(|last| &last.relay),
        last.map(|last| last.status.to_string()),
    ])
}

/// Reads the columns of [`PROGRESS`].
pub(super) fn read_progress(row: &Row<'_>) -> rusqlite::Result<(i64, u32, Progress)> {
    progress(row).map_err(|error| of_mail(row, error))
}

fn progress(row: &Row<'_>) -> rusqlite::Result<(i64, u32, Progress)> {
    let appointment = match row.get_ref(10)?.as_str_or_null()? {
        None => None,
        Some(tongue) => Some(Appointment {
            host: match row.get_ref(8)?.as_str_or_null()? {
                None => None,
                Some(host) => Some(queue::HostKey(host.parse().map_err(|e| bad(8, e))?)),
            },
            local: match row.get_ref(15)?.as_str_or_null()? {
                None => None,
                Some(local) => Some(local.parse().map_err(|e| bad(15, e))?),
            },
            wait_secs: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
            tongue: tongue_named(tongue).ok_or_else(|| bad(10, Unknown("tongue")))?,
        }),
    };
    let progress = Progress {
        state: match row.get_ref(2)?.as_str()? {
            "waiting" => State::Waiting,
            "held" => State::Held,
            _ => return Err(bad(2, Unknown("state"))),
        },
        due: time(row.get(3)?),
        expires: time(row.get(4)?),
        attempts: row.get(5)?,
        backoff_steps: row.get(6)?,
        broken: row.get(7)?,
        appointment,
        parked: match row.get_ref(11)?.as_str_or_null()? {
            None => None,
            Some(key) => Some(key.parse().map_err(|_| bad(11, Unknown("hold")))?),
        },
        stretched: stretched_of(row.get(12)?),
        delay_notice: row.get::<_, Option<i64>>(13)?.map(time),
        last_reply: row.get(14)?,
        last_attempt: last_attempt(row)?,
    };
    Ok((row.get(0)?, row.get(1)?, progress))
}

/// Two flags in what was a flag for both: then it was mostly an appointment.
fn stretched_bits(stretched: Stretched) -> u8 {
    u8::from(stretched.to_appointment) | u8::from(stretched.to_probe) << 1
}

fn stretched_of(bits: u8) -> Stretched {
    Stretched {
        to_appointment: bits & 1 != 0,
        to_probe: bits & 2 != 0,
    }
}

/// It is told in notices and lists, and decides nothing: what can't be read of it keeps no mail back.
fn last_attempt(row: &Row<'_>) -> rusqlite::Result<Option<Box<LastAttempt>>> {
    let (at, relay): (Option<i64>, Option<String>) = (row.get(16)?, row.get(17)?);
    let status = row.get_ref(18)?.as_str_or_null()?.and_then(Status::parse);
    Ok(match (at, relay, status) {
        (Some(at), Some(relay), Some(status)) => Some(Box::new(LastAttempt {
            at: time(at),
            relay,
            status,
        })),
        _ => None,
    })
}

fn tongue_name(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::Keyword => "keyword",
        Tongue::Draft => "draft",
        Tongue::Prose => "prose",
    }
}

fn tongue_named(name: &str) -> Option<Tongue> {
    [Tongue::Keyword, Tongue::Draft, Tongue::Prose]
        .into_iter()
        .find(|tongue| tongue_name(*tongue) == name)
}

#[derive(Serialize)]
struct EnvelopeRef<'a> {
    sender: &'a Sender,
    recipients: &'a [Recipient],
    content: &'a Content,
    origin: &'a Origin,
}

#[derive(Deserialize)]
struct Envelope {
    sender: Sender,
    recipients: Vec<Recipient>,
    content: Content,
    origin: Origin,
}

/// The envelope as an administrator reads it in `sqlite3`.
pub(super) fn envelope_text(message: &Message) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EnvelopeRef {
        sender: &message.sender,
        recipients: &message.recipients,
        content: &message.content,
        origin: &message.origin,
    })
}

/// Reads `id, received, envelope`.
pub(super) fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    message(row).map_err(|error| of_mail(row, error))
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let envelope: Envelope =
        serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(|e| bad(2, e))?;
    Ok(Message {
        id: MessageId(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)),
        received: time(row.get(1)?),
        sender: envelope.sender,
        recipients: envelope.recipients,
        content: envelope.content,
        origin: envelope.origin,
    })
}

fn bad(column: usize, why: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why))
}

/// Says whose row can't be read, since no restart mends it: an administrator has to. The mail's id is the first column.
fn of_mail(row: &Row<'_>, error: rusqlite::Error) -> rusqlite::Error {
    if matches!(error, rusqlite::Error::SqliteFailure(..)) {
        return error;
    }
    match row.get(0) {
        Ok(message) => {
            let why = error.to_string();
            bad(0, Unreadable { message, why })
        }
        Err(_) => error,
    }
}

/// A mail whose row can't be read.
#[derive(Debug)]
struct Unreadable {
    message: i64,
    why: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { message, why } = self;
        let id = MessageId(u64::try_from(*message).unwrap_or(0));
        write!(f, "mail {id} (message {message}): {why}")
    }
}

impl std::error::Error for Unreadable {}

/// A name in a column that this program does not know.
#[derive(Debug)]
struct Unknown(&'static str);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown {}", self.0)
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_up_and_are_clamped() {
        let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
        for (given, stored) in [
            (UNIX_EPOCH - Duration::from_secs(9), 0),
            (UNIX_EPOCH, 0),
            (at(1), 1),
            (at(1_000_000), 1),
            (at(1_000_001), 2),
        ] {
            assert_eq!(millis(given), stored);
        }
        assert_eq!(millis_now(at(1_999_999)), 1);
        assert_eq!(time(-5), UNIX_EPOCH);
        assert_eq!(millis(time(i64::MAX)), i64::MAX);
    }
}
