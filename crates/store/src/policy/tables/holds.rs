//! What an appointment has in calendars, as one text: `5/0:row:29453760+1@1767225600000`, with spaces between.
//!
//! That is: of calendar 5, in its numbering 0, a row of slots from 29453760 on, 1 unit, which counts at that moment. A `!`
//! behind it: it goes to whoever is there soon after the time told.

use policy::Moment;
use policy::slots::{Hold, Units};

pub(super) fn text(holds: &[Hold]) -> String {
    let texts: Vec<_> = holds.iter().map(hold_text).collect();
    texts.join(" ")
}

fn hold_text(hold: &Hold) -> String {
    let (kind, first, units) = match hold.units {
        Units::Banked { before, units } => ("bank", before, units),
        Units::Row { first, units } => ("row", first, units),
        Units::Window { window, units } => ("window", window, units),
    };
    format!(
        "{}/{}:{kind}:{first}+{units}@{}{}",
        hold.calendar,
        hold.series,
        hold.at.as_millis(),
        if hold.brief { "!" } else { "" }
    )
}

/// `None`: one of them can't be read.
pub(super) fn read(text: &str) -> Option<Vec<Hold>> {
    text.split_whitespace().map(read_hold).collect()
}

fn read_hold(text: &str) -> Option<Hold> {
    let (text, at) = text.split_once('@')?;
    let (at, brief) = match at.strip_suffix('!') {
        Some(at) => (at, true),
        None => (at, false),
    };
    let (text, units) = text.split_once('+')?;
    let (text, first) = text.rsplit_once(':')?;
    let (text, kind) = text.split_once(':')?;
    let (calendar, series) = text.split_once('/')?;
    let first = first.parse().ok()?;
    let units = units.parse().ok()?;
    Some(Hold {
        calendar: calendar.parse().ok()?,
        series: series.parse().ok()?,
        units: match kind {
            "bank" => Units::Banked {
                before: first,
                units,
            },
            "row" => Units::Row { first, units },
            "window" => Units::Window {
                window: first,
                units,
            },
            _ => return None,
        },
        at: Moment::from_millis(at.parse().ok()?),
        brief,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_hold_is_refused() {
        for text in [
            "5",
            "5/0:row:1+1",
            "5/0:rank:1+1@0",
            "5:row:1+1@0",
            "-5/0:row:1+1@0",
            "5/0:row:1+@0",
            "5/0:row:1+1@0 x",
            "5/0:row:1+1@0!!",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written(
            numbers in prop::collection::vec(any::<(u64, u32, u64, u64, i64, bool)>(), 0..4),
            kinds in any::<[u8; 4]>(),
        ) {
            let holds: Vec<Hold> = numbers
                .into_iter()
                .zip(kinds)
                .map(|((calendar, series, first, units, at, brief), kind)| Hold {
                    calendar,
                    series,
                    units: match kind % 3 {
                        0 => Units::Banked { before: first, units },
                        1 => Units::Row { first, units },
                        _ => Units::Window { window: first, units },
                    },
                    at: Moment::from_millis(at),
                    brief,
                })
                .collect();
            prop_assert_eq!(read(&text(&holds)), Some(holds));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
