//! The queue id.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names one message in the spool, for ever: microseconds since 1970 when it was made, moved forward to be unique.
/// Displayed as 13 digits of Crockford's base 32 (no I, L, O, U), so that it sorts by time and can be read out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 13;

impl MessageId {
    /// The id of a message made at this time, in a spool that has no other. Times before 1970 are 1970; times that
    /// don't fit are the last that does.
    #[must_use]
    pub fn from_time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// The next id after `last`: the time's own, or the one after `last` when the clock stands or went back.
    #[must_use]
    pub fn after(last: Self, now: SystemTime) -> Self {
        Self::from_time(now).max(Self(last.0.saturating_add(1)))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LENGTH];
        let mut rest = self.0;
        for digit in text.iter_mut().rev() {
            *digit = DIGITS[(rest % 32) as usize];
            rest /= 32;
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// What was given is no queue id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no queue id: that has 13 digits, each one of 0-9 or A-Z without I, L, O, U")
    }
}

impl std::error::Error for BadId {}

/// Reads lower case too, and what the eye confuses as Crockford asks: O is 0, I and L are 1.
impl FromStr for MessageId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        if s.len() != LENGTH {
            return Err(BadId);
        }
        let mut id: u64 = 0;
        for octet in s.bytes() {
            let digit = value(octet.to_ascii_uppercase()).ok_or(BadId)?;
            // 13 digits hold 65 bits: the first has only four.
            id = id.checked_mul(32).ok_or(BadId)? | digit;
        }
        Ok(Self(id))
    }
}

fn value(digit: u8) -> Option<u64> {
    let digit = match digit {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    DIGITS
        .iter()
        .position(|&d| d == digit)
        .and_then(|at| u64::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn check(id: u64, text: &str) {
        assert_eq!(MessageId(id).to_string(), text);
        assert_eq!(text.parse(), Ok(MessageId(id)));
        assert_eq!(text.to_ascii_lowercase().parse(), Ok(MessageId(id)));
    }

    #[test]
    fn text_form() {
        check(0, "0000000000000");
        check(31, "000000000000Z");
        check(32, "0000000000010");
        check(1_764_000_000_000_000, "001J4B50P4G00");
        check(u64::MAX, "FZZZZZZZZZZZZ");
    }

    #[test]
    fn look_alikes_are_read() {
        assert_eq!(
            "oO0OoO0OiIlL1".parse(),
            Ok(MessageId(0b1_00001_00001_00001_00001))
        );
    }

    #[test]
    fn other_words_are_no_id() {
        let bad = [
            "",
            "0",
            "00000000000000",
            "G000000000000",
            "ZZZZZZZZZZZZZ",
            "000000000000U",
            "00000000000-0",
            " 000000000001",
            "+000000000001",
            "00000000000é",
        ];
        for word in bad {
            assert_eq!(word.parse::<MessageId>(), Err(BadId), "{word:?}");
        }
    }

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let first = MessageId::from_time(at(10));
        assert_eq!(first, MessageId(10_000_000));
        assert_eq!(MessageId::after(first, at(11)), MessageId(11_000_000));
        assert_eq!(MessageId::after(first, at(10)), MessageId(10_000_001));
        assert_eq!(MessageId::after(first, at(9)), MessageId(10_000_001));
        assert_eq!(
            MessageId::from_time(UNIX_EPOCH - Duration::from_secs(1)),
            MessageId(0)
        );
        assert_eq!(
            MessageId::after(MessageId(u64::MAX), at(9)),
            MessageId(u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn text_sorts_like_ids(a in any::<u64>(), b in any::<u64>()) {
            let (a, b) = (MessageId(a), MessageId(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,16}") {
            if let Ok(id) = text.parse::<MessageId>() {
                prop_assert_eq!(id.to_string().len(), text.len());
            }
        }
    }
}
