//! What is said before a recipient is named, and what is not.

use super::*;
use crate::greylist::exempt::AddressList;

const LISTED: &str = "192.0.2.66";
const BLOCKED: &str = "554 5.7.1 Blocked using bl.example";

/// All checks, spoken as early as can be.
fn rules() -> Rules {
    Rules {
        early: true,
        checks: Checks {
            spf: true,
            reverse: true,
            sender_domain: true,
            dmarc: false,
            reject_score: 10,
        },
        ..Rules::default()
    }
}

/// What a listed client hears at each step, its sender being one for whom SPF fails.
fn hears(world: &mut World, listed: bool) -> [String; 3] {
    let listing = match listed {
        true => Listing {
            score: 10,
            zones: vec!["bl.example".to_owned()],
            allowed: false,
        },
        false => Listing::default(),
    };
    let mut session = Session {
        facts: crate::Facts {
            lists: Fact::Known(listing),
            reverse: Fact::Known(Reverse {
                name: Some("mx.c.example".to_owned()),
                confirmed: true,
            }),
            ..crate::Facts::default()
        },
        ..Session::default()
    };
    let helo = world.say(&mut session, event(Stage::Helo, LISTED, "", ""));
    session.facts.spf = Fact::Known(Spf {
        finding: Finding::Fail,
        domain: "c.example".to_owned(),
        pool: None,
    });
    [
        helo,
        world.say(&mut session, event(Stage::Mail, LISTED, "a@c.example", "")),
        world.say(&mut session, rcpt(LISTED, "a@c.example", "me@d.example")),
    ]
}

fn set(world: &mut World, action: Action, subject: Subject) {
    let entry = Entry {
        subject,
        action,
        until: None,
        note: String::new(),
        made: world.now(),
    };
    world.engine.lists.set(entry).unwrap();
}

#[test]
fn a_client_is_refused_at_helo_and_a_sender_at_mail() {
    const FORGED: &str = "550 5.7.23 SPF of the sender's domain does not name your address";
    let mut world = World::new(rules());
    assert_eq!(hears(&mut world, true), [BLOCKED; 3]);
    assert_eq!(hears(&mut world, false), ["ok", FORGED, FORGED]);
    world.engine.configure(Rules {
        early: false,
        ..rules()
    });
    assert_eq!(hears(&mut world, true), ["ok", "ok", BLOCKED]);
    assert_eq!(hears(&mut world, false), ["ok", "ok", FORGED]);
}

#[test]
fn only_what_is_to_be_said_is_looked_up() {
    let asked = |rules: &Rules, stage| {
        let engine = Engine::new(rules.clone(), Secret::new([1, 2]), LastingKey([7; 16]));
        let event = event(stage, LISTED, "", "");
        engine.questions(&Session::default(), &event, Moment::from_millis(0))
    };
    use Question::{Lists, Reverse, SenderDomain, Spf};
    assert_eq!(asked(&rules(), Stage::Connect), []);
    assert_eq!(asked(&rules(), Stage::Helo), [Reverse, Lists]);
    assert_eq!(
        asked(&rules(), Stage::Mail),
        [Reverse, Lists, Spf, SenderDomain]
    );
    let late = Rules {
        early: false,
        ..rules()
    };
    assert_eq!(asked(&late, Stage::Helo), []);
    assert_eq!(asked(&late, Stage::Mail), []);
    // Greylisting's pools can wait, and who is exempt need not be known where nothing is refused.
    let mut pools = Rules {
        early: true,
        ..Rules::default()
    };
    pools.greylist.pool_by_spf = true;
    pools.greylist.pool_by_name = true;
    pools.exempt.names = AddressList::from_iter([".example.org"]);
    pools.exempt.allow_listed = true;
    assert_eq!(asked(&pools, Stage::Helo), []);
    assert_eq!(asked(&pools, Stage::Mail), []);
    pools.checks.spf = true;
    assert_eq!(asked(&pools, Stage::Helo), []);
    assert_eq!(asked(&pools, Stage::Mail), [Reverse, Lists, Spf]);
}

