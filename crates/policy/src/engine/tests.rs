use super::*;
use crate::facts::{Fact, Finding, Listing, Reverse, Spf};
use crate::lists::{Entry, Subject};
use crate::returns;
use crate::slots::Limit;
use std::net::IpAddr;
use std::time::Duration;

mod counted;
mod domains;
mod early;
mod looked_up;
mod names;
mod observing;
mod order;
mod places;
mod quiet;

const MIN: i64 = 60_000;

/// One client's events against one engine.
struct World {
    engine: Engine,
    now: i64,
}

impl World {
    fn new(rules: Rules) -> Self {
        Self {
            engine: Engine::new(rules, Secret::new([1, 2]), LastingKey([7; 16])),
            // Just behind the slots of all limits.
            now: 60_000 * MIN + 1,
        }
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    fn sleep(&mut self, secs: u64) {
        self.now += i64::try_from(secs).unwrap() * 1_000;
    }

    fn say(&mut self, session: &mut Session, event: Event<'_>) -> String {
        let now = self.now();
        line(&self.engine.judge(session, &event, now))
    }

    /// A recipient in a session of its own, taken where it is let in.
    fn rcpt(&mut self, client: &str, sender: &str, recipient: &str) -> String {
        let mut session = Session::default();
        let said = self.say(&mut session, rcpt(client, sender, recipient));
        let now = self.now();
        self.engine.taken(&mut session, now);
        said
    }
}

/// `450 4.2.0 TIME=300 Greylisted, …`, `ok`, `ok after 300 s`.
fn line(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept { waited: None } => "ok".to_owned(),
        Verdict::Accept {
            waited: Some(waited),
        } => format!("ok after {} s", waited.as_secs()),
        Verdict::Refuse(refusal) => {
            let (class, subject, detail) = refusal.status;
            let hint = refusal
                .wait_secs
                .map_or(String::new(), |secs| format!("TIME={secs} "));
            let text = &refusal.text;
            format!("{} {class}.{subject}.{detail} {hint}{text}", refusal.code)
        }
    }
}

fn event<'a>(stage: Stage, client: &str, sender: &'a str, recipient: &'a str) -> Event<'a> {
    Event {
        stage,
        client: client.parse::<IpAddr>().unwrap(),
        helo: "mx.c.example",
        user: None,
        sender,
        recipient,
        size: 0,
    }
}

fn rcpt<'a>(client: &str, sender: &'a str, recipient: &'a str) -> Event<'a> {
    event(Stage::Recipient, client, sender, recipient)
}

fn limit(of: Counted, per: Scope, limit: &str) -> LimitRule {
    LimitRule {
        name: format!("{of:?} per {per:?}"),
        of,
        per,
        limit: limit.parse().unwrap(),
    }
}

/// No greylisting, these limits.
fn limits(limits: impl IntoIterator<Item = LimitRule>) -> Rules {
    Rules {
        greylist: Greylisting {
            mode: Mode::Off,
            ..Greylisting::default()
        },
        limits: limits.into_iter().collect(),
        ..Rules::default()
    }
}

#[test]
fn a_stranger_is_greylisted_and_let_in_at_its_time() {
    let mut world = World::new(Rules::default());
    let says = "450 4.2.0 TIME=300 Greylisted";
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), says);
    world.sleep(100);
    let says = "450 4.2.0 TIME=200 Greylisted";
    assert_eq!(world.rcpt("192.0.2.9", "a@c.example", "me@d.example"), says);
    world.sleep(200);
    let says = "ok after 300 s";
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), says);
    let day = world.engine.stats.rows().next().unwrap();
    assert_eq!(
        (day.counts.given, day.counts.early, day.counts.on_time),
        (1, 1, 1)
    );
}

/// rspamd#1498: what is greylisted now is charged to no rate that refuses it when it returns.
#[test]
fn greylisting_charges_no_rate() {
    let mut world = World::new(Rules {
        greylist: Greylisting::default(),
        ..limits([limit(Counted::Messages, Scope::Recipient, "1/h burst 1")])
    });
    for _ in 0..5 {
        let said = world.rcpt("192.0.2.1", "a@c.example", "me@d.example");
        assert!(said.starts_with("450 4.2.0 TIME="), "{said}");
        world.sleep(10);
    }
    world.sleep(300);
    let says = "ok after 350 s";
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), says);
    // Now the network is known, and the recipient's rate is spent.
    let says = "450 4.2.1 TIME=3250 Too much mail for this recipient";
    let said = world.rcpt("192.0.2.1", "b@c.example", "me@d.example");
    assert_eq!(
        said.split_once("TIME=").unwrap().0,
        says.split_once("TIME=").unwrap().0
    );
}

