//! What was written and read again judges as what lived on.

use crate::tables::{limits, mail};
use crate::{Room, at};
use policy::engine::{Counted, Greylisting, LimitRule, Rules, Scope, Session};
use policy::greylist::{self, Arrival, Visit};
use policy::lists::{Action, Entry, Subject};
use policy::{Event, Moment, Stage, returns};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
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
    /// With so many octets, and for another recipient as well.
    Whole(usize, usize, usize, u64),
    /// One of those that were told a time comes so many seconds behind that, with so many octets.
    Late(usize, u64, u64),
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
        8 => (who(), 1..300u64).prop_map(|((client, sender, recipient), octets)| Act::Whole(client, sender, recipient, octets)),
        8 => (any::<usize>(), prop_oneof![0..20u64, 0..600u64], 1..300u64)
            .prop_map(|(which, late, octets)| Act::Late(which, late, octets)),
        1 => (0..RECIPIENTS.len()).prop_map(Act::Full),
        1 => (0..RECIPIENTS.len()).prop_map(Act::Room),
        1 => (any::<bool>(), 0..8usize, prop::option::of(1..30u64))
            .prop_map(|(allow, whom, minutes)| Act::Say(allow, whom, minutes)),
        1 => (0..8usize).prop_map(Act::Unsay),
        3 => Just(Act::Tick),
    ]
}

/// With the seconds before it.
type Played = (u64, Act);

fn story() -> impl Strategy<Value = Vec<Played>> {
    let pause = prop_oneof![4 => 0..10u64, 4 => 100..400u64, 1 => 600..3_000u64];
    prop::collection::vec((pause, act()), 1..40)
}

