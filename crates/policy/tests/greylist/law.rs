//! The law of greylisting, and a checker that holds any judge to it.
//!
//! Whoever comes back at the time it was told, or up to 2 s before, and within the window of its first visit, is let
//! in: whoever else comes in between, and whatever is configured meanwhile. What was told never moves later.

use crate::rows::Rows;
use crate::{secs, start, table};
use policy::greylist::rule::{OPEN_AT_LEAST, Outcome, step};
use policy::greylist::{Arrival, Known, Moment, Record, Settings, Table, Verdict, Visit};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What is held to the law.
pub(crate) trait Judge {
    fn judge(&mut self, visit: Visit<'_>, now: SystemTime) -> Verdict;
    fn configure(&mut self, settings: &Settings);
    fn restart(&mut self, _now: SystemTime) {}
}

/// The real table, with a store behind it.
pub(crate) struct Real {
    settings: Settings,
    pub(crate) table: Table,
    rows: Rows,
}

impl Real {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            table: table(settings.clone()),
            rows: Rows::default(),
        }
    }
}

impl Judge for Real {
    fn judge(&mut self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        let verdict = self.table.judge(visit, now).verdict;
        self.rows.write(self.table.take_changes());
        verdict
    }

    fn configure(&mut self, settings: &Settings) {
        self.settings = settings.clone();
        self.table.configure(settings.clone());
        self.rows.write(self.table.take_changes());
    }

    fn restart(&mut self, now: SystemTime) {
        self.table = table(self.settings.clone());
        self.rows.read(&mut self.table, now);
        self.rows.write(self.table.take_changes());
    }
}

/// The real table, asked about clients that prove now this and now that.
pub(crate) struct Pooled {
    real: Real,
    proofs: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Pooled {
    /// Draws what is proved at each visit from `proofs`, in turns.
    pub(crate) fn new(settings: &Settings, proofs: Vec<usize>) -> Self {
        Self {
            real: Real::new(settings),
            proofs: proofs.into_iter().cycle(),
        }
    }
}

impl Judge for Pooled {
    fn judge(&mut self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        let proved: &[&str] = [
            &[][..],
            &["spf:x"],
            &["spf:z"],
            &["name:x"],
            &["spf:x", "name:x"],
            &["name:x", "spf:z"],
            &["spf:x", "spf:z"],
        ][self.proofs.next().unwrap_or(0)];
        let origins: Vec<_> = proved
            .iter()
            .map(|text| text.parse().expect("an origin"))
            .collect();
        let arrival = Arrival {
            visit,
            origins: &origins,
            delay: None,
        };
        let verdict = self.real.table.judge(arrival, now).verdict;
        self.real.rows.write(self.real.table.take_changes());
        verdict
    }

    fn configure(&mut self, settings: &Settings) {
        self.real.configure(settings);
    }

    fn restart(&mut self, now: SystemTime) {
        self.real.restart(now);
    }
}

pub(crate) type Step = fn(&Settings, Option<Record>, Option<Known>, Moment) -> Outcome;

/// The simplest table there can be, around any rule: two maps, no bounds, one cut of networks.
pub(crate) struct Plain {
    settings: Settings,
    step: Step,
    records: BTreeMap<(String, String, String), Record>,
    networks: BTreeMap<String, Known>,
}

impl Plain {
    pub(crate) fn new(settings: &Settings, step: Step) -> Self {
        Self {
            settings: settings.clone(),
            step,
            records: BTreeMap::new(),
            networks: BTreeMap::new(),
        }
    }
}

impl Judge for Plain {
    fn judge(&mut self, visit: Visit<'_>, now: SystemTime) -> Verdict {
        let IpAddr::V4(client) = visit.client else {
            panic!("IPv4 only");
        };
        let [a, b, c, _] = client.octets();
        let network = format!("{a}.{b}.{c}");
        let key = (
            network.clone(),
            visit.sender.to_owned(),
            visit.recipient.to_owned(),
        );
        let record = self.records.remove(&key);
        let known = self.networks.remove(&network);
        let outcome = (self.step)(&self.settings, record, known, Moment::from(now));
        self.records
            .extend(outcome.record.map(|record| (key, record)));
        self.networks
            .extend(outcome.network.map(|known| (network, known)));
        outcome.verdict
    }

