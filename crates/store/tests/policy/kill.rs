//! What was told more than a second before `kill -9` is there after it.
#![allow(
    clippy::disallowed_methods,
    reason = "real time is what is promised here"
)]

use crate::{Judge, greylisting};
use policy::engine::Rules;
use policy::greylist::{Settings, Verdict, Visit};
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use store::policy::Records;

const PATH: &str = "POSTDATE_TEST_POLICY";

fn rules() -> Rules {
    greylisting(Settings {
        max_pending_per_network: usize::MAX,
        ..Settings::default()
    })
}

fn visit(sender: &str) -> Visit<'_> {
    Visit {
        client: IpAddr::from([192, 0, 2, 7]),
        sender,
        recipient: "b@y.example",
    }
}

fn millis() -> u128 {
    UNIX_EPOCH.elapsed().unwrap().as_millis()
}

/// Runs only as a child of the other: judges strangers until it is killed, and says whom and when.
#[test]
fn the_judge() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let server = Records::open(Path::new(&path), rules(), SystemTime::now()).unwrap();
    for n in 0.. {
        let sender = format!("{n}@x.example");
        let verdict = server.judge(visit(&sender), SystemTime::now());
        assert!(matches!(
            verdict,
            Verdict::Defer {
                wait_secs: Some(_),
                ..
            }
        ));
        let mut out = std::io::stdout().lock();
        out.write_all(format!("+{n} {}\n", millis()).as_bytes())
            .unwrap();
    }
}

#[test]
fn what_was_told_a_second_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_judge", "--nocapture"])
        .env(PATH, &path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told: Vec<(u64, u128)> = Vec::new();
    let mut read = |line: String| {
        // The test harness prints words of its own into the first line; the last may be cut off.
        let told = line
            .rsplit_once('+')
            .and_then(|(_, told)| told.split_once(' '));
        let (n, at) = told?;
        let at = at.parse().ok().filter(|_| at.len() == 13)?;
        Some((n.parse().ok()?, at))
    };
    let begun = loop {
        if let Some(first) = read(lines.next().unwrap().unwrap()) {
            told.push(first);
            break first.1;
        }
    };
    // As fast as it can, for long enough that the file is written several times.
    while told.last().unwrap().1 < begun + 2_500 {
        told.extend(read(lines.next().unwrap().unwrap()));
    }
    let killed = millis();
    child.kill().unwrap();
    child.wait().unwrap();
    told.extend(lines.map_while(Result::ok).filter_map(&mut read));

    let now = SystemTime::now();
    let server = Records::open(&path, rules(), now).unwrap();
    let old: Vec<_> = told.iter().filter(|(_, at)| at + 1_000 < killed).collect();
    assert!(old.len() > 1_000, "{} is no load", old.len());
    for (n, at) in &old {
        let sender = format!("{n}@x.example");
        let verdict = server.judge(visit(&sender), now);
        assert!(
            matches!(verdict, Verdict::Defer { first: false, .. }),
            "{n} was told {} ms before the kill, of {} that were told: {verdict:?}",
            killed - at,
            told.len()
        );
    }
}
