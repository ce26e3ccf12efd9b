//! Greylisting's records in their file: what survives, and what a broken file costs.

use policy::greylist::{Settings, Verdict, Visit};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::greylist::{Greylist, OpenError, Stats};
use tempfile::TempDir;

const CLIENTS: [&str; 3] = ["192.0.2.7", "198.51.100.7", "2001:db8:1:2::7"];

/// So many seconds after 2026-01-01.
fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600 + secs)
}

fn visit(client: usize) -> Visit<'static> {
    Visit {
        client: CLIENTS[client].parse().expect("an address"),
        sender: "A@x.example",
        recipient: "b@y.example",
    }
}

fn defer(wait_secs: u64, first: bool) -> Verdict {
    Verdict::Defer {
        wait_secs: Some(wait_secs),
        first,
    }
}

fn waited(secs: u64) -> Verdict {
    Verdict::Waited(Duration::from_secs(secs))
}

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("greylist.db")
    }

    fn open(&self, now: SystemTime) -> Greylist {
        Greylist::open(&self.path(), Settings::default(), now).expect("it opens")
    }

    /// What a process that dies now leaves behind: a copy, since the files stay as they are.
    fn killed(&self) -> Self {
        let copy = Self::new();
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), copy.folder.path().join(entry.file_name()))
                .expect("a copy");
        }
        copy
    }
}

fn query(path: &Path, sql: &str) -> String {
    let connection = Connection::open(path).expect("it opens");
    connection
        .query_row(sql, [], |row| row.get(0))
        .expect("one row")
}

#[test]
fn an_appointment_stands_across_a_restart() {
    let room = Room::new();
    let before = room.open(at(0));
    assert_eq!(before.judge(visit(0), at(0)), defer(300, true));
    assert_eq!(before.judge(visit(2), at(0)), defer(300, true));
    before.close().unwrap();

    let after = room.open(at(60));
    assert_eq!(
        after.stats(),
        Stats {
            pending: 2,
            known: 0
        }
    );
    assert_eq!(after.judge(visit(0), at(60)), defer(240, false));
    assert_eq!(after.judge(visit(0), at(300)), waited(300));
    after.close().unwrap();

    let later = room.open(at(400));
    assert_eq!(
        later.stats(),
        Stats {
            pending: 1,
            known: 1
        }
    );
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
    assert_eq!(
        server.stats(),
        Stats {
            pending: 0,
            known: 1
        }
    );
    server.flush().unwrap();
    assert_eq!(
        query(&room.path(), "SELECT count(*) || '' FROM triplet"),
        "0"
    );
    drop(server);

    let server = room.open(at(40 * 86_400));
    assert_eq!(
        server.stats(),
        Stats {
            pending: 0,
            known: 0
        }
    );
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
    let settings = Settings {
        known_after: 2,
        ..Settings::default()
    };
    let open = |now| Greylist::open(&room.path(), settings.clone(), now).unwrap();
    let server = open(at(0));
    server.judge(visit(0), at(0));
    assert_eq!(server.judge(visit(0), at(300)), waited(300));
    server.close().unwrap();

    let server = open(at(10 * 86_400));
    assert_eq!(
        server.stats(),
        Stats {
            pending: 0,
            known: 0
        }
    );
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
        assert!(told.contains("greylist.db.damaged"), "{name}: {told}");
        assert!(room.folder.path().join("greylist.db.damaged").exists());
        assert_eq!(server.judge(visit(0), at(60)), defer(300, true), "{name}");
        server.close().unwrap();

        let server = room.open(at(70));
        assert_eq!(server.damage(), None, "{name}");
        assert_eq!(server.judge(visit(0), at(70)), defer(290, false), "{name}");
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
fn a_newer_file_is_refused_and_left_alone() {
    let room = Room::new();
    room.open(at(0)).close().unwrap();
    let file = Connection::open(room.path()).unwrap();
    file.pragma_update(None, "user_version", 7).unwrap();
    drop(file);
    let error = Greylist::open(&room.path(), Settings::default(), at(0)).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 7, .. }));
    let told = error.to_string();
    assert!(
        told.contains("greylist.db: written by a newer release (layout 7"),
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
    let path = Path::new("/nonexistent/greylist.db");
    let error = Greylist::open(path, Settings::default(), at(0)).unwrap_err();
    assert!(
        error.to_string().starts_with("/nonexistent/greylist.db: "),
        "{error}"
    );
}

#[test]
fn a_failing_disk_stops_no_judging_and_heals() {
    let room = Room::new();
    let server = room.open(at(0));
    assert_eq!(server.trouble(), None);
    // A table that is not there fails every write, as a full disk does.
    let other = Connection::open(room.path()).unwrap();
    other
        .execute_batch("ALTER TABLE triplet RENAME TO elsewhere")
        .unwrap();
    assert_eq!(server.judge(visit(0), at(0)), defer(300, true));
    let told = server.flush().unwrap_err().to_string();
    assert!(told.contains("no such table"), "{told}");
    assert!(server.trouble().is_some());
    assert_eq!(server.judge(visit(0), at(60)), defer(240, false));

    other
        .execute_batch("ALTER TABLE elsewhere RENAME TO triplet")
        .unwrap();
    server.flush().unwrap();
    assert_eq!(server.trouble(), None);
    server.close().unwrap();
    assert_eq!(room.open(at(70)).judge(visit(0), at(70)), defer(230, false));
}

#[test]
fn the_writer_is_waited_for_rather_than_run_away_from() {
    let room = Room::new();
    let settings = Settings {
        max_pending_per_network: usize::MAX,
        ..Settings::default()
    };
    let server = Greylist::open(&room.path(), settings, at(0)).unwrap();
    for n in 0..50_000 {
        let sender = format!("{n}@x.example");
        let visit = Visit {
            sender: &sender,
            ..visit(0)
        };
        assert_eq!(server.judge(visit, at(0)), defer(300, true));
    }
    server.close().unwrap();
    assert_eq!(
        query(&room.path(), "SELECT count(*) || '' FROM triplet"),
        "50000"
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
                    assert_eq!(server.judge(visit, at(n)), defer(300, true));
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
    let server = Greylist::in_memory(Settings::default());
    assert_eq!(server.judge(visit(0), at(0)), defer(300, true));
    server.configure(Settings {
        delay: Duration::from_secs(60),
        ..Settings::default()
    });
    assert_eq!(server.judge(visit(0), at(1)), defer(59, false));
    server.flush().unwrap();
    assert_eq!(server.trouble(), None);
    assert_eq!(server.judge(visit(0), at(60)), waited(60));
    assert_eq!(
        server.stats(),
        Stats {
            pending: 0,
            known: 1
        }
    );
    server.close().unwrap();
}