#[test]
fn a_place_that_was_told_is_kept_whatever_comes_between() {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Recipient,
        "60/h burst 1",
    )]));
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), "ok");
    let told = world.rcpt("198.51.100.1", "b@c.example", "me@d.example");
    assert_eq!(told, "450 4.2.1 TIME=60 Too much mail for this recipient");
    world.sleep(60);
    // Somebody else is there at that moment: the place is not his.
    let other = world.rcpt("203.0.113.1", "x@c.example", "me@d.example");
    assert_eq!(other, "450 4.2.1 TIME=60 Too much mail for this recipient");
    assert_eq!(
        world.rcpt("198.51.100.1", "b@c.example", "me@d.example"),
        "ok"
    );
    // Others' mail is nobody's concern.
    assert_eq!(
        world.rcpt("203.0.113.1", "x@c.example", "you@d.example"),
        "ok"
    );
}

#[test]
fn what_a_mail_took_is_given_back_when_it_is_refused_later() {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Sender,
        "1/h burst 1",
    )]));
    let mut session = Session::default();
    let event = rcpt("192.0.2.1", "a@c.example", "me@d.example");
    assert_eq!(world.say(&mut session, event), "ok");
    let now = world.now();
    world.engine.gave_up(&mut session, now);
    assert_eq!(world.say(&mut session, event), "ok");
    // The second recipient of the same mail is no second mail.
    let second = rcpt("192.0.2.1", "a@c.example", "you@d.example");
    assert_eq!(world.say(&mut session, second), "ok");
    world.engine.taken(&mut session, now);
    let said = world.say(&mut session, event);
    assert_eq!(said, "450 4.7.0 TIME=3600 Too much mail from this sender");
}

#[test]
fn a_client_that_connects_too_often_is_sent_away_and_let_in_at_its_time() {
    let mut world = World::new(limits([limit(
        Counted::Connections,
        Scope::Client,
        "60/h burst 2",
    )]));
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(world.say(&mut Session::default(), connect));
    }
    assert_eq!(
        said,
        [
            "ok",
            "ok",
            "421 4.7.0 TIME=60 Too much mail from your network"
        ]
    );
    world.sleep(60);
    assert_eq!(world.say(&mut Session::default(), connect), "ok");
}

#[test]
fn load_takes_one_place_a_mail_and_a_second_mail_in_a_session_asks_anew() {
    let mut world = World::new(Rules {
        load: Some("1/s burst 1".parse::<Limit>().unwrap()),
        ..limits([])
    });
    let mut session = Session::default();
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    assert_eq!(world.say(&mut session, connect), "ok");
    let mail = rcpt("192.0.2.1", "a@c.example", "me@d.example");
    assert_eq!(world.say(&mut session, mail), "ok");
    let now = world.now();
    world.engine.taken(&mut session, now);
    assert_eq!(world.say(&mut session, mail), "451 4.3.2 TIME=1 Too busy");
    let other = event(Stage::Connect, "198.51.100.1", "", "");
    let said = world.say(&mut Session::default(), other);
    assert_eq!(said, "421 4.3.2 TIME=2 Too busy");
    world.sleep(1);
    assert_eq!(world.say(&mut session, mail), "ok");
}

#[test]
fn who_logged_in_is_not_greylisted_but_counted() {
    let mut world = World::new(Rules {
        greylist: Greylisting::default(),
        ..limits([
            limit(Counted::Messages, Scope::User, "1/h burst 1"),
            limit(Counted::Messages, Scope::Client, "1/d"),
        ])
    });
    let mut session = Session::default();
    let event = Event {
        user: Some("anna"),
        ..rcpt("192.0.2.1", "a@c.example", "me@d.example")
    };
    assert_eq!(world.say(&mut session, event), "ok");
    let now = world.now();
    world.engine.taken(&mut session, now);
    let said = world.say(&mut session, event);
    assert_eq!(said, "450 4.7.0 TIME=3600 Too much mail from this sender");
}

