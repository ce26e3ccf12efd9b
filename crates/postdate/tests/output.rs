//! Standard output that nobody reads (`| head`), or that can't be written.

mod support;

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use support::{LONG, Node, Process, TempDir, text, until};

fn postdate(args: &[&str], out: impl Into<Stdio>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postdate"))
        .args(args)
        .stdout(out)
        .output()
        .expect("the binary")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for args in [&["config", "sample"][..], &["hint", "450 4.2.0 TIME=3 x"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = postdate(args, writer);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_full_disk_is_told_of() {
    let full = || File::options().write(true).open("/dev/full");
    for args in [&["config", "sample"][..], &["hint", "450 4.2.0 TIME=3 x"]] {
        let output = postdate(args, full().expect("/dev/full"));
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = text(&output.stderr);
        assert!(
            said.starts_with("postdate: standard output: ") && said.lines().count() == 1,
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_server_runs_on_without_a_reader() {
    let dir = TempDir::new();
    for serve in [&["serve"][..], &["policy", "serve"]] {
        let tables = "[policy]\nlisten = [\"inet:127.0.0.1:0\"]\n";
        let node = Node::prepared(&dir, serve[0], "127.0.0.1:0", tables);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec \"$@\" >/dev/full", "sh"])
            .args([env!("CARGO_BIN_EXE_postdate"), "-c"])
            .arg(&node.config)
            .args(serve);
        let log = dir.join(&format!("{}.log", serve[0]));
        let mut process = Process::start(&mut shell, &log);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        until("a start", || {
            assert!(process.runs(), "{serve:?}: {}", said());
            said().contains(" started: ").then_some(())
        });
        process.signal(Signal::TERM);
        assert!(process.ended(LONG).success(), "{serve:?}: {}", said());
    }
}
