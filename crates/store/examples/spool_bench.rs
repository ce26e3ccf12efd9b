//! How fast mail becomes durable: many producers, each waiting for its message, as sessions do.
//!
//!     cargo run --release -p store --example spool_bench -- [enqueue|life|files|open] [SECS] [PRODUCERS] [OCTETS] [DIR]
//!
//! `enqueue`: in. `life`: in, and out again (both durable). `files`: one file a message, for comparison: written,
//! synced, renamed, its folder synced. `open`: how long a spool with a million envelopes takes to open (SECS is the
//! number of messages in thousands). DIR should be on the disk that is meant; without it, the working directory.
#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use queue::spool::{Change, Spool};
use store::conformance::mail;
use store::sqlite::SqliteSpool;

fn main() {
    let mut args = std::env::args().skip(1);
    let mode = args.next().unwrap_or_else(|| "enqueue".into());
    let mut number = |default| {
        args.next()
            .map_or(default, |arg| arg.parse().expect("a number"))
    };
    let (secs, producers, octets) = (number(5), number(16), number(4096));
    let dir = PathBuf::from(args.next().unwrap_or_else(|| ".".into())).join("spool-bench");
    let _ = std::fs::remove_dir_all(&dir);
    match mode.as_str() {
        "enqueue" => spool(&dir, secs, producers, octets, false),
        "life" => spool(&dir, secs, producers, octets, true),
        "files" => files(&dir, secs, producers, octets),
        "open" => open(&dir, secs),
        other => panic!("unknown mode {other}"),
    }
    std::fs::remove_dir_all(&dir).expect("the directory removed");
}

fn spool(dir: &Path, secs: u64, producers: u64, octets: u64, life: bool) {
    let spool = Arc::new(SqliteSpool::open(dir).expect("a spool"));
    let content = mail::content(1, usize::try_from(octets).expect("a size"));
    let name = if life { "in and out" } else { "in" };
    measure(name, secs, producers, |_| {
        let mut message = mail::message(spool.new_id(SystemTime::now()), 1);
        message.received = SystemTime::now();
        let mut row = mail::row(0);
        row.due = message.received + Duration::from_secs(60);
        row.expires = message.received + Duration::from_secs(432_000);
        mail::submit(&*spool, mail::enqueue(&message, &content, vec![row])).expect("durable");
        if life {
            mail::submit(&*spool, mail::done(message.id, 0)).expect("durable");
        }
    });
    println!("{:?}", spool.count().expect("a count"));
}

fn files(dir: &Path, secs: u64, producers: u64, octets: u64) {
    std::fs::create_dir_all(dir).expect("a directory");
    let content = mail::content(1, usize::try_from(octets).expect("a size"));
    measure("a file a message", secs, producers, |n| {
        let (new, path) = (dir.join(format!("{n}.tmp")), dir.join(n.to_string()));
        let mut file = File::create(&new).expect("a file");
        file.write_all(&content).expect("written");
        file.sync_all().expect("synced");
        std::fs::rename(&new, &path).expect("renamed");
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .expect("synced");
    });
}

fn open(dir: &Path, thousands: u64) {
    let spool = SqliteSpool::open(dir).expect("a spool");
    let wave = |_| {
        let mut change = Change::default();
        for _ in 0..1000 {
            let message = mail::at(&spool, 1);
            change.enqueue.extend(
                mail::enqueue(&message, b"short", vec![mail::row(message.id.0 % 100_000)]).enqueue,
            );
        }
        mail::submit(&spool, change).expect("durable");
    };
    (0..thousands).for_each(wave);
    drop(spool);
    let start = Instant::now();
    let spool = SqliteSpool::open(dir).expect("a spool");
    let opened = start.elapsed();
    let count = spool.count().expect("a count");
    let wake = spool.next_wake().expect("a wake time");
    println!(
        "{count:?}: opened in {opened:?}, count and next wake ({}) in {:?}",
        wake.is_some(),
        start.elapsed() - opened
    );
    println!("resident: {}", status("VmRSS:"));
}

fn measure(name: &str, secs: u64, producers: u64, message: impl Fn(u64) + Sync) {
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let (start, cpu) = (Instant::now(), cpu_secs());
    std::thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    message(made.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        std::thread::sleep(Duration::from_secs(secs));
        stop.store(true, Ordering::Relaxed);
    });
    let (took, cpu, made) = (
        start.elapsed().as_secs_f64(),
        cpu_secs() - cpu,
        made.load(Ordering::Relaxed),
    );
    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    let made_f = made as f64;
    println!(
        "{name}: {:.0} messages/s, {:.1} µs CPU a message ({made} in {took:.1} s)",
        made_f / took,
        cpu / made_f * 1e6
    );
}

/// User and system time of this process so far.
fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let after_name = stat.rsplit(')').next().expect("a name");
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<f64>().expect("ticks"))
        .sum();
    ticks / 100.0
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with(field));
    line.unwrap_or(field).to_owned()
}
