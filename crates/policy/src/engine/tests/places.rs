//! Who is told a time for a mail, and comes back for it: its recipients together or each alone, from where it came or from
//! another address of its pool.

use super::*;
use crate::greylist::Origin;

const OK: &str = "ok";

fn load(limit: &str, more: impl IntoIterator<Item = LimitRule>) -> Rules {
    Rules {
        load: Some(limit.parse::<Limit>().unwrap()),
        ..limits(more)
    }
}

impl World {
    /// One mail to all of these, in one session, taken where somebody is let in.
    fn mail(&mut self, client: &str, sender: &str, recipients: &[&str]) -> Vec<String> {
        let mut session = Session::default();
        let all = recipients.iter();
        let said = all
            .map(|to| self.say(&mut session, rcpt(client, sender, to)))
            .collect();
        let now = self.now();
        self.engine.taken(&mut session, now);
        said
    }

    /// What is told after its content.
    fn content(&mut self, sender: &str, recipients: &[&str], octets: u64) -> String {
        let mut session = Session::default();
        for to in recipients {
            assert_eq!(self.say(&mut session, rcpt("192.0.2.1", sender, to)), OK);
        }
        let end = Event {
            size: octets,
            ..event(Stage::Message, "192.0.2.1", sender, "")
        };
        let said = self.say(&mut session, end);
        let now = self.now();
        if said == OK {
            self.engine.taken(&mut session, now);
        }
        said
    }
}

const ALL: [&str; 4] = ["a@d.example", "b@d.example", "c@d.example", "e@d.example"];

fn waits(wait: u64, recipients: usize) -> Vec<String> {
    vec![format!("450 4.7.0 TIME={wait} Too much mail from your network"); recipients]
}

fn per_client() -> World {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Client,
        "6/min burst 1",
    )]));
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    assert_eq!(
        world.mail("192.0.2.1", "s@c.example", &ALL),
        waits(10, ALL.len())
    );
    world
}

/// However soon that is: within the 2 s that may be early, too.
#[test]
fn the_recipients_of_a_mail_share_the_shortest_wait_as_well() {
    for secs in [1, 2, 3] {
        let rate = limit(Counted::Messages, Scope::Client, "6/min burst 1");
        let mut world = World::new(limits([rate]));
        assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
        world.sleep(10 - secs);
        let told = world.mail("192.0.2.1", "a@c.example", &ALL);
        assert_eq!(told, waits(secs, ALL.len()));
        world.sleep(secs);
        let said = world.mail("192.0.2.1", "a@c.example", &ALL);
        assert_eq!(said, [OK; 4], "in {secs} s");
    }
}

#[test]
fn recipients_that_were_told_one_time_come_in_any_order() {
    let mut world = per_client();
    world.sleep(10);
    let turned: Vec<_> = ALL.iter().rev().copied().collect();
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &turned), [OK; 4]);
    // It was one mail, and is over: none of them has anything left.
    let said = world.mail("192.0.2.1", "s@c.example", &ALL[..1]);
    assert_eq!(said, waits(10, 1));
}

#[test]
fn recipients_that_were_told_one_time_come_each_alone() {
    let mut world = per_client();
    world.sleep(8);
    for to in [ALL[2], ALL[0], ALL[3]] {
        assert_eq!(world.mail("192.0.2.1", "s@c.example", &[to]), [OK], "{to}");
    }
    // They took the place of one mail.
    let said = world.mail("192.0.2.1", "other@c.example", &[ALL[0]]);
    assert_eq!(said, waits(12, 1));
    let said = world.mail("192.0.2.1", "s@c.example", &[ALL[2]]);
    assert_eq!(said, waits(22, 1), "each once");
    world.sleep(600);
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &[ALL[1]]), [OK]);
}

/// What is refused after all gives the place back to those that are yet to come.
#[test]
fn a_recipient_that_is_given_up_takes_nothing_from_the_others() {
    let mut world = per_client();
    world.sleep(10);
    let mut session = Session::default();
    let first = rcpt("192.0.2.1", "s@c.example", ALL[0]);
    assert_eq!(world.say(&mut session, first), OK);
    let now = world.now();
    world.engine.gave_up(&mut session, now);
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &ALL), [OK; 4]);
}

