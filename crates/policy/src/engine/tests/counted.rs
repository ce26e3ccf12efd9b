//! How hints are counted: each on the day it was told, until it is known how it was kept.

use super::*;
use crate::stats::{Counts, day_of};

const DAY: u64 = 86_400;

impl World {
    fn tick(&mut self) {
        let now = self.now();
        self.engine.tick(now);
    }

    fn counts(&self, reason: Reason, day: i64) -> Counts {
        self.engine.stats.sum(reason, day, day)
    }

    fn today(&self) -> i64 {
        day_of(self.now())
    }

    /// A recipient whose sender's domain can't be looked up before `secs` are over.
    fn rcpt_failing(&mut self, secs: u64, sender: &str) -> String {
        let mut session = Session::default();
        let retry = Some(Duration::from_secs(secs));
        session.facts.sender_domain = Fact::Failed { retry };
        self.say(&mut session, rcpt("192.0.2.1", sender, "me@d.example"))
    }
}

fn checking() -> World {
    World::new(Rules {
        checks: Checks {
            sender_domain: true,
            ..Checks::default()
        },
        ..limits([])
    })
}

fn counts<const N: usize>(of: [u64; N]) -> Counts {
    let of = |at: usize| of.get(at).copied().unwrap_or(0);
    Counts {
        given: of(0),
        early: of(1),
        on_time: of(2),
        late: of(3),
        never: of(4),
    }
}

#[test]
fn an_estimate_counts_once_until_it_is_kept() {
    let mut world = checking();
    let today = world.today();
    assert!(world.rcpt_failing(100, "a@c.example").contains("TIME=100"));
    world.sleep(40);
    assert!(world.rcpt_failing(60, "A@c.example").contains("TIME=60"));
    assert_eq!(world.counts(Reason::Lookup, today), counts([1, 1]));
    world.sleep(60);
    assert_eq!(world.rcpt("192.0.2.9", "a@c.example", "me@d.example"), "ok");
    assert_eq!(world.counts(Reason::Lookup, today), counts([1, 1, 1]));
    // It is over: a second mail is nobody's return.
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), "ok");
    assert_eq!(world.counts(Reason::Lookup, today), counts([1, 1, 1]));
    // Another is told, and obeyed, and told anew: two hints. The second is obeyed late.
    world.rcpt_failing(5, "b@c.example");
    world.sleep(5);
    world.rcpt_failing(10, "b@c.example");
    world.sleep(71);
    assert_eq!(world.rcpt("192.0.2.1", "b@c.example", "me@d.example"), "ok");
    assert_eq!(world.counts(Reason::Lookup, today), counts([3, 1, 2, 1]));
}

/// A return is one whatever it is answered, and whoever is let in before its time has no appointment any more.
#[test]
fn what_a_return_is_answered_makes_no_difference() {
    let mut world = checking();
    let today = world.today();
    world.rcpt_failing(100, "a@c.example");
    world.sleep(10);
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), "ok");
    assert_eq!(world.counts(Reason::Lookup, today), counts([1, 0, 1]));
    world.rcpt_failing(100, "b@c.example");
    for wait in [50, 50] {
        world.sleep(wait);
        let mut session = Session::default();
        session.facts.sender_domain = Fact::Known(false);
        world.say(
            &mut session,
            rcpt("192.0.2.1", "b@c.example", "me@d.example"),
        );
    }
    assert_eq!(world.counts(Reason::Lookup, today), counts([2, 1, 2]));
}

