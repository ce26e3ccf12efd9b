//! What the same mail would have met with the schedules of other senders.

use std::time::Duration;

use crate::stdout::tell;

/// When a sender tries, in seconds after the first attempt.
struct Schedule {
    sender: &'static str,
    attempts: &'static [u64],
}

/// Default schedules, worked out from the sources named. None of these reads the wait in the reply.
const SCHEDULES: &[Schedule] = &[
    // minimal_backoff_time and queue_run_delay are both 300 s: the second attempt is 300 to 600 s after the first, by
    // where the queue scan stands (postfix: src/global/mail_params.h, src/qmgr/qmgr_active.c).
    Schedule {
        sender: "Postfix (scan at once)",
        attempts: &[0, 300, 600, 1200, 2400, 4800],
    },
    Schedule {
        sender: "Postfix (scan 150 s later)",
        attempts: &[0, 450, 1050, 2250, 4650, 8850],
    },
    // "F,2h,15m" with a queue runner every 15 min, or every 30 min (exim: src/configure.default, src/retry.c).
    Schedule {
        sender: "Exim (queue run every 15 min)",
        attempts: &[0, 900, 1800, 2700, 3600, 4500],
    },
    Schedule {
        sender: "Exim (queue run every 30 min)",
        attempts: &[0, 1800, 3600, 5400, 7200, 9000],
    },
    // 2^(i+5) s (haraka: outbound/config.js).
    Schedule {
        sender: "Haraka",
        attempts: &[0, 64, 192, 448, 960, 1984],
    },
    // Newsletter tools and web shops: three tries in a row, then a bounce.
    Schedule {
        sender: "three tries within 90 s",
        attempts: &[0, 30, 90],
    },
];

/// What becomes of a mail at a receiver that greylists for `delay`.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Delivered { after: u64, attempt: usize },
    Bounced { after: u64, attempts: usize },
}

fn fate(attempts: &[u64], delay: Duration) -> Fate {
    match attempts.iter().position(|&at| at >= delay.as_secs()) {
        Some(index) => Fate::Delivered {
            after: attempts[index],
            attempt: index + 1,
        },
        None => Fate::Bounced {
            after: attempts.last().copied().unwrap_or(0),
            attempts: attempts.len(),
        },
    }
}

/// Prints the table.
pub(super) fn print(delay: Duration) {
    let secs = delay.as_secs();
    tell(format_args!(
        "\nThe same mail at a receiver that greylists for {secs} s, by each sender's own schedule:\n"
    ));
    tell(format_args!("    {:<32} {:>9}  outcome", "sender", "after"));
    tell(format_args!(
        "    {:<32} {:>7} s  delivered on attempt 2, at the time it was told",
        "Postdate", secs
    ));
    for schedule in SCHEDULES {
        match fate(schedule.attempts, delay) {
            Fate::Delivered { after, attempt } => {
                tell(format_args!(
                    "    {:<32} {after:>7} s  delivered on attempt {attempt}",
                    schedule.sender
                ));
            }
            Fate::Bounced { after, attempts } => {
                tell(format_args!(
                    "    {:<32} {after:>7} s  bounced after {attempts} attempts: never delivered",
                    schedule.sender
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fates_at_300_seconds() {
        let delay = Duration::from_secs(300);
        let fates: Vec<Fate> = SCHEDULES
            .iter()
            .map(|schedule| fate(schedule.attempts, delay))
            .collect();
        assert_eq!(
            fates,
            [
                Fate::Delivered {
                    after: 300,
                    attempt: 2
                },
                Fate::Delivered {
                    after: 450,
                    attempt: 2
                },
                Fate::Delivered {
                    after: 900,
                    attempt: 2
                },
                Fate::Delivered {
                    after: 1800,
                    attempt: 2
                },
                Fate::Delivered {
                    after: 448,
                    attempt: 4
                },
                Fate::Bounced {
                    after: 90,
                    attempts: 3
                },
            ]
        );
    }
}
