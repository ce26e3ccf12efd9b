//! What lies in the data directory, and who may open it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use queue::MessageId;
use queue::spool::{Body, Change, Lease, Spool, SpoolError};
use store::conformance::mail;
use store::sqlite::{OpenError, SqliteSpool};

fn bodies(dir: &Path) -> Vec<String> {
    let files = |folder: fs::DirEntry| fs::read_dir(folder.path()).unwrap();
    let names = fs::read_dir(dir.join("body"))
        .unwrap()
        .flat_map(|folder| files(folder.unwrap()));
    let mut names: Vec<_> = names
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn stage(spool: &dyn Spool, id: MessageId) -> Body {
    let mut staging = spool.stage(id).unwrap();
    staging.write(&mail::content(id.0, 100_000)).unwrap();
    assert!(staging.is_on_disk());
    staging.finish().unwrap()
}

fn enqueue(id: MessageId, body: Body) -> Change {
    let enqueue = vec![(Arc::new(mail::message(id, 1)), body, vec![mail::row(0)])];
    Change {
        enqueue,
        ..Change::default()
    }
}

#[test]
fn a_large_content_is_a_file_as_long_as_its_message_lives() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let id = spool.new_id(mail::time(0));
    drop(stage(&spool, id));
    assert!(
        bodies(dir.path()).is_empty(),
        "dropped before it was submitted"
    );
    mail::submit(&spool, enqueue(id, stage(&spool, id))).unwrap();
    assert_eq!(bodies(dir.path()), [id.to_string()]);
    let folder = &id.to_string()[11..];
    assert!(
        dir.path()
            .join("body")
            .join(folder)
            .join(id.to_string())
            .is_file()
    );
    assert!(
        matches!(
            spool.stage(id).unwrap().write(&[0; 100_000]),
            Err(SpoolError::Sick(_))
        ),
        "its file is safe"
    );
    mail::submit(&spool, mail::done(id, 0)).unwrap();
    assert!(bodies(dir.path()).is_empty());
    let id = spool.new_id(mail::time(0));
    let refused = stage(&spool, id);
    spool.close(Duration::from_secs(60));
    assert_eq!(
        mail::submit(&spool, enqueue(id, refused)),
        Err(SpoolError::Closed)
    );
    assert!(bodies(dir.path()).is_empty(), "refused: nothing stays");
}

#[test]
fn orphans_are_swept_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let id = spool.new_id(mail::time(0));
    mail::submit(&spool, enqueue(id, stage(&spool, id))).unwrap();
    drop(spool);
    let put = |name: &str| {
        let folder = dir.path().join("body").join(&name[name.len() - 2..]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), "left by a crash").unwrap();
    };
    let orphans: Vec<_> = (1..50).map(|n| MessageId(id.0 + n)).collect();
    orphans.iter().for_each(|orphan| put(&orphan.to_string()));
    put("notes.txt");
    let spool = SqliteSpool::open(dir.path()).unwrap();
    // While the sweep runs, one of those ids is given to a new message.
    let again = orphans[0];
    mail::submit(&spool, enqueue(again, stage(&spool, again))).unwrap();
    let mut kept = vec![id.to_string(), again.to_string(), "notes.txt".to_owned()];
    kept.sort();
    until(|| bodies(dir.path()) == kept);
    assert!(mail::read(&spool.body(again).unwrap().unwrap()) == mail::content(again.0, 100_000));
}

/// Turns until it is so; gives up after long.
#[allow(
    clippy::disallowed_methods,
    reason = "a test that waits for a thread must end"
)]
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never");
        std::thread::yield_now();
    }
}

#[test]
fn it_can_be_read_while_a_server_runs_and_while_none_does() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let (small, large) = (mail::at(&spool, 2), mail::at(&spool, 1));
    mail::submit(
        &spool,
        mail::enqueue(&small, b"small", vec![mail::row(5), mail::row(6)]),
    )
    .unwrap();
    mail::submit(&spool, enqueue(large.id, stage(&spool, large.id))).unwrap();
    let check = || {
        let reader = SqliteSpool::open_read_only(dir.path()).unwrap();
        assert_eq!(
            reader.count().unwrap(),
            queue::spool::Count {
                messages: 2,
                recipients: 3
            }
        );
        assert_eq!(reader.list(None, 10).unwrap().len(), 2);
        assert_eq!(reader.next_wake(), Ok(Some(mail::time(0))));
        assert_eq!(reader.holds(), Ok(vec![]));
        assert_eq!(
            mail::read(&reader.body(small.id).unwrap().unwrap()),
            b"small"
        );
        assert_eq!(
            mail::read(&reader.body(large.id).unwrap().unwrap()).len(),
            100_000
        );
        assert_eq!(
            mail::submit(&reader, mail::done(small.id, 0)),
            Err(SpoolError::Closed)
        );
        assert!(matches!(reader.stage(small.id), Err(SpoolError::Closed)));
    };
    check();
    drop(spool);
    check();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    check();
    drop(spool);
    assert_eq!(bodies(dir.path()).len(), 1);
}

