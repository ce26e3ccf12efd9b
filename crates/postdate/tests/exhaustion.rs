//! No file descriptor is left, or no room on the disk: what clients are told, and that the server recovers.

mod support;

use std::fs;
use std::time::Duration;

use support::{Client, Node, TempDir, body_of, content, lf, now, until};

/// Enough for the server itself and some sessions.
const OPEN_FILES: &str = "ulimit -n 64; exec \"$@\"";

/// User and system time that the process has used.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields = stat.rsplit(") ").next().expect("fields");
    let ticks: u64 = (fields.split(' ').skip(11).take(2))
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    // USER_HZ is 100 on every Linux that is in use.
    Duration::from_millis(ticks * 10)
}

/// Comes in as often as there are descriptors, then until it was turned away this many times; those who are in.
fn crowd(node: &Node, times: usize) -> Vec<Client> {
    let mut inside = Vec::new();
    let mut turned_away = 0;
    while turned_away < times {
        match Client::greeted(node.address) {
            Ok(client) => inside.push(client),
            Err(refusal) => {
                let refusal = refusal.to_string();
                assert!(
                    refusal.starts_with("421 4.3.2 ") && !refusal.contains("TIME="),
                    "{refusal}"
                );
                turned_away += 1;
            }
        }
        assert!(inside.len() < 64, "there are no more descriptors than that");
    }
    inside
}

#[test]
fn without_descriptors_it_answers_and_when_there_are_some_it_recovers() {
    let dir = TempDir::new();
    let mut node = Node::start_under(
        &dir,
        "node",
        &["sh", "-c", OPEN_FILES, "sh"],
        "[limits]\nconnections_per_client = 1000\n[queue]\nfirst_backoff = \"1s\"\n",
    );
    let mut early = Client::connect(node.address);
    let crowd = crowd(&node, 20);
    assert!(crowd.len() > 5, "{} came in", crowd.len());

    // Who is in is answered; a mail that needs a file is refused for now, with no time that nobody measured.
    early.ask("NOOP", "250 ");
    let large = [
        &content("large")[..],
        &b"0123456789abcde\r\n".repeat(10_000),
    ]
    .concat();
    let reply = early
        .mail("a@client.test", "b@here.test", &large)
        .expect("a reply");
    assert!(
        reply.starts_with("452 4.3.1 System resources are short") && !reply.contains("TIME="),
        "{reply}"
    );
    early.ask("NOOP", "250 ");
    node.logged(&["mail refused", "Too many open files", "client=[127.0.0.1]:"]);

    // It does not spin while connections are held.
    let pid = node.process().id();
    let (began, used) = (now(), cpu(pid));
    until("half a second", || {
        (now() - began > Duration::from_millis(500)).then_some(())
    });
    let used = cpu(pid) - used;
    assert!(
        used < Duration::from_millis(200),
        "{used:?} of CPU in half a second"
    );

    drop(crowd);
    until("a mail on a new connection", || {
        let mut client = Client::greeted(node.address).ok()?;
        client.ask("EHLO client.test", "250");
        client
            .mail("a@client.test", "c@here.test", &content("after"))
            .ok()?
            .starts_with("250 ")
            .then_some(())
    });
    let reply = early
        .mail("a@client.test", "b@here.test", &large)
        .expect("a reply");
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(node.arrived("b").body(), lf(body_of(&large)));
    node.arrived("c");

    node.logged(&[
        "network connections are taken again: ",
        " were turned away in ",
    ]);
    let log = node.log();
    let said = log
        .lines()
        .filter(|line| line.contains("can't be taken"))
        .count();
    assert_eq!(said, 1, "{log}");
    assert!(node.stop().success());
}

/// The log may lie on the disk that is full.
#[test]
fn a_full_disk_is_a_line_in_the_log_and_not_one_a_mail() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "[limits]\nmin_free = \"1000000GiB\"\n");
    for _ in 0..3 {
        let mut client = Client::connect(node.address);
        for _ in 0..10 {
            client.ask("MAIL FROM:<a@client.test>", "452 4.3.1 ");
        }
    }
    node.logged(&["no room for mail", "free="]);
    let log = node.log();
    let said = log.lines().filter(|line| line.contains("no room for mail"));
    assert_eq!(said.count(), 1, "{log}");
    assert!(node.stop().success());
}
