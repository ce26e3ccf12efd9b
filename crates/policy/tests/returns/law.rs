//! The law, over random traffic: nothing counts when something came later, from whichever address.

use crate::{DAY, HOUR, Store, at, returns};
use policy::returns::{Offender, PAIRS_KEPT, Returns, Settings};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// client, sender's local part, its domain, recipient
    Told(u8, u8, u8, u8),
    Came(u8, u8, u8),
    Accepted(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u8..4, 0u8..2, 0u8..3, 0u8..6).prop_map(|(c, s, d, r)| Step::Told(c, s, d, r)),
        2 => (0u8..2, 0u8..3, 0u8..6).prop_map(|(s, d, r)| Step::Came(s, d, r)),
        1 => (0u8..4).prop_map(Step::Accepted),
        1 => Just(Step::Restart),
    ]
}

/// What a witness writes down: all tellings, and when something last came, for each domain and recipient.
#[derive(Default)]
struct Witness {
    tellings: Vec<(IpAddr, (u8, u8), u64)>,
    came: BTreeMap<(u8, u8), u64>,
    accepted: BTreeMap<IpAddr, u64>,
}

impl Witness {
    /// The most pairs that may count against `client` at `now`, by what the issue says.
    fn most(&self, client: IpAddr, now: u64) -> usize {
        let accepted = self.accepted.get(&client).copied();
        let counts = |(who, pair, told): &&(IpAddr, (u8, u8), u64)| {
            *who == client
                && told + 2 * DAY < now
                && now <= told + 36 * DAY
                // The order of events within one minute: a telling is itself something that came.
                && self.came[pair] == *told
                && accepted.is_none_or(|when| when < *told && *told > when + 36 * DAY)
        };
        self.tellings.iter().filter(counts).count()
    }
}

fn client(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2 + n % 2, n])
}

/// Runs steps; says who is seen at the end and how many pairs a witness would grant at most.
fn run(
    steps: &[(Step, u64)],
    settings: &Settings,
    forgetful: bool,
) -> (Vec<Offender>, Witness, u64) {
    let mut returns: Returns = returns(settings.clone());
    let mut store = Store::default();
    let mut witness = Witness::default();
    let mut clock = 0;
    for (step, pause) in steps {
        let hourly = (clock..clock + pause).step_by(HOUR as usize);
        for tick in hourly.chain([clock + pause; 10]) {
            returns.sweep(at(tick));
        }
        // Each event has a minute of its own.
        clock += pause + 1;
        let now = at(clock);
        match *step {
            Step::Told(c, s, d, r) => {
                let (sender, recipient) = (format!("{s}@d{d}.example"), format!("{r}@y.example"));
                returns.told(client(c), &sender, &recipient, at(clock + 2 * DAY), now);
                witness.tellings.push((client(c), (d, r), clock));
                witness.came.insert((d, r), clock);
            }
            Step::Came(s, d, r) => {
                if !forgetful {
                    returns.came(&format!("{s}@d{d}.example"), &format!("{r}@y.example"), now);
                }
                witness.came.insert((d, r), clock);
            }
            Step::Accepted(c) => {
                returns.accepted(client(c), now);
                witness.accepted.insert(client(c), clock);
            }
            Step::Restart => {
                store.write(returns.take_changes());
                returns = store.restart(settings.clone(), now);
            }
        }
        store.write(returns.take_changes());
    }
    (returns.offenders(at(clock)), witness, clock)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_counts_when_something_came_later(
        steps in proptest::collection::vec((step(), 0u64..DAY), 1..150),
    ) {
        let (offenders, witness, now) = run(&steps, &Settings::default(), false);
        for offender in offenders {
            let most = witness.most(offender.client.addr(), now);
            prop_assert!(offender.pairs <= most, "{offender:?}, at most {most}");
            prop_assert!(!offender.listed || (offender.pairs >= 5 && offender.days >= 2));
            prop_assert!(offender.pairs <= PAIRS_KEPT);
        }
    }

    /// Without bounds in the way, who never retries is counted: the law is not kept by counting nobody.
    #[test]
    fn who_never_retries_is_counted(pairs in 1usize..20, days in 1u64..5) {
        let mut steps = Vec::new();
        for n in 0..pairs as u64 {
            let recipient = n as u8;
            let pause = if n == 0 { 0 } else { days * DAY / pairs as u64 };
            steps.push((Step::Told(1, 0, 0, recipient), pause));
        }
        steps.push((Step::Accepted(3), 3 * DAY));
        let (offenders, ..) = run(&steps, &Settings::default(), false);
        prop_assert_eq!(offenders.len(), 1);
        prop_assert_eq!(offenders[0].pairs, pairs.min(PAIRS_KEPT));
        prop_assert_eq!(offenders[0].listed, pairs >= 5 && offenders[0].days >= 2);
    }
}

/// The checker can fail: a table that is not told what came is caught by the same witness.
#[test]
fn a_table_that_overlooks_what_came_is_caught() {
    let steps = [
        (Step::Told(1, 0, 0, 0), 0),
        (Step::Came(1, 0, 0), HOUR),
        (Step::Accepted(3), 3 * DAY),
    ];
    let caught = |forgetful| {
        let (offenders, witness, now) = run(&steps, &Settings::default(), forgetful);
        offenders
            .iter()
            .any(|offender| offender.pairs > witness.most(offender.client.addr(), now))
    };
    assert!(!caught(false));
    assert!(caught(true));
}