/// A spool of an older version of the tables is read as it is, and written once a server opens it.
#[test]
fn an_older_spool_opens() {
    opens(1, "");
    opens(
        2,
        "ALTER TABLE progress ADD COLUMN appointment_local TEXT; PRAGMA user_version = 2;",
    );
}

/// `since_v1` makes that version of the first one.
fn opens(old_version: i64, since_v1: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("spool-v1.sql")).unwrap();
    old.execute_batch(since_v1).unwrap();
    let hold = "INSERT INTO hold VALUES ('host 192.0.2.1:25', 1700000300000, 0, '421 TIME=300');";
    old.execute_batch(hold).unwrap();
    drop(old);
    let id = MessageId(1_700_000_000_000_000);
    let appointment = |spool: &SqliteSpool| {
        let entry = spool.get(id).unwrap().expect("the mail");
        let appointment = entry.rows[0].1.appointment.clone().expect("an appointment");
        (appointment.host.unwrap().to_string(), appointment.local)
    };
    let host = || "192.0.2.1:25".to_owned();

    let reader = SqliteSpool::open_read_only(dir.path()).unwrap();
    assert_eq!(appointment(&reader), (host(), None));
    let holds = reader.holds().unwrap();
    assert_eq!(
        (&*holds[0].reason, &holds[0].relay),
        ("421 TIME=300", &None)
    );
    drop(reader);
    let version = || -> i64 {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    assert_eq!(version(), old_version, "reading changes nothing");

    let spool = SqliteSpool::open(dir.path()).unwrap();
    assert_eq!(appointment(&spool), (host(), None));
    let mut row = spool.get(id).unwrap().unwrap().rows[0].1.clone();
    let local = Some([192, 0, 2, 200].into());
    row.appointment.as_mut().unwrap().local = local;
    assert_eq!(row.last_attempt, None);
    row.last_attempt = Some(Box::new(queue::progress::LastAttempt {
        at: mail::time(9),
        relay: "mx.b.example[192.0.2.1]:25".to_owned(),
        status: smtp::Status(4, 2, 0),
    }));
    let change = Change {
        update: vec![(id, 0, row.clone())],
        ..Change::default()
    };
    mail::submit(&spool, change).unwrap();
    drop(spool);
    let spool = SqliteSpool::open(dir.path()).unwrap();
    assert_eq!(appointment(&spool), (host(), local));
    assert_eq!(spool.get(id).unwrap().unwrap().rows, [(0, row)]);
}

/// A status that only another version can read is left out of notices; the mail goes on.
#[test]
fn a_strange_last_status_keeps_no_mail_back() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let message = mail::message(MessageId(1_700_000_000_000_000), 3);
    let rows = vec![mail::row(10); 3];
    mail::submit(&spool, mail::enqueue(&message, b"x", rows)).unwrap();
    drop(spool);
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    db.execute_batch(
        "UPDATE progress SET last_attempt = 1, last_relay = 'mx', last_status = '4.2' WHERE recipient = 0;
         UPDATE progress SET last_relay = 'mx', last_status = '4.2.0' WHERE recipient = 1;",
    )
    .unwrap();
    drop(db);
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let leased = mail::lease(&spool, Lease::Due, 20, 10, mail::step(90)).unwrap();
    let rows = (0..3).map(|index| (index, mail::row(10)));
    assert_eq!(leased[0].rows, rows.collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let refused = |dir: &Path| SqliteSpool::open(dir).unwrap_err().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let none = SqliteSpool::open_read_only(dir.path())
        .unwrap_err()
        .to_string();
    assert_eq!(
        none,
        format!("{}: No such file or directory (os error 2)", path.display())
    );
    drop(SqliteSpool::open(dir.path()).unwrap());

    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let newer = format!(
        "{}: written by a newer Postdate (version 99 of the tables, this one knows 3)",
        path.display()
    );
    assert_eq!(refused(dir.path()), newer);
    assert_eq!(
        SqliteSpool::open_read_only(dir.path())
            .unwrap_err()
            .to_string(),
        newer
    );

    fs::write(
        &path,
        "no database, but a text that is long enough to be looked at as one".repeat(20),
    )
    .unwrap();
    assert_eq!(
        refused(dir.path()),
        format!("{}: file is not a database", path.display())
    );

    let lock = store::lock::DirLock::take(dir.path()).unwrap();
    let pid = std::process::id();
    assert!(
        matches!(SqliteSpool::open(dir.path()), Err(OpenError::Locked { pid: holder }) if holder == pid)
    );
    assert_eq!(
        refused(dir.path()),
        format!("the data directory is in use by process {pid}")
    );
    drop(lock);
}

