//! Every table, as an administrator reads it with `sqlite3`.

use crate::{Room, at};
use policy::engine::{Counted, Greylisting, LimitRule, Mode, Rules, Scope, Session};
use policy::lists::{Action, Entry, Subject};
use policy::{Event, Reason, Refusal, Stage, Verdict};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::path::Path;
use std::time::SystemTime;
use store::policy::{Reader, Records};

/// No greylisting; one rate and one quota.
pub(crate) fn limits() -> Rules {
    let limit = |name: &str, per, limit: &str| LimitRule {
        name: name.to_owned(),
        of: Counted::Recipients,
        per,
        limit: limit.parse().unwrap(),
    };
    Rules {
        greylist: Greylisting {
            mode: Mode::Off,
            ..Greylisting::default()
        },
        limits: vec![
            limit("rate", Scope::Recipient, "60/h burst 1"),
            limit("quota", Scope::SenderDomain, "2/d"),
        ],
        ..Rules::default()
    }
}

/// One mail for one recipient. `ok`, or `450 60`.
pub(crate) fn mail(
    server: &Records,
    client: &str,
    sender: &str,
    recipient: &str,
    now: SystemTime,
) -> String {
    let event = Event {
        stage: Stage::Recipient,
        client: client.parse().unwrap(),
        helo: "mx.c.example",
        user: None,
        sender,
        recipient,
        size: 0,
    };
    server.with(now, |engine, now| {
        let mut session = Session::default();
        let verdict = engine.judge(&mut session, &event, now);
        engine.taken(&mut session, now);
        match verdict {
            Verdict::Accept { .. } => "ok".to_owned(),
            Verdict::Refuse(refusal) => {
                let wait = refusal.wait_secs;
                let wait = wait.map_or(String::new(), |secs| format!(" {secs}"));
                format!("{}{wait}", refusal.code)
            }
        }
    })
}

/// Something in every table.
pub(crate) fn furnished(room: &Room) -> Records {
    let rules = Rules {
        limits: limits().limits,
        ..Rules::default()
    };
    let server = Records::open(&room.path(), rules, at(0)).unwrap();
    let b = "b@y.example";
    assert_eq!(
        mail(&server, "192.0.2.7", "a@x.example", b, at(0)),
        "450 300"
    );
    assert_eq!(mail(&server, "192.0.2.7", "a@x.example", b, at(300)), "ok");
    assert_eq!(
        mail(&server, "192.0.2.8", "c@z.example", b, at(300)),
        "450 60"
    );
    // Its network is known, so the rules would not watch it.
    server.with(at(300), |engine, now| {
        let (client, until) = ("192.0.2.8".parse().unwrap(), at(300 + 2 * 86_400).into());
        engine.returns.told(client, "c@z.example", b, until, now);
    });
    assert_eq!(mail(&server, "198.51.100.7", "", b, at(300)), "450 120");
    assert_eq!(
        mail(&server, "203.0.113.7", "d@x.example", b, at(301)),
        "450 300"
    );
    server.with(at(302), |engine, now| {
        let event = Event {
            stage: Stage::Mail,
            client: "198.51.100.7".parse().unwrap(),
            helo: "",
            user: None,
            sender: "e@x.example",
            recipient: "",
            size: 0,
        };
        let full = Refusal::wait(Reason::Storage, (452, (4, 3, 1)), "Full", Some(600));
        engine.answered_by_shell(&event, Some(&full), now);
        engine.mailboxes.full("B@y.example", now);
        engine.mailboxes.full("full@y.example", now);
    });
    server.with(at(400), |engine, now| {
        engine.mailboxes.room("full@y.example", now);
        for (action, kind, pattern, until) in [
            (
                Action::Deny,
                "client",
                "192.0.2.128/25",
                Some(at(900).into()),
            ),
            (Action::Allow, "sender", ".friend.example", None),
        ] {
            let subject = Subject::parse(kind, pattern).unwrap();
            let note = "as asked".to_owned();
            let entry = Entry {
                subject,
                action,
                until,
                note,
                made: now,
            };
            engine.lists.set(entry).unwrap();
        }
    });
    // The clock is set back by a minute.
    server.tick(at(400));
    server.tick(at(340));
    server.flush().unwrap();
    server
}