/// Whoever may turn out to be exempt hears nothing before that is known.
#[test]
fn nobody_is_refused_who_may_be_exempt() {
    let list = |entry| AddressList::from_iter([entry]);
    let mut by_domain = rules();
    by_domain.exempt.visit.domains = list("partner.example");
    assert_eq!(
        hears(&mut World::new(by_domain), true),
        ["ok", BLOCKED, BLOCKED]
    );
    let mut by_recipient = rules();
    by_recipient.exempt.visit.recipients = list("me@d.example");
    assert_eq!(hears(&mut World::new(by_recipient), true), ["ok"; 3]);

    let mut world = World::new(rules());
    set(
        &mut world,
        Action::Allow,
        Subject::sender("x@c.example").unwrap(),
    );
    assert_eq!(hears(&mut world, true), ["ok", BLOCKED, BLOCKED]);
    set(
        &mut world,
        Action::Allow,
        Subject::recipient("me@d.example").unwrap(),
    );
    assert_eq!(hears(&mut world, true), ["ok"; 3]);
}

#[test]
fn the_operators_word_is_early_too() {
    const DENIED: &str = "550 5.7.1 Access denied";
    let mut world = World::new(Rules {
        early: true,
        ..Rules::default()
    });
    // Before MAIL nobody has no sender.
    set(&mut world, Action::Deny, Subject::sender("<>").unwrap());
    let said = world.say(&mut Session::default(), event(Stage::Helo, LISTED, "", ""));
    assert_eq!(said, "ok");
    let said = world.say(&mut Session::default(), event(Stage::Mail, LISTED, "", ""));
    assert_eq!(said, DENIED);
    set(
        &mut world,
        Action::Deny,
        Subject::client("192.0.2.0/24").unwrap(),
    );
    assert_eq!(hears(&mut world, false), [DENIED; 3]);
    // Whom it lets in is asked nothing.
    let mut world = World::new(rules());
    set(&mut world, Action::Allow, Subject::client(LISTED).unwrap());
    assert_eq!(hears(&mut world, true), ["ok"; 3]);
}

/// Greylisting before block lists, so that these have time to learn: then these speak no earlier.
#[test]
fn no_check_speaks_before_what_comes_before_it() {
    use ReadOnly::{Checks, Greylist, Mailbox, NeverReturned};
    for (order, early) in [
        ([Checks, Greylist, NeverReturned, Mailbox], true),
        ([NeverReturned, Checks, Greylist, Mailbox], true),
        ([Greylist, Checks, NeverReturned, Mailbox], false),
        ([NeverReturned, Mailbox, Checks, Greylist], false),
    ] {
        let mut world = World::new(Rules {
            order: Order::new(&order).unwrap(),
            ..rules()
        });
        let questions = world.engine.questions(
            &Session::default(),
            &event(Stage::Helo, LISTED, "", ""),
            world.now(),
        );
        assert_eq!(!questions.is_empty(), early, "{order:?}");
        assert_eq!(hears(&mut world, true)[0] == BLOCKED, early, "{order:?}");
    }
}

#[test]
fn who_may_relay_is_asked_nothing() {
    let mut rules = rules();
    rules.greylist.exemptions.relay = vec!["192.0.2.0/24".parse().unwrap()];
    assert_eq!(hears(&mut World::new(rules), true), ["ok"; 3]);
}

/// Told at HELO, and counted as kept where it then is let through.
#[test]
fn a_time_that_was_told_at_helo_is_counted() {
    let mut world = World::new(rules());
    let mut session = Session::default();
    let helo = event(Stage::Helo, LISTED, "", "");
    session.facts.lists = Fact::Failed {
        retry: Some(Duration::from_secs(30)),
    };
    session.facts.reverse = Fact::Known(Reverse {
        name: None,
        confirmed: true,
    });
    let said = world.say(&mut session, helo);
    assert_eq!(said, "451 4.4.3 TIME=30 Look-up of block list failed");
    world.sleep(30);
    session.facts.lists = Fact::Known(Listing::default());
    assert_eq!(world.say(&mut session, helo), "ok");
    let days: Vec<_> = world.engine.stats.rows().collect();
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].counts.given, days[0].counts.on_time), (1, 1));
}
