//! Mail that must survive a power cut: one part writes and says what it was promised, the other checks.
//!
//!     spool_torture DIR [PRODUCERS]          writes to the spool in DIR until it is killed
//!     spool_torture --check DIR < ACKNOWLEDGED
//!
//! The writer prints a line for each promise, after it was made: `+ID OCTETS` when a message is durable, `-ID` *before*
//! its removal is submitted. One line is one write, so that what a reader of the pipe has seen was promised.
//!
//! The checker opens the spool as the power cut left it and reads the promises from standard input. Every message with
//! `+` and without `-` must be there with exactly its octets; the content of every other message that is there must be
//! whole, too. It prints a summary, and its exit status is 0 when nothing was lost. To cut the power: run the writer
//! on a file system of its own (a loop-mounted image), collect its output outside of it, copy the image's blocks as
//! they are while it runs, mount the copy, check there with the lines that were read before the copy began.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use queue::MessageId;
use queue::spool::{Body, Change, Spool};
use store::conformance::mail;
use store::sqlite::SqliteSpool;

/// Sizes of content, in turns: small, inline, a file.
const SIZES: [usize; 6] = [300, 4096, 9000, 65_536, 65_537, 400_000];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--check", dir] => check(Path::new(dir)),
        [dir] => write(Path::new(dir), 8),
        [dir, producers] => write(
            Path::new(dir),
            producers.parse().expect("a number of producers"),
        ),
        _ => {
            eprintln!(
                "usage: spool_torture DIR [PRODUCERS] | spool_torture --check DIR < ACKNOWLEDGED"
            );
            ExitCode::from(2)
        }
    }
}

fn write(dir: &Path, producers: usize) -> ExitCode {
    let spool = Arc::new(SqliteSpool::open(dir).expect("a spool"));
    std::thread::scope(|scope| {
        for producer in 0..producers {
            let spool = Arc::clone(&spool);
            scope.spawn(move || produce(&*spool, producer));
        }
    });
    ExitCode::SUCCESS
}

/// Enqueues for ever; of every four messages, three are removed again, so that pages and files are used anew.
fn produce(spool: &dyn Spool, producer: usize) {
    let mut kept = Vec::new();
    for n in producer.. {
        let id = spool.new_id(UNIX_EPOCH);
        let octets = SIZES[n % SIZES.len()];
        let body = stage(spool, id, octets);
        let change = Change {
            enqueue: vec![(
                Arc::new(mail::message(id, 1)),
                body,
                vec![mail::row(n as u64)],
            )],
            ..Change::default()
        };
        match mail::submit(spool, change) {
            Ok(()) => say(&format!("+{id} {octets}\n")),
            Err(error) => {
                eprintln!("{error}");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        }
        kept.push(id);
        if kept.len() == 4 {
            for id in kept.drain(..3) {
                say(&format!("-{id}\n"));
                let _ = mail::submit(spool, mail::done(id, 0));
            }
            kept.clear();
        }
    }
}

fn stage(spool: &dyn Spool, id: MessageId, octets: usize) -> Body {
    loop {
        let staged = spool.stage(id).and_then(|mut staging| {
            staging.write(&mail::content(id.0, octets))?;
            staging.finish()
        });
        match staged {
            Ok(body) => return body,
            Err(error) => {
                eprintln!("{error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// In one write, and out at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if out
        .write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        // Nobody listens any more.
        std::process::exit(1);
    }
}

fn check(dir: &Path) -> ExitCode {
    let mut promised: BTreeMap<MessageId, usize> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        if let Some((id, octets)) = line.strip_prefix('+').and_then(|line| line.split_once(' ')) {
            // A line that was cut off was not read as a promise.
            if let (Ok(id), Ok(octets)) = (id.parse(), octets.parse()) {
                promised.insert(id, octets);
            }
        } else if let Some(Ok(id)) = line.strip_prefix('-').map(str::parse) {
            promised.remove(&id);
        }
    }
    let spool = SqliteSpool::open(dir).expect("the spool opens again");
    let mut lost = 0;
    for (id, octets) in &promised {
        lost += u64::from(!is_whole(&spool, *id, Some(*octets)));
    }
    let mut found = 0;
    let mut after = None;
    while let Some(last) = spool
        .list(after, 1000)
        .expect("a list")
        .last()
        .map(|entry| entry.message.id)
    {
        for entry in spool.list(after, 1000).expect("a list") {
            found += 1;
            lost += u64::from(
                !promised.contains_key(&entry.message.id)
                    && !is_whole(&spool, entry.message.id, None),
            );
        }
        after = Some(last);
    }
    println!(
        "{} promised, {found} found, {lost} lost or broken",
        promised.len()
    );
    if lost == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether the message is there with its octets.
fn is_whole(spool: &dyn Spool, id: MessageId, octets: Option<usize>) -> bool {
    let body = spool.body(id).expect("a content");
    let content = body.as_ref().map(read);
    let whole = content.as_ref().is_some_and(|content| {
        octets.is_none_or(|octets| octets == content.len())
            && *content == mail::content(id.0, content.len())
    });
    if !whole {
        println!(
            "{id}: {} of {octets:?} octets",
            content.map_or("nothing".into(), |c| c.len().to_string())
        );
    }
    whole
        && spool
            .get(id)
            .expect("an entry")
            .is_some_and(|entry| !entry.rows.is_empty())
}

/// A file that is missing is a finding, not a reason to stop.
fn read(body: &Body) -> Vec<u8> {
    let mut content = Vec::new();
    match body {
        Body::Inline(inline) => content.extend_from_slice(inline),
        Body::File(file) => {
            if let Err(error) = file
                .open()
                .and_then(|mut from| from.read_to_end(&mut content))
            {
                println!("{error}");
            }
        }
    }
    content
}