/// All rows of a table, all columns with bars between.
fn rows(path: &Path, table: &str) -> Vec<String> {
    let file = Connection::open(path).unwrap();
    let mut query = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = query.column_count();
    let cell = |value: ValueRef<'_>| match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    };
    let rows = query.query_map([], |row| {
        let cells: Vec<_> = (0..columns)
            .map(|n| cell(row.get_ref(n).unwrap()))
            .collect();
        Ok(cells.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_administrator_can_read_every_table() {
    let room = Room::new();
    let server = furnished(&room);
    let holder = |rows: Vec<String>| -> Vec<String> {
        // A keyed hash: another in each file.
        let cut = |row: &String| row.splitn(3, '|').map(str::to_owned).collect::<Vec<_>>();
        rows.iter()
            .map(cut)
            .map(|cells| format!("{}|{}", cells[0], cells[2]))
            .collect()
    };
    let path = room.path();
    assert_eq!(
        rows(&path, "triplet"),
        ["2|203.0.113.0/24|d@x.example|b@y.example|1767225901000|1767226201000|1767398701000|-|-"]
    );
    assert_eq!(rows(&path, "known"), ["192.0.2.0/24|1|1767225900000|1"]);
    assert_eq!(
        rows(&path, "calendar"),
        [
            "1|rate|b@y.example|60/h burst 1|0|1767225900000|0|-|-|192.0.2.7|0|29453766||",
            "2|quota|x.example|2/d|0|1767225900000|-|1|0|192.0.2.7|-|-|-|-",
            "3|quota|z.example|2/d|0|1767225900000|-|1|0|192.0.2.8|-|-|-|-",
        ]
    );
    assert_eq!(
        holder(rows(&path, "appointment")),
        [
            "1|192.0.2.8|c@z.example|b@y.example|rate|1767225900000|1767225960000|1767226860000|\
             1/0:row:29453766+1@1767225960000 3/0:window:20454+1@1767225960000|0|0",
            "2|198.51.100.7||b@y.example|rate|1767225900000|1767226020000|1767226920000|\
             1/0:row:29453767+1@1767226020000|0|0",
        ]
    );
    let guests = rows(&path, "guest");
    let named: Vec<_> = guests
        .iter()
        .filter_map(|row| row.rsplit_once('|'))
        .collect();
    assert_eq!(named.len(), 2);
    assert!(
        named
            .iter()
            .all(|(_, recipient)| *recipient == "b@y.example")
    );
    assert_eq!(rows(&path, "clock"), ["1|60000"]);
    assert_eq!(
        rows(&path, "told"),
        [
            "2|192.0.2.8/32|c@z.example|b@y.example|1767225900000|1767398700000|waiting",
            "3|203.0.113.7/32|d@x.example|b@y.example|1767225901000|1767398701000|waiting",
        ]
    );
    assert_eq!(rows(&path, "accepted"), ["192.0.2.7/32|1767225900000"]);
    assert_eq!(
        rows(&path, "mailbox"),
        [
            "b@y.example||1767225902000|1767226802000|0|1767225902000",
            "full@y.example|98000|-|-|-|1767226000000",
        ]
    );
    assert_eq!(
        rows(&path, "override"),
        [
            "client|192.0.2.128/25|deny|1767226500000|as asked|1767226000000",
            "sender|.friend.example|allow|-|as asked|1767226000000",
        ]
    );
    assert_eq!(
        rows(&path, "stat"),
        [
            "20454|greylist|2|0|1|0|0",
            "20454|recipient|2|0|0|0|0",
            "20454|storage|1|0|0|0|0"
        ]
    );
    let estimates = rows(&path, "estimate");
    let named = estimates[0].split_once('|').map(|(_, rest)| rest);
    assert_eq!(
        (named, estimates.len()),
        (Some("storage|1767225902000|1767226502000|1767398702000"), 1)
    );
    assert_eq!(rows(&path, "lasting_key").len(), 1);
    server.close().unwrap();
}

#[test]
fn another_process_reads_beside_a_server_and_without_one() {
    let room = Room::new();
    let error = Reader::open(&room.path()).unwrap_err().to_string();
    assert!(error.contains("policy.db: unable to open"), "{error}");
    let server = furnished(&room);
    let look = || {
        let reader = Reader::open(&room.path()).unwrap();
        let settings = policy::returns::Settings {
            pairs: 1,
            days: 1,
            ..Default::default()
        };
        // When both windows are over, but nobody has counted them.
        let offenders = reader.offenders(settings, at(310)).unwrap();
        let days = reader.stats().unwrap();
        (
            reader.find(&Default::default(), 100).unwrap().len(),
            days.len(),
            offenders.len(),
        )
    };
    assert_eq!(look(), (14, 3, 0));
    // It is the file itself that is read, no copy.
    let reader = Reader::open(&room.path()).unwrap();
    server.with(at(340), |engine, now| {
        engine.mailboxes.full("new@y.example", now)
    });
    server.flush().unwrap();
    assert_eq!(reader.find(&Default::default(), 100).unwrap().len(), 15);
    drop(reader);
    server.close().unwrap();
    assert_eq!(look(), (15, 3, 0));
    assert!(
        !room.path().with_file_name("policy.db-wal").exists(),
        "nothing is left behind"
    );
}

#[test]
fn who_never_came_back_is_read_from_the_file() {
    let room = Room::new();
    let server = furnished(&room);
    let over = at(300 + 2 * 86_400 + 2);
    // Ticks each hour: somebody listened all the time.
    for hour in 0..=48 {
        server.tick(at(302 + hour * 3_600));
    }
    server.tick(over);
    server.flush().unwrap();
    let reader = Reader::open(&room.path()).unwrap();
    let settings = || policy::returns::Settings {
        pairs: 1,
        days: 1,
        ..Default::default()
    };
    let told = reader.offenders(settings(), over).unwrap();
    let own = server.with(over, |engine, now| engine.returns.offenders(now));
    assert_eq!(told.len(), 2);
    let clients = |offenders: &[policy::returns::Offender]| -> Vec<String> {
        offenders
            .iter()
            .map(|offender| offender.client.to_string())
            .collect()
    };
    assert_eq!(clients(&told), clients(&own));
    assert!(
        told.iter().all(|offender| offender.listed),
        "by the settings that are asked about"
    );
}

/// Columns that files of earlier releases lack.
const NEWER: [(&str, &str); 8] = [
    ("triplet", "pool"),
    ("calendar", "client"),
    ("calendar", "live"),
    ("calendar", "dead"),
    ("calendar", "spent"),
    ("calendar", "lapsed"),
    ("appointment", "lapsed"),
    ("appointment", "came"),
];

/// As it was before rows said who opened a calendar, and what a restart forgot.
#[test]
fn a_file_without_the_newer_columns_is_taken_over() {
    let room = Room::new();
    furnished(&room).close().unwrap();
    let path = room.path();
    let before = rows(&path, "appointment").len();
    let file = Connection::open(&path).unwrap();
    for (table, column) in NEWER {
        file.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}"))
            .unwrap();
    }
    file.execute_batch("DROP TABLE guest").unwrap();
    let shown = || {
        Reader::open(&path)
            .unwrap()
            .find(&Default::default(), 100)
            .unwrap()
    };
    let earlier = shown();
    let columns = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM pragma_table_info('{table}')");
        file.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(
        (columns("calendar"), columns("guest")),
        (9, 0),
        "it is left as it is"
    );
    drop(file);
    let server = Records::open(&path, limits(), at(340)).unwrap();
    assert_eq!(server.damage(), None);
    assert_eq!(earlier, shown(), "it was read as it is taken over");
    assert_eq!(rows(&path, "appointment").len(), before);
    server.with(at(350), |engine, now| {
        engine.mailboxes.room("b@y.example", now)
    });
    let mail = |client, sender| mail(&server, client, sender, "b@y.example", at(358));
    assert_eq!(mail("192.0.2.8", "c@z.example"), "ok", "at the time told");
    server.close().unwrap();
}
