//! How limits are written.

use crate::limit;
use policy::slots::{Limit, LimitError};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn what_an_administrator_writes() {
    let table = [
        ("100/h burst 20", 100, 3_600, Some(20), "100/h burst 20"),
        ("500/d", 500, 86_400, None, "500/d"),
        ("30/10min", 30, 600, None, "30/10min"),
        ("30/10m", 30, 600, None, "30/10min"),
        ("1/s burst 1", 1, 1, Some(1), "1/s burst 1"),
        ("5/60s", 5, 60, None, "5/min"),
        ("5/24h", 5, 86_400, None, "5/d"),
        (
            "20M/h burst 5M",
            20 << 20,
            3_600,
            Some(5 << 20),
            "20M/h burst 5M",
        ),
        ("2G/d", 2 << 30, 86_400, None, "2G/d"),
        ("1024/min", 1_024, 60, None, "1K/min"),
        ("  7/s   burst  3 ", 7, 1, Some(3), "7/s burst 3"),
        (
            "1000M/s burst 1K",
            1_000 << 20,
            1,
            Some(1_024),
            "1000M/s burst 1K",
        ),
        ("1024G/366d", 1 << 40, 366 * 86_400, None, "1024G/366d"),
    ];
    for (text, count, secs, burst, again) in table {
        let read = limit(text);
        assert_eq!(read.count(), count, "{text}");
        assert_eq!(read.period(), Duration::from_secs(secs), "{text}");
        assert_eq!(read.burst(), burst, "{text}");
        assert_eq!(read.to_string(), again, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    use LimitError::{Burst, Count, Dense, Form, Period};
    let table = [
        ("", Form),
        ("100", Form),
        ("100 / h", Form),
        ("burst 20", Form),
        ("/h", Count),
        ("0/h", Count),
        ("-1/h", Count),
        ("+1/h", Count),
        ("1.5/h", Count),
        ("100k/h", Count),
        ("M/h", Count),
        ("1025G/h", Count),
        ("99999999999999999999/h", Count),
        ("99999999999G/h", Count),
        ("100/", Period),
        ("100/0h", Period),
        ("100/week", Period),
        ("100/367d", Period),
        ("100/99999999999999999999s", Period),
        ("100/9999999999999999999d", Period),
        ("100/h/h", Period),
        ("100/hburst 20", Period),
        ("100/h burst", Burst),
        ("100/h 20", Burst),
        ("100/h Burst 20", Burst),
        ("100/h burst 20 30", Burst),
        ("100/h burst 0", Count),
        ("100/h burst x", Count),
        ("1001M/s burst 1", Dense),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Limit>(), Err(error), "{text}");
    }
    assert_eq!(
        Form.to_string(),
        "expected a count, a slash and a period: \"100/h burst 20\" (a rate) or \"500/d\" (a quota)"
    );
}

proptest! {
    #[test]
    fn what_is_shown_reads_the_same(
        count in number(), secs in 1u64..=366 * 86_400, burst in prop::option::of(number()),
    ) {
        if let Ok(limit) = Limit::new(count, Duration::from_secs(secs), burst) {
            prop_assert_eq!(limit.to_string().parse::<Limit>(), Ok(limit));
        }
    }

    #[test]
    fn no_string_panics(text in any::<String>()) {
        let _ = text.parse::<Limit>();
    }

    #[test]
    fn nearly_right_is_read_or_refused(text in "[0-9KMG+-]{0,22}/?[0-9]{0,21}[smhdin]{0,3}( burst)?( [0-9]{0,22}[KMG]?)?") {
        if let Ok(limit) = text.parse::<Limit>() {
            prop_assert_eq!(limit.to_string().parse::<Limit>(), Ok(limit));
        }
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        1u64..2_000,
        1u64..=1 << 40,
        (1u64..2_000, 0u32..31).prop_map(|(n, bits)| n << bits)
    ]
}
