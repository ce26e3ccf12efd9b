//! What the rules' records cost: memory, octets on disk, and judgements a second.
//!
//!     policy_bench [TRIPLETS] [FILE] [proved]      1,000,000 in a file of its own in the current folder
//!
//! Each triplet is new and comes from a /24 of its own, the worst case for memory; with `proved`, each proves an SPF
//! domain and a reverse name. Then all are judged again: what is remembered. At last the file is opened anew.

use policy::engine::{Engine, Greylisting, Rules, Session};
use policy::greylist::Settings;
use policy::{Event, Fact, Finding, Moment, Reverse, Spf, Stage, Verdict};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use store::policy::Records;

fn main() {
    let mut args = std::env::args().skip(1);
    let triplets = args.next().map_or(1_000_000, |count| {
        count.parse().expect("a number of triplets")
    });
    let file = args.next().unwrap_or_else(|| "policy_bench.db".to_owned());
    let proved = args.next().is_some_and(|word| word == "proved");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{file}{suffix}"));
    }
    let under = if proved {
        "three origins"
    } else {
        "its network"
    };
    println!("{triplets} triplets, each under {under}");
    run(triplets, Path::new(&file), proved);
}

fn rules(proved: bool) -> Rules {
    Rules {
        greylist: Greylisting {
            settings: Settings {
                max_pending: usize::MAX,
                ..Settings::default()
            },
            pool_by_spf: proved,
            pool_by_name: proved,
            ..Greylisting::default()
        },
        ..Rules::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn run(triplets: u32, file: &Path, proved: bool) {
    let records = Records::open(file, rules(proved), SystemTime::now()).expect("it opens");
    for round in ["new", "known"] {
        let begun = Instant::now();
        let (mut longest, mut judging) = (Duration::ZERO, Duration::ZERO);
        for n in 0..triplets {
            let asked = Instant::now();
            let now = SystemTime::now();
            if records.is_behind(now) {
                records.wait(now).expect("the file is written");
            }
            let ready = Instant::now();
            let now = SystemTime::now();
            let verdict = records.with(now, |engine, now| judge(engine, n, proved, now));
            judging += ready.elapsed();
            longest = longest.max(asked.elapsed());
            assert!(
                matches!(verdict, Verdict::Refuse(refusal) if refusal.wait_secs.is_some()),
                "a stranger is told a time"
            );
        }
        records.flush().expect("it is written");
        println!(
            "  {round}: {:.0} judged and written a second ({:.0} judged), the slowest took {longest:?}, {} MB resident",
            f64::from(triplets) / begun.elapsed().as_secs_f64(),
            f64::from(triplets) / judging.as_secs_f64(),
            resident() / 1_000_000
        );
    }
    records.close().expect("it is written");
    let octets = std::fs::metadata(file).expect("the file").len();
    let begun = Instant::now();
    let records = Records::open(file, rules(proved), SystemTime::now()).expect("it opens");
    println!(
        "  {} MB on disk, opened again in {:?}: {:?}",
        octets / 1_000_000,
        begun.elapsed(),
        records.stats()
    );
}

fn judge(engine: &mut Engine, n: u32, proved: bool, now: Moment) -> Verdict {
    let domain = format!("some-domain{}.example", n % 50_000);
    let sender = format!("sender{n}@{domain}");
    let recipient = format!("recipient{}@here.example", n % 977);
    let mut session = Session::default();
    if proved {
        session.facts.spf = Fact::Known(Spf {
            finding: Finding::Pass,
            pool: format!("spf:{domain}").parse().ok(),
            domain: domain.clone(),
        });
        session.facts.reverse = Fact::Known(Reverse {
            name: Some(format!("mail.{domain}")),
            confirmed: true,
        });
    }
    let event = Event {
        stage: Stage::Recipient,
        client: IpAddr::V4(Ipv4Addr::from(n.wrapping_mul(256))),
        helo: "mail.example",
        user: None,
        sender: &sender,
        recipient: &recipient,
        size: 0,
    };
    engine.judge(&mut session, &event, now)
}

/// Octets in memory, of Linux's count.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}
