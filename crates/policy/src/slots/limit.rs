//! How much is let through: `100/h burst 20`, `500/d`, `20M/h burst 5M`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most that a count may be: 1,024 G.
const COUNT_MAX: u64 = 1 << 40;

/// The longest period: a leap year.
const PERIOD_MAX_SECS: u64 = 366 * DAY;

/// The densest rate. Slots are numbered since 1970 in 64 bits.
const PER_MILLI_MAX: u64 = 1 << 20;

const DAY: u64 = 86_400;

/// From large to small, as they are written.
const PERIODS: [(&str, u64); 4] = [("d", DAY), ("h", 3_600), ("min", 60), ("s", 1)];

/// From large to small.
const SIZES: [(char, u64); 3] = [('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

/// A rate or a quota.
///
/// `100/h burst 20` is a rate: 100 slots an hour, evenly spaced, and up to 20 unused ones may be used at once.
/// `500/d` is a quota: at most 500 in each period, the periods counted from 1970 in UTC, so that a day is UTC's day.
/// Periods are `s`, `min` (or `m`), `h`, `d`, with a number before them or without: `30/10min`. `K`, `M` and `G` behind
/// a count are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    count: u64,
    period_secs: u64,
    burst: Option<u64>,
}

impl Limit {
    /// The limit of so many in a period, with a burst (a rate) or without (a quota).
    pub fn new(count: u64, period: Duration, burst: Option<u64>) -> Result<Self, LimitError> {
        let period_secs = period.as_secs();
        if !(1..=COUNT_MAX).contains(&count) || burst.is_some_and(|b| !(1..=COUNT_MAX).contains(&b))
        {
            return Err(LimitError::Count);
        }
        if !(1..=PERIOD_MAX_SECS).contains(&period_secs) || period.subsec_nanos() > 0 {
            return Err(LimitError::Period);
        }
        if burst.is_some() && count > PER_MILLI_MAX * 1_000 * period_secs {
            return Err(LimitError::Dense);
        }
        Ok(Self {
            count,
            period_secs,
            burst,
        })
    }

    /// Units in each period.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The period; how far ahead a place is told, too, where nothing else is said.
    pub fn period(&self) -> Duration {
        Duration::from_secs(self.period_secs)
    }

    /// Unused units that a rate keeps; `None`: a quota.
    pub fn burst(&self) -> Option<u64> {
        self.burst
    }

    pub(super) fn period_millis(&self) -> u64 {
        self.period_secs * 1_000
    }

    /// The most that one event can ever have: more finds no place before the limit's own period is over.
    pub(super) fn most(&self) -> u64 {
        self.count.max(self.burst.unwrap_or(0))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, secs) = PERIODS
            .into_iter()
            .find(|(_, secs)| self.period_secs.is_multiple_of(*secs))
            .unwrap_or(("s", 1));
        write_count(f, self.count)?;
        f.write_str("/")?;
        if self.period_secs > secs {
            write!(f, "{}", self.period_secs / secs)?;
        }
        f.write_str(unit)?;
        if let Some(burst) = self.burst {
            f.write_str(" burst ")?;
            write_count(f, burst)?;
        }
        Ok(())
    }
}

fn write_count(f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
    match SIZES
        .into_iter()
        .find(|(_, size)| count.is_multiple_of(*size))
    {
        Some((letter, size)) => write!(f, "{}{letter}", count / size),
        None => write!(f, "{count}"),
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let mut words = text.split_ascii_whitespace();
        let (count, period) = words
            .next()
            .and_then(|word| word.split_once('/'))
            .ok_or(LimitError::Form)?;
        let count = read_count(count)?;
        let period = read_period(period)?;
        let burst = match (words.next(), words.next(), words.next()) {
            (None, ..) => None,
            (Some("burst"), Some(burst), None) => Some(read_count(burst)?),
            _ => return Err(LimitError::Burst),
        };
        Self::new(count, period, burst)
    }
}

fn read_count(text: &str) -> Result<u64, LimitError> {
    let (digits, size) = SIZES
        .into_iter()
        .find_map(|(letter, size)| Some((text.strip_suffix(letter)?, size)))
        .unwrap_or((text, 1));
    let count = read_number(digits).ok_or(LimitError::Count)?;
    count.checked_mul(size).ok_or(LimitError::Count)
}

fn read_period(text: &str) -> Result<Duration, LimitError> {
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - letters.len()];
    let number = match digits {
        "" => 1,
        digits => read_number(digits).ok_or(LimitError::Period)?,
    };
    let (_, secs) = PERIODS
        .into_iter()
        .find(|(unit, _)| *unit == letters || (*unit == "min" && letters == "m"))
        .ok_or(LimitError::Period)?;
    let secs = number.checked_mul(secs).ok_or(LimitError::Period)?;
    Ok(Duration::from_secs(secs))
}

/// Digits alone: no sign.
fn read_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// What is wrong with a limit as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// It isn't a count, a slash and a period.
    Form,
    /// A count or burst that is none, 0, or too large.
    Count,
    /// A period that is none, 0, or longer than a year.
    Period,
    /// What follows the period isn't `burst` and a count.
    Burst,
    /// More slots than a rate can number.
    Dense,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "expected a count, a slash and a period: \"100/h burst 20\" (a rate) or \"500/d\" (a quota)"
            }
            Self::Count => {
                "expected a count from 1 to 1024G, with K, M or G behind it for powers of 1024: \"100\", \"20M\""
            }
            Self::Period => {
                "expected a period of s, min, h or d, up to 366d, with a number before it or without: \"h\", \"10min\""
            }
            Self::Burst => {
                "expected nothing more, or \"burst\" and a count: \"100/h burst 20\""
            }
            Self::Dense => {
                "expected a rate of at most 1000M a second; a quota (without \"burst\") may be larger"
            }
        })
    }
}

impl std::error::Error for LimitError {}
