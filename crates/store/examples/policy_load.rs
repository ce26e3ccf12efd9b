//! Asks a policy server as so many of Postfix's smtpd would, as fast as it answers or so many times a second;
//! bench/policy.py runs it.
//!
//!     policy_load PORT CONNECTIONS FIRST COUNT SECONDS [RATE [REQUESTS]]
//!     policy_load echo
//!
//! Triplets have numbers; equal numbers are equal triplets, each from a /24 of its own. Each connection has a thread
//! that asks, waits for the answer, and asks about the next number: FIRST, FIRST + 1 … COUNT of them, and again from
//! FIRST until SECONDS are over; with 0 seconds, each once. With a RATE other than 0, requests are due at random moments,
//! as clients come, RATE a second on all connections together; each is timed from when it was due, so that a server that
//! makes the next one late is not spared its wait. With REQUESTS, a thread closes its connection after so many and opens
//! another one, as one smtpd follows another: the first request is timed from before that. What it counted comes out as
//! one line of JSON. A server that is killed under way ends it: `old` says how many of the first triplets had their answer
//! a second before that. `echo` is a server that answers everything with DUNNO and says its port: nothing can be measured
//! to be faster.

#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// First octets of ordinary public addresses: 11 to 99 and 128 to 168.
const FIRST_OCTETS: [(u64, u64); 2] = [(11, 89), (128, 41)];
const NETWORKS: u64 = (89 + 41) << 16;

/// Coprime with `NETWORKS`: neighbours in number are no neighbours in a server's tables.
const SCATTER: u64 = 2_654_435_761;

/// What was told so long before a server was killed must be there after it.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Who waits so long for an answer gives up.
const TIMEOUT: Duration = Duration::from_secs(60);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["echo"] {
        return echo().expect("a loopback port");
    }
    let numbers: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let (&[port, connections, first, count, seconds], more) = match numbers.split_first_chunk() {
        Some((five, more)) if more.len() <= 2 => (five, more),
        _ => {
            eprintln!(
                "policy_load PORT CONNECTIONS FIRST COUNT SECONDS [RATE [REQUESTS]], or: policy_load echo"
            );
            std::process::exit(2);
        }
    };
    let set = |at: usize| more.get(at).copied().filter(|&number| number > 0);
    let port = u16::try_from(port).expect("a port");
    let connections = connections.max(1);
    let load = Load {
        first,
        count: count.max(1),
        span: (seconds > 0).then(|| Duration::from_secs(seconds)),
        between: set(0).map(|rate| connections as f64 / rate as f64),
        per_connection: set(1),
        next: AtomicU64::new(0),
    };
    match run(port, connections, &Arc::new(load)) {
        Ok(counted) => println!("{counted}"),
        Err(error) => {
            eprintln!("policy_load: {error}");
            std::process::exit(1);
        }
    }
}

/// What is to be asked.
struct Load {
    first: u64,
    count: u64,
    /// `None`: each number once.
    span: Option<Duration>,
    /// Seconds between two requests of one connection, in the mean; `None`: the next one as soon as one is answered.
    between: Option<f64>,
    /// Requests on a connection, before there is another one; `None`: no end of them.
    per_connection: Option<u64>,
    next: AtomicU64,
}

impl Load {
    fn next(&self, since: Duration) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let more = match self.span {
            Some(span) => since < span,
            None => number < self.count,
        };
        more.then_some(self.first + number % self.count)
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    answers: Vec<Answer>,
    /// By the first word of the action.
    actions: BTreeMap<String, u64>,
    /// By the wait that was told.
    waits: BTreeMap<String, u64>,
    /// The number without an answer: the server hung up.
    unanswered: Option<u64>,
}

struct Answer {
    number: u64,
    /// When it came, in microseconds since the begin.
    at: u64,
    /// How long it took, in microseconds.
    took: u64,
}

fn run(port: u16, connections: u64, load: &Arc<Load>) -> Result<serde_json::Value> {
    let all_connected = Arc::new(Barrier::new(connections as usize + 1));
    let mut threads = Vec::new();
    for number in 0..connections {
        let wire = connect(port)?;
        let (load, all_connected) = (Arc::clone(load), Arc::clone(&all_connected));
        threads.push(thread::spawn(move || {
            all_connected.wait();
            ask(wire, &load, Chance(number), Instant::now())
        }));
    }
    all_connected.wait();
    let begun = Instant::now();
    let mut seen = Vec::new();
    for thread in threads {
        seen.push(thread.join().expect("no thread panics")?);
    }
    Ok(counted(&seen, load, load.span.unwrap_or(begun.elapsed())))
}

fn connect(port: u16) -> Result<TcpStream> {
    let wire = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    wire.set_nodelay(true)?;
    wire.set_read_timeout(Some(TIMEOUT))?;
    Ok(wire)
}

/// The same sequence for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    /// A time until the next of events that come by chance, with this mean.
    fn wait(&mut self, mean: f64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let share = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-share.ln() * mean)
    }
}