#[test]
fn a_full_mailbox_counts_each_sender_once() {
    let mut world = World::new(limits([]));
    let start = world.now();
    world.engine.mailboxes.full("me@d.example", start);
    world.sleep(1_800);
    let now = world.now();
    world.engine.mailboxes.room("me@d.example", now);
    world.engine.mailboxes.full("me@d.example", now);
    let today = world.today();
    for sender in ["a@c.example", "b@c.example"] {
        for _ in 0..3 {
            let said = world.rcpt("192.0.2.1", sender, "me@d.example");
            assert_eq!(said, "452 4.2.2 TIME=1800 Mailbox full");
        }
    }
    assert_eq!(world.counts(Reason::Mailbox, today), counts([2, 4]));
    world.sleep(1_800);
    let now = world.now();
    world.engine.mailboxes.room("me@d.example", now);
    assert_eq!(world.rcpt("192.0.2.1", "a@c.example", "me@d.example"), "ok");
    world.sleep(2 * DAY);
    world.tick();
    assert_eq!(
        world.counts(Reason::Mailbox, today),
        counts([2, 4, 1, 0, 1])
    );
}

/// DMARC speaks at the end, when the mail's recipients are known and none is named.
#[test]
fn an_estimate_at_the_end_of_a_mail_is_found_again() {
    let mut world = World::new(Rules {
        checks: Checks {
            dmarc: true,
            ..Checks::default()
        },
        ..limits([])
    });
    let today = world.today();
    let mail = |world: &mut World, to: &str, failed: bool| {
        let mut session = Session::default();
        world.say(&mut session, rcpt("192.0.2.1", "a@c.example", to));
        session.facts.dmarc = match failed {
            true => Fact::Failed {
                retry: Some(Duration::from_secs(30)),
            },
            false => Fact::Known(Finding::Pass),
        };
        let end = event(Stage::Message, "192.0.2.1", "a@c.example", "");
        world.say(&mut session, end)
    };
    for to in ["me@d.example", "you@d.example"] {
        assert!(mail(&mut world, to, true).contains("TIME=30"));
    }
    world.sleep(30);
    assert_eq!(mail(&mut world, "me@d.example", false), "ok");
    assert_eq!(world.counts(Reason::Lookup, today), counts([2, 0, 1]));
}

/// With `--days 1` yesterday's hints are of no concern: neither their end nor an early visit.
#[test]
fn what_becomes_of_a_hint_counts_on_the_day_it_was_told() {
    // No slot of it is near midnight. It lets the first in.
    let slow = limit(Counted::Messages, Scope::Client, "1/11h burst 1");
    for (reason, rules, given) in [
        (Reason::Greylist, Rules::default(), 2),
        (Reason::Client, limits([slow]), 1),
    ] {
        let mut world = World::new(rules);
        let today = world.today();
        let midnight = u64::try_from((today + 1) * 86_400_000 - world.now).unwrap() / 1_000;
        world.sleep(midnight - 50);
        for sender in ["a@c.example", "b@c.example"] {
            world.rcpt("192.0.2.1", sender, "me@d.example");
        }
        world.sleep(100);
        let early = world.rcpt("192.0.2.1", "b@c.example", "me@d.example");
        assert!(early.contains("TIME="), "{reason}: {early}");
        assert_eq!(world.counts(reason, today), counts([given, 1]), "{reason}");
        world.sleep(4 * DAY);
        world.tick();
        let ended = counts([given, 1, 0, 0, given]);
        assert_eq!(world.counts(reason, today), ended, "{reason}");
        assert_eq!(world.engine.stats.rows().count(), 1, "no other day");
    }
}

#[test]
fn a_flood_of_estimates_is_bounded_and_forgets_those_that_end_first() {
    let mut world = checking();
    let today = world.today();
    let most = crate::estimates::ESTIMATES_MAX;
    for n in 0..=most {
        world.rcpt_failing(60, &format!("a{n}@c.example"));
        world.now += 1;
    }
    assert_eq!(world.engine.estimates.rows().len(), most);
    world.sleep(2 * DAY + 60);
    for _ in 0..most / 256 + 1 {
        world.tick();
    }
    assert!(world.engine.estimates.is_empty());
    let given = u64::try_from(most).unwrap();
    let counted = world.counts(Reason::Lookup, today);
    assert_eq!((counted.given, counted.never), (given + 1, given));
}
