//! Durations in words: "300 seconds", "5m30s", "1 hour and 5 minutes", "00:04:53", "an hour".

use super::Scan;
use super::number::{Number, spoken_number};
use super::scan::is_one_of;
use crate::words;

/// A duration of which the last word is `last`.
pub(super) struct Duration {
    /// Rounded up.
    pub(super) secs: u64,
    pub(super) last: isize,
    pub(super) form: Form,
}

/// How a duration is told, since not every form is as plain everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// "5 minutes"
    Spoken,
    /// "5m": one word, which could be a name that the server repeats.
    Glued,
    /// "00:04:53": which could be a time of the day.
    Clock,
}

/// `[DD-]HH:MM:SS`, or `MM:SS`.
pub(crate) struct Clock {
    pub(crate) secs: u64,
    pub(crate) parts: usize,
}

struct Part {
    millis: u128,
    /// The smallest unit it was told in: what follows "5 minutes" can only be seconds.
    unit: u64,
    last: isize,
    form: Form,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The duration that begins with word `k`.
pub(super) fn duration(scan: &Scan<'_>, k: isize) -> Option<Duration> {
    let mut whole = timed_by_clock(scan, k).or_else(|| part(scan, k))?;
    // Days, hours, minutes, seconds: each at most once.
    while let Some(next) = continuation(scan, &whole) {
        whole = Part {
            millis: whole.millis.saturating_add(next.millis),
            form: Form::Spoken,
            ..next
        };
    }
    if scan.joins(whole.last) && scan.is(whole.last + 1, NOT_A_WAIT) {
        return None;
    }
    let secs = u64::try_from(whole.millis.div_ceil(u128::from(SECOND))).ok()?;
    (secs != u64::MAX).then_some(Duration {
        secs,
        last: whole.last,
        form: whole.form,
    })
}

/// "5 minutes ago", "a 5 minutes window".
const NOT_A_WAIT: &str = "\
    ago old timeout timeouts window windows limit limits interval intervals exceeded expired \
    apart per";

/// "… and 30 seconds", ", 30 seconds", or the clock behind "1 day, ".
fn continuation(scan: &Scan<'_>, so_far: &Part) -> Option<Part> {
    let word = scan.word(so_far.last)?;
    let abbreviated = word.stop && scan.text(so_far.last).len() <= 4;
    if word.colon || word.closes || (word.stop && !abbreviated) {
        return None;
    }
    let mut k = so_far.last + 1;
    k += isize::from(scan.is(k, "and &") && scan.joins(k));
    if scan.word(k)?.opens {
        return None;
    }
    if so_far.unit == DAY
        && let Some(clock) = timed_by_clock(scan, k)
    {
        return Some(clock);
    }
    part(scan, k).filter(|next| next.unit < so_far.unit)
}

fn part(scan: &Scan<'_>, k: isize) -> Option<Part> {
    let text = scan.text(k);
    if let Some((millis, unit)) = glued(text) {
        return Some(Part {
            millis,
            unit,
            last: k,
            form: Form::Glued,
        });
    }
    let said_twice = isize::from(is_said_twice(scan, k));
    if said_twice == 0 && !scan.joins(k) {
        return None;
    }
    if scan.is(k, "half") && scan.is(k + 1, "an") && scan.is(k + 2, "hour") {
        return Some(Part {
            millis: u128::from(HOUR / 2),
            unit: HOUR,
            last: k + 2,
            form: Form::Spoken,
        });
    }
    // "210 more seconds"
    let more = isize::from(scan.is(k + 1, "more further") && scan.joins(k + 1));
    let last = k + 1 + more + said_twice;
    let unit = unit(scan.text(last))?;
    // "a minute" and "a second" are idioms; an hour is an hour.
    let an_hour = scan.is(k, "an") && unit == HOUR;
    let number = if an_hour {
        Number::whole(1)
    } else {
        spoken_number(text)?
    };
    Some(Part {
        millis: number.times(unit),
        unit,
        last,
        form: Form::Spoken,
    })
}

/// "5 (five) minutes", "five (5) minutes".
fn is_said_twice(scan: &Scan<'_>, k: isize) -> bool {
    let (Some(first), Some(second)) = (scan.word(k), scan.word(k + 1)) else {
        return false;
    };
    let aside = first.is_joined()
        && second.opens
        && second.closes
        && !(second.comma || second.colon || second.stop);
    let value = |k| spoken_number(scan.text(k)).map(|n| (n.parts, n.scale));
    aside && value(k).is_some() && value(k) == value(k + 1)
}

/// A clock that runs down, unless what follows makes it a time of the day.
fn timed_by_clock(scan: &Scan<'_>, k: isize) -> Option<Part> {
    let Clock { secs, parts } = clock(scan.text(k))?;
    if scan.is(k + 1, OF_THE_DAY) || matches!(scan.text(k + 1), [b'+' | b'-', b'0'..=b'9', ..]) {
        return None;
    }
    let unit = if scan.joins(k) {
        unit(scan.text(k + 1))
    } else {
        None
    };
    let (secs, last) = match (parts, unit) {
        (2, Some(HOUR)) => (secs.saturating_mul(60), k + 1),
        (2, Some(MINUTE)) | (3, Some(HOUR)) => (secs, k + 1),
        (_, Some(_)) => return None,
        (_, None) => (secs, k),
    };
    Some(Part {
        millis: u128::from(secs) * u128::from(SECOND),
        unit: 0,
        last,
        form: Form::Clock,
    })
}

const OF_THE_DAY: &str = "am pm a.m p.m gmt utc cet cest est edt pst pdt z o'clock";

/// Reads a clock that is one whole word.
pub(crate) fn clock(text: &[u8]) -> Option<Clock> {
    let dash = text.iter().position(|&b| b == b'-');
    let days = dash.map_or(Some(0), |dash| words::digits(&text[..dash]))?;
    let mut secs = 0u64;
    let mut parts = 0;
    for part in text[dash.map_or(0, |dash| dash + 1)..].split(|&b| b == b':') {
        let n = words::digits(part)?;
        let fits = if parts == 0 {
            part.len() <= 4
        } else {
            part.len() == 2 && n < 60
        };
        if !fits || parts == 3 {
            return None;
        }
        secs = secs * 60 + n;
        parts += 1;
    }
    let whole = parts == 3 || (parts == 2 && dash.is_none());
    whole.then(|| Clock {
        secs: secs.saturating_add(days.saturating_mul(86_400)),
        parts,
    })
}

/// "300s", "5min", "1h30m", "4m53.2s": milliseconds, and the last unit.
fn glued(text: &[u8]) -> Option<(u128, u64)> {
    let mut rest = text;
    let mut total = (0u128, u64::MAX);
    while !rest.is_empty() {
        let split = rest
            .iter()
            .position(|b| !b.is_ascii_digit() && *b != b'.')?;
        let (number, behind) = rest.split_at(split);
        let letters = behind
            .iter()
            .position(u8::is_ascii_digit)
            .unwrap_or(behind.len());
        let unit = unit(&behind[..letters])?;
        if unit >= total.1 {
            return None;
        }
        total = (
            total.0.saturating_add(Number::parse(number)?.times(unit)),
            unit,
        );
        rest = &behind[letters..];
    }
    (total.1 != u64::MAX).then_some(total)
}

/// The unit's length in milliseconds.
pub(super) fn unit(text: &[u8]) -> Option<u64> {
    let text = text
        .strip_suffix(b"(s)")
        .or_else(|| text.strip_suffix(b"(s"))
        .unwrap_or(text);
    // 5M is as likely five megabytes.
    if text == b"M" {
        return None;
    }
    let (_, millis) = UNITS.iter().find(|(names, _)| is_one_of(text, names))?;
    Some(*millis)
}

/// English first, then what German, French, Spanish, Portuguese, Italian and Dutch servers write.
const UNITS: [(&str, u64); 6] = [
    ("ms msec msecs millisecond milliseconds", 1),
    (
        "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos secondo secondi seconden",
        SECOND,
    ),
    (
        "m mn min mins minute minutes minuten minuto minutos minuti minuut mns",
        MINUTE,
    ),
    (
        "h hr hrs hour hours stunde stunden heure heures hora horas ora ore uur",
        HOUR,
    ),
    (
        "d day days tag tage tagen jour jours dia dias giorno giorni dag dagen",
        DAY,
    ),
    ("w wk wks week weeks", 7 * DAY),
];
