//! Each table against a model: whatever changes, what is read is what was written last.

use super::*;
use ::policy::Moment;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// A row by its name, or none of that name.
type Step<R> = (String, Option<R>);

/// Writes all changes, and reads the rows.
fn written<C, R>(
    prepare: fn(&Connection) -> Result<(), rusqlite::Error>,
    apply: fn(&Transaction<'_>, &C) -> Result<(), rusqlite::Error>,
    sources: &[Source<R>],
    changes: &[C],
) -> Vec<R> {
    let mut connection = Connection::open_in_memory().expect("it opens");
    prepare(&connection).expect("tables");
    let transaction = connection.transaction().expect("a transaction");
    for change in changes {
        apply(&transaction, change).expect("it is written");
    }
    transaction.commit().expect("it is written");
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    for source in sources {
        let read = source.each(&connection, &mut broken, |row| {
            rows.push(row);
            true
        });
        read.expect("it is read");
    }
    assert_eq!(broken, []);
    rows
}

/// What the rows are after these steps, in no order that matters.
fn model<R: Clone>(steps: &[Step<R>]) -> Vec<R> {
    let mut rows = BTreeMap::new();
    for (name, row) in steps {
        match row {
            Some(row) => rows.insert(name.clone(), row.clone()),
            None => rows.remove(name),
        };
    }
    rows.into_values().collect()
}

fn same<R: Debug>(left: &[R], right: &[R]) -> bool {
    let texts = |rows: &[R]| {
        let mut texts: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
        texts.sort();
        texts
    };
    texts(left) == texts(right)
}

/// Any text that a row may hold.
fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn moment() -> impl Strategy<Value = Moment> {
    any::<i64>().prop_map(Moment::from_millis)
}

fn span() -> impl Strategy<Value = Duration> {
    (0..i64::MAX as u64).prop_map(Duration::from_millis)
}

/// Up to what the names of rows and numbers may be.
fn number() -> impl Strategy<Value = u64> {
    0..=i64::MAX as u64
}

fn network() -> impl Strategy<Value = ipnet::IpNet> {
    let v4 = (any::<u32>(), 0..=32u8).prop_map(|(bits, length)| {
        ipnet::IpNet::new(std::net::Ipv4Addr::from(bits).into(), length).expect("a length")
    });
    let v6 = (any::<u128>(), 0..=128u8).prop_map(|(bits, length)| {
        ipnet::IpNet::new(std::net::Ipv6Addr::from(bits).into(), length).expect("a length")
    });
    prop_oneof![v4, v6].prop_map(|network| network.trunc())
}

mod greylisting {
    use super::*;
    use ::policy::greylist::{Change, Known, Origin, Record, Stored};

    fn origin() -> impl Strategy<Value = Origin> {
        let domain = || "[a-z]{1,5}\\.example".prop_map(|name| format!("spf:{name}"));
        prop_oneof![
            network().prop_map(Origin::Network),
            domain().prop_map(|text| text.parse().expect("an origin")),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        (moment(), moment(), moment(), prop::option::of(moment())).prop_map(
            |(first_seen, due, until, passed)| Record {
                first_seen,
                due,
                until,
                passed,
            },
        )
    }

    type Life = (u64, Stored, Option<Record>, Option<Origin>, bool);

    /// Kept, then perhaps moved, joined, dropped.
    fn steps() -> impl Strategy<Value = Vec<Life>> {
        let stored = |id| {
            let texts = (network(), text(), text());
            (texts, prop::collection::vec(origin(), 0..3), record()).prop_map(
                move |((network, sender, recipient), pool, record)| Stored::Record {
                    id,
                    network,
                    pool,
                    sender,
                    recipient,
                    record,
                },
            )
        };
        let step = (0..5u64).prop_flat_map(move |id| {
            let further = (
                prop::option::of(record()),
                prop::option::of(origin()),
                any::<bool>(),
            );
            (stored(id), further)
                .prop_map(move |(stored, (moved, joined, gone))| (id, stored, moved, joined, gone))
        });
        prop::collection::vec(step, 0..10)
    }

    proptest! {
        #[test]
        fn triplets(steps in steps()) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (id, stored, moved, joined, gone) in steps {
                changes.push(Change::Keep(stored.clone()));
                let mut now = stored;
                if let Stored::Record { record, pool, .. } = &mut now {
                    if let Some(moved) = moved {
                        changes.push(Change::Move { id, record: moved });
                        *record = moved;
                    }
                    if let Some(origin) = joined {
                        changes.push(Change::Join { id, origin: origin.clone() });
                        pool.push(origin);
                    }
                }
                if gone {
                    changes.push(Change::Drop { id });
                }
                model_steps.push((id.to_string(), (!gone).then_some(now)));
            }
            let read = written(greylist::prepare, greylist::apply, &[greylist::TRIPLETS], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn known(steps in prop::collection::vec((origin(), any::<u32>(), moment(), any::<bool>(), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (origin, passes, last_used, for_good, gone) in steps {
                let known = Known { passes, last_used, for_good };
                let stored = Stored::Known { origin: origin.clone(), known };
                changes.push(Change::Keep(stored.clone()));
                if gone {
                    changes.push(Change::Forget { origin: origin.clone() });
                }
                model_steps.push((origin.to_string(), (!gone).then_some(stored)));
            }
            let read = written(greylist::prepare, greylist::apply, &[greylist::KNOWN], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }
    }
}

mod limits {
    use super::*;
    use ::policy::slots::{
        Change, Guest, Hold, Holder, Limit, RateCount, Saved, State, Stored, Units,
    };

    fn runs() -> impl Strategy<Value = Vec<std::ops::Range<u64>>> {
        let run = (0..1u64 << 62, 0..1u64 << 40).prop_map(|(first, slots)| first..first + slots);
        prop::collection::vec(run, 0..3)
    }

    fn saved() -> impl Strategy<Value = Saved> {
        let limit = (1..1u64 << 40, 1..10_000u64, prop::option::of(1..1u64 << 40));
        (
            limit,
            any::<u32>(),
            moment(),
            number(),
            number(),
            (runs(), runs()),
        )
            .prop_map(
                |((count, secs, burst), series, at, used, booked, (spent, lapsed))| {
                    let count = if burst.is_some() {
                        count % 1_000_000 + 1
                    } else {
                        count
                    };
                    let limit =
                        Limit::new(count, Duration::from_secs(secs), burst).expect("a limit");
                    let state = match burst {
                        Some(_) => State::Rate(RateCount {
                            bank: used,
                            live: booked,
                            dead: used ^ booked,
                            spent,
                            lapsed,
                        }),
                        None => State::Quota { used, booked },
                    };
                    Saved {
                        limit,
                        series,
                        at,
                        state,
                    }
                },
            )
    }

    fn hold() -> impl Strategy<Value = Hold> {
        (any::<(u64, u32, u64, u64)>(), 0..3, moment()).prop_map(
            |((calendar, series, first, units), kind, at)| Hold {
                calendar,
                series,
                units: match kind {
                    0 => Units::Banked {
                        before: first,
                        units,
                    },
                    1 => Units::Row { first, units },
                    _ => Units::Window {
                        window: first,
                        units,
                    },
                },
                at,
                brief: first % 2 == 0,
            },
        )
    }

    fn guests() -> impl Strategy<Value = Vec<Guest>> {
        let guest = prop::collection::vec(any::<u128>().prop_map(Holder), 1..3).prop_map(Guest);
        prop::collection::vec(guest, 0..4)
    }

    fn appointment(id: u64) -> impl Strategy<Value = Stored> {
        let texts = (guests(), any::<std::net::IpAddr>(), text(), text(), text());
        let times = (moment(), moment(), moment());
        (texts, times, prop::collection::vec(hold(), 0..4)).prop_map(
            move |((guests, client, sender, recipient, rule), (asked, due, until), holds)| {
                let named = |guest: &Guest| format!("{}{recipient}", guest.0[0].0);
                Stored::Appointment {
                    id,
                    recipients: guests.iter().map(named).collect(),
                    guests,
                    client,
                    sender,
                    rule,
                    asked,
                    due,
                    until,
                    holds,
                    lapsed: id.is_multiple_of(2),
                    came: id.is_multiple_of(3),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn calendars(steps in prop::collection::vec((number(), text(), any::<Option<std::net::IpAddr>>(), saved(), prop::option::of(saved()), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (id, key, client, saved, counted, gone) in steps {
                let keep = |saved| Stored::Calendar { id, rule: "a rule".to_owned(), key: key.clone(), client, saved };
                changes.push(Change::Keep(keep(saved.clone())));
                changes.extend(counted.clone().map(|saved| Change::Count { id, saved }));
                if gone {
                    changes.push(Change::DropCalendar { id });
                }
                model_steps.push((id.to_string(), (!gone).then(|| keep(counted.unwrap_or(saved)))));
            }
            let read = written(slots::prepare, slots::apply, &[slots::CALENDARS], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn appointments(steps in prop::collection::vec((0..5u64).prop_flat_map(|id| (Just(id), appointment(id), any::<bool>(), prop::option::of((guests(), prop::collection::vec(hold(), 0..2))))), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (id, mut stored, gone, other) in steps {
                changes.push(Change::Keep(stored.clone()));
                if let (Some((others, has)), Stored::Appointment { guests, recipients, holds, lapsed, came, .. }) = (other, &mut stored) {
                    *recipients = others.iter().map(|guest| guest.0[0].0.to_string()).collect();
                    changes.extend(others.iter().zip(&*recipients).map(|(guest, named)| Change::Seat { id, guest: guest.clone(), recipient: named.clone() }));
                    (*guests, *holds, *lapsed, *came) = (others.clone(), has.clone(), !*lapsed, !*came);
                    changes.push(Change::Guests { id, guests: others, holds: has, lapsed: *lapsed, came: *came });
                }
                if gone {
                    changes.push(Change::DropAppointment { id });
                }
                model_steps.push((id.to_string(), (!gone).then_some(stored)));
            }
            let read = written(slots::prepare, slots::apply, &[slots::APPOINTMENTS], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn clock(spans in prop::collection::vec(prop_oneof![span(), Just(Duration::ZERO)], 0..5)) {
            let changes: Vec<_> = spans.iter().map(|&ahead| Change::Clock { ahead }).collect();
            let last = spans.last().filter(|ahead| !ahead.is_zero());
            let expected: Vec<_> = last.map(|&ahead| Stored::Clock { ahead }).into_iter().collect();
            let read = written(slots::prepare, slots::apply, &[slots::CLOCK], &changes);
            prop_assert_eq!(read, expected);
        }
    }
}

mod others {
    use super::*;
    use ::policy::{
        Reason, domains as seen, estimates as estimate, lists as list, mailbox, returns as back,
        stats as statistics,
    };

    fn state() -> impl Strategy<Value = back::State> {
        prop_oneof![
            Just(back::State::Waiting),
            Just(back::State::Came),
            Just(back::State::Counted),
        ]
    }

    fn episode() -> impl Strategy<Value = mailbox::Episode> {
        (moment(), moment(), any::<bool>()).prop_map(|(since, until, estimated)| mailbox::Episode {
            since,
            until,
            estimated,
        })
    }

    fn subject() -> impl Strategy<Value = list::Subject> {
        prop_oneof![
            network().prop_map(|network| list::Subject::client(&network.to_string()).expect("a network")),
            "[a-z]{1,3}@[a-z]{1,3}\\.example".prop_map(|text| list::Subject::sender(&text).expect("a pattern")),
            "\\.?[a-z]{1,3}\\.example".prop_map(|text| list::Subject::recipient(&text).expect("a pattern")),
        ]
    }

    fn pair(id: u64) -> impl Strategy<Value = back::Stored> {
        (network(), text(), text(), moment(), moment(), state()).prop_map(
            move |(client, sender, recipient, told, until, state)| back::Stored::Pair {
                id,
                client,
                sender,
                recipient,
                told,
                until,
                state,
            },
        )
    }

    proptest! {
        #[test]
        fn told(steps in prop::collection::vec((0..5u64).prop_flat_map(|id| (Just(id), pair(id), prop::option::of((moment(), state())), any::<bool>())), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (id, stored, moved, gone) in steps {
                changes.push(back::Change::Keep(stored.clone()));
                let mut now = stored;
                if let (back::Stored::Pair { until, state, .. }, Some(moved)) = (&mut now, moved) {
                    (*until, *state) = moved;
                    changes.push(back::Change::Move { id, until: moved.0, state: moved.1 });
                }
                if gone {
                    changes.push(back::Change::Drop { id });
                }
                model_steps.push((id.to_string(), (!gone).then_some(now)));
            }
            let read = written(returns::prepare, returns::apply, &[returns::TOLD], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn accepted(steps in prop::collection::vec((network(), moment(), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (client, last, gone) in steps {
                let stored = back::Stored::Accepted { client, last };
                changes.push(back::Change::Keep(stored.clone()));
                if gone {
                    changes.push(back::Change::Forget { client });
                }
                model_steps.push((client.to_string(), (!gone).then_some(stored)));
            }
            let read = written(returns::prepare, returns::apply, &[returns::ACCEPTED], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn domains_(steps in prop::collection::vec((0..5u64, text(), network(), moment(), prop::option::of(moment()), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (id, domain, network, last, moved, gone) in steps {
                let mut stored = seen::Stored { id, domain, network, last };
                changes.push(seen::Change::Keep(stored.clone()));
                if let Some(last) = moved {
                    stored.last = last;
                    changes.push(seen::Change::Move { id, last });
                }
                if gone {
                    changes.push(seen::Change::Drop { id });
                }
                model_steps.push((id.to_string(), (!gone).then_some(stored)));
            }
            let read = written(domains::prepare, domains::apply, &[domains::DOMAINS], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn mailboxes_(steps in prop::collection::vec(("[a-c]@y", prop::collection::vec(span(), 0..4), prop::option::of(episode()), moment(), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (mailbox, lengths, current, used, gone) in steps {
                let history = mailbox::History { lengths, current, used };
                let stored = mailbox::Stored { mailbox: mailbox.clone(), history };
                changes.push(mailbox::Change::Keep(stored.clone()));
                if gone {
                    changes.push(mailbox::Change::Drop { mailbox: mailbox.clone() });
                }
                model_steps.push((mailbox, (!gone).then_some(stored)));
            }
            let read = written(mailboxes::prepare, mailboxes::apply, &[mailboxes::MAILBOXES], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn estimates_(steps in prop::collection::vec((0..4u128, 0..9usize, moment(), moment(), moment(), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (holder, reason, told, due, until, gone) in steps {
                let name = u128::MAX - holder;
                let holder = ::policy::slots::Holder(name);
                let open = estimate::Estimate { holder, reason: Reason::ALL[reason], told, due, until };
                changes.push(estimate::Change::Keep(open));
                if gone {
                    changes.push(estimate::Change::Drop { holder });
                }
                model_steps.push((name.to_string(), (!gone).then_some(open)));
            }
            let read = written(estimates::prepare, estimates::apply, &[estimates::ESTIMATES], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn overrides(steps in prop::collection::vec((subject(), any::<bool>(), prop::option::of(moment()), text(), moment(), any::<bool>()), 0..10)) {
            let (mut changes, mut model_steps) = (Vec::new(), Vec::new());
            for (subject, allow, until, note, made, gone) in steps {
                let action = if allow { list::Action::Allow } else { list::Action::Deny };
                let entry = list::Entry { subject: subject.clone(), action, until, note, made };
                changes.push(list::Change::Keep(entry.clone()));
                if gone {
                    changes.push(list::Change::Drop { subject: subject.clone() });
                }
                model_steps.push((subject.to_string(), (!gone).then_some(entry)));
            }
            let read = written(lists::prepare, lists::apply, &[lists::OVERRIDES], &changes);
            prop_assert!(same(&read, &model(&model_steps)), "{read:?}");
        }

        #[test]
        fn days(steps in prop::collection::vec((0..4i64, 0..9usize, [number(), number(), number(), number(), number()], prop::option::of(0..4i64)), 0..20)) {
            let mut changes = Vec::new();
            let mut rows = BTreeMap::new();
            for (day, reason, [given, early, on_time, late, never], drop) in steps {
                let reason = Reason::ALL[reason];
                let counts = statistics::Counts { given, early, on_time, late, never };
                let row = statistics::Row { day, reason, counts };
                changes.push(statistics::Change::Keep(row));
                rows.insert((day, reason), row);
                if let Some(day) = drop {
                    changes.push(statistics::Change::Drop { day });
                    rows.retain(|(of, _), _| *of != day);
                }
            }
            let read = written(stats::prepare, stats::apply, &[stats::STATS], &changes);
            prop_assert!(same(&read, &rows.into_values().collect::<Vec<_>>()), "{read:?}");
        }
    }
}
