//! The records in their file: what survives, and what a broken file costs.

use crate::tables::{furnished, limits, mail};
use crate::{Judge, Room, at, counts, defer, greylisting, query, visit, waited};
use policy::engine::Rules;
use policy::greylist::{Settings, Verdict, Visit};
use policy::slots::Holder;
use policy::{Reason, Refusal};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use store::policy::{OpenError, Records};

#[test]
fn an_appointment_stands_across_a_restart() {
    let room = Room::new();
    let before = room.open(at(0));
    assert_eq!(before.judge(visit(0), at(0)), defer(300, true));
    assert_eq!(before.judge(visit(2), at(0)), defer(300, true));
    before.close().unwrap();

    let after = room.open(at(60));
    assert_eq!(counts(&after), (2, 0));
    assert_eq!(after.judge(visit(0), at(60)), defer(240, false));
    assert_eq!(after.judge(visit(0), at(300)), waited(300));
    after.close().unwrap();

    let later = room.open(at(400));
    assert_eq!(counts(&later), (1, 1));
    assert_eq!(later.judge(visit(0), at(400)), Verdict::Known);
    assert_eq!(later.judge(visit(2), at(401)), waited(401));
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let room = Room::new();
    let server = room.open(at(0));
    server.judge(visit(0), at(0));
    server.flush().unwrap();
    server.judge(visit(1), at(1));
    server.flush().unwrap();
    let room = room.killed();
    drop(server);

    let server = room.open(at(2));
    assert_eq!(server.judge(visit(0), at(2)), defer(298, false));
    assert_eq!(server.judge(visit(1), at(2)), defer(299, false));
}

#[test]
fn dropping_writes_what_is_left() {
    let room = Room::new();
    drop({
        let server = room.open(at(0));
        server.judge(visit(0), at(0));
        server
    });
    assert_eq!(room.open(at(2)).stats().pending, 1);
}

#[test]
fn what_is_over_is_not_taken_over_and_leaves_the_file() {
    let room = Room::new();
    let server = room.open(at(0));
    server.judge(visit(0), at(0));
    server.judge(visit(1), at(0));
    server.judge(visit(1), at(300));
    server.close().unwrap();

    let server = room.open(at(2 * 86_400 + 1));
    assert_eq!(counts(&server), (0, 1));
    assert_eq!(server.stats().unclaimed, 1);
    server.flush().unwrap();
    assert_eq!(
        query(&room.path(), "SELECT count(*) || '' FROM triplet"),
        "0"
    );
    drop(server);

    let server = room.open(at(40 * 86_400));
    assert_eq!(counts(&server), (0, 0));
    server.flush().unwrap();
    assert_eq!(query(&room.path(), "SELECT count(*) || '' FROM known"), "0");
}

#[test]
fn an_administrator_can_read_the_file() {
    let room = Room::new();
    let server = room.open(at(0));
    server.judge(visit(0), at(0));
    server.judge(visit(2), at(0));
    server.judge(visit(2), at(310));
    server.flush().unwrap();
    let row = "SELECT network || ' ' || sender || ' ' || recipient || ' ' || first_seen || ' ' || due \
               || ' ' || expires || ' ' || coalesce(passed, '-') FROM triplet";
    assert_eq!(
        query(&room.path(), row),
        "192.0.2.0/24 a@x.example b@y.example 1767225600000 1767225900000 1767398400000 -"
    );
    let row = "SELECT network || ' ' || passes || ' ' || last_used || ' ' || for_good FROM known";
    assert_eq!(
        query(&room.path(), row),
        "2001:db8:1:2::/64 1 1767225910000 1"
    );
}

#[test]
fn a_passed_triplet_of_a_network_not_yet_known_survives() {
    let room = Room::new();
    let rules = greylisting(Settings {
        known_after: 2,
        ..Settings::default()
    });
    let open = |now| Records::open(&room.path(), rules.clone(), now).unwrap();
    let server = open(at(0));
    server.judge(visit(0), at(0));
    assert_eq!(server.judge(visit(0), at(300)), waited(300));
    server.close().unwrap();

    let server = open(at(10 * 86_400));
    assert_eq!(counts(&server), (0, 0));
    assert_eq!(server.judge(visit(0), at(10 * 86_400)), Verdict::Known);
}

