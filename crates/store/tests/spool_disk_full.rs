//! A full disk: refused, nothing lost, and well again when there is room. On a small file system of its own, so it
//! needs root; where mounting is not permitted it fails, loudly.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};

use queue::MessageId;
use queue::spool::{Change, Spool, SpoolError};
use store::conformance::mail;
use store::sqlite::SqliteSpool;

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "this test mounts a small file system: run it as root"
        );
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn add(spool: &dyn Spool, len: usize) -> Result<MessageId, SpoolError> {
    let message = mail::at(spool, 1);
    let mut staging = spool.stage(message.id)?;
    staging.write(&mail::content(message.id.0, len))?;
    let enqueue = vec![(
        Arc::new(message.clone()),
        staging.finish()?,
        vec![mail::row(1)],
    )];
    mail::submit(
        spool,
        Change {
            enqueue,
            ..Change::default()
        },
    )?;
    Ok(message.id)
}

fn fill(spool: &dyn Spool, len: usize) -> Vec<MessageId> {
    let mut kept = Vec::new();
    loop {
        match add(spool, len) {
            Ok(id) => kept.push(id),
            Err(error) => {
                assert_eq!(error, SpoolError::Full);
                return kept;
            }
        }
    }
}

fn check(spool: &dyn Spool, kept: &[MessageId], len: usize) {
    for id in kept {
        let body = spool.body(*id).unwrap().unwrap();
        assert!(mail::read(&body) == mail::content(id.0, len), "{id}");
    }
    assert_eq!(spool.count().unwrap().messages, kept.len() as u64);
}

#[test]
fn a_full_disk_refuses_keeps_and_recovers() {
    for len in [2000, 40_000, 100_000] {
        let disk = SmallDisk::mount("8m");
        let data = disk.path().join("data");
        let mut spool = SqliteSpool::open(&data).unwrap();
        for round in 0..3 {
            let kept = fill(&spool, len);
            assert!(
                kept.len() > 8,
                "round {round}: {} of {len} octets",
                kept.len()
            );
            assert!(matches!(add(&spool, len), Err(SpoolError::Full)));
            if round == 1 {
                drop(spool);
                spool = SqliteSpool::open(&data).unwrap();
            }
            check(&spool, &kept, len);
            // Outcomes are still written: this is how room comes back.
            for id in &kept {
                let tried = queue::Progress {
                    attempts: 1,
                    ..mail::row(2)
                };
                mail::submit(&spool, mail::update(*id, 0, tried)).unwrap();
                mail::submit(&spool, mail::done(*id, 0)).unwrap();
            }
            check(&spool, &[], len);
            let room = spool.free_octets().unwrap();
            assert!(room > 4 << 20, "the room is seen by who asks: {room}");
        }
    }
}

#[test]
fn when_somebody_else_fills_the_disk_it_recovers_by_itself() {
    let disk = SmallDisk::mount("8m");
    let spool = SqliteSpool::open(&disk.path().join("data")).unwrap();
    let first = add(&spool, 5000).unwrap();
    let ballast = disk.path().join("ballast");
    let filled = std::fs::write(&ballast, vec![0; 8 << 20]);
    assert!(filled.is_err(), "the disk is full to the last block");
    assert_eq!(add(&spool, 5000), Err(SpoolError::Full));
    assert_eq!(add(&spool, 100_000), Err(SpoolError::Full));
    check(&spool, &[first], 5000);
    std::fs::remove_file(&ballast).unwrap();
    let second = add(&spool, 5000).unwrap();
    check(&spool, &[first, second], 5000);
}

#[test]
fn a_big_change_does_not_fail_the_small_ones_beside_it() {
    let disk = SmallDisk::mount("8m");
    let spool = SqliteSpool::open(&disk.path().join("data")).unwrap();
    let content = vec![7; 60_000];
    let mut big = Change::default();
    for _ in 0..200 {
        big.enqueue
            .extend(mail::enqueue(&mail::at(&spool, 1), &content, vec![mail::row(1)]).enqueue);
    }
    let (answer, answered) = mpsc::channel();
    let small = || mail::enqueue(&mail::at(&spool, 1), b"small", vec![mail::row(1)]);
    // A change that also takes something away is not refused beforehand: it meets the full disk itself.
    let first = small();
    big.done = vec![(first.enqueue[0].0.id, 0)];
    let held = mail::submit(&spool, first);
    assert_eq!(held, Ok(()));
    for (n, change) in [small(), big, small()].into_iter().enumerate() {
        let answer = answer.clone();
        spool.submit(
            change,
            Box::new(move |result| drop(answer.send((n, result)))),
        );
    }
    let mut answers: Vec<_> = answered.iter().take(3).collect();
    // What is refused is refused at once.
    answers.sort_by_key(|(n, _)| *n);
    assert_eq!(
        answers,
        [(0, Ok(())), (1, Err(SpoolError::Full)), (2, Ok(()))]
    );
    assert_eq!(spool.count().unwrap().messages, 3);
}
