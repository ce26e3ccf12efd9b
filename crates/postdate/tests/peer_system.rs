//! What only the system itself can show: a trace of its calls, and a disk that is full. Needs root and strace.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Client, Node, Sink, TempDir, content, free_port, send, tool, until};

/// Calls that make something durable.
const SYNCS: &[&str] = &["fsync(", "fdatasync("];

/// One call of a trace, where it was over.
#[derive(Debug)]
struct Call {
    text: String,
}

/// Puts the halves of calls that others interrupted together again; in the order in which they were over.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid, start);
            // What is written may be seen by the other side as soon as the call begins.
            if !SYNCS.iter().any(|sync| start.starts_with(sync)) {
                calls.push(Call {
                    text: start.to_owned(),
                });
            }
        } else if let Some((_, end)) = rest.split_once("resumed>") {
            let start = begun.remove(pid).unwrap_or_default();
            if SYNCS.iter().any(|sync| start.starts_with(sync)) {
                calls.push(Call {
                    text: format!("{start}{end}"),
                });
            }
        } else {
            calls.push(Call {
                text: rest.to_owned(),
            });
        }
    }
    calls
}

fn is_sync_of(call: &Call, path: &str) -> bool {
    SYNCS.iter().any(|sync| call.text.starts_with(sync))
        && call.text.contains(path)
        && call.text.trim_end().ends_with("= 0")
}

/// `kill -9` passes without any fsync, so this looks at the calls themselves.
#[test]
fn the_sync_returns_before_the_250_is_written() {
    let dir = TempDir::new();
    let trace = dir.join("trace");
    let strace = tool("strace");
    let wrapper = [
        strace.to_str().expect("a path"),
        "-f",
        "-y",
        "-s",
        "64",
        "-e",
        "trace=fsync,fdatasync,write,writev,sendto,sendmsg",
        "-o",
        trace.to_str().expect("a path"),
    ];
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"far.test\" = \"127.0.0.1:{}\"\n",
        free_port()
    );
    let node = Node::start_under(&dir, "node", &wrapper, &tables);
    let mut client = Client::connect(node.address);
    let large = [
        &content("large")[..],
        &b"0123456789abcde\r\n".repeat(10_000),
    ]
    .concat();
    for mail in [content("small"), large] {
        let reply = client
            .mail("a@client.test", "b@far.test", &mail)
            .expect("a reply");
        assert!(reply.starts_with("250 2.0.0 Ok: queued"), "{reply}");
    }
    let calls = until("both answers in the trace", || {
        let calls = calls(&fs::read_to_string(&trace).ok()?);
        (calls
            .iter()
            .filter(|call| call.text.contains("\"250 2.0.0 Ok: queued"))
            .count()
            == 2)
            .then_some(calls)
    });
    let places = |words: &str| -> Vec<usize> {
        calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.text.contains(words))
            .map(|(index, _)| index)
            .collect()
    };
    let (go_on, queued) = (places("\"354 "), places("\"250 2.0.0 Ok: queued"));
    assert_eq!((go_on.len(), queued.len()), (2, 2));
    for (mail, what) in [(0, "small"), (1, "large")] {
        let between = &calls[go_on[mail]..queued[mail]];
        let log = between
            .iter()
            .rposition(|call| is_sync_of(call, "spool.db-wal"));
        let log = log.unwrap_or_else(|| {
            panic!("no sync of the log before the 250 of the {what} mail: {between:#?}")
        });
        if what == "large" {
            // The body, then its folder, then the envelope.
            let syncs: Vec<&Call> = between[..log]
                .iter()
                .filter(|call| is_sync_of(call, ""))
                .collect();
            assert!(
                syncs.len() >= 2,
                "the body and its folder were not synced before the envelope: {between:#?}"
            );
        }
    }
}

/// A small file system, mounted as long as the test runs.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, size: &str) -> Self {
        fs::create_dir_all(path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status();
        assert!(
            mounted.expect("mount").success(),
            "a tmpfs can't be mounted: this test needs root"
        );
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node that is on it may end after us.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_a_temporary_failure_and_no_loss() {
    // Seen at MAIL by looking at the free space, or where the disk really is full.
    for min_free in ["2MiB", "0"] {
        let dir = TempDir::new();
        let _disk = SmallDisk::mount(&dir.join("node"), "24M");
        let open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&open);
        let sink = Sink::answering(Box::new(move |line| {
            (line.starts_with("RCPT") && !opened.load(Ordering::Relaxed))
                .then(|| "450 4.2.0 not yet".to_owned())
        }));
        let tables = format!(
            "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[limits]\nmin_free = \"{min_free}\"\n\
             [delivery.routes]\n\"far.test\" = \"{}\"\n[queue]\nfirst_backoff = \"1s\"\nmax_backoff = \"1s\"\n",
            sink.address
        );
        let node = Node::start(&dir, "node", &tables);
        let ballast = dir.join("node").join("ballast");
        fs::write(&ballast, vec![0; 12 << 20]).expect("room for the ballast");
        let mail = [
            &content("fills the disk")[..],
            &b"0123456789abcde\r\n".repeat(20_000),
        ]
        .concat();
        let mut client = Client::connect(node.address);
        let mut acknowledged = 0;
        let refusal = loop {
            let reply = client
                .mail("a@client.test", "b@far.test", &mail)
                .expect("a reply, not a closed connection");
            if !reply.starts_with("250 ") {
                break reply;
            }
            acknowledged += 1;
            assert!(acknowledged < 200, "the disk never became full");
        };
        println!("min_free {min_free}: {acknowledged} mails, then {refusal}");
        assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
        client.ask("RSET", "250 ");
        client.ask("NOOP", "250 ");
        fs::remove_file(&ballast).expect("space again");
        until("mail to be taken again", || {
            let reply = client
                .mail("a@client.test", "b@far.test", &content("after"))
                .ok()?;
            client.command("RSET").ok()?;
            reply.starts_with("250 ").then_some(())
        });
        acknowledged += 1;
        assert_eq!(node.queue().len(), acknowledged);
        open.store(true, Ordering::Relaxed);
        until("all acknowledged mail in the sink", || {
            (sink.taken().len() >= acknowledged).then_some(())
        });
        assert!(
            sink.taken()
                .iter()
                .all(|taken| taken.content.ends_with(b"\r\n"))
        );
        send(
            node.address,
            "a@client.test",
            "c@here.test",
            &content("and on it goes"),
        );
        node.arrived("c");
    }
}
