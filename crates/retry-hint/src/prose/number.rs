//! Numbers in words and digits: "300", "2.5", "1,800", "five".

use crate::words;

/// A number with a fraction of `scale` parts.
pub(super) struct Number {
    pub(super) parts: u64,
    pub(super) scale: u64,
}

impl Number {
    pub(super) const fn whole(parts: u64) -> Self {
        Self { parts, scale: 1 }
    }

    /// "300" or "2.5". At most six digits behind the point.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let Some(point) = text.iter().position(|&b| b == b'.') else {
            return fitting(text).map(Self::whole);
        };
        let fraction = &text[point + 1..];
        let scale = 10u64.pow(
            u32::try_from(fraction.len())
                .ok()
                .filter(|&digits| digits <= 6)?,
        );
        let parts = fitting(&text[..point])?.checked_mul(scale)?;
        Some(Self {
            parts: parts.checked_add(words::digits(fraction)?)?,
            scale,
        })
    }

    /// In milliseconds, rounded up.
    pub(super) fn times(&self, unit: u64) -> u128 {
        (u128::from(self.parts) * u128::from(unit)).div_ceil(u128::from(self.scale))
    }
}

/// Digits alone, as far as they fit: in prose, more are no wait that anybody means.
pub(super) fn fitting(text: &[u8]) -> Option<u64> {
    words::digits(text).filter(|&n| n != u64::MAX)
}

/// In digits, or as a word.
pub(super) fn spoken_number(text: &[u8]) -> Option<Number> {
    if text.contains(&b',') {
        return thousands(text).map(Number::whole);
    }
    // "1.800" may be 1800 in one country and less than 2 in the next.
    if text.iter().rev().position(|&b| b == b'.') == Some(3) {
        return None;
    }
    if let Some(number) = Number::parse(text) {
        return Some(number);
    }
    let (_, n) = NUMBERS
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))?;
    Some(Number::whole(*n))
}

/// "1,800"
fn thousands(text: &[u8]) -> Option<u64> {
    let mut whole = 0u64;
    for (at, group) in text.split(|&b| b == b',').enumerate() {
        if if at == 0 {
            !(1..=3).contains(&group.len())
        } else {
            group.len() != 3
        } {
            return None;
        }
        whole = whole
            .saturating_mul(1_000)
            .saturating_add(words::digits(group)?);
    }
    Some(whole)
}

const NUMBERS: [(&str, u64); 19] = [
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("fifteen", 15),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("forty-five", 45),
    ("sixty", 60),
    ("ninety", 90),
];