#[test]
fn a_damaged_file_is_set_aside() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("no database", |path| {
            std::fs::write(
                path,
                "Not a database, and long enough to say so. ".repeat(40),
            )
            .unwrap();
        }),
        ("the first page torn", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[90..4_096].fill(0xff);
            std::fs::write(path, bytes).unwrap();
        }),
        ("later pages torn", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[4_096..].fill(0x5a);
            std::fs::write(path, bytes).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let room = Room::new();
        let server = room.open(at(0));
        server.judge(visit(0), at(0));
        server.close().unwrap();
        damage(&room.path());

        let server = room.open(at(60));
        let told = server
            .damage()
            .unwrap_or_else(|| panic!("{name}: not noticed"));
        assert!(told.contains("policy.db.damaged"), "{name}: {told}");
        assert!(room.folder.path().join("policy.db.damaged").exists());
        assert_eq!(server.judge(visit(0), at(60)), defer(300, true), "{name}");
        server.close().unwrap();

        let server = room.open(at(70));
        assert_eq!(server.damage(), None, "{name}");
        assert_eq!(server.judge(visit(0), at(70)), defer(290, false), "{name}");
    }
}

/// Also one that no row is read from: whatever is kept would never be written.
#[test]
fn whichever_page_is_torn_the_next_server_writes() {
    const PAGE: usize = 4_096;
    let whole = Room::new();
    furnished(&whole).close().unwrap();
    let bytes = std::fs::read(whole.path()).unwrap();
    for page in 0..bytes.len() / PAGE {
        let mut torn = bytes.clone();
        torn[page * PAGE..][..PAGE].fill(0x5a);
        let room = Room::new();
        std::fs::write(room.path(), torn).unwrap();
        let server = room.open(at(500));
        server.judge(
            Visit {
                sender: "new@x.example",
                ..visit(1)
            },
            at(500),
        );
        server.with(at(500), |engine, now| {
            let holder = Holder(u128::from(page as u64) + 1);
            let full = Refusal::wait(Reason::Storage, (452, (4, 3, 1)), "Full", Some(600));
            let window = Duration::from_secs(900);
            let (estimates, stats) = (&mut engine.estimates, &mut engine.stats);
            estimates.answered(holder, Some(&full), window, now, stats);
            engine.returns.accepted("203.0.113.9".parse().unwrap(), now);
            engine.mailboxes.full("new@y.example", now);
        });
        assert_eq!(server.flush(), Ok(()), "page {page}: {:?}", server.damage());
    }
}

#[test]
fn a_row_edited_wrongly_costs_that_row() {
    let room = Room::new();
    let server = room.open(at(0));
    server.judge(visit(0), at(0));
    server.judge(visit(1), at(0));
    server.close().unwrap();
    let file = Connection::open(room.path()).unwrap();
    let edit = "UPDATE triplet SET network = 'next door' WHERE network LIKE '192%'";
    assert_eq!(file.execute(edit, []).unwrap(), 1);
    drop(file);

    let server = room.open(at(60));
    assert_eq!(server.damage(), None);
    assert_eq!(server.judge(visit(1), at(60)), defer(240, false));
    assert_eq!(server.judge(visit(0), at(60)), defer(300, true));
}

#[test]
fn a_place_that_was_told_stays_taken_across_a_restart() {
    let room = Room::new();
    let open = |now| Records::open(&room.path(), limits(), now).unwrap();
    let server = open(at(0));
    let come =
        |server: &Records, sender, now| mail(server, "192.0.2.8", sender, "b@y.example", now);
    assert_eq!(come(&server, "a@a.example", at(0)), "ok");
    assert_eq!(come(&server, "b@b.example", at(0)), "450 60");
    server.close().unwrap();
    let server = open(at(1));
    assert_eq!(come(&server, "c@c.example", at(1)), "450 119");
    assert_eq!(come(&server, "b@b.example", at(60)), "ok");
}

