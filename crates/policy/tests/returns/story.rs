//! What happens to a client, as a script.

use crate::{DAY, HOUR, Store, at, returns};
use policy::returns::{Action, Returns, Settings};
use std::time::Duration;

/// Runs a script, one event a line: `time event … [-> what is seen]`. Times are minutes, `3h`, `2d`, `1d+30`.
///
/// `told CLIENT SENDER RECIPIENT` (with a window of two days), `came SENDER RECIPIENT`, `accepted CLIENT`,
/// `forget NETWORK`, `restart`, and `see CLIENT` (`pairs/days`, and `listed`), `judge CLIENT`. Between two lines an
/// hourly timer sweeps.
fn check_with(settings: Settings, script: &str) {
    let mut returns = returns(settings.clone());
    let mut store = Store::default();
    let mut clock = 0;
    for line in script.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (event, seen) = match line.split_once("->") {
            Some((event, seen)) => (event, Some(seen.trim())),
            None => (line, None),
        };
        let words: Vec<_> = event.split_whitespace().collect();
        let time = minutes(words[0]);
        if words[1] != "restart" {
            let hourly = (clock..time).step_by(HOUR as usize);
            for tick in hourly.chain([time]) {
                for _ in 0..50 {
                    returns.sweep(at(tick));
                }
            }
        }
        clock = time;
        let now = at(time);
        let said = match words[1] {
            "told" => {
                let until = at(time + 2 * DAY);
                let sender = if words[3] == "<>" { "" } else { words[3] };
                returns.told(
                    words[2].parse().expect("an address or network"),
                    sender,
                    words[4],
                    until,
                    now,
                );
                String::new()
            }
            "came" => {
                returns.came(words[2], words[3], now);
                String::new()
            }
            "accepted" => {
                returns.accepted(words[2].parse().expect("an address or network"), now);
                String::new()
            }
            "forget" => returns
                .forget(words[2].parse().expect("an address or network"))
                .to_string(),
            "restart" => {
                store.write(returns.take_changes());
                returns = store.restart(settings.clone(), now);
                String::new()
            }
            "see" => see(&returns, words[2], time),
            "judge" => format!(
                "{:?}",
                returns.judge(words[2].parse().expect("an address or network"), now)
            ),
            word => panic!("{word}"),
        };
        store.write(returns.take_changes());
        assert_eq!(store.counted(), returns.counted(), "{line}");
        assert_eq!(said, seen.unwrap_or(""), "{line}");
    }
}

fn check(script: &str) {
    check_with(Settings::default(), script);
}

fn see(returns: &Returns, client: &str, time: u64) -> String {
    let offenders = returns.offenders(at(time));
    match offenders
        .iter()
        .find(|offender| offender.client.to_string() == client)
    {
        None => "nothing".to_owned(),
        Some(offender) => {
            let listed = if offender.listed { " listed" } else { "" };
            format!("{}/{}{listed}", offender.pairs, offender.days)
        }
    }
}

fn minutes(time: &str) -> u64 {
    time.split('+')
        .map(|part| match part.split_at(part.len() - 1) {
            (days, "d") => days.parse::<u64>().expect("days") * DAY,
            (hours, "h") => hours.parse::<u64>().expect("hours") * HOUR,
            _ => part.parse().expect("minutes"),
        })
        .sum()
}

const FIVE_ON_TWO_DAYS: &str = "
    0      told 192.0.2.7 a@x.example 1@y.example
    1      told 192.0.2.7 a@x.example 2@y.example
    2      told 192.0.2.7 a@x.example 3@y.example
    1d     told 192.0.2.7 a@x.example 4@y.example
    1d     told 192.0.2.7 a@x.example 5@y.example
    2d+1h  see 192.0.2.7/32 -> 3/1
    3d+1h  see 192.0.2.7/32 -> 5/2 listed
";

#[test]
fn five_pairs_on_two_days_are_listed() {
    check(FIVE_ON_TWO_DAYS);
    check(
        "
        0      told 192.0.2.7 a@x.example 1@y.example
        0      told 192.0.2.7 a@x.example 2@y.example
        0      told 192.0.2.7 a@x.example 3@y.example
        0      told 192.0.2.7 a@x.example 4@y.example
        0      told 192.0.2.7 a@x.example 5@y.example
        0      told 192.0.2.7 a@x.example 6@y.example
        3d     see 192.0.2.7/32 -> 6/1          # one day only
        3d     told 192.0.2.7 a@x.example 7@y.example
        5d+1h  see 192.0.2.7/32 -> 7/2 listed
        ",
    );
}

#[test]
fn a_listed_client_meets_what_is_set() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        3d+1h judge 192.0.2.7 -> Some(Count)
        3d+1h judge 192.0.2.8 -> None"
    ));
    for action in [Action::Reject, Action::Delay(Duration::from_secs(3600))] {
        let settings = Settings {
            action,
            ..Settings::default()
        };
        let script = format!("{FIVE_ON_TWO_DAYS}\n3d+1h judge 192.0.2.7 -> Some({action:?})");
        check_with(settings, &script);
    }
}

#[test]
fn the_null_sender_is_not_counted() {
    check(
        "
        0      told 192.0.2.7 <> 1@y.example
        3d     see 192.0.2.7/32 -> nothing
        ",
    );
}

