//! Durations and sizes as administrators write them: `"5m"`, `"2d"`, `"25MiB"`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};

/// Reads `"300"`, `"300s"`, `"5m"`, `"1h"`, `"5d"`, or a plain number of seconds.
///
/// # Errors
/// In words.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(DurationVisitor)
}

/// The same, where `"never"` is `None`.
///
/// # Errors
/// In words.
pub(crate) fn duration_or_never<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    struct OrNever;
    impl Visitor<'_> for OrNever {
        type Value = Option<Duration>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time such as \"5m\", or \"never\"")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            if text == "never" {
                Ok(None)
            } else {
                DurationVisitor.visit_str(text).map(Some)
            }
        }
        fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Self::Value, E> {
            DurationVisitor.visit_i64(secs).map(Some)
        }
    }
    from.deserialize_any(OrNever)
}

/// Reads `"25MiB"`, `"64KiB"`, or a plain number of octets.
///
/// # Errors
/// In words.
pub(crate) fn octets<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(OctetsVisitor)
}

/// The same, for a key without a default.
///
/// # Errors
/// In words.
pub(crate) fn octets_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    octets(from).map(Some)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"30s\", \"5m\", \"4h\" or \"5d\"")
    }

    fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Duration, E> {
        u64::try_from(secs)
            .map(Duration::from_secs)
            .map_err(|_| E::custom("a time can't be negative"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        let (number, unit) = split(text);
        let secs = match unit {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86400,
            "w" => 7 * 86400,
            _ => {
                return Err(E::custom(format!(
                    "\"{text}\" is no time: write 30s, 5m, 4h or 5d"
                )));
            }
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(secs))
            .filter(|&n| n <= 10 * 366 * 86400)
            .map(Duration::from_secs)
            .ok_or_else(|| {
                E::custom(format!(
                    "\"{text}\" is no time up to ten years: write 30s, 5m, 4h or 5d"
                ))
            })
    }
}

struct OctetsVisitor;

impl Visitor<'_> for OctetsVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64KiB\" or \"25MiB\"")
    }

    fn visit_i64<E: de::Error>(self, octets: i64) -> Result<u64, E> {
        u64::try_from(octets).map_err(|_| E::custom("a size can't be negative"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let (number, unit) = split(text);
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" | "K" | "kB" => 1 << 10,
            "MiB" | "M" | "MB" => 1 << 20,
            "GiB" | "G" | "GB" => 1 << 30,
            _ => {
                return Err(E::custom(format!(
                    "\"{text}\" is no size: write 64KiB, 25MiB or 1GiB"
                )));
            }
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .ok_or_else(|| E::custom(format!("\"{text}\" is no size: write 64KiB, 25MiB or 1GiB")))
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}
