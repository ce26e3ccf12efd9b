//! Slots of a rate, as one text: `29453760+3 29453770+1`, each where a run of them begins and how many it has.

use std::ops::Range;

pub(super) fn text(runs: &[Range<u64>]) -> String {
    let run = |run: &Range<u64>| format!("{}+{}", run.start, run.end.saturating_sub(run.start));
    runs.iter().map(run).collect::<Vec<_>>().join(" ")
}

/// `None`: one of them can't be read.
pub(super) fn read(text: &str) -> Option<Vec<Range<u64>>> {
    text.split_whitespace().map(read_run).collect()
}

fn read_run(text: &str) -> Option<Range<u64>> {
    let (first, slots) = text.split_once('+')?;
    let (first, slots): (u64, u64) = (first.parse().ok()?, slots.parse().ok()?);
    Some(first..first.checked_add(slots)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_run_is_refused() {
        for text in [
            "5",
            "5+",
            "+1",
            "5+1+1",
            "5+-1",
            "5-1",
            "5+1 x",
            "5+18446744073709551615",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_are_read_as_they_were_written(
            runs in prop::collection::vec((any::<u32>(), any::<u32>()), 0..5),
        ) {
            let run = |(first, slots)| u64::from(first)..u64::from(first) + u64::from(slots);
            let runs: Vec<_> = runs.into_iter().map(run).collect();
            prop_assert_eq!(read(&text(&runs)), Some(runs));
        }
    }
}