#[test]
fn who_retries_from_wherever_is_not_counted() {
    check(
        "
        0      told 192.0.2.7   a@x.example 1@y.example    # early, and early again, and gives up
        1      told 192.0.2.7   a@x.example 1@y.example
        2      told 192.0.2.7   A@X.example 1@Y.example
        0      told 192.0.2.8   b@x.example 2@y.example    # from a pool, that gives up
        30     told 192.0.2.9   b@x.example 2@y.example
        90     told 192.0.2.10  b@x.example 2@y.example
        0      told 192.0.2.11  c@x.example 3@y.example    # another mail of that domain came
        1d     came d@X.EXAMPLE 3@y.example
        9d     see 192.0.2.7/32  -> nothing
        9d     see 192.0.2.8/32  -> nothing
        9d     see 192.0.2.9/32  -> nothing
        9d     see 192.0.2.10/32 -> nothing
        9d     see 192.0.2.11/32 -> nothing
        ",
    );
}

#[test]
fn another_sender_of_the_domain_is_a_new_telling() {
    check(
        "
        0      told 192.0.2.7 1@x.example b@y.example
        60     told 192.0.2.8 2@x.example b@y.example
        9d     see 192.0.2.7/32 -> nothing        # something came later
        9d     see 192.0.2.8/32 -> 1/1            # nothing did
        9d     came 3@x.example b@y.example
        9d     see 192.0.2.8/32 -> nothing
        ",
    );
}

#[test]
fn coming_back_late_takes_the_count_back() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        20d  told 192.0.2.7 a@x.example 3@y.example
        20d  see 192.0.2.7/32 -> 4/2
        30d  see 192.0.2.7/32 -> 5/3 listed"
    ));
}

#[test]
fn an_accepted_client_is_cleared_and_safe_for_36_days() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        4d      accepted 192.0.2.7
        4d      see 192.0.2.7/32 -> nothing
        5d      told 192.0.2.7 a@x.example 6@y.example
        9d      see 192.0.2.7/32 -> nothing
        39d     told 192.0.2.7 a@x.example 7@y.example
        50d     see 192.0.2.7/32 -> nothing
        51d     told 192.0.2.7 a@x.example 8@y.example
        54d     see 192.0.2.7/32 -> 1/1"
    ));
    check(
        "
        0      told 192.0.2.7 a@x.example 6@y.example
        1d     accepted 192.0.2.7                      # while one is pending
        9d     see 192.0.2.7/32 -> nothing
        ",
    );
}

#[test]
fn counts_end_after_36_days() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        35d+23h see 192.0.2.7/32 -> 5/2 listed
        36d+1h  see 192.0.2.7/32 -> 2/1
        37d+1h  see 192.0.2.7/32 -> nothing"
    ));
}

#[test]
fn the_operator_forgets() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        3d+1h  told 192.0.2.9 a@x.example 6@y.example
        3d+1h  forget 192.0.2.0/24 -> 6
        3d+1h  see 192.0.2.7/32 -> nothing
        9d     see 192.0.2.9/32 -> nothing"
    ));
}

#[test]
fn ipv6_is_counted_by_its_64_bits() {
    check(
        "
        0      told 2001:db8::1    a@x.example 1@y.example
        0      told 2001:db8::2    a@x.example 2@y.example
        1d     told 2001:db8::3    a@x.example 3@y.example
        1d     told 2001:db8::4    a@x.example 4@y.example
        1d     told 2001:db8::5    a@x.example 5@y.example
        1d     told 2001:db8:0:1:: a@x.example 6@y.example
        1d     told ::ffff:192.0.2.7 a@x.example 7@y.example
        9d     see 2001:db8::/64     -> 5/2 listed
        9d     see 2001:db8:0:1::/64 -> 1/1
        9d     see 192.0.2.7/32      -> 1/1
        ",
    );
}

#[test]
fn a_restart_forgets_nothing_and_counts_nothing_that_ended_meanwhile() {
    check(&format!(
        "{FIVE_ON_TWO_DAYS}
        3d+1h   told 192.0.2.9 a@x.example 6@y.example
        3d+2h   told 192.0.2.9 a@x.example 6@y.example    # came
        3d+2h   told 192.0.2.9 a@x.example 7@y.example
        3d+2h   accepted 192.0.2.10
        3d+3h   restart
        3d+3h   see 192.0.2.7/32 -> 5/2 listed
        4d      told 192.0.2.10 a@x.example 8@y.example
        4d      told 192.0.2.9 a@x.example 9@y.example
        4d      told 192.0.2.9 a@x.example 6@y.example
        5d+3h   see 192.0.2.9/32 -> 1/1                   # the one of 3d+2h
        5d+3h   restart
        9d      restart                                   # down for four days
        9d      see 192.0.2.9/32 -> 1/1
        9d      see 192.0.2.10/32 -> nothing"
    ));
}

#[test]
fn while_nobody_listened_nobody_could_come_back() {
    let mut returns = returns(Settings::default());
    let client = "192.0.2.7".parse().unwrap();
    returns.told(client, "a@x.example", "b@y.example", at(2 * DAY), at(0));
    // The clock jumps, or the machine slept.
    returns.sweep(at(30 * DAY));
    assert_eq!((returns.counted(), returns.pending()), (0, 0));
    // A window without any time in it is none.
    returns.told(client, "a@x.example", "c@y.example", at(0), at(30 * DAY));
    assert_eq!(returns.pending(), 0);
}
