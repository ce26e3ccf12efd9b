//! Dialogues as text. A line is a visit with the verdict it must get, or something that happens to the server:
//!
//! ```text
//! set delay=300                           # before the start
//! 0      192.0.2.7 a@x b@y -> defer 300 first
//! 1m+30  192.0.2.7 a@x b@y -> defer 210
//! 2m     198.51.100.7+spf:x a@x b@y -> defer 180      # by another address, with what it proved
//! 2m     203.0.113.7~900 a@x b@y -> defer 900 first   # with a delay of its own
//! 5m     192.0.2.7 a@x b@y -> waited 300
//! 1d     192.0.2.9 c@x b@y -> known
//! 1d     reload delay=60
//! 1d     restart
//! 1d     count pending=0 known=1 unclaimed=0          # `unclaimed` may be left out
//! 1d     forget 192.0.2.7                             # all rows that name this
//! ```

use crate::rows::Rows;
use crate::{start, table};
use policy::greylist::{Arrival, Origin, Settings, Table, Verdict, Visit};
use std::time::{Duration, SystemTime};

/// Runs the dialogue; panics at the first line that goes otherwise.
pub(crate) fn check(text: &str) {
    let mut settings = Settings::default();
    let mut server = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if let Some(change) = line.strip_prefix("set ") {
            set(&mut settings, change);
        } else if !line.is_empty() {
            let server = server.get_or_insert_with(|| Server::new(&settings));
            let told = server.play(line);
            assert_eq!(told.0, told.1, "line {}: {line}", number + 1);
        }
    }
    assert!(server.is_some(), "an empty dialogue");
}

struct Server {
    settings: Settings,
    table: Table,
    rows: Rows,
}

impl Server {
    fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            table: table(settings.clone()),
            rows: Rows::default(),
        }
    }

    /// What was said, and what should be.
    fn play(&mut self, line: &str) -> (String, String) {
        let (time, rest) = line.split_once(' ').expect("a time first");
        let (now, rest) = (start_plus(time), rest.trim());
        let nothing = (String::new(), String::new());
        let told = if let Some(change) = rest.strip_prefix("reload ") {
            set(&mut self.settings, change);
            self.table.configure(self.settings.clone());
            nothing
        } else if rest == "restart" {
            self.table = table(self.settings.clone());
            self.rows.read(&mut self.table, now);
            nothing
        } else if let Some(counts) = rest.strip_prefix("count ") {
            let (pending, known) = (self.table.pending(), self.table.known());
            let mut told = format!("pending={pending} known={known}");
            if counts.contains("unclaimed") {
                told += &format!(" unclaimed={}", self.table.unclaimed());
            }
            (told, counts.to_owned())
        } else if let Some(name) = rest.strip_prefix("forget ") {
            for row in self.rows.naming(name) {
                assert!(self.table.forget(&row), "{row:?}");
                assert!(!self.table.forget(&row), "twice: {row:?}");
            }
            nothing
        } else {
            let (visit, expected) = rest.split_once(" -> ").expect("a verdict");
            (self.visit(visit, now), expected.trim().to_owned())
        };
        self.rows.write(self.table.take_changes());
        told
    }

    fn visit(&mut self, visit: &str, now: SystemTime) -> String {
        let words: Vec<_> = visit.split_whitespace().collect();
        let [client, sender, recipient] = words[..] else {
            panic!("not a visit: {visit}");
        };
        let (client, delay) = match client.split_once('~') {
            Some((client, delay)) => (client, Some(span(delay))),
            None => (client, None),
        };
        let mut proved = client.split('+');
        let visit = Visit {
            client: proved.next().unwrap_or("").parse().expect("an address"),
            sender: sender.trim_matches(['<', '>']),
            recipient,
        };
        let origins: Vec<Origin> = proved
            .map(|origin| origin.parse().expect("an origin"))
            .collect();
        let arrival = Arrival {
            visit,
            origins: &origins,
            delay,
        };
        match self.table.judge(arrival, now).verdict {
            Verdict::Known => "known".to_owned(),
            Verdict::Waited(span) => format!("waited {}", span.as_secs_f64()),
            Verdict::Defer { wait_secs, first } => {
                let wait = wait_secs.map_or(String::new(), |wait| format!(" {wait}"));
                format!("defer{wait}{}", if first { " first" } else { "" })
            }
        }
    }
}

fn set(settings: &mut Settings, changes: &str) {
    for change in changes.split_whitespace() {
        let (key, value) = change.split_once('=').expect("key=value");
        let count = || value.parse::<usize>().expect("a count");
        match key {
            "delay" => settings.delay = span(value),
            "window" => settings.window = span(value),
            "known_after" => settings.known_after = count() as u32,
            "known_for" => settings.known_for = span(value),
            "v4_prefix" => settings.v4_prefix = count() as u8,
            "v6_prefix" => settings.v6_prefix = count() as u8,
            "max_pending_per_network" => settings.max_pending_per_network = count(),
            "max_pending" => settings.max_pending = count(),
            "max_known" => settings.max_known = count(),
            _ => panic!("no such setting: {key}"),
        }
    }
}

fn start_plus(time: &str) -> SystemTime {
    match time.strip_prefix('-') {
        Some(earlier) => start() - span(earlier),
        None => start() + span(time),
    }
}

/// `1d+2h+3m+4.5`
fn span(text: &str) -> Duration {
    let part = |part: &str| {
        let unit = match part.trim_end_matches(char::is_numeric).chars().last() {
            Some('d') => 86_400.0,
            Some('h') => 3_600.0,
            Some('m') => 60.0,
            _ => 1.0,
        };
        let number = part.trim_end_matches(['d', 'h', 'm']);
        Duration::from_secs_f64(number.parse::<f64>().expect("a number") * unit)
    };
    text.split('+').map(part).sum()
}
