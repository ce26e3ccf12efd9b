//! The file of an earlier release becomes today's.

use crate::greylist::come;
use crate::{Judge, Room, at, counts, defer, query, visit, waited};
use policy::engine::Rules;
use policy::greylist::Verdict;
use rusqlite::Connection;
use std::path::PathBuf;
use store::policy::{Filter, OpenError, Reader, Records};

/// As the first release wrote it.
const FIRST: &str = include_str!("greylist-first.sql");

fn earlier(room: &Room) -> PathBuf {
    room.path().with_file_name("greylist.db")
}

fn write(room: &Room, sql: &str) {
    let file = Connection::open(earlier(room)).unwrap();
    file.execute_batch(sql).unwrap();
}

/// What stands in the first release's file is kept.
fn is_kept(room: &Room) {
    let server = room.open(at(60));
    assert_eq!(server.damage(), None);
    assert_eq!(counts(&server), (1, 1));
    let come = |client, sender, now| come(&server, client, sender, "b@y.example", now);
    let proved = "192.0.2.7 spf:x.example";
    assert_eq!(come(proved, "A@x.example", at(60)), defer(240, false));
    let passed = "2001:db8:1:2::9";
    assert_eq!(come(passed, "a@x.example", at(60)), Verdict::Known);
    let known = "198.51.100.9";
    assert_eq!(come(known, "q@x.example", at(60)), Verdict::Known);
    let other = "203.0.113.9 spf:x.example";
    assert_eq!(come(other, "a@x.example", at(300)), waited(300));
    server.close().unwrap();
    assert!(!earlier(room).exists(), "it has moved");
    assert_eq!(counts(&room.open(at(310))), (0, 3), "and is read once");
}

#[test]
fn the_first_releases_file_is_taken_over() {
    let room = Room::new();
    write(&room, FIRST);
    is_kept(&room);
}

#[test]
fn the_first_releases_file_is_read_before_it_is_taken_over() {
    let room = Room::new();
    write(&room, FIRST);
    let rows = Reader::open(&room.path())
        .unwrap()
        .find(&Filter::default(), 9)
        .unwrap();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(Reader::open(&room.path()).unwrap().stats().unwrap(), []);
    is_kept(&room);
}

#[test]
fn a_later_releases_file_is_taken_over_with_its_pools() {
    let room = Room::new();
    write(&room, FIRST);
    write(
        &room,
        "ALTER TABLE triplet ADD COLUMN pool TEXT; UPDATE triplet SET pool = 'name:p.example' WHERE id = 7",
    );
    let server = room.open(at(60));
    let pool = "10.0.0.1 name:p.example";
    assert_eq!(
        come(&server, pool, "a@x.example", "b@y.example", at(60)),
        defer(240, false)
    );
}

#[test]
fn what_stands_in_its_journal_is_taken_over() {
    let before = Room::new();
    let file = Connection::open(earlier(&before)).unwrap();
    let journal = "PRAGMA journal_mode";
    file.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .unwrap();
    file.execute_batch(FIRST).unwrap();
    let room = before.killed();
    assert!(
        room.folder.path().join("greylist.db-wal").exists(),
        "{journal}"
    );
    is_kept(&room);
}

#[test]
fn where_there_is_a_file_of_today_the_earlier_one_is_left_alone() {
    let room = Room::new();
    room.open(at(0)).close().unwrap();
    write(&room, FIRST);
    assert_eq!(counts(&room.open(at(60))), (0, 0));
    let count = "SELECT count(*) || '' FROM triplet";
    assert_eq!(query(&earlier(&room), count), "2");
}

#[test]
fn a_damaged_one_is_set_aside() {
    let room = Room::new();
    std::fs::write(
        earlier(&room),
        "No database, and long enough to say so. ".repeat(40),
    )
    .unwrap();
    let server = room.open(at(0));
    let told = server.damage().unwrap();
    assert!(told.contains("greylist.db.damaged"), "{told}");
    assert_eq!(server.judge(visit(0), at(0)), defer(300, true));
}

#[test]
fn one_of_a_newer_release_is_refused_and_left_alone() {
    let room = Room::new();
    write(&room, "PRAGMA user_version = 9");
    let error = Records::open(&room.path(), Rules::default(), at(0)).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 9,
            known: 1,
            ..
        }
    ));
    assert!(earlier(&room).exists() && !room.path().exists());
}
