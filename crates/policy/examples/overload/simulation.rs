//! Many clients, one mail each, all at once, against one load limit; in virtual time, from one seed. They meet the whole
//! engine, at connect and with a recipient, as at a server's door.

use policy::engine::{Engine, Greylisting, LastingKey, Mode, Rules, Session};
use policy::greylist::Secret;
use policy::slots::{Ask, Book, Booking, Bounds, Grace, Holder, Limit, Party, Visit};
use policy::{Event, Moment, Stage, Verdict};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// 2026-01-01 00:00 UTC.
const START: Moment = Moment::from_millis(1_767_225_600_000);

/// The longest wait of a client's own.
const CEILING: Duration = Duration::from_secs(3_600);

/// After so long a client gives up.
const LIFETIME: Duration = Duration::from_secs(5 * 86_400);

/// What the clients do, and what the receiver tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    /// They come back at the time told, spread forward by at most a second.
    Obey,
    /// The receiver keeps places and tells them; they wait 1, 2, 4, 8 … minutes all the same.
    Ignore,
    /// The receiver keeps no places and tells no time; they wait 1, 2, 4, 8 … minutes.
    Untold,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Mails that came in.
    pub(crate) accepted: u64,
    /// All visits.
    pub(crate) attempts: u64,
    /// When the last mail came in.
    pub(crate) gone_after: Duration,
}

impl Outcome {
    /// Visits for each mail that came in.
    pub(crate) fn attempts_per_mail(&self) -> f64 {
        self.attempts as f64 / self.accepted as f64
    }
}

/// Lets so many clients, each of a network of its own, come at once.
pub(crate) fn run(clients: u32, limit: Limit, how: Clients, seed: u64) -> Outcome {
    let mut receiver = Receiver::new(limit, how, seed);
    let mut random = Random(seed);
    let mut events: BinaryHeap<_> = (0..clients)
        .map(|client| Reverse((START, client)))
        .collect();
    let mut tries = vec![0u32; clients as usize];
    let mut outcome = Outcome {
        accepted: 0,
        attempts: 0,
        gone_after: Duration::ZERO,
    };
    while let Some(Reverse((now, client))) = events.pop() {
        outcome.attempts += 1;
        tries[client as usize] += 1;
        let told = match receiver.visit(client, now) {
            Ok(()) => {
                outcome.accepted += 1;
                outcome.gone_after = now.since(START);
                continue;
            }
            Err(told) => told.filter(|_| how == Clients::Obey),
        };
        let doublings = (tries[client as usize] - 1).min(16);
        let backoff = CEILING.min(Duration::from_secs(60 << doublings));
        let (wait, spread) = match told {
            Some(wait) => (wait, Duration::from_secs(1)),
            // Kinder than many are: no two queues run at the same moment.
            None => (backoff, backoff / 10),
        };
        let next = now.after(wait).after(random.below(spread));
        if next.since(START) < LIFETIME {
            events.push(Reverse((next, client)));
        }
    }
    outcome
}

/// Who is asked.
enum Receiver {
    /// The rules as they are.
    Keeps(Box<Engine>),
    /// The same limit, of a receiver that keeps no places.
    Forgets(Box<Book>, Limit),
}

impl Receiver {
    fn new(limit: Limit, how: Clients, seed: u64) -> Self {
        let secret = Secret::new([seed, seed]);
        if how == Clients::Untold {
            return Self::Forgets(Box::new(Book::new(Bounds::default(), secret)), limit);
        }
        let rules = Rules {
            greylist: Greylisting {
                mode: Mode::Off,
                ..Greylisting::default()
            },
            load: Some(limit),
            ..Rules::default()
        };
        Self::Keeps(Box::new(Engine::new(rules, secret, LastingKey([7; 16]))))
    }

    /// One attempt; `Err` with what was told.
    fn visit(&mut self, client: u32, now: Moment) -> Result<(), Option<Duration>> {
        let address = IpAddr::V4(Ipv4Addr::from((10 << 24) | (client << 8) | 1));
        match self {
            Self::Keeps(engine) => {
                let said = session(engine, address, client, now);
                engine.book.take_changes();
                said
            }
            Self::Forgets(book, limit) => once(book, *limit, address, client, now),
        }
    }
}

/// A connection, and its mail.
fn session(
    engine: &mut Engine,
    client: IpAddr,
    number: u32,
    now: Moment,
) -> Result<(), Option<Duration>> {
    let sender = format!("s@c{number}.example");
    let mut session = Session::default();
    for stage in [Stage::Connect, Stage::Recipient] {
        let is_mail = stage == Stage::Recipient;
        let event = Event {
            stage,
            client,
            helo: "mx.c.example",
            user: None,
            sender: if is_mail { &sender } else { "" },
            recipient: if is_mail { "r@here.example" } else { "" },
            size: 0,
        };
        if let Verdict::Refuse(refusal) = engine.judge(&mut session, &event, now) {
            return Err(refusal.wait_secs.map(Duration::from_secs));
        }
    }
    engine.taken(&mut session, now);
    Ok(())
}

fn once(
    book: &mut Book,
    limit: Limit,
    client: IpAddr,
    number: u32,
    now: Moment,
) -> Result<(), Option<Duration>> {
    let ask = Ask {
        rule: "load",
        key: "",
        limit,
        cost: 1,
        horizon: Duration::ZERO,
        grace: Grace::Brief,
        exact: false,
        once: true,
    };
    let visit = Visit {
        guests: &[Holder(number.into()).into()],
        party: Party {
            client,
            sender: "",
            recipients: &[],
        },
        shared: None,
        besides: None,
    };
    let booking = book.ask(visit, &[ask], now);
    book.take_changes();
    match booking {
        Booking::Admitted { charge, .. } => {
            book.spend(charge, now);
            Ok(())
        }
        Booking::Told { .. } | Booking::Full { .. } => Err(None),
    }
}

/// SplitMix64: spread, not secrets.
struct Random(u64);

impl Random {
    fn below(&mut self, span: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let millis = span.as_millis() as u64;
        Duration::from_millis(mixed % (millis + 1))
    }
}
