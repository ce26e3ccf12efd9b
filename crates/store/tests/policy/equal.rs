//! What was written and read again judges as what lived on.

use crate::tables::{limits, mail};
use crate::{Room, at};
use policy::engine::{Greylisting, LimitRule, Rules};
use policy::greylist::{self, Arrival, Visit};
use policy::lists::{Action, Entry, Subject};
use policy::{Moment, returns};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use store::policy::Records;

const CLIENTS: [&str; 4] = ["192.0.2.7", "192.0.2.8", "198.51.100.7", "2001:db8:1:2::7"];
const SENDERS: [&str; 4] = ["a@x.example", "B@x.example", "c@z.example", ""];
const RECIPIENTS: [&str; 3] = ["b@y.example", "C@y.example", "postmaster@y.example"];

#[derive(Clone, Debug)]
enum Act {
    /// Of a client, for a recipient.
    Mail(usize, usize, usize),
    Full(usize),
    Room(usize),
    /// The operator's word on a client or a sender, for so many minutes.
    Say(bool, usize, Option<u64>),
    Unsay(usize),
    Tick,
}

fn act() -> impl Strategy<Value = Act> {
    let who = || (0..CLIENTS.len(), 0..SENDERS.len(), 0..RECIPIENTS.len());
    prop_oneof![
        12 => who().prop_map(|(client, sender, recipient)| Act::Mail(client, sender, recipient)),
        1 => (0..RECIPIENTS.len()).prop_map(Act::Full),
        1 => (0..RECIPIENTS.len()).prop_map(Act::Room),
        1 => (any::<bool>(), 0..8usize, prop::option::of(1..30u64))
            .prop_map(|(allow, whom, minutes)| Act::Say(allow, whom, minutes)),
        1 => (0..8usize).prop_map(Act::Unsay),
        3 => Just(Act::Tick),
    ]
}

/// Each with the seconds before it.
fn story() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let pause = prop_oneof![4 => 0..10u64, 4 => 100..400u64, 1 => 600..3_000u64];
    prop::collection::vec((pause, act()), 1..40)
}

fn subject(whom: usize) -> Subject {
    match whom {
        0..4 => Subject::client(CLIENTS[whom]).unwrap(),
        4 => Subject::client("192.0.2.0/24").unwrap(),
        5 => Subject::sender("x.example").unwrap(),
        6 => Subject::recipient("c@y.example").unwrap(),
        _ => Subject::recipient(".example").unwrap(),
    }
}

/// Says what was answered.
fn play(server: &Records, act: &Act, now: SystemTime) -> String {
    match *act {
        Act::Mail(client, sender, recipient) => {
            return mail(
                server,
                CLIENTS[client],
                SENDERS[sender],
                RECIPIENTS[recipient],
                now,
            );
        }
        Act::Full(whose) => {
            server.with(now, |engine, now| {
                engine.mailboxes.full(RECIPIENTS[whose], now)
            });
        }
        Act::Room(whose) => {
            server.with(now, |engine, now| {
                engine.mailboxes.room(RECIPIENTS[whose], now)
            });
        }
        Act::Say(allow, whom, minutes) => {
            let entry = |now: Moment| Entry {
                subject: subject(whom),
                action: if allow { Action::Allow } else { Action::Deny },
                until: minutes.map(|minutes| now.after(Duration::from_secs(60 * minutes))),
                note: String::new(),
                made: now,
            };
            server.with(now, |engine, now| engine.lists.set(entry(now)).unwrap());
        }
        Act::Unsay(whom) => {
            server.with(now, |engine, _| engine.lists.remove(&subject(whom)));
        }
        Act::Tick => settle(server, now),
    }
    String::new()
}

/// All that is over goes: an event sweeps only some of it, and greylisting only with a visit.
fn settle(server: &Records, now: SystemTime) {
    let visit = Visit {
        client: [10, 0, 0, 1].into(),
        sender: "x@somebody.example",
        recipient: "y@else.example",
    };
    let arrival = Arrival {
        visit,
        origins: &[],
        delay: Some(Duration::ZERO),
    };
    for _ in 0..20 {
        server.with(now, |engine, now| engine.greylist.judge(arrival, now));
        server.tick(now);
    }
}

