//! A real sqlite3 shell holds the records' file: the log says what to look for, and mail goes on.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{PolicyServer, TempDir, run, text, tool, until, within};

/// A shell that somebody has left in a transaction.
struct Shell(Child);

impl Shell {
    fn holding(file: &std::path::Path) -> Self {
        let mut child = Command::new(tool("sqlite3"))
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let stdin = child.stdin.as_mut().expect("its input");
        stdin
            .write_all(b"BEGIN IMMEDIATE;\nSELECT 'held';\n")
            .expect("written");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_holds_the_records_is_looked_for() {
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], "");
    let records = dir.join("policy").join("policy.db");
    assert!(server.ask("192.0.2.1").contains("TIME="));
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
        run(
            command
                .arg("-c")
                .arg(&server.config)
                .arg("policy")
                .args(args),
            b"",
        )
    };
    assert!(command(&["show"]).status.success());

    let shell = Shell::holding(&records);
    let advice = format!(
        "another process that has {0} open, such as a sqlite3 shell in a transaction (`fuser -v {0}` names it)",
        records.display()
    );
    // One after the other, until the file is given up.
    let mut client = 1;
    let said = within(Duration::from_secs(60), "the log's word", || {
        client += 1;
        server.ask(&format!("198.51.100.{client}"));
        let log = server.log();
        let mut lines = log.lines();
        let found = lines.find(|line| line.contains("records can't be kept"));
        found.map(str::to_owned)
    });
    assert!(said.contains(&advice), "{said}");
    assert_eq!(server.ask("203.0.113.1"), "action=DUNNO\n\n");

    let shown = command(&["show", "--json"]);
    assert!(shown.status.success(), "what is in the file: {shown:?}");
    assert!(text(&shown.stdout).contains("192.0.2.0/24"), "{shown:?}");
    let warned = text(&shown.stderr);
    assert!(
        warned.starts_with("postdate: what is shown may be old: "),
        "{warned}"
    );

    drop(shell);
    until("the records to be kept again", || {
        server.ask("203.0.113.2");
        let kept = server.log().contains("records are kept again");
        kept.then_some(())
    });
}
