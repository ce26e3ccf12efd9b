//! What is looked up for whom.

use super::*;
use crate::facts::Question;
use crate::greylist::{Known, Origin, Stored};

fn with_pools(rules: Rules) -> Rules {
    Rules {
        greylist: Greylisting {
            pool_by_spf: true,
            ..rules.greylist
        },
        ..rules
    }
}

/// An SPF record is up to ten questions to foreign servers: nobody is asked for what no rule can use.
#[test]
fn spf_is_asked_where_a_rule_can_use_it() {
    let per = |of, per| limits([limit(of, per, "1/h burst 1")]);
    let off = || limits([]);
    let load = || Rules {
        load: Some("6/min burst 1".parse().unwrap()),
        ..off()
    };
    for (name, rules, known, stranger) in [
        ("nothing", off(), false, false),
        ("greylisting", Rules::default(), false, true),
        ("load, for the first mail", load(), false, false),
        (
            "load and greylisting",
            Rules {
                load: load().load,
                ..Rules::default()
            },
            false,
            true,
        ),
        (
            "connections",
            per(Counted::Connections, Scope::Client),
            false,
            false,
        ),
        ("users", per(Counted::Messages, Scope::User), false, false),
        // What one address is told, another one of its pool may come for, whosever limit it is.
        ("mails", per(Counted::Messages, Scope::Client), true, true),
        (
            "recipients",
            per(Counted::Recipients, Scope::Recipient),
            true,
            true,
        ),
        ("octets", per(Counted::Octets, Scope::Sender), true, true),
        (
            "the SPF domain",
            per(Counted::Messages, Scope::SpfDomain),
            true,
            true,
        ),
    ] {
        for (client, expected) in [("192.0.2.1", known), ("198.51.100.1", stranger)] {
            let mut world = World::new(with_pools(rules.clone()));
            let origin = Origin::Network("192.0.2.0/24".parse().unwrap());
            let good = Known {
                passes: 1,
                last_used: world.now(),
                for_good: true,
            };
            let stored = Stored::Known {
                origin,
                known: good,
            };
            let start = std::time::UNIX_EPOCH;
            world.engine.greylist.restore(stored, start);
            let mut session = Session::default();
            let connect = event(Stage::Connect, client, "", "");
            assert_eq!(world.say(&mut session, connect), "ok");
            let first = rcpt(client, "a@c.example", "me@d.example");
            let questions = world.engine.questions(&session, &first, world.now());
            let asks = questions.contains(&Question::Spf);
            assert_eq!(asks, expected, "{name}: {client}");
        }
    }
}

/// A session's first mail has the place of its connection; each one more asks for its own, which its pool may come for.
#[test]
fn spf_is_asked_for_a_mail_that_needs_a_place_of_the_loads() {
    let mut world = World::new(with_pools(Rules {
        load: Some("6/min burst 9".parse().unwrap()),
        ..limits([])
    }));
    let asked = |world: &World, session: &Session, event: &Event<'_>| {
        let questions = world.engine.questions(session, event, world.now());
        questions.contains(&Question::Spf)
    };
    let mut session = Session::default();
    let connect = event(Stage::Connect, "192.0.2.1", "", "");
    assert_eq!(world.say(&mut session, connect), "ok");
    for to in ["me@d.example", "you@d.example"] {
        let event = rcpt("192.0.2.1", "a@c.example", to);
        assert!(!asked(&world, &session, &event), "{to}");
        assert_eq!(world.say(&mut session, event), "ok");
    }
    let now = world.now();
    world.engine.taken(&mut session, now);
    let second = rcpt("192.0.2.1", "b@c.example", "me@d.example");
    assert!(asked(&world, &session, &second));
    // A door that tells of no connection.
    assert!(asked(&world, &Session::default(), &second));
}