#[test]
fn octets_count_at_the_end_and_the_mail_gets_in_at_its_time() {
    let mut world = World::new(limits([
        limit(Counted::Octets, Scope::Client, "60K/min burst 60K"),
        limit(Counted::Messages, Scope::Client, "2/h burst 2"),
    ]));
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut session = Session::default();
        let to = rcpt("192.0.2.1", "a@c.example", "me@d.example");
        said.push(world.say(&mut session, to));
        let end = Event {
            size: 50 * 1024,
            ..event(Stage::Message, "192.0.2.1", "a@c.example", "")
        };
        said.push(world.say(&mut session, end));
        if said.last().unwrap().starts_with("450") {
            // What the mail took at RCPT was given back with the refusal: the third RCPT gets in.
            world.sleep(50);
            said.push(world.say(&mut session, to));
            said.push(world.say(&mut session, end));
        }
        let now = world.now();
        world.engine.taken(&mut session, now);
    }
    let wait = "450 4.7.0 TIME=50 Too much mail from your network";
    assert_eq!(said, ["ok", "ok", "ok", wait, "ok", "ok"]);
}

#[test]
fn the_operators_list_speaks_first() {
    let mut world = World::new(Rules::default());
    let now = world.now();
    for (subject, action) in [
        (Subject::client("192.0.2.0/24"), Action::Deny),
        (Subject::sender("friend@c.example"), Action::Allow),
        (Subject::recipient("postmaster@d.example"), Action::Allow),
    ] {
        let entry = Entry {
            subject: subject.unwrap(),
            action,
            until: None,
            note: String::new(),
            made: now,
        };
        world.engine.lists.set(entry).unwrap();
    }
    let mut say = |client, sender, recipient| world.rcpt(client, sender, recipient);
    let denied = "550 5.7.1 Access denied";
    assert_eq!(say("192.0.2.1", "a@c.example", "me@d.example"), denied);
    assert_eq!(
        say("192.0.2.1", "a@c.example", "postmaster@d.example"),
        "ok"
    );
    assert_eq!(say("203.0.113.1", "friend@c.example", "me@d.example"), "ok");
    let waits = "450 4.2.0 TIME=300 Greylisted";
    assert_eq!(say("203.0.113.1", "a@c.example", "me@d.example"), waits);
}

#[test]
fn what_was_looked_up_refuses_and_what_could_not_be_is_tried_again() {
    let all = Checks {
        spf: true,
        reverse: true,
        sender_domain: true,
        dmarc: false,
        reject_score: 10,
    };
    let mut world = World::new(Rules {
        checks: all,
        ..limits([])
    });
    let good = || Session {
        facts: crate::Facts {
            reverse: Fact::Known(Reverse {
                name: Some("mx.c.example".to_owned()),
                confirmed: true,
            }),
            lists: Fact::Known(Listing::default()),
            spf: Fact::Known(Spf {
                finding: Finding::Pass,
                domain: "c.example".to_owned(),
                pool: None,
            }),
            sender_domain: Fact::Known(true),
            dmarc: Fact::Unasked,
        },
        ..Session::default()
    };
    let mut check = |change: fn(&mut crate::Facts), says: &str| {
        let mut session = good();
        change(&mut session.facts);
        let event = rcpt("192.0.2.1", "a@c.example", "me@d.example");
        assert_eq!(world.say(&mut session, event), says);
    };
    check(|_| {}, "ok");
    check(
        |facts| facts.reverse = Fact::Known(Reverse::default()),
        "550 5.7.25 No reverse name that leads back to your address",
    );
    check(
        |facts| {
            facts.lists = Fact::Known(Listing {
                score: 10,
                zones: vec!["bl.example".to_owned()],
                allowed: false,
            });
        },
        "554 5.7.1 Blocked using bl.example",
    );
    check(
        |facts| facts.sender_domain = Fact::Known(false),
        "550 5.1.8 Sender's domain takes no mail",
    );
    check(
        |facts| {
            facts.spf = Fact::Failed {
                retry: Some(Duration::from_millis(4_001)),
            };
        },
        "451 4.7.24 TIME=5 Look-up of the sender's SPF record failed",
    );
    check(
        |facts| facts.sender_domain = Fact::Failed { retry: None },
        "451 4.4.3 Look-up of the sender's domain failed",
    );
}