#[test]
fn in_every_table_a_row_edited_wrongly_costs_that_row() {
    for (table, edit) in [
        ("triplet", "due = 'soon'"),
        ("known", "passes = 'some'"),
        ("calendar", "allowed = 'much'"),
        ("appointment", "holds = '1/0:row'"),
        ("clock", "ahead = -1"),
        ("told", "state = 'lost'"),
        ("accepted", "client = 'somebody'"),
        ("mailbox", "lengths = 'long'"),
        ("override", "pattern = 'no pattern'"),
        ("estimate", "holder = 'nobody'"),
        ("stat", "reason = 'mood'"),
    ] {
        let room = Room::new();
        furnished(&room).close().unwrap();
        let file = Connection::open(room.path()).unwrap();
        let one = "rowid = (SELECT min(rowid) FROM";
        let one = match table {
            "known" => "true".to_owned(),
            _ => format!("{one} {table})"),
        };
        let edit = format!("UPDATE {table} SET {edit} WHERE {one}");
        assert_eq!(file.execute(&edit, []).unwrap(), 1, "{table}");
        let count = format!("SELECT count(*) || '' FROM {table}");
        let before: u32 = query(&room.path(), &count).parse().unwrap();
        drop(file);

        let server = room.open(at(341));
        assert_eq!(server.damage(), None, "{table}");
        server.close().unwrap();
        let after: u32 = query(&room.path(), &count).parse().unwrap();
        assert_eq!(after, before - 1, "{table}");
    }
}

#[test]
fn a_lost_key_is_made_anew() {
    let room = Room::new();
    furnished(&room).close().unwrap();
    let key = "SELECT hex(key) FROM lasting_key";
    let before = query(&room.path(), key);
    room.open(at(341)).close().unwrap();
    assert_eq!(query(&room.path(), key), before, "it lasts");
    let file = Connection::open(room.path()).unwrap();
    file.execute("UPDATE lasting_key SET key = 'short'", [])
        .unwrap();
    room.open(at(342)).close().unwrap();
    assert_eq!(query(&room.path(), key).len(), 32);
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let room = Room::new();
    room.open(at(0)).close().unwrap();
    let file = Connection::open(room.path()).unwrap();
    file.pragma_update(None, "user_version", 7).unwrap();
    drop(file);
    let error = Records::open(&room.path(), Rules::default(), at(0)).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 7, .. }));
    let told = error.to_string();
    assert!(
        told.contains("policy.db: written by a newer release (layout 7"),
        "{told}"
    );
    assert_eq!(
        query(
            &room.path(),
            "SELECT user_version || '' FROM pragma_user_version"
        ),
        "7"
    );
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let path = Path::new("/nonexistent/policy.db");
    let error = Records::open(path, Rules::default(), at(0)).unwrap_err();
    assert!(
        error.to_string().starts_with("/nonexistent/policy.db: "),
        "{error}"
    );
}

#[test]
fn sessions_share_it() {
    let room = Room::new();
    let server = room.open(at(0));
    std::thread::scope(|scope| {
        for session in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for n in 0..50 {
                    let sender = format!("{session}.{n}@x.example");
                    let visit = Visit {
                        sender: &sender,
                        ..visit(0)
                    };
                    // One clock: sessions a minute apart would look like a file that hangs.
                    assert_eq!(server.judge(visit, at(0)), defer(300, true));
                    if n % 10 == 0 {
                        server.flush().unwrap();
                    }
                }
            });
        }
    });
    server.close().unwrap();
    assert_eq!(room.open(at(60)).stats().pending, 200);
}

#[test]
fn in_memory_nothing_is_written() {
    let server = Records::in_memory(Rules::default());
    assert_eq!(server.judge(visit(0), at(0)), defer(300, true));
    server.configure(greylisting(Settings {
        delay: Duration::from_secs(60),
        ..Settings::default()
    }));
    assert_eq!(server.judge(visit(0), at(1)), defer(59, false));
    server.flush().unwrap();
    assert_eq!(server.trouble(), None);
    assert_eq!(server.judge(visit(0), at(60)), waited(60));
    assert_eq!(counts(&server), (0, 1));
    server.close().unwrap();
}