/// Whole mails, and those that come late.
fn mails() -> impl Strategy<Value = Vec<Played>> {
    let late = prop_oneof![0..20u64, 0..600u64];
    let act = prop_oneof![
        3 => (0..CLIENTS.len(), 0..2usize, 0..2usize, 1..300u64)
            .prop_map(|(client, sender, recipient, octets)| Act::Whole(client, sender, recipient, octets)),
        2 => (any::<usize>(), late, 1..300u64)
            .prop_map(|(which, late, octets)| Act::Late(which, late, octets)),
    ];
    let pause = prop_oneof![4 => Just(0), 4 => 0..20u64, 1 => 100..400u64];
    prop::collection::vec((pause, act), 1..40)
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
        Act::Whole(client, sender, recipient, octets) => {
            return whole(server, (client, sender, recipient), octets, now);
        }
        Act::Late(..) => unreachable!("it is played as the mail that was told"),
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

/// A mail for two recipients, with its content: what each was answered, and the end.
fn whole(
    server: &Records,
    (client, sender, recipient): (usize, usize, usize),
    octets: u64,
    now: SystemTime,
) -> String {
    let event = |stage, recipient, size| Event {
        stage,
        client: CLIENTS[client].parse().unwrap(),
        helo: "mx.c.example",
        user: None,
        sender: SENDERS[sender],
        recipient,
        size,
    };
    let second = RECIPIENTS[(recipient + 1) % RECIPIENTS.len()];
    let steps = [
        event(Stage::Connect, "", 0),
        event(Stage::Recipient, RECIPIENTS[recipient], 0),
        event(Stage::Recipient, second, 0),
        event(Stage::Message, "", octets),
    ];
    server.with(now, |engine, now| {
        let mut session = Session::default();
        let mut said = Vec::new();
        for event in steps {
            let verdict = engine.judge(&mut session, &event, now);
            let refusal = verdict.refusal();
            said.push(refusal.map_or("ok".to_owned(), |refusal| {
                format!("{} {}", refusal.code, refusal.wait_secs.unwrap_or(0))
            }));
            if event.stage == Stage::Connect && refusal.is_some() {
                break;
            }
        }
        engine.taken(&mut session, now);
        said.join(", ")
    })
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

fn octets() -> Vec<LimitRule> {
    vec![LimitRule {
        name: "octets".to_owned(),
        of: Counted::Octets,
        per: Scope::Sender,
        limit: "600/h burst 100".parse().unwrap(),
    }]
}

/// When a mail is to come back, and which.
type Told = (u64, (usize, usize, usize));

/// What is played, at its time.
fn due(act: &Act, told: &[Told], secs: &mut u64) -> Act {
    let Act::Late(which, late, octets) = *act else {
        return act.clone();
    };
    let Some((due, (client, sender, recipient))) = told.get(which % told.len().max(1)) else {
        return Act::Tick;
    };
    *secs = (*secs).max(due + late);
    Act::Whole(*client, *sender, *recipient, octets)
}

fn note(said: &str, act: &Act, secs: u64, told: &mut Vec<Told>) {
    if let Act::Mail(client, sender, recipient) | Act::Whole(client, sender, recipient, _) = *act {
        let waits = said.split(", ").filter_map(|said| said.split_once(' '));
        let waits = waits.filter_map(|(_, wait)| wait.parse::<u64>().ok());
        told.extend(waits.map(|wait| (secs + wait, (client, sender, recipient))));
    }
}

/// What came before is read from the file, and what comes then is told the same as by who lived on.
fn judges_as_what_lived_on(rules: &Rules, before: &[Played], after: &[Played]) -> TestCaseResult {
    let room = Room::new();
    let (mut secs, mut told) = (0, Vec::new());
    let lived = Records::open(&room.path(), rules.clone(), at(0)).unwrap();
    for (pause, act) in before {
        let act = due(act, &told, &mut secs);
        secs += pause;
        let said = play(&lived, &act, at(secs));
        note(&said, &act, secs, &mut told);
    }
    settle(&lived, at(secs));
    lived.flush().unwrap();
    let copy = room.killed();
    let read = Records::open(&copy.path(), rules.clone(), at(secs)).unwrap();
    for (n, (pause, act)) in after.iter().enumerate() {
        let act = due(act, &told, &mut secs);
        secs += pause;
        let said = play(&lived, &act, at(secs));
        let again = play(&read, &act, at(secs));
        prop_assert_eq!(&said, &again, "the {}th, {:?}, at {}", n, act, secs);
        note(&said, &act, secs, &mut told);
    }
    prop_assert_eq!(shown(&lived, at(secs)), shown(&read, at(secs)));
    prop_assert_eq!(read.trouble(), None);
    Ok(())
}

/// What a sender's mail is answered: 2 a minute of each sender, 6 of all, 600 octets an hour.
fn crowded() -> Rules {
    let per_sender = LimitRule {
        name: "mails".to_owned(),
        of: Counted::Messages,
        limit: "2/min burst 1".parse().unwrap(),
        ..octets().remove(0)
    };
    Rules {
        load: Some("6/min burst 1".parse().unwrap()),
        limits: [vec![per_sender], octets()].concat(),
        ..limits()
    }
}

#[test]
fn who_is_late_asks_for_load_anew_after_a_restart() {
    let room = Room::new();
    let server = Records::open(&room.path(), crowded(), at(0)).unwrap();
    let come = |server: &Records, client, sender, secs| {
        mail(
            server,
            CLIENTS[client],
            SENDERS[sender],
            RECIPIENTS[0],
            at(secs),
        )
    };
    assert_eq!(come(&server, 0, 0, 0), "ok");
    assert_eq!(come(&server, 0, 0, 0), "450 30");
    server.tick(at(40));
    server.close().unwrap();
    let server = Records::open(&room.path(), crowded(), at(41)).unwrap();
    // The load's place has passed to whoever is there.
    for client in CLIENTS {
        mail(&server, client, "x@e.example", RECIPIENTS[0], at(41));
    }
    let told = come(&server, 0, 0, 41);
    assert!(told.starts_with("451 "), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_read_again_judges_as_what_lived_on(before in story(), after in story()) {
        let rules = rules([limits().limits, octets()].concat());
        judges_as_what_lived_on(&rules, &before, &after)?;
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Nothing but limits, and load: more octets than were told, and who is late for the load's place.
    #[test]
    fn what_was_read_again_counts_as_what_lived_on(before in mails(), after in mails()) {
        judges_as_what_lived_on(&crowded(), &before, &after)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
            let Act::Mail(client, sender, recipient) = *act else { continue };
            let answer = play(&lived, act, at(secs));
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