/// Where each recipient costs a unit, each has a place of its own.
#[test]
fn recipients_that_count_each_have_each_a_place() {
    let mut world = World::new(limits([limit(
        Counted::Recipients,
        Scope::Client,
        "6/min burst 1",
    )]));
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    let told = world.mail("192.0.2.1", "s@c.example", &ALL);
    let expected: Vec<_> = [10, 20, 30, 40].map(|wait| waits(wait, 1)).concat();
    assert_eq!(told, expected);
    for to in ALL {
        world.sleep(10);
        assert_eq!(world.mail("192.0.2.1", "s@c.example", &[to]), [OK]);
    }
}

#[test]
fn what_is_told_behind_the_content_is_kept_for_each_recipient() {
    for alone in [false, true] {
        let octets = limit(Counted::Octets, Scope::Sender, "600/min burst 100");
        let mut world = World::new(limits([octets]));
        let sender = "s@c.example";
        assert_eq!(world.content(sender, &ALL[..1], 100), OK);
        let told = world.content(sender, &ALL[..2], 60);
        assert_eq!(told, "450 4.7.0 TIME=6 Too much mail from this sender");
        world.sleep(6);
        if alone {
            assert_eq!(world.content(sender, &ALL[1..2], 60), OK);
            assert_eq!(world.content(sender, &ALL[..1], 60), OK);
        } else {
            assert_eq!(world.content(sender, &[ALL[1], ALL[0]], 60), OK);
        }
    }
}

/// A small mail's time is no licence for a large one, nor for as many as it had recipients.
#[test]
fn what_comes_is_counted_and_not_what_was_told() {
    let octets = limit(Counted::Octets, Scope::Sender, "600/h burst 100");
    let mut world = World::new(limits([octets]));
    let sender = "s@c.example";
    let wait = |secs| format!("450 4.7.0 TIME={secs} Too much mail from this sender");
    assert_eq!(world.content(sender, &ALL[..1], 100), OK);
    assert_eq!(world.content(sender, &ALL[..2], 10), wait(60));
    world.sleep(60);
    // It is let in, and the rest of it counts at the next 290 slots.
    assert_eq!(world.content(sender, &ALL[..1], 300), OK);
    assert_eq!(world.content(sender, &ALL[2..3], 10), wait(300 * 6));
    // So does the copy for the other recipient; and what no slots are left for is refused.
    assert_eq!(world.content(sender, &ALL[1..2], 200), OK);
    assert_eq!(world.content(sender, &ALL[3..], 10), wait(510 * 6));
    let mut world = World::new(limits([limit(
        Counted::Octets,
        Scope::Sender,
        "600/h burst 100",
    )]));
    assert_eq!(world.content(sender, &ALL[..1], 100), OK);
    assert_eq!(world.content(sender, &ALL[..1], 10), wait(60));
    world.sleep(60);
    let told = world.content(sender, &ALL[..1], 5_000);
    assert_eq!(
        told,
        "552 5.3.4 More octets than this limit ever lets through at once"
    );
    assert_eq!(
        world.content(sender, &ALL[..1], 10),
        OK,
        "its place is there"
    );
}

/// A place that a mail was told is that mail's, not the next one's of its client.
#[test]
fn a_place_of_the_loads_is_the_mails_that_was_told_it() {
    let mut world = World::new(load("6/min burst 1", []));
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), OK);
    let said = |world: &mut World, session: &mut Session, sender: &str| {
        let said = world.say(session, rcpt("192.0.2.1", sender, ALL[0]));
        let now = world.now();
        world.engine.taken(session, now);
        said
    };
    let wait = |secs| format!("451 4.3.2 TIME={secs} Too busy");
    assert_eq!(said(&mut world, &mut session, "1@c.example"), OK);
    for (sender, secs) in [
        ("2@c.example", 10),
        ("3@c.example", 20),
        ("4@c.example", 30),
    ] {
        assert_eq!(said(&mut world, &mut session, sender), wait(secs));
    }
    world.sleep(10);
    // A new session: it is let in for the place that waits for it, and another mail does not get that.
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), OK);
    assert_eq!(said(&mut world, &mut session, "5@c.example"), wait(30));
    assert_eq!(said(&mut world, &mut session, "2@c.example"), OK);
    world.sleep(10);
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), OK);
    assert_eq!(said(&mut world, &mut session, "3@c.example"), OK);
}

