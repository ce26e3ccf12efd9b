//! What only the system itself can show: a trace of its calls, and a disk that is full. Needs root and strace.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Client, Node, Sink, SmallDisk, TempDir, content, free_port, send, tool, until};

/// Calls that make something durable.
const SYNCS: &[&str] = &["fsync(", "fdatasync("];

/// One call of a trace, with the lines where it began and where it was over.
#[derive(Debug)]
struct Call {
    text: String,
    began: usize,
    over: usize,
}

/// Puts the halves of calls that others interrupted together again; in the order in which they began.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    let mut calls: Vec<Call> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some((_, end)) = rest.split_once("resumed>") {
            if let Some(call) = open.remove(pid).and_then(|index| calls.get_mut(index)) {
                call.text.push_str(end);
                call.over = number;
            }
            continue;
        }
        let start = rest.strip_suffix("<unfinished ...>");
        if start.is_some() {
            open.insert(pid, calls.len());
        }
        calls.push(Call {
            text: start.unwrap_or(rest).to_owned(),
            began: number,
            over: if start.is_some() { usize::MAX } else { number },
        });
    }
    calls
}

/// Where the first call is over that begins after the line `after`, has this name, is made on a path with such an end,
/// and is well.
#[track_caller]
fn next(calls: &[Call], after: usize, names: &[&str], path: &str) -> usize {
    let place = format!("{path}>");
    let call = calls.iter().find(|call| {
        call.began > after
            && names.iter().any(|name| call.text.starts_with(name))
            && call.text.contains(&place)
            && !call.text.contains(" = -1 ")
    });
    let Some(call) = call else {
        panic!("no {names:?} of {path} begins after line {after}: {calls:#?}");
    };
    call.over
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
        "trace=fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg",
        "-o",
        trace.to_str().expect("a path"),
    ];
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"far.test\" = \"127.0.0.1:{}\"\n",
        free_port()
    );
    let node = Node::start_under(&dir, "node", &wrapper, &tables);
    let mut client = Client::connect(node.address);
    // Above 64 KiB a body is a file.
    let large = [
        &content("large")[..],
        &b"0123456789abcde\r\n".repeat(10_000),
    ]
    .concat();
    for (mail, is_file) in [(content("small"), false), (large, true)] {
        let reply = client
            .mail("a@client.test", "b@far.test", &mail)
            .expect("a reply");
        let id = reply
            .strip_prefix("250 2.0.0 Ok: queued as ")
            .unwrap_or_else(|| panic!("{reply}"));
        let calls = until("the answer in the trace", || {
            let calls = calls(&fs::read_to_string(&trace).ok()?);
            calls
                .iter()
                .any(|call| call.text.contains(id) && call.text.contains("\"250 "))
                .then_some(calls)
        });
        let began = |words: &str| {
            let call = calls.iter().rfind(|call| call.text.contains(words));
            call.map_or_else(|| panic!("no {words}: {calls:#?}"), |call| call.began)
        };
        let mut at = began("\"354 ");
        if is_file {
            let folder = format!("/body/{}", &id[id.len() - 2..]);
            at = next(&calls, at, SYNCS, &format!("{folder}/{id}"));
            at = next(&calls, at, SYNCS, &folder);
            // The folder is new, and so is its name in the folder above.
            at = next(&calls, at, SYNCS, "/node/body");
        }
        at = next(&calls, at, &["pwrite64("], "/spool.db-wal");
        at = next(&calls, at, SYNCS, "/spool.db-wal");
        let answered = began(&format!("\"250 2.0.0 Ok: queued as {id}"));
        assert!(
            at < answered,
            "the envelope was synced in line {at}, and 250 said in line {answered}: {calls:#?}"
        );
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