    fn configure(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// So many ms go by.
    Pass(u64),
    /// Someone comes.
    Visit { client: u8, sender: u8 },
    /// Someone who was told a time comes back then, give or take so many ms.
    Return { who: usize, off: i64 },
    /// The settings change.
    Reload(Settings),
    /// The server starts anew.
    Restart,
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    let off = prop_oneof![
        3 => Just(-2_000i64),
        1 => Just(0i64),
        2 => -1_999i64..5_000,
        1 => 0i64..400_000,
    ];
    let event = prop_oneof![
        3 => (0u64..200_000).prop_map(Event::Pass),
        4 => (0u8..4, 0u8..3).prop_map(|(client, sender)| Event::Visit { client, sender }),
        4 => (0usize..8, off).prop_map(|(who, off)| Event::Return { who, off }),
        1 => settings().prop_map(Event::Reload),
        1 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 0..60)
}

/// No bounds are changed: a lower cap may cost appointments.
pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let delay = prop_oneof![0u64..5_000, 0u64..600_000];
    let window = prop_oneof![0u64..5_000, 0u64..2_000_000];
    let prefix = prop_oneof![4 => Just(24u8), 1 => Just(32u8), 1 => Just(16u8)];
    (delay, window, 0u32..4, 0u64..2_000_000, prefix).prop_map(
        |(delay, window, known_after, known_for, v4_prefix)| Settings {
            delay: Duration::from_millis(delay),
            window: Duration::from_millis(window),
            known_after,
            known_for: Duration::from_millis(known_for),
            v4_prefix,
            ..Settings::default()
        },
    )
}

/// What a visitor was told.
#[derive(Clone, Copy, Debug)]
struct Promise {
    at: SystemTime,
    until: SystemTime,
}

type Who = (u8, u8);

/// Plays the events to the judge. The first breach is told.
pub(crate) fn check(
    judge: &mut dyn Judge,
    settings: &Settings,
    events: &[Event],
) -> Result<(), String> {
    let mut settings = settings.clone();
    let mut now = start();
    let mut promises: BTreeMap<Who, Promise> = BTreeMap::new();
    for event in events {
        let who = match event {
            Event::Pass(millis) => {
                now += Duration::from_millis(*millis);
                continue;
            }
            Event::Reload(next) => {
                // What was learnt is no appointment: an operator may cut it short.
                let known_for = settings.known_for;
                settings = Settings {
                    known_for,
                    ..next.clone()
                };
                judge.configure(&settings);
                continue;
            }
            Event::Restart => {
                judge.restart(now);
                continue;
            }
            Event::Visit { client, sender } => (*client, *sender),
            Event::Return { who, off } => {
                let nth = promises.iter().nth(who % promises.len().max(1));
                let Some((&who, promise)) = nth else {
                    continue;
                };
                now = now.max(shifted(promise.at, *off));
                who
            }
        };
        let verdict = judge.judge(visit(who), now);
        hold(&mut promises, who, verdict, now, &settings)
            .map_err(|breach| format!("{who:?} at {now:?}: {breach}; told {verdict:?}"))?;
    }
    Ok(())
}

fn hold(
    promises: &mut BTreeMap<Who, Promise>,
    who: Who,
    verdict: Verdict,
    now: SystemTime,
    settings: &Settings,
) -> Result<(), String> {
    let standing = promises
        .get(&who)
        .copied()
        .filter(|promise| now <= promise.until);
    let Verdict::Defer { wait_secs, first } = verdict else {
        promises.remove(&who);
        return Ok(());
    };
    let wait = secs(wait_secs.ok_or("no time is told")?);
    if wait >= settings.delay + secs(1) {
        return Err(format!("more than the delay, {:?}", settings.delay));
    }
    let Some(promise) = standing else {
        let until = (now + settings.window).max(now + settings.delay + OPEN_AT_LEAST);
        // Not first for the server: a neighbour was there before, and the window began with it. It is open from the
        // true time on, of which the visitor heard the next full second.
        let until = if first {
            until
        } else {
            now + wait - secs(1) + OPEN_AT_LEAST
        };
        promises.insert(
            who,
            Promise {
                at: now + wait,
                until,
            },
        );
        return Ok(());
    };
    if first {
        return Err(format!("{promise:?} is forgotten"));
    }
    if now + secs(2) >= promise.at {
        return Err(format!("{promise:?} is broken"));
    }
    if now + wait >= promise.at + secs(1) {
        return Err(format!("{promise:?} is moved later"));
    }
    let at = promise.at.min(now + wait);
    promises.insert(who, Promise { at, ..promise });
    Ok(())
}

fn shifted(time: SystemTime, millis: i64) -> SystemTime {
    let span = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { time - span } else { time + span }
}

/// Clients 0 and 1 share a /24, 2 shares their /16.
pub(crate) fn visit((client, sender): Who) -> Visit<'static> {
    let client = [
        [192, 0, 2, 7],
        [192, 0, 2, 8],
        [192, 0, 3, 7],
        [203, 0, 113, 7],
    ][usize::from(client)];
    Visit {
        client: IpAddr::from(client),
        sender: ["a@x", "b@x", "c@x"][usize::from(sender)],
        recipient: "r@y",
    }
}

/// The true rule, for the mutants to bend.
pub(crate) fn true_step(
    settings: &Settings,
    record: Option<Record>,
    known: Option<Known>,
    now: Moment,
) -> Outcome {
    step(settings, record, known, now)
}