/// Load and rates agree on one time, and that is the only one that is told.
#[test]
fn load_and_rates_reserve_at_one_time() {
    let rate = limit(Counted::Messages, Scope::Sender, "2/min burst 1");
    let mut world = World::new(load("20/min burst 2", [rate]));
    let sender = "s@c.example";
    assert_eq!(world.mail("192.0.2.1", sender, &ALL[..1]), [OK]);
    let told = world.mail("192.0.2.1", sender, &ALL[..1]);
    assert_eq!(told, ["450 4.7.0 TIME=30 Too much mail from this sender"]);
    for n in 0..40 {
        let client = format!("198.51.{n}.1");
        world.mail(&client, "other@e.example", &ALL[..1]);
    }
    world.sleep(30);
    assert_eq!(world.mail("192.0.2.1", sender, &ALL[..1]), [OK]);
}

/// The load's part of it goes to whoever is there; who comes later than that is told by load alone, and once.
#[test]
fn who_is_late_keeps_its_place_in_the_rate_and_asks_for_load_anew() {
    let rate = limit(Counted::Messages, Scope::Sender, "2/min burst 1");
    let mut world = World::new(load("6/min burst 1", [rate]));
    let sender = "s@c.example";
    assert_eq!(world.mail("192.0.2.1", sender, &ALL[..1]), [OK]);
    let told = world.mail("192.0.2.1", sender, &ALL[..1]);
    assert_eq!(told, ["450 4.7.0 TIME=30 Too much mail from this sender"]);
    world.sleep(40);
    let now = world.now();
    world.engine.tick(now);
    // Its slot has passed to whoever is there, and here they are.
    for n in 0..3 {
        let client = format!("198.51.{n}.1");
        world.mail(&client, &format!("{n}@e.example"), &ALL[..1]);
    }
    let told = world.mail("192.0.2.1", sender, &ALL[..1]);
    assert_eq!(told, ["451 4.3.2 TIME=30 Too busy"]);
    world.sleep(30);
    assert_eq!(world.mail("192.0.2.1", sender, &ALL[..1]), [OK]);
}

/// Big providers come back from another address.
#[test]
fn a_place_is_kept_for_the_pool() {
    let mut world = World::new(limits([limit(
        Counted::Messages,
        Scope::Recipient,
        "1/h burst 1",
    )]));
    assert_eq!(world.rcpt("203.0.113.1", "x@x.example", ALL[0]), OK);
    let spf = |pool: &str| {
        Fact::Known(Spf {
            finding: Finding::Pass,
            domain: "c.example".to_owned(),
            pool: pool.parse::<Origin>().ok(),
        })
    };
    let visit = |world: &mut World, client: &str, pool: &str| {
        let mut session = Session::default();
        session.facts.spf = spf(pool);
        let said = world.say(&mut session, rcpt(client, "s@c.example", ALL[0]));
        let now = world.now();
        world.engine.taken(&mut session, now);
        said
    };
    let told = "450 4.2.1 TIME=3600 Too much mail for this recipient";
    assert_eq!(visit(&mut world, "192.0.2.1", "spf:c.example"), told);
    world.sleep(3_600);
    let other = visit(&mut world, "198.51.100.1", "spf:other.example");
    assert_ne!(other, OK, "of another pool");
    assert_eq!(visit(&mut world, "198.51.100.2", "spf:c.example"), OK);
    assert_ne!(visit(&mut world, "192.0.2.1", "spf:c.example"), OK, "once");
}

/// What the operator or the administrator lets in at RCPT is let in with its content too.
#[test]
fn who_is_exempt_is_so_until_the_end_of_the_mail() {
    let octets = limit(Counted::Octets, Scope::Client, "1/h burst 1");
    let exempt = |recipients: &[&str]| Exempt {
        visit: crate::greylist::Exemptions {
            recipients: recipients.iter().collect(),
            ..Exempt::default().visit
        },
        ..Exempt::default()
    };
    let mut world = World::new(Rules {
        exempt: exempt(&[ALL[1]]),
        checks: Checks {
            dmarc: true,
            ..Checks::default()
        },
        ..limits([octets])
    });
    let now = world.now();
    let entry = Entry {
        subject: Subject::parse("sender", "friend@c.example").unwrap(),
        action: Action::Allow,
        until: None,
        note: String::new(),
        made: now,
    };
    world.engine.lists.set(entry).unwrap();
    for (sender, to, expected) in [
        ("friend@c.example", ALL[0], OK),
        ("s@c.example", ALL[1], OK),
        (
            "s@c.example",
            ALL[0],
            "552 5.3.4 More octets than this limit ever lets through at once",
        ),
    ] {
        let said = world.content(sender, &[to], 1_000);
        assert_eq!(said, expected, "{sender} {to}");
    }
    let both = world.content("s@c.example", &[ALL[1], ALL[0]], 1_000);
    assert_ne!(both, OK, "one of them is not exempt");
}