fn ask(mut wire: TcpStream, load: &Load, mut chance: Chance, begun: Instant) -> Result<Seen> {
    let (mut request, mut answer) = (String::new(), Vec::new());
    let mut seen = Seen::default();
    let mut due = begun;
    let port = wire.peer_addr()?.port();
    let mut used = 0;
    loop {
        if let Some(between) = load.between {
            due += chance.wait(between);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let Some(number) = load.next(begun.elapsed()) else {
            break;
        };
        request.clear();
        write_request(&mut request, number);
        let asked = load.between.map_or_else(Instant::now, |_| due);
        if load.per_connection.is_some_and(|most| used == most) {
            wire = connect(port)?;
            used = 0;
        }
        used += 1;
        let answered = wire
            .write_all(request.as_bytes())
            .and_then(|()| read_answer(&mut wire, &mut answer));
        match answered {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
            Err(_) => {
                seen.unanswered = Some(number);
                break;
            }
            Ok(()) => {}
        }
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        seen.answers.push(Answer {
            number,
            at: micros(begun.elapsed()),
            took: micros(asked.elapsed()),
        });
        let text = std::str::from_utf8(&answer).unwrap_or_default();
        let mut words = text.trim_start_matches("action=").split_whitespace();
        count(&mut seen.actions, words.next().unwrap_or_default());
        if let Some(wait) = words.find_map(|word| word.strip_prefix("TIME=")) {
            count(&mut seen.waits, wait);
        }
    }
    Ok(seen)
}

fn count(counts: &mut BTreeMap<String, u64>, word: &str) {
    match counts.get_mut(word) {
        Some(count) => *count += 1,
        None => drop(counts.insert(word.to_owned(), 1)),
    }
}

/// What Postfix 3.7 asks at RCPT of a client with a name, some 700 octets.
fn write_request(request: &mut String, number: u64) {
    let network = number.wrapping_mul(SCATTER) % NETWORKS;
    let (at, third_and_second) = (network >> 16, network & 0xffff);
    let [(low, lows), (high, _)] = FIRST_OCTETS;
    let octet = if at < lows {
        low + at
    } else {
        high + at - lows
    };
    let (second, third) = (third_and_second >> 8, third_and_second & 0xff);
    let host = number % 254 + 1;
    let domain = number % 50_000;
    let user = number % 977;
    let port = 1024 + number % 60_000;
    let name = format_args!("mail{host}.some-domain{domain}.example.org");
    write!(
        request,
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
         client_address={octet}.{second}.{third}.{host}\nclient_name={name}\nclient_port={port}\n\
         reverse_client_name={name}\nserver_address=192.0.2.25\nserver_port=25\nhelo_name={name}\n\
         sender=sender{number}@some-domain{domain}.example.org\nrecipient=user{user}@here.example\n\
         recipient_count=0\nqueue_id=\ninstance=4f1a.{number:x}.0\nsize=14232\netrn_domain=\nstress=\n\
         sasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n\
         ccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\n\
         encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\npolicy_context=\n\
         compatibility_level=3.6\nmail_version=3.7.11\n\n"
    )
    .expect("a string takes everything");
}

fn read_answer(wire: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    let mut part = [0; 1024];
    answer.clear();
    while !answer.ends_with(b"\n\n") {
        match wire.read(&mut part)? {
            0 => return Err(Error::new(ErrorKind::UnexpectedEof, "the server hung up")),
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    Ok(())
}

fn counted(seen: &[Seen], load: &Load, span: Duration) -> serde_json::Value {
    let in_time = |answer: &&Answer| u128::from(answer.at) <= span.as_micros();
    let answers = || seen.iter().flat_map(|seen| &seen.answers);
    let mut times: Vec<u64> = answers().map(|answer| answer.took).collect();
    times.sort_unstable();
    let per_mille =
        |share: usize| times.get((times.len() * share / 1000).min(times.len().saturating_sub(1)));
    let mut per_second = vec![0_u64; span.as_secs() as usize + 1];
    for answer in answers().filter(in_time) {
        per_second[(answer.at / 1_000_000) as usize] += 1;
    }
    let requests = answers().filter(in_time).count();
    serde_json::json!({
        "requests": times.len(),
        "rate": requests as f64 / span.as_secs_f64(),
        "seconds": span.as_secs_f64(),
        "p50_us": per_mille(500),
        "p99_us": per_mille(990),
        "max_us": times.last(),
        "per_second": per_second[..span.as_secs() as usize],
        "actions": summed(seen.iter().map(|seen| &seen.actions)),
        "waits": summed(seen.iter().map(|seen| &seen.waits)),
        "killed": seen.iter().any(|seen| seen.unanswered.is_some()),
        "old": old(seen, load),
    })
}

fn summed<'a>(parts: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<&'a str, u64> {
    let mut sum = BTreeMap::new();
    for (word, count) in parts.flatten() {
        *sum.entry(word.as_str()).or_default() += count;
    }
    sum
}

/// So many triplets, from the first on without a gap, had their answers a second before the last answer of all.
fn old(seen: &[Seen], load: &Load) -> u64 {
    let answers = || seen.iter().flat_map(|seen| &seen.answers);
    let last = answers().map(|answer| answer.at).max().unwrap_or_default();
    let recent = answers().filter(|answer| u128::from(last - answer.at) <= REMEMBERED.as_micros());
    let unanswered = seen.iter().filter_map(|seen| seen.unanswered);
    let young = recent.map(|answer| answer.number).chain(unanswered);
    young.min().map_or(0, |number| number - load.first)
}

fn echo() -> Result<()> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", socket.local_addr()?.port());
    loop {
        let (mut wire, _) = socket.accept()?;
        wire.set_nodelay(true)?;
        thread::spawn(move || {
            let mut request = Vec::new();
            while read_answer(&mut wire, &mut request).is_ok() {
                if wire.write_all(b"action=DUNNO\n\n").is_err() {
                    return;
                }
            }
        });
    }
}
