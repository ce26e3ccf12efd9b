//! `maildirsize`: a Maildir's quota and what is used of it (the Maildir++ specification, in Courier's
//! `README.maildirquota`).
//!
//! ```text
//! 10000000S,1000C
//!        812345        204
//!          1810          1
//!         -1810         -1
//! ```
//!
//! The first line is the quota: octets (`S`), messages (`C`). Every other line is a change of what is used; they are
//! summed up. Whoever delivers or deletes appends one. When the file can't be trusted it is counted anew, from the
//! Maildir, and replaced.
//!
//! Pure: whoever opens the file passes its octets and its time of change.

use crate::Moment;
use std::fmt;
use std::time::Duration;

/// A file of so many octets or more is counted anew. Read at most so many.
pub const OCTETS_MAX: usize = 5120;

/// A file that says "full" and is at least so old is counted anew: mail may have been deleted by hand.
pub const STALE_AFTER: Duration = Duration::from_secs(15 * 60);

/// The limits. Zero, like a missing one, is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all messages.
    pub octets: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

/// What is used. The sum of a file may be below zero: then it can't be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets of all messages.
    pub octets: i64,
    /// Messages.
    pub messages: i64,
}

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maildirsize {
    /// Its first line.
    pub quota: Quota,
    /// The sum of its other lines.
    pub usage: Usage,
    /// How many other lines there are.
    pub lines: usize,
}

/// Why the file has to be counted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// It has [`OCTETS_MAX`] octets or more.
    Long,
    /// It is empty, or its first line is no quota.
    NoQuota,
    /// This line (the first is 1) is not two numbers: a torn write, or somebody's edit.
    Damaged(usize),
    /// It was made for another quota than the configured one.
    OtherQuota,
    /// Less than nothing is used.
    Negative,
    /// It says that there is no room, but was appended to since it was counted, or is old.
    Full,
}

impl fmt::Display for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "it has {OCTETS_MAX} octets or more"),
            Self::NoQuota => f.write_str("its first line is no quota, like 10000000S,1000C"),
            Self::Damaged(line) => write!(f, "line {line} is not two numbers"),
            Self::OtherQuota => f.write_str("it was made for another quota"),
            Self::Negative => f.write_str("its sum is below zero"),
            Self::Full => f.write_str("it says that the mailbox is full, and may be out of date"),
        }
    }
}

/// What to do with an incoming mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It fits.
    Fits,
    /// It doesn't.
    Full,
    /// Count the Maildir anew, replace the file, and ask [`Quota::fits`].
    Recount(Recount),
}

impl Quota {
    /// Reads a definition: `10000000S,1000C`. Other letters are limits of a later specification and say nothing here.
    /// Numbers that are too large are the largest. `None`: it is none.
    pub fn parse(definition: &str) -> Option<Self> {
        let mut quota = Self::default();
        for part in definition.trim_ascii().split(',') {
            let part = part.trim_ascii();
            let (at, letter) = part.char_indices().next_back()?;
            let number = &part[..at];
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let limit = number.parse().unwrap_or(u64::MAX);
            let limit = (limit > 0).then_some(limit);
            match letter {
                'S' => quota.octets = limit,
                'C' => quota.messages = limit,
                letter if letter.is_ascii_alphabetic() => {}
                _ => return None,
            }
        }
        Some(quota)
    }

    /// Whether one more mail of so many octets fits.
    pub fn fits(&self, usage: Usage, octets: u64) -> bool {
        let within = |used: i64, more: u64, limit: Option<u64>| {
            let used = u64::try_from(used).unwrap_or(0);
            limit.is_none_or(|limit| used.saturating_add(more) <= limit)
        };
        within(usage.octets, octets, self.octets) && within(usage.messages, 1, self.messages)
    }
}

/// As it stands in the first line; of no limits, `0S`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.octets, self.messages) {
            (Some(octets), Some(messages)) => write!(f, "{octets}S,{messages}C"),
            (Some(octets), None) => write!(f, "{octets}S"),
            (None, Some(messages)) => write!(f, "{messages}C"),
            (None, None) => f.write_str("0S"),
        }
    }
}

/// A line to append, with its line end. In one write: others append too.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>12} {:>12}", self.octets, self.messages)
    }
}

impl Maildirsize {
    /// Reads the file. Sums saturate.
    pub fn parse(octets: &[u8]) -> Result<Self, Recount> {
        if octets.len() >= OCTETS_MAX {
            return Err(Recount::Long);
        }
        let mut lines = octets.split(|octet| *octet == b'\n').enumerate();
        let quota = lines
            .next()
            .and_then(|(_, line)| std::str::from_utf8(line).ok())
            .and_then(Quota::parse)
            .ok_or(Recount::NoQuota)?;
        let mut usage = Usage::default();
        let mut counted = 0;
        for (at, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let change = change(line).ok_or(Recount::Damaged(at + 1))?;
            usage.octets = usage.octets.saturating_add(change.octets);
            usage.messages = usage.messages.saturating_add(change.messages);
            counted += 1;
        }
        Ok(Self {
            quota,
            usage,
            lines: counted,
        })
    }

    /// Whether one more mail of so many octets fits, at `now`, by a file that was last changed at `modified`.
    /// `configured` is the quota that should stand in it, if that is set elsewhere.
    ///
    /// A file that says "full" is believed only as it was counted (one line), and for [`STALE_AFTER`].
    pub fn room(
        &self,
        configured: Option<Quota>,
        octets: u64,
        modified: Moment,
        now: Moment,
    ) -> Room {
        if configured.is_some_and(|quota| quota != self.quota) {
            Room::Recount(Recount::OtherQuota)
        } else if self.usage.octets < 0 || self.usage.messages < 0 {
            Room::Recount(Recount::Negative)
        } else if self.quota.fits(self.usage, octets) {
            Room::Fits
        } else if self.lines == 1 && now < modified.after(STALE_AFTER) {
            Room::Full
        } else {
            Room::Recount(Recount::Full)
        }
    }
}

/// `size count`
fn change(line: &[u8]) -> Option<Usage> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let usage = Usage {
        octets: words.next()?.parse().ok()?,
        messages: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(usage)
}
