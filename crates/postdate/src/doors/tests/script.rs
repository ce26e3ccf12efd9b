//! Events as text, and what a door says to each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::operator::Change;
use super::told::Told;
use crate::judge::Judge;

pub(super) type Answer<'a> = Pin<Box<dyn Future<Output = Told> + Send + 'a>>;

/// One step of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A client connects, and gives its name.
    Client {
        address: String,
        helo: String,
    },
    Login(String),
    Mail(String),
    Recipient(String),
    /// The mail is over, and did not come in.
    End,
    /// So many octets of content came, and the mail is over.
    Done(usize),
}

/// A way to ask.
pub(super) trait Door {
    /// As tables call it.
    fn name(&self) -> &'static str;
    /// Whether there is a way to say this.
    fn takes(&self, _: &Step) -> bool {
        true
    }
    /// Whether a mail is marked only when it has come in.
    fn marks_at_end(&self) -> bool;
    /// Whether mails are marked at all.
    fn marks(&self) -> bool {
        true
    }
    /// Who is asked behind it.
    fn judge(&self) -> &Arc<Judge>;
    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a>;
}

pub(super) struct Script {
    lines: Vec<(String, Line)>,
    /// Doors that can't say all of it.
    without: Vec<String>,
}

enum Line {
    Pass(Duration),
    Change(Change),
    Step(Step, Expected),
}

/// What each door says: the same, but for those that can't.
struct Expected {
    usual: Told,
    at: Vec<(String, Told)>,
}

impl Expected {
    /// `450 4.2.1 TIME=60; at smtp, milter: nothing`
    fn read(text: &str) -> Self {
        let mut answers = text.split("; at ");
        let usual = Told::read(answers.next().unwrap_or_default());
        let at = answers.flat_map(|answer| {
            let (doors, told) = answer.split_once(": ").expect("doors and an answer");
            let told = Told::read(told);
            doors
                .split(", ")
                .map(move |door| (door.to_owned(), told.clone()))
        });
        Self {
            usual,
            at: at.collect(),
        }
    }

    fn of(&self, door: &str) -> &Told {
        let own = self.at.iter().find(|(name, _)| name == door);
        own.map_or(&self.usual, |(_, told)| told)
    }
}

impl Script {
    pub(super) fn read(text: &str) -> Self {
        let mut script = Self {
            lines: Vec::new(),
            without: Vec::new(),
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix("without ") {
                Some(doors) => script.without.extend(doors.split(", ").map(str::to_owned)),
                None => script.lines.push((line.to_owned(), read(line))),
            }
        }
        script
    }

    pub(super) async fn run(&self, name: &str, doors: Vec<Box<dyn Door>>) {
        self.check(name, &doors);
        let said_here = |door: &dyn Door| !self.without.iter().any(|other| other == door.name());
        let mut doors: Vec<Place> = doors
            .into_iter()
            .filter(|door| said_here(door.as_ref()))
            .map(Place::new)
            .collect();
        for (text, line) in &self.lines {
            match line {
                Line::Pass(time) => tokio::time::sleep(*time).await,
                Line::Change(change) => {
                    doors.iter().for_each(|at| change.make(at.door.judge()));
                }
                Line::Step(step, expected) => {
                    for at in &mut doors {
                        let told = at.take(step).await;
                        let expected = at.expects(step, expected.of(at.door.name()));
                        assert!(
                            told.meets(&expected),
                            "{name}: {text}\nat {}: {told:?}\n instead of {expected:?}",
                            at.door.name()
                        );
                    }
                }
            }
        }
    }

    /// Doors are called by their names, and leave out what they can't say and nothing else.
    fn check(&self, name: &str, doors: &[Box<dyn Door>]) {
        let there = |name: &String| doors.iter().any(|door| door.name() == name);
        for (text, line) in &self.lines {
            if let Line::Step(_, expected) = line {
                assert!(
                    expected.at.iter().all(|(door, _)| there(door)),
                    "{name}: {text}"
                );
            }
        }
        for door in doors {
            let says_all = self.lines.iter().all(|(_, line)| match line {
                Line::Step(step, _) => door.takes(step),
                Line::Pass(_) | Line::Change(_) => true,
            });
            let left_out = self.without.iter().any(|other| other == door.name());
            assert_eq!(says_all, !left_out, "{name} at {}", door.name());
        }
    }
}

/// A door in the middle of a script.
struct Place {
    door: Box<dyn Door>,
    /// The session was ended by an answer.
    closed: bool,
    /// What the mail is marked with, where that shows at its end.
    owed: Told,
}

impl Place {
    fn new(door: Box<dyn Door>) -> Self {
        Self {
            door,
            closed: false,
            owed: Told::Nothing,
        }
    }

    async fn take(&mut self, step: &Step) -> Told {
        if matches!(step, Step::Client { .. }) {
            self.closed = false;
        }
        if self.closed {
            return Told::Closed;
        }
        let told = self.door.take(step).await;
        self.closed = told.closes();
        told
    }

    fn expects(&mut self, step: &Step, expected: &Told) -> Told {
        let at_end = self.door.marks_at_end();
        let expected = match (step, expected) {
            (_, Told::CameBack(_)) if !self.door.marks() => Told::Nothing,
            (_, Told::CameBack(_)) if at_end => {
                self.owed = expected.clone();
                Told::Nothing
            }
            (Step::Done(_), Told::Nothing) => std::mem::take(&mut self.owed),
            _ => expected.clone(),
        };
        if matches!(step, Step::Done(_) | Step::End | Step::Client { .. }) {
            self.owed = Told::Nothing;
        }
        expected
    }
}

fn read(line: &str) -> Line {
    /// Octets of a mail that are not said.
    const USUAL: usize = 100;
    let (step, expected) = line.split_once(" -> ").unwrap_or((line, ""));
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    let rest = rest.trim().to_owned();
    let step = match word {
        "pass" => return Line::Pass(Duration::from_secs(rest.parse().expect("seconds"))),
        "full" | "room" | "allow" | "deny" => return Line::Change(Change::read(word, &rest)),
        "client" => {
            let (address, helo) = rest.split_once(' ').expect("an address and a name");
            Step::Client {
                address: address.to_owned(),
                helo: helo.to_owned(),
            }
        }
        "login" => Step::Login(rest),
        "mail" if rest == "<>" => Step::Mail(String::new()),
        "mail" => Step::Mail(rest),
        "rcpt" => Step::Recipient(rest),
        "end" => Step::End,
        "done" if rest.is_empty() => Step::Done(USUAL),
        "done" => Step::Done(rest.parse().expect("octets")),
        _ => panic!("{line}"),
    };
    Line::Step(step, Expected::read(expected))
}

/// A mail of so many octets: its header, and lines behind the empty one.
pub(super) fn content(octets: usize) -> (String, Vec<String>) {
    const FIELD: &str = "Subject: words";
    const ENDS: usize = 4;
    const LINE: usize = 62;
    let mut rest = octets.checked_sub(FIELD.len() + ENDS).expect("room");
    let mut lines = Vec::new();
    while rest > 2 {
        // Nothing is left that is too short for a line.
        let len = if rest < 2 * LINE { rest } else { LINE };
        lines.push("x".repeat(len - 2));
        rest -= len;
    }
    (FIELD.to_owned(), lines)
}