/// Nobody is sent away at the door who may turn out to be exempt.
#[test]
fn who_may_be_exempt_is_not_refused_as_it_connects() {
    let connections = limit(Counted::Connections, Scope::Client, "1/h burst 1");
    let mut world = World::new(Rules {
        exempt: Exempt {
            names: ["x.c.example"].iter().collect(),
            ..Exempt::default()
        },
        ..load("1/h burst 1", [connections])
    });
    let come = |world: &mut World, name: Option<&str>| {
        let mut session = Session::default();
        let connect = event(Stage::Connect, "192.0.2.1", "", "");
        assert_eq!(world.say(&mut session, connect), OK);
        session.facts.reverse = Fact::Known(Reverse {
            name: name.map(str::to_owned),
            confirmed: name.is_some(),
        });
        world.say(&mut session, rcpt("192.0.2.1", "s@c.example", ALL[0]))
    };
    assert_eq!(come(&mut world, None), OK);
    for _ in 0..3 {
        let told = come(&mut world, None);
        assert!(told.starts_with("45"), "{told}");
        assert_eq!(come(&mut world, Some("x.c.example")), OK);
    }
}

/// The usual pair of limits: one for the client, one for each recipient. A mail has one time all the same.
#[test]
fn recipients_with_room_of_their_own_share_the_mails_time() {
    let mut world = World::new(limits([
        limit(Counted::Messages, Scope::Client, "6/min burst 1"),
        limit(Counted::Messages, Scope::Recipient, "60/h burst 1"),
    ]));
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    let six: Vec<_> = (0..6).map(|n| format!("{n}@d.example")).collect();
    let six: Vec<_> = six.iter().map(String::as_str).collect();
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &six), waits(10, 6));
    world.sleep(10);
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &six), [OK; 6]);
    // Each of them has had its mail.
    let told = world.mail("198.51.100.1", "t@c.example", &six[3..4]);
    assert_eq!(told, ["450 4.2.1 TIME=50 Too much mail for this recipient"]);
}

/// One that is full itself has a time of its own, and is no reason for the others to wait for it.
#[test]
fn a_recipient_that_is_full_has_its_own_time() {
    let mut world = World::new(limits([
        limit(Counted::Messages, Scope::Client, "6/min burst 1"),
        limit(Counted::Messages, Scope::Recipient, "60/h burst 1"),
    ]));
    assert_eq!(world.rcpt("198.51.100.9", "x@c.example", ALL[1]), OK);
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    let own = "450 4.2.1 TIME=60 Too much mail for this recipient";
    let mut told = waits(10, 3);
    told.insert(1, own.to_owned());
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &ALL), told);
    world.sleep(10);
    let others = [ALL[0], ALL[2], ALL[3]];
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &others), [OK; 3]);
    world.sleep(50);
    assert_eq!(world.mail("192.0.2.1", "s@c.example", &ALL[1..2]), [OK]);
}

/// An exempt recipient says nothing of the whole mail, wherever it stands.
#[test]
fn the_last_recipient_is_no_passport_for_the_others() {
    let octets = limit(Counted::Octets, Scope::Client, "1/h burst 1");
    let mut world = World::new(Rules {
        exempt: Exempt {
            visit: crate::greylist::Exemptions {
                recipients: [ALL[1]].iter().collect(),
                ..Exempt::default().visit
            },
            ..Exempt::default()
        },
        ..limits([octets])
    });
    let mut session = Session::default();
    for to in &ALL[..2] {
        session.mailbox = Some((*to).to_owned());
        let said = world.say(&mut session, rcpt("192.0.2.1", "s@c.example", to));
        assert_eq!(said, OK);
    }
    let end = Event {
        size: 1_000,
        ..event(Stage::Message, "192.0.2.1", "s@c.example", "")
    };
    assert_ne!(world.say(&mut session, end), OK);
}

