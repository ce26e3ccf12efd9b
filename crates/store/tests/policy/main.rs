//! What the rules remember, and the file that it is in.
#![allow(clippy::unwrap_used, reason = "a test")]

mod domains;
mod equal;
mod file;
mod find;
mod greylist;
mod import;
mod kill;
mod tables;
mod trouble;

use policy::engine::{Greylisting, Rules};
use policy::greylist::{Arrival, Settings, Verdict, Visit};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::policy::Records;
use tempfile::TempDir;

const CLIENTS: [&str; 3] = ["192.0.2.7", "198.51.100.7", "2001:db8:1:2::7"];

/// So many seconds after 2026-01-01.
fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600 + secs)
}

fn visit(client: usize) -> Visit<'static> {
    Visit {
        client: CLIENTS[client].parse().unwrap(),
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

/// Greylisting with these settings, and nothing else.
fn greylisting(settings: Settings) -> Rules {
    Rules {
        greylist: Greylisting {
            settings,
            ..Greylisting::default()
        },
        ..Rules::default()
    }
}

/// Pending triplets, and networks and domains that are known.
fn counts(server: &Records) -> (usize, usize) {
    let stats = server.stats();
    (stats.pending, stats.known)
}

/// As a door does it that may block: greylisting alone.
trait Judge {
    fn judge<'a>(&self, arrival: impl Into<Arrival<'a>>, now: SystemTime) -> Verdict;
}

impl Judge for Records {
    fn judge<'a>(&self, arrival: impl Into<Arrival<'a>>, now: SystemTime) -> Verdict {
        if self.is_behind(now) {
            self.wait(now).unwrap();
        }
        self.with(now, |engine, now| {
            engine.greylist.judge(arrival, now).verdict
        })
    }
}

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("policy.db")
    }

    fn open(&self, now: SystemTime) -> Records {
        Records::open(&self.path(), Rules::default(), now).unwrap()
    }

    /// What a process that dies now leaves behind: a copy, since the files stay as they are.
    fn killed(&self) -> Self {
        let copy = Self::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.folder.path().join(entry.file_name())).unwrap();
        }
        copy
    }
}

/// One text.
fn query(path: &Path, sql: &str) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}
