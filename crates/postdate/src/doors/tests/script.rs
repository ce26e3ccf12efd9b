//! Events as text, and what a door says to each.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::direct::Direct;

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
    /// The mail is over, and came in.
    Done,
}

/// What a door said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// Go on.
    #[default]
    Nothing,
    /// Go on; the mail was marked with this wait.
    CameBack(u64),
    /// The reply's code and status, and the wait.
    Wait(String, Option<u64>),
}

/// A way to ask.
pub(super) trait Door {
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
    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a>;
}

pub(super) struct Script(Vec<(String, Line)>);

enum Line {
    Pass(Duration),
    Step(Step, Told),
}

impl Script {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Self(lines.map(|line| (line.to_owned(), read(line))).collect())
    }

    /// Whether each step can be said at a door.
    pub(super) fn suits(&self, door: &dyn Door) -> bool {
        self.0.iter().all(|(_, line)| match line {
            Line::Step(step, _) => door.takes(step),
            Line::Pass(_) => true,
        })
    }

    pub(super) async fn run(&self, name: &str, doors: &mut [Box<dyn Door>]) {
        let mut came_back = None;
        for (text, line) in &self.0 {
            let (step, expected) = match line {
                Line::Pass(time) => {
                    tokio::time::sleep(*time).await;
                    continue;
                }
                Line::Step(step, expected) => (step, expected),
            };
            if let Told::CameBack(_) = expected {
                came_back = Some(expected.clone());
            }
            for door in doors.iter_mut() {
                let told = door.take(step).await;
                let expected = match (step, expected) {
                    (_, Told::CameBack(_)) if door.marks_at_end() || !door.marks() => Told::Nothing,
                    (Step::Done, Told::Nothing) if door.marks_at_end() && door.marks() => {
                        came_back.clone().unwrap_or_default()
                    }
                    _ => expected.clone(),
                };
                assert_eq!(told, expected, "{name}: {text} at {}", door.name());
            }
            if matches!(step, Step::Done | Step::End | Step::Client { .. }) {
                came_back = None;
            }
        }
    }
}

fn read(line: &str) -> Line {
    let (step, expected) = line.split_once(" -> ").unwrap_or((line, ""));
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    let rest = rest.trim().to_owned();
    let step = match word {
        "pass" => return Line::Pass(Duration::from_secs(rest.parse().expect("seconds"))),
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
        "done" => Step::Done,
        _ => panic!("{line}"),
    };
    let number = |text: &str| text.trim().parse().ok();
    let expected = if let Some(secs) = expected.strip_prefix("came back ") {
        Told::CameBack(number(secs).expect("seconds"))
    } else if let Some(secs) = expected.strip_prefix("wait") {
        Told::Wait("450 4.2.0".to_owned(), number(secs))
    } else {
        assert!(expected.is_empty(), "{line}");
        Told::Nothing
    };
    Line::Step(step, expected)
}

/// From a reply: `450 4.2.0 TIME=300 …`
pub(super) fn told(reply: &str) -> Told {
    let mut words = reply.splitn(3, ' ');
    let (code, status) = (
        words.next().expect("a code"),
        words.next().expect("a status"),
    );
    Told::Wait(format!("{code} {status}"), hint(words.next().unwrap_or("")))
}

pub(super) fn hint(text: &str) -> Option<u64> {
    let secs = text.strip_prefix("TIME=")?.split(' ').next()?;
    Some(secs.parse().expect("seconds"))
}

/// From `delayed 300 seconds by …`, with the field's name or without.
pub(super) fn came_back(field: &str) -> Told {
    let value = field.strip_prefix("X-Greylist: ").unwrap_or(field);
    let secs = value
        .strip_prefix("delayed ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    Told::CameBack(secs.unwrap_or_else(|| panic!("{field}")))
}

/// The judge, without a door.
impl Door for Direct {
    fn name(&self) -> &'static str {
        "the judge"
    }

    fn marks_at_end(&self) -> bool {
        false
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(self.step(step))
    }
}