#[test]
fn an_observing_greylist_lets_in_and_says_what_it_would_have_said() {
    let mut world = World::new(Rules {
        greylist: Greylisting {
            mode: Mode::Observe,
            ..Greylisting::default()
        },
        ..Rules::default()
    });
    let mut session = Session::default();
    let event = rcpt("192.0.2.1", "a@c.example", "me@d.example");
    assert_eq!(world.say(&mut session, event), "ok");
    match session.observed {
        Some(Observed::Defer(refusal)) => assert_eq!(refusal.wait_secs, Some(300)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_mailbox_is_full_for_everybody() {
    let mut world = World::new(limits([]));
    let now = world.now();
    world.engine.mailboxes.full("me@d.example", now);
    let said = world.rcpt("192.0.2.1", "a@c.example", "me@d.example");
    assert_eq!(said, "452 4.2.2 Mailbox full");
    world.engine.mailboxes.room("me@d.example", now);
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), "ok");
}

/// A quota says so before a delivery does: from then on it is one more time that it was full, and told by the others.
#[test]
fn a_mailbox_that_its_quota_calls_full_has_a_time_once_there_is_a_history() {
    let mut world = World::new(limits([]));
    let rcpt = |world: &mut World, has_room, is_full| {
        let mut session = Session {
            has_room: Some(has_room),
            is_full,
            ..Session::default()
        };
        world.say(
            &mut session,
            rcpt("192.0.2.1", "a@c.example", "me@d.example"),
        )
    };
    const FULL: &str = "452 4.2.2 Mailbox full";
    assert_eq!(rcpt(&mut world, false, true), FULL, "never before");
    world.sleep(600);
    let now = world.now();
    world.engine.mailboxes.room("me@d.example", now);
    assert_eq!(rcpt(&mut world, true, false), "ok");
    // A large mail that does not fit says nothing of others.
    assert_eq!(rcpt(&mut world, false, false), FULL);
    world.sleep(60);
    let told = "452 4.2.2 TIME=600 Mailbox full";
    assert_eq!(rcpt(&mut world, false, true), told);
    world.sleep(100);
    let told = "452 4.2.2 TIME=500 Mailbox full";
    assert_eq!(rcpt(&mut world, false, true), told);
    assert_eq!(rcpt(&mut world, false, false), told);
    assert_eq!(rcpt(&mut world, true, false), "ok", "sooner than usual");
}

/// A decoy in front, tags and aliases hide no recipient from its limit.
#[test]
fn each_recipient_of_a_mail_counts_by_its_own_limit() {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Recipient,
        "1/h burst 1",
    )]));
    let mut said = Vec::new();
    for n in 0..2 {
        let mut session = Session::default();
        let decoy = format!("decoy{n}@d.example");
        said.push(world.say(&mut session, rcpt("192.0.2.1", "a@c.example", &decoy)));
        let tag = format!("me+{n}@d.example");
        session.mailbox = Some("me@d.example".to_owned());
        said.push(world.say(&mut session, rcpt("192.0.2.1", "a@c.example", &tag)));
        let now = world.now();
        world.engine.taken(&mut session, now);
    }
    let waits = "450 4.2.1 TIME=3600 Too much mail for this recipient";
    assert_eq!(said, ["ok", "ok", "ok", waits]);
}

/// What concerns the client concerns the whole mail: one time, one place, and all of it gets in then.
#[test]
fn a_mail_of_many_recipients_has_one_appointment() {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Client,
        "60/h burst 1",
    )]));
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), "ok");
    let all = [
        "a@d.example",
        "b@d.example",
        "c@d.example",
        "e@d.example",
        "f@d.example",
    ];
    let visit = |world: &mut World| {
        let mut session = Session::default();
        let said = all.map(|to| world.say(&mut session, rcpt("192.0.2.1", "a@c.example", to)));
        let now = world.now();
        world.engine.taken(&mut session, now);
        said
    };
    let told = visit(&mut world);
    assert_eq!(
        told,
        ["450 4.7.0 TIME=60 Too much mail from your network"; 5]
    );
    assert_eq!(world.engine.book.appointments(), 1);
    world.sleep(60);
    assert_eq!(visit(&mut world), ["ok"; 5]);
}

/// The sender quits after it was told, and begins anew with a connection.
#[test]
fn a_place_of_the_loads_that_was_told_at_rcpt_is_kept_at_connect() {
    let mut world = World::new(Rules {
        load: Some("1/s burst 1".parse::<Limit>().unwrap()),
        ..limits([])
    });
    let mail = rcpt("192.0.2.1", "a@c.example", "me@d.example");
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), "ok");
    assert_eq!(world.say(&mut session, mail), "ok");
    let now = world.now();
    world.engine.taken(&mut session, now);
    assert_eq!(world.say(&mut session, mail), "451 4.3.2 TIME=1 Too busy");
    for n in 0..20 {
        let client = format!("198.51.{n}.1");
        let other = event(Stage::Connect, &client, "", "");
        assert_ne!(world.say(&mut Session::default(), other), "ok");
    }
    world.sleep(1);
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), "ok");
    assert_eq!(world.say(&mut session, mail), "ok");
}
