//! A line that does what lines do: it holds octets back, swallows them, breaks, and lets one session overtake another.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::chance::Chance;

/// The longest time for which octets are held back before they go on: longer than the time-outs of those who wait.
const STALL_MS: u64 = 4000;
/// For which each piece is late, at most.
const LATE_MS: u64 = 15;
/// Faults strike behind so many octets at most, of the client's and of the server's: anywhere in a session.
const OCTETS: [u64; 2] = [60_000, 4000];

/// Runs as long as the test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    healed: AtomicBool,
    chance: Mutex<Chance>,
    struck: [AtomicUsize; 3],
}

/// What happens to one direction of a session.
#[derive(Clone, Copy)]
enum Fault {
    /// Both directions end here.
    Cut,
    /// What follows never arrives, and nobody is told.
    Swallow,
    /// What follows is late by so much.
    Stall(Duration),
}

/// One direction of a session.
struct Way {
    from: TcpStream,
    to: TcpStream,
    late: Duration,
    /// With the number of octets that pass before it.
    fault: Option<(usize, Fault)>,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr, chance: Chance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            to,
            healed: AtomicBool::new(false),
            chance: Mutex::new(chance),
            struck: Default::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connect(client);
            }
        });
        Self { port, state }
    }

    /// Nothing happens to sessions that begin from now on.
    pub(crate) fn heal(&self) {
        self.state.healed.store(true, Ordering::Relaxed);
    }

    /// How many sessions were cut, swallowed and stalled.
    pub(crate) fn struck(&self) -> [usize; 3] {
        [0, 1, 2].map(|kind| self.state.struck[kind].load(Ordering::Relaxed))
    }
}

impl State {
    /// A connection that is refused or broken is the other side's matter.
    fn connect(self: &Arc<Self>, client: TcpStream) -> Option<()> {
        let server = TcpStream::connect(self.to).ok()?;
        let ways = [(&client, &server), (&server, &client)];
        let (hit, fault) = self.draw();
        for (index, (from, to)) in ways.into_iter().enumerate() {
            to.set_nodelay(true).ok()?;
            let way = Way {
                from: from.try_clone().ok()?,
                to: to.try_clone().ok()?,
                late: self.chance.lock().expect("chance").millis(LATE_MS),
                fault: fault.filter(|_| index == hit),
            };
            let state = Arc::clone(self);
            thread::spawn(move || state.carry(way));
        }
        Some(())
    }

    /// The direction that is struck, and by what: three sessions of four.
    fn draw(&self) -> (usize, Option<(usize, Fault)>) {
        let mut chance = self.chance.lock().expect("chance");
        let hit = usize::from(chance.below(2) == 1);
        let octets = usize::try_from(chance.below(OCTETS[hit])).expect("few octets");
        let fault = match chance.below(8) {
            0 | 1 => Some(Fault::Cut),
            2 | 3 => Some(Fault::Swallow),
            4 | 5 => Some(Fault::Stall(chance.millis(STALL_MS))),
            _ => None,
        };
        let healed = self.healed.load(Ordering::Relaxed);
        (hit, fault.filter(|_| !healed).map(|fault| (octets, fault)))
    }

    /// Until either side ends it.
    fn carry(&self, mut way: Way) -> Option<()> {
        let mut piece = vec![0; 16 << 10];
        let mut swallowing = false;
        loop {
            let count = way.from.read(&mut piece).unwrap_or(0);
            if count == 0 {
                let _ = way.from.shutdown(Shutdown::Both);
                let _ = way.to.shutdown(Shutdown::Both);
                return None;
            }
            thread::sleep(way.late);
            let mut rest = &piece[..count];
            match way.fault {
                Some((before, fault)) if before < count => {
                    way.fault = None;
                    let first;
                    (first, rest) = rest.split_at(before);
                    way.to.write_all(first).ok()?;
                    swallowing = self.strike(&way, fault);
                }
                Some((before, fault)) => way.fault = Some((before - count, fault)),
                None => {}
            }
            if !swallowing {
                // Whoever gave up meanwhile is seen at the next reading.
                let _ = way.to.write_all(rest);
            }
        }
    }

    /// Whether nothing may follow.
    fn strike(&self, way: &Way, fault: Fault) -> bool {
        let kind = match fault {
            Fault::Cut => 0,
            Fault::Swallow => 1,
            Fault::Stall(_) => 2,
        };
        self.struck[kind].fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Cut => {
                let _ = way.from.shutdown(Shutdown::Both);
                let _ = way.to.shutdown(Shutdown::Both);
                true
            }
            Fault::Swallow => true,
            Fault::Stall(time) => {
                thread::sleep(time);
                false
            }
        }
    }
}
