//! What the rules' records cost: memory, octets on disk, and judgements a second.
//!
//!     policy_bench [TRIPLETS] [FILE] [WORD]…       1,000,000 in a file of its own in the current folder
//!
//! Each triplet is new and comes from a /24 of its own, among 50,000 sender domains. All are judged, then again before
//! their time, then when it has come. At last the file is opened anew. The words make it otherwise:
//!
//!     proved  each client proves an SPF domain and a reverse name: three origins
//!     own     each triplet has a sender domain of its own
//!     pairs   two triplets come from each network
//!     v6      clients have IPv6 addresses, each network in a /48 of its own

use policy::engine::{Engine, Greylisting, Rules, Session};
use policy::greylist::Settings;
use policy::{Event, Fact, Finding, Moment, Reverse, Spf, Stage, Verdict};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use store::policy::Records;

fn main() {
    let mut args = std::env::args().skip(1);
    let triplets = args.next().map_or(1_000_000, |count| {
        count.parse().expect("a number of triplets")
    });
    let file = args.next().unwrap_or_else(|| "policy_bench.db".to_owned());
    let words: Vec<String> = args.collect();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{file}{suffix}"));
    }
    println!("{triplets} triplets {}", words.join(" "));
    run(&Load::new(triplets, &words), Path::new(&file));
}

/// Who comes.
struct Load {
    triplets: u32,
    domains: u32,
    of_each_network: u32,
    v6: bool,
    proved: bool,
}

impl Load {
    fn new(triplets: u32, words: &[String]) -> Self {
        let has = |word: &str| words.iter().any(|each| each == word);
        Self {
            triplets,
            domains: if has("own") { triplets.max(1) } else { 50_000 },
            of_each_network: if has("pairs") { 2 } else { 1 },
            v6: has("v6"),
            proved: has("proved"),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            greylist: Greylisting {
                settings: Settings {
                    max_pending: usize::MAX,
                    ..Settings::default()
                },
                pool_by_spf: self.proved,
                pool_by_name: self.proved,
                ..Greylisting::default()
            },
            ..Rules::default()
        }
    }

    fn client(&self, n: u32) -> IpAddr {
        let network = n / self.of_each_network;
        match self.v6 {
            false => Ipv4Addr::from(network.wrapping_mul(256)).into(),
            true => Ipv6Addr::from((0x2001_0000_0000 + u128::from(network)) << 80).into(),
        }
    }

    fn judge(&self, engine: &mut Engine, n: u32, now: Moment) -> Verdict {
        // Below a suffix of the public list, or the reverse name would prove nothing.
        let domain = format!("some-domain{}.org", n % self.domains);
        let sender = format!("sender{n}@{domain}");
        let recipient = format!("recipient{}@here.example", n % 977);
        let mut session = Session::default();
        if self.proved {
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
            client: self.client(n),
            helo: "mail.example",
            user: None,
            sender: &sender,
            recipient: &recipient,
            size: 0,
        };
        engine.judge(&mut session, &event, now)
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn run(load: &Load, file: &Path) {
    let delay = Settings::default().delay;
    let records = Records::open(file, load.rules(), SystemTime::now()).expect("it opens");
    for (round, ahead) in [("new", None), ("early", None), ("back", Some(delay))] {
        let clock = || SystemTime::now() + ahead.unwrap_or_default();
        let begun = Instant::now();
        let (mut longest, mut judging) = (Duration::ZERO, Duration::ZERO);
        for n in 0..load.triplets {
            let asked = Instant::now();
            if records.is_behind(clock()) {
                records.wait(clock()).expect("the file is written");
            }
            let ready = Instant::now();
            let verdict = records.with(clock(), |engine, now| load.judge(engine, n, now));
            judging += ready.elapsed();
            longest = longest.max(asked.elapsed());
            let waits = matches!(&verdict, Verdict::Refuse(refusal) if refusal.wait_secs.is_some());
            let told = if waits { "a time" } else { "none" };
            let expected = if ahead.is_none() { "a time" } else { "none" };
            assert_eq!(told, expected, "{round} triplet {n}: {verdict:?}");
        }
        records.flush().expect("it is written");
        println!(
            "  {round}: {:.0} judged and written a second ({:.0} judged), the slowest took {longest:?}, {} MB resident, {} at most",
            f64::from(load.triplets) / begun.elapsed().as_secs_f64(),
            f64::from(load.triplets) / judging.as_secs_f64(),
            megabytes("VmRSS:"),
            megabytes("VmHWM:"),
        );
    }
    records.close().expect("it is written");
    let octets = std::fs::metadata(file).expect("the file").len();
    let begun = Instant::now();
    let records = Records::open(file, load.rules(), SystemTime::now()).expect("it opens");
    println!(
        "  {} MB on disk, opened again in {:?}: {:?}",
        octets / 1_000_000,
        begun.elapsed(),
        records.stats()
    );
}

/// Of Linux's count of this process's memory.
fn megabytes(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024 / 1_000_000
}