/// A time that was told for one recipient's octets is none for others'.
#[test]
fn octets_count_for_each_recipient_that_comes() {
    let octets = limit(Counted::Octets, Scope::Recipient, "600/h burst 100");
    let mut world = World::new(limits([octets]));
    let wait = "450 4.2.1 TIME=60 Too much mail for this recipient";
    assert_eq!(world.content("x@c.example", &ALL[..1], 100), OK);
    assert_eq!(world.content("s@c.example", &ALL[..1], 10), wait);
    world.sleep(60);
    assert_eq!(world.content("s@c.example", &ALL, 300), OK);
    for to in &ALL[1..] {
        // What could be had at once is left; the next 300 slots are not.
        let said = world.content("y@c.example", &[to], 101);
        assert!(said.starts_with("450 4.2.1 TIME=24"), "{to}: {said}");
    }
}

/// A client whose connection was told 20 s by load, and its mail from `2@c.example` 10 s.
fn told_a_mails_time_and_a_later_one(connections: &str) -> World {
    let connections = limit(Counted::Connections, Scope::Client, connections);
    let mut world = World::new(load("6/min burst 1", [connections]));
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), OK);
    let mail = |sender| rcpt("192.0.2.1", sender, ALL[0]);
    assert_eq!(world.say(&mut session, mail("1@c.example")), OK);
    let now = world.now();
    world.engine.taken(&mut session, now);
    let wait = |code: u16, secs| format!("{code} 4.3.2 TIME={secs} Too busy");
    assert_eq!(world.say(&mut session, mail("2@c.example")), wait(451, 10));
    assert_eq!(world.say(&mut Session::default(), connect), wait(421, 20));
    world
}

/// Its connection's own time, which is later, does not stand before a mail's, which has come.
#[test]
fn who_comes_for_a_mail_is_let_in_whatever_its_connection_was_told() {
    let mut world = told_a_mails_time_and_a_later_one("100/h burst 50");
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    world.sleep(10);
    let mut session = Session::default();
    assert_eq!(world.say(&mut session, connect), OK);
    let mail = rcpt("192.0.2.1", "2@c.example", ALL[0]);
    assert_eq!(world.say(&mut session, mail), OK);
    // And the connection's own time stands.
    world.sleep(10);
    assert_eq!(world.say(&mut Session::default(), connect), OK);
}

/// It is early for its own time, and where it can't be let in for the mail it hears no other.
#[test]
fn who_comes_for_a_mail_and_finds_no_room_is_told_the_connections_own_time() {
    let mut world = told_a_mails_time_and_a_later_one("1/min burst 2");
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    world.sleep(10);
    let said = world.say(&mut Session::default(), connect);
    assert_eq!(said, "421 4.7.0 TIME=10 Too much mail from your network");
    world.sleep(10);
    assert_eq!(world.say(&mut Session::default(), connect), OK);
}

/// Who did not come for what it was told has no open door for the rest of the day.
#[test]
fn a_mail_that_is_expected_opens_the_door_for_a_moment() {
    let quota = limit(Counted::Messages, Scope::Sender, "1/d");
    let mut world = World::new(load("1/min burst 1", [quota]));
    let sender = "s@c.example";
    assert_eq!(world.mail("192.0.2.1", sender, &ALL[..1]), [OK]);
    let told = world.mail("192.0.2.1", sender, &ALL[..1]);
    assert!(told[0].contains("TIME="), "{told:?}");
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    world.sleep(2 * 86_400);
    let said = [(); 3].map(|()| world.say(&mut Session::default(), connect));
    assert_eq!(said[0], OK);
    assert!(said[1].starts_with("421 "), "{said:?}");
}

