//! The law of the receiver's promise, over the whole engine: sessions, mails of several recipients, limits and load at
//! once.
//!
//! Senders obey hints. Whoever was told a time, for a recipient, for a mail's content or for a connection, and comes back
//! then, is let in; coming early moves nothing later. The recipients of a mail come back together or apart, in any order,
//! from the address that they came from or from another one of their network. No limit lets in more mails than it may.

use crate::rows::Rows;
use policy::engine::{
    Counted, Engine, Greylisting, LastingKey, LimitRule, Mode, Rules, Scope, Session,
};
use policy::greylist::Secret;
use policy::{Event, Moment, Reason, Refusal, Stage, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const START: Moment = Moment::from_millis(1_767_225_600_000);

/// Networks of two addresses each.
const NETWORKS: u8 = 4;

#[derive(Clone, Debug)]
struct Limits {
    load: Option<(u64, u64)>,
    client: Option<(u64, u64)>,
    sender: Option<(u64, u64)>,
    recipients: Option<(u64, u64)>,
    /// Mails of each recipient.
    each: Option<(u64, u64)>,
    connections: Option<(u64, u64)>,
    octets: Option<(u64, u64)>,
    day: Option<u64>,
    greylist: bool,
}

impl Limits {
    /// So many a minute, at most so many at once.
    fn rules(&self) -> Rules {
        let text = |&(count, burst): &(u64, u64)| format!("{count}/min burst {burst}");
        let rule = |of, per, limit: String| LimitRule {
            name: format!("{of:?} per {per:?}"),
            of,
            per,
            limit: limit.parse().expect("a limit"),
        };
        let limits = [
            (
                self.client.as_ref().map(text),
                Counted::Messages,
                Scope::Client,
            ),
            (
                self.sender.as_ref().map(text),
                Counted::Messages,
                Scope::Sender,
            ),
            (
                self.recipients.as_ref().map(text),
                Counted::Recipients,
                Scope::RecipientDomain,
            ),
            (
                self.octets.as_ref().map(text),
                Counted::Octets,
                Scope::Sender,
            ),
            (
                self.each.as_ref().map(text),
                Counted::Messages,
                Scope::Recipient,
            ),
            (
                self.connections.as_ref().map(text),
                Counted::Connections,
                Scope::Client,
            ),
            (
                self.day.map(|count| format!("{count}/h")),
                Counted::Messages,
                Scope::SenderDomain,
            ),
        ];
        let limits = limits
            .into_iter()
            .filter_map(|(limit, of, per)| Some(rule(of, per, limit?)));
        Rules {
            greylist: Greylisting {
                mode: if self.greylist {
                    Mode::Enforce
                } else {
                    Mode::Off
                },
                ..Greylisting::default()
            },
            load: self
                .load
                .map(|limit| text(&limit).parse().expect("a limit")),
            limits: limits.collect(),
            ..Rules::default()
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let rate = |count: u64, burst: u64| prop::option::of((1..count, 1..burst));
    let day = prop::option::of(1..20u64);
    (
        rate(40, 4),
        rate(20, 4),
        rate(20, 4),
        rate(60, 5),
        (rate(20, 3), rate(60, 9)),
        prop::option::of((20..200u64, 20..40u64)),
        day,
        any::<bool>(),
    )
        .prop_map(
            |(load, client, sender, recipients, (each, connections), octets, day, greylist)| {
                Limits {
                    load,
                    client,
                    sender,
                    recipients,
                    each,
                    connections,
                    octets,
                    day,
                    greylist,
                }
            },
        )
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// A new mail, to so many recipients.
    Mail {
        network: u8,
        sender: u8,
        recipients: u8,
        octets: u8,
    },
    /// Somebody who was told a time comes then, so many ms off, with the nth way to bring what is left.
    Return {
        which: usize,
        off: i64,
        way: u8,
    },
    /// The limits change.
    Reload(Limits),
    /// Places are read from their rows; what else is remembered has its own tests.
    Restart,
}

fn steps(reload: bool) -> impl Strategy<Value = Vec<Step>> {
    let off = prop_oneof![3 => Just(0i64), 2 => Just(-2_000), 2 => -4_000i64..4_000];
    // More than one appointment has room for.
    let recipients = prop_oneof![20 => 1..5u8, 1 => 20..60u8];
    let mail = (0..NETWORKS, 0..3u8, recipients, 1..20u8).prop_map(
        |(network, sender, recipients, octets)| Step::Mail {
            network,
            sender,
            recipients,
            octets,
        },
    );
    let reload = if reload {
        limits().prop_map(Step::Reload).boxed()
    } else {
        Just(Step::Pass(1)).boxed()
    };
    let step = prop_oneof![
        2 => (0..15_000u64).prop_map(Step::Pass),
        6 => mail,
        8 => (any::<usize>(), off, any::<u8>()).prop_map(|(which, off, way)| Step::Return { which, off, way }),
        1 => reload,
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..80)
}

/// What is deliberately wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Each time told is forgotten at once.
    Forgets,
    /// What was let in is given back.
    GivesBack,
    /// A restart forgets what was told and counted.
    ForgetsAtRestart,
}

#[derive(Clone, Debug)]
struct Mail {
    network: u8,
    sender: String,
    octets: u64,
    /// Those that are not in yet.
    left: Vec<String>,
}

/// What was told: for a recipient, or for the content of a mail to it.
#[derive(Clone, Copy, Debug)]
struct Promise {
    at: Moment,
    /// Load is kept so long.
    until: Moment,
    /// Behind greylisting, limits may have a word of their own; and where it is switched on since, it before them.
    by: Reason,
}

struct World {
    engine: Engine,
    rows: Rows,
    limits: Limits,
    fault: Fault,
    now: Moment,
    mails: Vec<Mail>,
    recipients: BTreeMap<String, Promise>,
    contents: BTreeMap<String, Promise>,
    /// By limit and whose it is: when mails came in.
    taken: BTreeMap<(&'static str, String), Vec<Moment>>,
    reloaded: bool,
}

/// The first breach.
fn play(limits: &Limits, steps: &[Step], fault: Fault) -> Result<(), String> {
    let mut world = World {
        engine: engine(limits),
        rows: Rows::default(),
        limits: limits.clone(),
        fault,
        now: START,
        mails: Vec::new(),
        recipients: BTreeMap::new(),
        contents: BTreeMap::new(),
        taken: BTreeMap::new(),
        reloaded: false,
    };
    for step in steps {
        world.step(step)?;
    }
    world.exceeded()
}

fn engine(limits: &Limits) -> Engine {
    Engine::new(limits.rules(), Secret::new([1, 2]), LastingKey([7; 16]))
}

fn client(network: u8, host: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, network, host % 2 + 1).into()
}

impl World {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Pass(millis) => self.pass(self.now.after(Duration::from_millis(*millis))),
            Step::Restart => {
                self.write();
                if self.fault == Fault::ForgetsAtRestart {
                    self.rows = Rows::default();
                }
                self.engine.book = self.rows.book();
            }
            Step::Reload(limits) => {
                self.engine.configure(limits.rules());
                self.reloaded = true;
            }
            Step::Mail {
                network,
                sender,
                recipients,
                octets,
            } => {
                let n = self.mails.len();
                let mail = Mail {
                    network: *network,
                    sender: format!("s{sender}@c{network}.example"),
                    octets: u64::from(*octets),
                    left: (0..*recipients)
                        .map(|to| format!("{n}-{to}@d.example"))
                        .collect(),
                };
                self.mails.push(mail);
                self.bring(n, 0)?;
            }
            Step::Return { which, off, way } => {
                let told: Vec<_> = self
                    .recipients
                    .keys()
                    .chain(self.contents.keys())
                    .cloned()
                    .collect();
                let Some(to) = told.get(which % told.len().max(1)) else {
                    return Ok(());
                };
                let promise = self.recipients.get(to).or_else(|| self.contents.get(to));
                let at = promise.map_or(self.now, |promise| promise.at);
                self.pass(Moment::from_millis(at.as_millis() + off));
                let owner = self.mails.iter().position(|mail| mail.left.contains(to));
                if let Some(n) = owner {
                    self.bring(n, *way)?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self) {
        self.rows.write(self.engine.book.take_changes());
    }

    fn pass(&mut self, to: Moment) {
        while self.now < to {
            self.now = self.now.after(Duration::from_secs(30)).min(to);
            self.engine.tick(self.now);
        }
    }

    /// One session with what is left of a mail: all of it, turned around, the first alone, the last alone.
    fn bring(&mut self, n: usize, way: u8) -> Result<(), String> {
        let mail = self.mails[n].clone();
        let mut left = mail.left.clone();
        match way % 4 {
            1 => left.reverse(),
            2 => left.truncate(1),
            3 => drop(left.drain(..left.len().saturating_sub(1))),
            _ => {}
        }
        let client = client(mail.network, way / 4);
        let mut session = Session::default();
        if let Some(refusal) = self.ask(&mut session, client, &mail, Stage::Connect, "") {
            let due = left.iter().any(|to| {
                self.recipients
                    .get(to)
                    .is_some_and(|told| self.comes_for_a_place(*told))
            });
            // Somebody was told a time and is here for it: it is let in at the door.
            // But connections have a limit of their own.
            return if due && !self.reloaded && refusal.reason == Reason::Load {
                Err(format!(
                    "refused at connect, {refusal:?}, when {left:?} are due"
                ))
            } else {
                Ok(())
            };
        }
        let mut inside = Vec::new();
        for to in &left {
            match self.ask(&mut session, client, &mail, Stage::Recipient, to) {
                None => inside.push(to.clone()),
                Some(refusal) => self.told(to, &refusal, true)?,
            }
        }
        if inside.is_empty() {
            return Ok(());
        }
        match self.ask(&mut session, client, &mail, Stage::Message, "") {
            Some(refusal) => {
                for to in &inside {
                    self.told(to, &refusal, false)?;
                }
            }
            None => {
                if self.fault == Fault::GivesBack {
                    self.engine.gave_up(&mut session, self.now);
                } else {
                    self.engine.taken(&mut session, self.now);
                }
                self.count(n, &mail);
                self.mails[n].left.retain(|to| !inside.contains(to));
                for to in &inside {
                    self.recipients.remove(to);
                }
                // Its octets were told once: those of a second copy are counted, as far as there is room.
                for to in &mail.left {
                    self.contents.remove(to);
                }
            }
        }
        Ok(())
    }

    /// `None`: let in.
    fn ask(
        &mut self,
        session: &mut Session,
        client: IpAddr,
        mail: &Mail,
        stage: Stage,
        recipient: &str,
    ) -> Option<Refusal> {
        let event = Event {
            stage,
            client,
            helo: "mx.c.example",
            user: None,
            sender: if stage == Stage::Connect {
                ""
            } else {
                &mail.sender
            },
            recipient,
            size: if stage == Stage::Message {
                mail.octets
            } else {
                0
            },
        };
        let verdict = self.engine.judge(session, &event, self.now);
        let Verdict::Refuse(refusal) = verdict else {
            return None;
        };
        if self.fault == Fault::Forgets {
            (self.engine, self.rows) = (engine(&self.limits), Rows::default());
        }
        Some(refusal)
    }

    /// Who waited for greylisting may find load in its way.
    fn comes_for_a_place(&self, told: Promise) -> bool {
        told.by != Reason::Greylist && self.comes(told)
    }

    fn comes(&self, told: Promise) -> bool {
        told.at <= self.now.after(Duration::from_secs(2)) && self.now <= told.until
    }

    fn told(&mut self, to: &str, refusal: &Refusal, at_recipient: bool) -> Result<(), String> {
        let (wait, by) = (refusal.wait_secs, refusal.reason);
        let now = self.now;
        let standing = match at_recipient {
            true => self.recipients.get(to),
            false => self.contents.get(to),
        };
        let standing = standing.copied().filter(|told| {
            let is_named = (told.by == Reason::Greylist) == (by == Reason::Greylist);
            now <= told.until && is_named
        });
        let breach = |what: &str| Err(format!("{to} {what}: {standing:?}, now {now:?}: {wait:?}"));
        if standing.is_some_and(|told| self.comes(told)) {
            return breach("is refused at its time");
        }
        let Some(secs) = wait else {
            return match standing {
                Some(_) => breach("had a time, and is told none"),
                None => Ok(()),
            };
        };
        let at = now.after(Duration::from_secs(secs));
        if standing.is_some_and(|told| at >= told.at.after(Duration::from_secs(1))) {
            return breach("is moved later");
        }
        let until = at.after(Duration::from_secs(5));
        let at = standing.map_or(at, |told| told.at.min(at));
        let promises = match at_recipient {
            true => &mut self.recipients,
            false => &mut self.contents,
        };
        promises.insert(to.to_owned(), Promise { at, until, by });
        Ok(())
    }

    /// A mail came in, or the first part of it.
    fn count(&mut self, n: usize, mail: &Mail) {
        let key = format!("{n}");
        let first = self.taken.entry(("mail", key)).or_default();
        first.push(self.now);
        if first.len() > 1 {
            return;
        }
        for (limit, whose) in [
            ("load", String::new()),
            ("client", mail.network.to_string()),
            ("sender", mail.sender.clone()),
        ] {
            self.taken.entry((limit, whose)).or_default().push(self.now);
        }
    }

    /// From the start on, so many mails may have come by each moment: what could be had at once, and a slot's worth for
    /// each span of time; 2 s early.
    fn exceeded(&self) -> Result<(), String> {
        if self.reloaded {
            return Ok(());
        }
        for ((limit, whose), times) in &self.taken {
            let rate = match *limit {
                "load" => self.limits.load,
                "client" => self.limits.client,
                "sender" => self.limits.sender,
                _ => None,
            };
            let Some((count, burst)) = rate else { continue };
            for (n, at) in times.iter().enumerate() {
                let span = at.after(Duration::from_secs(2)).since(START);
                let slots = span.as_millis() as u64 * count / 60_000;
                let (came, most) = (n as u64 + 1, burst + slots + 1);
                if came > most {
                    return Err(format!(
                        "{limit} {whose}: {came} mails, where {most} may be"
                    ));
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(Config::with_cases(1_000))]

    #[test]
    fn the_engine_keeps_its_promises(limits in limits(), steps in steps(false)) {
        let played = play(&limits, &steps, Fault::None);
        prop_assert!(played.is_ok(), "{}", played.unwrap_err());
    }

    #[test]
    fn the_engine_keeps_its_promises_whatever_is_configured(limits in limits(), steps in steps(true)) {
        let played = play(&limits, &steps, Fault::None);
        prop_assert!(played.is_ok(), "{}", played.unwrap_err());
    }
}

/// The smallest run in which a fault shows, and the seed.
fn caught(fault: Fault) -> Option<String> {
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = [7; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let run = runner.run(&(limits(), steps(false)), |(limits, steps)| {
        play(&limits, &steps, fault).map_err(TestCaseError::fail)
    });
    match run {
        Ok(()) => None,
        Err(TestError::Fail(breach, (limits, steps))) => Some(format!(
            "seed {seed:?}\n  {breach}\n  {limits:?}\n  {steps:?}"
        )),
        Err(abort) => panic!("{abort}"),
    }
}

#[test]
fn what_is_broken_on_purpose_is_caught() {
    for (fault, breach) in [
        (Fault::Forgets, "is "),
        (Fault::GivesBack, " mails, where "),
        (Fault::ForgetsAtRestart, "is "),
    ] {
        let how = caught(fault);
        let how = how.unwrap_or_else(|| panic!("{fault:?} is not noticed"));
        println!("{fault:?}: {how}\n");
        assert!(
            how.contains(breach),
            "{fault:?} is caught by accident: {how}"
        );
    }
    assert_eq!(caught(Fault::None), None);
}
