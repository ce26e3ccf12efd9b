//! What was acknowledged survives `kill -9`, and a disk that stops taking octets ends the acknowledging.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use queue::MessageId;
use queue::spool::{Body, Change, Spool, SpoolError};
use store::conformance::mail;
use store::sqlite::{OpenError, SqliteSpool};

const DIR: &str = "POSTDATE_TEST_WRITER_DIR";
const SIZES: [usize; 5] = [10, 4096, 20_000, 65_537, 150_000];

/// This binary again, as a process that writes into `dir`.
fn writer(dir: &Path, shell: &str) -> Child {
    let me = std::env::current_exe().unwrap();
    Command::new("sh")
        .args([
            "-c",
            &format!("{shell} exec \"$0\" --exact the_writer --nocapture"),
        ])
        .arg(me)
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs only as a child of the others: writes until it is killed, or the spool is sick.
#[test]
fn the_writer() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let spool = Arc::new(SqliteSpool::open(Path::new(&dir)).unwrap());
    std::thread::scope(|scope| {
        for n in 0..4 {
            let spool = Arc::clone(&spool);
            scope.spawn(move || write_until_sick(&*spool, n));
        }
    });
}

fn write_until_sick(spool: &dyn Spool, mut n: usize) {
    loop {
        n += 1;
        let id = spool.new_id(mail::time(0));
        match try_one(spool, id, SIZES[n % SIZES.len()]) {
            Ok(len) => say(&format!("+{} {len}\n", id.0)),
            Err(SpoolError::Sick(why)) => {
                say(&format!("sick {why}\n"));
                // For good: every later call says the same.
                let sick = Err(SpoolError::Sick(why));
                assert_eq!(mail::submit(spool, Change::default()), sick);
                assert_eq!(spool.count().map(drop), sick);
                assert_eq!(spool.next_wake().map(drop), sick);
                assert_eq!(spool.get(id).map(drop), sick);
                assert_eq!(spool.stage(id).map(drop), sick);
                return say("still sick\n");
            }
            Err(error) => say(&format!("{error}\n")),
        }
    }
}

fn try_one(spool: &dyn Spool, id: MessageId, len: usize) -> Result<usize, SpoolError> {
    let mut staging = spool.stage(id)?;
    staging.write(&mail::content(id.0, len))?;
    let body = staging.finish()?;
    let enqueue = vec![(Arc::new(mail::message(id, 1)), body, vec![mail::row(1)])];
    mail::submit(
        spool,
        Change {
            enqueue,
            ..Change::default()
        },
    )
    .map(|()| len)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
}

/// Takes the acknowledgements from what a writer printed; the last line may be cut off.
fn acknowledged(printed: &str, into: &mut BTreeMap<u64, usize>) {
    let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        // The test harness prints words of its own into the first line.
        let Some((id, len)) = line
            .rsplit_once('+')
            .and_then(|(_, line)| line.split_once(' '))
        else {
            continue;
        };
        into.insert(id.parse().unwrap(), len.parse().unwrap());
    }
}

fn check(dir: &Path, acknowledged: &BTreeMap<u64, usize>) {
    let spool = SqliteSpool::open(dir).unwrap();
    for (id, len) in acknowledged {
        let id = MessageId(*id);
        let body = spool
            .body(id)
            .unwrap()
            .unwrap_or_else(|| panic!("{id} ({len} octets) is lost"));
        assert_eq!(length(&body), *len as u64, "{id} is not whole");
        assert_eq!(spool.get(id).unwrap().unwrap().rows, [(0, mail::row(1))]);
    }
    let all = spool.list(None, usize::MAX).unwrap();
    assert_eq!(all.len() as u64, spool.count().unwrap().messages);
    assert!(all.len() >= acknowledged.len());
    for entry in all {
        let body = spool.body(entry.message.id).unwrap().unwrap();
        let content = mail::read(&body);
        assert!(
            content == mail::content(entry.message.id.0, content.len()),
            "broken, acknowledged or not"
        );
    }
}

fn length(body: &Body) -> u64 {
    match body {
        Body::Inline(content) => content.len() as u64,
        Body::File(file) => file.len(),
    }
}

#[test]
fn what_was_acknowledged_survives_twenty_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut survivors = BTreeMap::new();
    for round in 0..20_usize {
        let mut child = writer(dir.path(), "");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // At a moment that nobody chose: the writer runs on while these lines are read.
        let mut printed = String::new();
        while printed.matches('+').count() <= round * 7 % 20 {
            assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{printed}");
        }
        let busy = SqliteSpool::open(dir.path());
        assert!(
            matches!(&busy, Err(OpenError::Locked { pid }) if *pid == child.id()),
            "{busy:?}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        out.read_to_string(&mut printed).unwrap();
        acknowledged(&printed, &mut survivors);
        check(dir.path(), &survivors);
    }
    assert!(survivors.len() > 20, "{}", survivors.len());
}

/// A limit on the size of files is an error of every write from some moment on, not a full disk: the kernel's EFBIG.
#[test]
fn an_io_error_ends_the_acknowledging_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    // 4 MiB for sh, in blocks of 512 octets; where a block is 1 KiB, 8.
    let mut child = writer(dir.path(), "trap '' XFSZ; ulimit -f 8192;");
    let mut printed = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    let (sick, still) = (
        printed.matches("sick spool.db: ").count(),
        printed.matches("still sick").count(),
    );
    assert!(
        sick == 4 && still == 4,
        "each of four threads was told: {printed}"
    );
    let mut survivors = BTreeMap::new();
    acknowledged(&printed, &mut survivors);
    assert!(survivors.len() > 10, "{printed}");
    check(dir.path(), &survivors);
}