#[test]
fn nobody_else_reads_our_mail() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    mail::submit(
        &spool,
        mail::enqueue(&mail::at(&spool, 1), b"x", vec![mail::row(0)]),
    )
    .unwrap();
    for name in ["spool.db", "spool.db-wal", "spool.db-shm", "body"] {
        let mode = fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn an_administrator_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let message = mail::message(MessageId(1_700_000_000_000_000), 1);
    mail::submit(&spool, mail::enqueue(&message, b"x", vec![mail::row(60)])).unwrap();
    let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
    let read = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(
        read("SELECT envelope ->> '$.sender.address' FROM message"),
        "sender@a.example"
    );
    assert_eq!(
        read("SELECT envelope ->> '$.recipients[0].address' FROM message"),
        "r0@b.example"
    );
    assert_eq!(
        read("SELECT state || ' ' || datetime(due / 1000, 'unixepoch') FROM progress"),
        "waiting 2023-11-14 22:14:20"
    );
    assert_eq!(read("PRAGMA journal_mode"), "wal");
    assert_eq!(read("PRAGMA integrity_check"), "ok");
}

/// What went into a file without a name would be acknowledged, and gone at the next start.
#[test]
fn nothing_is_acknowledged_into_a_database_that_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let aside = dir.path().join("aside.db");
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let submit = |number: u64| {
        let message = mail::message(MessageId(1_700_000_000_000_000 + number), 1);
        let enqueue = mail::enqueue(&message, b"x", vec![mail::row(60)]);
        mail::submit(&spool, enqueue)
    };
    submit(1).unwrap();
    fs::rename(&path, &aside).unwrap();
    let Err(SpoolError::Sick(why)) = submit(2) else {
        panic!("it was acknowledged");
    };
    assert!(why.contains("spool.db was removed or renamed"), "{why}");
    fs::rename(&aside, &path).unwrap();
    assert!(submit(3).is_err(), "nobody knows what was put there");
    drop(spool);
    let spool = SqliteSpool::open(dir.path()).unwrap();
    let kept = spool.list(None, 10).unwrap();
    let kept: Vec<_> = kept.iter().map(|entry| entry.message.id.0).collect();
    assert_eq!(kept, [1_700_000_000_000_001]);
}

/// It keeps all mail back, and no restart mends it: whoever has to do it by hand is told where.
#[test]
fn a_row_that_cannot_be_read_is_named() {
    for damage in [
        "UPDATE message SET envelope = '{}' WHERE id = 1700000000000000",
        "UPDATE progress SET state = 'asleep' WHERE message = 1700000000000000",
        "UPDATE progress SET attempts = -1 WHERE message = 1700000000000000",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let spool = SqliteSpool::open(dir.path()).unwrap();
        let message = mail::message(MessageId(1_700_000_000_000_000), 1);
        let id = message.id;
        mail::submit(&spool, mail::enqueue(&message, b"x", vec![mail::row(60)])).unwrap();
        drop(spool);
        let db = rusqlite::Connection::open(dir.path().join("spool.db")).unwrap();
        assert_eq!(db.execute(damage, []).unwrap(), 1);
        drop(db);
        let spool = SqliteSpool::open(dir.path()).unwrap();
        let Err(SpoolError::Sick(why)) = spool.list(None, 10) else {
            panic!("it can be read: {damage}");
        };
        let named = format!("mail {id} (message 1700000000000000): ");
        assert!(why.contains(&named), "{damage}: {why}");
    }
}