/// Short windows, so that something ends in a story. What is written to the hour stays long.
fn rules(limits: Vec<LimitRule>) -> Rules {
    Rules {
        greylist: Greylisting {
            settings: greylist::Settings {
                window: Duration::from_secs(1_800),
                known_after: 2,
                ..greylist::Settings::default()
            },
            ..Greylisting::default()
        },
        never_returned: returns::Settings {
            action: returns::Action::Reject,
            pairs: 2,
            days: 1,
            remembered_for: Duration::from_secs(7_200),
            ..returns::Settings::default()
        },
        limits,
        ..Rules::default()
    }
}

/// What can be asked of it, beside verdicts.
fn shown(server: &Records, now: SystemTime) -> String {
    settle(server, now);
    let mut stats = server.stats();
    // Counted since the start.
    stats.unclaimed = 0;
    server.with(now, |engine, now| {
        let mailboxes: Vec<_> = engine.mailboxes.rows().collect();
        let entries: Vec<_> = engine.lists.entries().collect();
        let days: Vec<_> = engine.stats.rows().collect();
        let estimates: Vec<_> = engine.estimates.rows().collect();
        let offenders = engine.returns.offenders(now);
        format!("{stats:?}\n{mailboxes:?}\n{entries:?}\n{days:?}\n{estimates:?}\n{offenders:?}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// With quotas: a rate that was read again gives 2 s of slots to nobody, as its rule says.
    #[test]
    fn what_was_read_again_judges_as_what_lived_on(before in story(), after in story()) {
        let quota: Vec<_> = limits().limits.split_off(1);
        let rules = || rules(quota.clone());
        let room = Room::new();
        let mut secs = 0;
        let lived = Records::open(&room.path(), rules(), at(0)).unwrap();
        for (pause, act) in &before {
            secs += pause;
            play(&lived, act, at(secs));
        }
        settle(&lived, at(secs));
        lived.flush().unwrap();
        let copy = room.killed();
        let read = Records::open(&copy.path(), rules(), at(secs)).unwrap();
        for (n, (pause, act)) in after.iter().enumerate() {
            secs += pause;
            prop_assert_eq!(
                play(&lived, act, at(secs)),
                play(&read, act, at(secs)),
                "the {}th, {:?}, at {}", n, act, secs
            );
        }
        prop_assert_eq!(shown(&lived, at(secs)), shown(&read, at(secs)));
        prop_assert_eq!(read.trouble(), None);
    }

    /// With rates: whoever was told a time before is let in at it.
    #[test]
    fn what_was_promised_is_kept_by_what_was_read_again(before in story()) {
        let rules = || Rules {
            greylist: limits().greylist,
            ..rules(limits().limits)
        };
        let room = Room::new();
        let lived = Records::open(&room.path(), rules(), at(0)).unwrap();
        let mut told = BTreeMap::new();
        let mut secs = 0;
        for (pause, act) in &before {
            secs += pause;
            let answer = play(&lived, act, at(secs));
            let Act::Mail(client, sender, recipient) = *act else { continue };
            // One network, and addresses in any case, are one holder.
            let holder = (client.max(1), SENDERS[sender].to_lowercase(), recipient);
            match answer.strip_prefix("450 ").map(str::parse::<u64>) {
                Some(wait) => {
                    told.insert(holder, (secs + wait.unwrap(), client, sender));
                }
                None => {
                    told.remove(&holder);
                }
            }
        }
        lived.flush().unwrap();
        let copy = room.killed();
        drop(lived);
        let read = Records::open(&copy.path(), rules(), at(secs)).unwrap();
        // Of other rules, nobody is in the way.
        for whom in 0..8 {
            play(&read, &Act::Unsay(whom), at(secs));
        }
        for recipient in RECIPIENTS {
            read.with(at(secs), |engine, _| engine.mailboxes.forget(recipient));
        }
        read.with(at(secs), |engine, _| engine.returns.forget("0.0.0.0/0".parse().unwrap()));
        let mut told: Vec<_> = told.into_iter().map(|((_, _, recipient), who)| (who, recipient)).collect();
        told.sort_unstable();
        for ((due, client, sender), recipient) in told {
            // Its grace is over.
            if due + 900 < secs {
                continue;
            }
            let act = Act::Mail(client, sender, recipient);
            prop_assert_eq!(play(&read, &act, at(due.max(secs))), "ok", "{:?} told {}", act, due);
        }
    }
}
