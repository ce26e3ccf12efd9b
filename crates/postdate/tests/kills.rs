//! Nothing is lost: a node under load is killed with SIGKILL, again and again, at random moments.
//!
//! `POSTDATE_TEST_KILLS` sets how often (`cargo xtask long` does), `POSTDATE_TEST_SEED` repeats a run's moments.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{Chance, Client, Node, Sink, TempDir, free_port, now, setting, text, until, within};

const SESSIONS: u32 = 20;
/// How many mails may be under way at once, by the configuration below: each kill repeats at most these.
const UNDER_WAY: usize = 40;
/// For all that was accepted to arrive after the last start.
const DRAIN: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Load {
    /// Mails that were answered 250, by number.
    acknowledged: Mutex<BTreeSet<u32>>,
    next: AtomicU32,
    over: AtomicBool,
}

impl Load {
    /// One session after the other, until it is over; a session that breaks is begun again.
    fn client(&self, port: u16) {
        while !self.over.load(Ordering::Relaxed) {
            if self.session(port).is_none() {
                // The node is down: it is back soon.
                thread::yield_now();
            }
        }
    }

    fn session(&self, port: u16) -> Option<()> {
        let mut client = Client::greeted(([127, 0, 0, 1], port).into()).ok()?;
        client.command("EHLO load.test").ok()?;
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            // In turns: on to another server, or into a Maildir; one in 50 too large to be kept inline.
            let to = if number.is_multiple_of(4) {
                "box@here.test"
            } else {
                "x@sink.test"
            };
            let filler =
                "0123456789abcde\r\n".repeat(if number.is_multiple_of(50) { 8000 } else { 20 });
            let content = format!("Subject: load\r\nX-Number: {number}\r\n\r\n{filler}end\r\n");
            let reply = client.mail("a@load.test", to, content.as_bytes()).ok()?;
            if reply.starts_with("250") {
                self.acknowledged.lock().expect("the load").insert(number);
            }
        }
        Some(())
    }
}

#[test]
fn every_mail_that_was_acknowledged_arrives() {
    let kills = setting("POSTDATE_TEST_KILLS").unwrap_or(3);
    let kills = usize::try_from(kills).expect("a number of kills");
    let mut chance = Chance::new();
    let dir = TempDir::new();
    let sink = Sink::start();
    let port = free_port();
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery]\nmax_sessions = {UNDER_WAY}\n[delivery.routes]\n\"sink.test\" = \"{}\"\n\
         [queue]\nfirst_backoff = \"1s\"\nmax_backoff = \"2s\"\n",
        sink.address
    );
    let mut node = Node::start_at(&dir, "node", port, &tables);
    let load = Arc::new(Load::default());
    let clients: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let load = Arc::clone(&load);
            thread::spawn(move || load.client(port))
        })
        .collect();
    for _ in 0..kills {
        let moment = now() + Duration::from_millis(200) + chance.millis(1000);
        let before = load.acknowledged.lock().expect("the load").len();
        until("the load to go on", || {
            (load.acknowledged.lock().expect("the load").len() > before + 50).then_some(())
        });
        until("its moment", || (now() >= moment).then_some(()));
        node.kill();
        node.run();
    }
    load.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client");
    }
    let acknowledged = load.acknowledged.lock().expect("the load").clone();
    let mut arrived = BTreeMap::new();
    let mut last = (now(), 0);
    within(DRAIN, "all acknowledged mail to arrive", || {
        if now() - last.0 > Duration::from_millis(500) || last.1 == 0 {
            arrived = count(&sink, &node);
            last = (now(), arrived.len());
        }
        let lost = acknowledged
            .iter()
            .filter(|number| !arrived.contains_key(*number))
            .count();
        (lost == 0).then_some(())
    });
    let again: usize = arrived.values().map(|times| times - 1).sum();
    println!(
        "{} acknowledged, {} arrived, {again} of them again, over {kills} kills",
        acknowledged.len(),
        arrived.len()
    );
    assert!(
        acknowledged.len() > 50 * kills,
        "too little load to say anything"
    );
    assert!(
        again <= UNDER_WAY * kills,
        "{again} duplicates are more than were under way"
    );
}

/// How often each mail arrived, by number; the content of each must be whole.
fn count(sink: &Sink, node: &Node) -> BTreeMap<u32, usize> {
    let mut arrived = BTreeMap::new();
    let taken = sink.taken().into_iter().map(|taken| taken.content);
    let stored = node.mailbox("box").into_iter().map(|mail| mail.octets);
    for octets in taken.chain(stored) {
        let mail = text(&octets);
        let (_, rest) = mail.split_once("X-Number: ").expect("its number");
        let number: u32 = rest
            .split(['\r', '\n'])
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a number");
        assert!(mail.trim_end().ends_with("end"), "mail {number} was cut");
        *arrived.entry(number).or_insert(0) += 1;
    }
    arrived
}
