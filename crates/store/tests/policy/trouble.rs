//! A file that is slow, and one that fails.

use crate::{Judge, Room, at, defer, greylisting, query, visit};
use policy::engine::Rules;
use policy::greylist::{Settings, Visit};
use rusqlite::Connection;
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};
use store::policy::Records;

fn rules() -> Rules {
    greylisting(Settings {
        max_pending_per_network: usize::MAX,
        ..Settings::default()
    })
}

fn from(sender: &str) -> Visit<'_> {
    Visit { sender, ..visit(0) }
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

/// What goes to a file without a name would be gone at the next start, and nobody would know before.
#[test]
fn a_removed_file_is_noticed_and_may_be_put_back() {
    let room = Room::new();
    let server = room.open(at(0));
    server.judge(visit(0), at(0));
    server.flush().unwrap();
    let aside = room.path().with_extension("aside");
    std::fs::rename(room.path(), &aside).unwrap();
    assert_eq!(server.judge(visit(1), at(1)), defer(300, true));
    let told = server.flush().unwrap_err().to_string();
    assert!(told.contains("policy.db was removed"), "{told}");
    assert!(server.trouble().is_some());

    std::fs::rename(&aside, room.path()).unwrap();
    server.flush().unwrap();
    assert_eq!(server.trouble(), None);
    server.close().unwrap();
    let server = room.open(at(2));
    assert_eq!(server.judge(visit(0), at(2)), defer(298, false));
    assert_eq!(server.judge(visit(1), at(2)), defer(299, false));
}

#[test]
fn the_writer_is_waited_for_rather_than_run_away_from() {
    let room = Room::new();
    let server = Records::open(&room.path(), rules(), at(0)).unwrap();
    for n in 0..50_000 {
        let sender = format!("{n}@x.example");
        assert_eq!(server.judge(from(&sender), at(0)), defer(300, true));
    }
    server.close().unwrap();
    assert_eq!(
        query(&room.path(), "SELECT count(*) || '' FROM triplet"),
        "50000"
    );
}

#[test]
fn a_file_that_is_held_up_holds_the_judging_up_and_not_the_promise() {
    let at = |millis: u64| UNIX_EPOCH + Duration::from_millis(1_767_225_600_000 + millis);
    let room = Room::new();
    let path = room.path();
    let server = Records::open(&path, rules(), at(0)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.judge(from("0@x"), at(0));
    assert!(!server.is_behind(at(1_000)));
    server.judge(from("1@x"), at(1_000));
    assert!(server.is_behind(at(1_001)), "0@x is not written yet");

    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        let server = &server;
        scope.spawn(move || {
            server.judge(from("2@x"), at(1_001));
            done.send(()).unwrap();
        });
        let waits = is_done.recv_timeout(Duration::from_millis(200));
        assert_eq!(waits, Err(mpsc::RecvTimeoutError::Timeout));
        other.execute_batch("ROLLBACK").unwrap();
        is_done.recv_timeout(Duration::from_secs(4)).unwrap();
    });
    let rows: u32 = other
        .query_row(
            "SELECT count(*) FROM triplet WHERE sender IN ('0@x', '1@x')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(rows, 2, "written before anybody else was told a time");
    assert_eq!(server.trouble(), None);
}

#[test]
fn a_clock_that_jumps_makes_nobody_wait_for_long() {
    let room = Room::new();
    let path = room.path();
    let server = Records::open(&path, rules(), UNIX_EPOCH).unwrap();
    for n in 0..40u64 {
        let now = UNIX_EPOCH + Duration::from_secs(n * 7_919 % 40 * 1_000_000);
        server.judge(from(&n.to_string()), now);
    }
    assert_eq!(server.trouble(), None);
    server.close().unwrap();
}

#[test]
fn while_the_file_fails_only_so_much_is_held_and_then_nobody_is_judged() {
    let room = Room::new();
    let server = Records::open(&room.path(), rules(), at(0)).unwrap();
    let other = Connection::open(room.path()).unwrap();
    other
        .execute_batch("ALTER TABLE triplet RENAME TO elsewhere")
        .unwrap();
    server.judge(visit(0), at(0));
    server.flush().unwrap_err();
    let mut judged = 1;
    while server.room().is_ok() {
        let sender = format!("{judged}@x.example");
        server.with(at(0), |engine, now| {
            engine.greylist.judge(from(&sender), now)
        });
        judged += 1;
        assert!(judged <= 100_000);
    }
    assert_eq!(judged, 100_000);
    assert!(!server.is_behind(at(judged)), "waiting is no use");
    let told = server.wait(at(judged)).unwrap_err().to_string();
    assert!(told.contains("no such table"), "{told}");

    other
        .execute_batch("ALTER TABLE elsewhere RENAME TO triplet")
        .unwrap();
    server.flush().unwrap();
    server.room().unwrap();
    let count = "SELECT count(*) || '' FROM triplet";
    assert_eq!(query(&room.path(), count), "100000", "nothing is given up");
}

#[test]
fn a_transaction_is_written_whole_or_not_at_all() {
    let room = Room::new();
    let server = room.open(at(0));
    let other = Connection::open(room.path()).unwrap();
    // The last table that a transaction comes to.
    other
        .execute_batch("ALTER TABLE stat RENAME TO elsewhere")
        .unwrap();
    server.with(at(0), |engine, now| {
        engine.greylist.judge(visit(0), now);
        engine.stats.given(policy::Reason::Greylist, now);
    });
    server.flush().unwrap_err();
    let count = "SELECT (SELECT count(*) FROM triplet) || ' ' || (SELECT count(*) FROM elsewhere)";
    assert_eq!(query(&room.path(), count), "0 0");
    other
        .execute_batch("ALTER TABLE elsewhere RENAME TO stat")
        .unwrap();
    server.flush().unwrap();
    assert_eq!(
        query(&room.path(), &count.replace("elsewhere", "stat")),
        "1 1"
    );
}

#[test]
fn who_asks_again_and_again_is_not_kept_waiting_for_ever() {
    let room = Room::new();
    let server = Records::open(&room.path(), rules(), at(0)).unwrap();
    let other = Connection::open(room.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.judge(from("0@x"), at(0));
    for secs in 2..=7 {
        assert!(server.is_behind(at(secs)), "{secs}");
    }
    assert!(!server.is_behind(at(8)), "more than 5 s is too long");
    let told = server.trouble().unwrap();
    assert_eq!(told, "a write has not ended for 5 s");
    assert_eq!(server.judge(from("1@x"), at(8)), defer(300, true));
    other.execute_batch("ROLLBACK").unwrap();
    server.flush().unwrap();
    assert_eq!(server.trouble(), None);
}