/// So many recipients, and how many each is told.
fn told(world: &mut World, recipients: usize) -> Vec<(String, usize)> {
    let all: Vec<_> = (0..recipients).map(|n| format!("{n}@d.example")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let mut told: Vec<(String, usize)> = Vec::new();
    for said in world.mail("192.0.2.1", "s@c.example", &all) {
        match told.last_mut() {
            Some((last, count)) if *last == said => *count += 1,
            _ => told.push((said, 1)),
        }
    }
    told
}

/// A mail has more recipients than an appointment has room for: they share the next one.
#[test]
fn a_mail_with_very_many_recipients_is_told_several_times() {
    let per_client = limit(Counted::Messages, Scope::Client, "6/min burst 1");
    let mut world = World::new(limits([per_client]));
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    let wait = |secs| waits(secs, 1).remove(0);
    let first = told(&mut world, 250);
    assert_eq!(first, [(wait(10), 100), (wait(20), 100), (wait(30), 50)]);
    assert_eq!(told(&mut world, 250), first, "and nothing is booked anew");
    // Each group at its time, one recipient after the other.
    for (from, to) in [(0, 100), (100, 200), (200, 250)] {
        world.sleep(10);
        for n in from..to {
            let recipient = format!("{n}@d.example");
            let said = world.mail("192.0.2.1", "s@c.example", &[&recipient]);
            assert_eq!(said, [OK], "{n}");
        }
    }
    // It counted as three mails, and a network has no more than four.
    let none = "450 4.7.0 Too much mail from your network".to_owned();
    let next = told(&mut world, 450);
    let expected = [10, 20, 30, 40].map(|secs| (wait(secs), 100));
    assert_eq!(next[..4], expected);
    assert_eq!(next[4..], [(none, 50)]);
}

/// So it is where each recipient has a limit of its own, which its appointment keeps a place in.
#[test]
fn more_recipients_with_limits_of_their_own_than_one_appointment_has_room_for() {
    let mut world = World::new(limits([
        limit(Counted::Messages, Scope::Client, "6/min burst 1"),
        limit(Counted::Messages, Scope::Recipient, "60/h burst 1"),
    ]));
    // One in the middle is full itself: that is nobody else's time.
    assert_eq!(
        world.rcpt("198.51.100.9", "x@c.example", "23@d.example"),
        OK
    );
    assert_eq!(world.rcpt("192.0.2.9", "x@c.example", "x@d.example"), OK);
    let wait = |secs| waits(secs, 1).remove(0);
    let own = "450 4.2.1 TIME=60 Too much mail for this recipient".to_owned();
    assert_eq!(
        told(&mut world, 50),
        [(wait(10), 23), (own, 1), (wait(20), 23), (wait(30), 3)]
    );
    for (from, to) in [(0, 23), (24, 47), (47, 50)] {
        world.sleep(10);
        let group: Vec<_> = (from..to).map(|n| format!("{n}@d.example")).collect();
        let group: Vec<_> = group.iter().map(String::as_str).collect();
        let said = world.mail("192.0.2.1", "s@c.example", &group);
        assert!(said.iter().all(|said| said == OK), "{said:?}");
    }
}

/// Else a mail for each recipient that was told would bring a hundred more.
#[test]
fn who_finds_its_place_used_brings_nobody_along() {
    let mut world = per_client();
    world.sleep(10);
    let new = ["f@d.example", "g@d.example"];
    let with = |told| [&[told], &new[..1]].concat();
    let said = world.mail("192.0.2.1", "s@c.example", &with(ALL[0]));
    assert_eq!(said, [OK; 2], "of the mail that has the place");
    let said = world.mail("192.0.2.1", "s@c.example", &with(ALL[1]));
    assert_eq!(said, [OK, &*waits(10, 1)[0]]);
    let both = [ALL[2], ALL[3], new[1]];
    let said = world.mail("192.0.2.1", "s@c.example", &both);
    assert_eq!(said, [OK, OK, &*waits(20, 1)[0]]);
}

/// Where connections are counted with a mail, the one that gives its mail up is there all the same.
#[test]
fn a_connection_that_gives_its_mail_up_counts_with_its_next() {
    let rate = limit(Counted::Connections, Scope::Client, "1/h burst 1");
    let mut world = World::new(limits([rate]));
    let sender = "s@c.example";
    let mut session = Session::default();
    for _ in 0..3 {
        let first = rcpt("192.0.2.1", sender, ALL[0]);
        assert_eq!(world.say(&mut session, first), OK);
        let now = world.now();
        world.engine.gave_up(&mut session, now);
    }
    let first = rcpt("192.0.2.1", sender, ALL[0]);
    assert_eq!(world.say(&mut session, first), OK);
    let now = world.now();
    world.engine.taken(&mut session, now);
    let said = world.mail("192.0.2.1", sender, &ALL[..1]);
    assert_eq!(said, waits(3_600, 1));
    // Once it has counted, it brings as many mails as it likes.
    assert_eq!(world.say(&mut session, first), OK);
}
