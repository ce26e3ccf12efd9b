//! Who is told what.

use queue::outcome::{Deferral, Problem};
use queue::settle::{Ahead, Kind, Notice};
use queue::{Message, Outcome, Rules};
use smtp::{Notify, Sender, Status};

use crate::stage::{DAY, HOUR, ahead, at, delivered, expire, mail, notify, plain, problem, settle};

fn told(message: &Message, outcomes: Vec<(u32, Outcome)>, now: u64) -> Vec<Notice> {
    let rules = Rules::default();
    let row = queue::plan::first(&rules, message, at(0), false);
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(index, _)| (*index, row.clone()))
        .collect();
    settle(&rules, message, &rows, outcomes, at(now), 0.0).notices
}

fn kinds(notices: &[Notice]) -> Vec<Kind> {
    notices.iter().map(|notice| notice.kind).collect()
}

fn failed() -> Outcome {
    Outcome::Failed(problem("550 5.1.1 No such user"))
}

#[test]
fn notify_says_who_is_told() {
    use Kind::{Delayed, Delivered, Failed, Relayed};
    let on = |success, failure, delay| Notify::On {
        success,
        failure,
        delay,
    };
    let never: &[Kind] = &[];
    // NOTIFY | failed, given up, late, in our mailbox, passed on without DSN.
    for (what, expected) in [
        (
            Notify::Unspecified,
            [&[Failed] as &[Kind], &[Failed], &[Delayed], never, never],
        ),
        (Notify::Never, [never; 5]),
        (
            on(true, false, false),
            [never, never, never, &[Delivered], &[Relayed]],
        ),
        (
            on(false, true, false),
            [&[Failed], &[Failed], never, never, never],
        ),
        (
            on(false, false, true),
            [never, never, &[Delayed], never, never],
        ),
        (
            on(true, true, true),
            [&[Failed], &[Failed], &[Delayed], &[Delivered], &[Relayed]],
        ),
    ] {
        let message = notify(mail(&["bob@b.example"]), what);
        let cases = [
            (failed(), 0),
            (Outcome::Deferred(plain()), 5 * DAY),
            (Outcome::Deferred(plain()), 4 * HOUR),
            (delivered(true, false), 0),
            (delivered(false, false), 0),
        ];
        for ((outcome, now), expected) in cases.into_iter().zip(expected) {
            let is = kinds(&told(&message, vec![(0, outcome.clone())], now));
            assert_eq!(is, expected, "{what:?} {outcome:?}");
        }
        // The next hop took it over.
        assert_eq!(told(&message, vec![(0, delivered(false, true))], 0), []);

        let mut null = message.clone();
        null.sender = Sender::default();
        for outcome in [failed(), Outcome::Deferred(plain()), delivered(true, false)] {
            assert_eq!(
                told(&null, vec![(0, outcome)], 6 * DAY),
                [],
                "nobody answers the null sender"
            );
        }
    }
}

#[test]
fn one_notice_for_all_that_fail_together() {
    let mut message = mail(&[
        "a@b.example",
        "b@b.example",
        "c@b.example",
        "d@b.example",
        "e@b.example",
    ]);
    message.recipients[3].notify = Notify::Never;
    message.recipients[4].notify = Notify::On {
        success: true,
        failure: true,
        delay: true,
    };
    let outcomes = vec![
        (0, failed()),
        (1, Outcome::Deferred(plain())),
        (2, Outcome::Failed(problem("552 5.2.2 Full"))),
        (3, failed()),
        (4, delivered(false, false)),
    ];
    let notices = told(&message, outcomes, 5 * DAY);
    assert_eq!(kinds(&notices), [Kind::Failed, Kind::Relayed]);
    let about: Vec<_> = notices[0]
        .about
        .iter()
        .map(|about| (about.index, about.problem.status))
        .collect();
    assert_eq!(
        about,
        [
            (0, Status(5, 1, 1)),
            (1, Status(4, 4, 7)),
            (2, Status(5, 2, 2))
        ]
    );
    assert_eq!(notices[0].about[1].problem.text, "450 4.2.0 Not now");
}

#[test]
fn one_delay_notice_for_all_that_are_late() {
    let message = mail(&["a@b.example", "b@b.example", "c@b.example"]);
    let rules = Rules::default();
    let row = queue::plan::first(&rules, &message, at(0), false);
    let waiting = queue::Progress {
        due: at(5 * HOUR),
        attempts: 3,
        last_reply: Some("450 4.2.0 Later".into()),
        ..row
    };
    let told = queue::Progress {
        delay_notice: None,
        ..waiting.clone()
    };
    let rows = vec![
        (0, waiting.clone()),
        (1, waiting.clone()),
        (2, told.clone()),
    ];
    let (settled, left) = expire(&rules, &message, rows, at(4 * HOUR));
    assert_eq!(kinds(&settled.notices), [Kind::Delayed]);
    let about = &settled.notices[0].about;
    assert_eq!(
        about.iter().map(|about| about.index).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(about[0].ahead, ahead(5 * HOUR, 5 * DAY));
    assert_eq!(
        (about[0].problem.text.as_str(), about[0].problem.remote),
        ("450 4.2.0 Later", true)
    );
    assert_eq!((settled.log, left), (vec![], vec![]));
    // Back in the spool as they were; the notice is due again, should this one be lost.
    let again = queue::Progress {
        delay_notice: Some(at(4 * HOUR + 900)),
        ..waiting.clone()
    };
    assert_eq!(settled.update, [(0, again.clone()), (1, again), (2, told)]);

    // Nobody is told once the administrator wants no delay notices any more.
    let quiet = Rules {
        delay_notice_after: None,
        ..rules
    };
    let (settled, _) = expire(&quiet, &message, vec![(0, waiting)], at(4 * HOUR));
    assert_eq!(
        (settled.notices, settled.update[0].1.delay_notice),
        (vec![], None)
    );
}

#[test]
fn a_delay_notice_promises_no_time_that_nobody_knows() {
    use queue::{HoldKey, Progress, State};
    let message = mail(&["a@b.example", "b@b.example", "c@b.example"]);
    let rules = Rules::default();
    let row = queue::plan::first(&rules, &message, at(0), false);
    let later = Progress {
        due: at(5 * HOUR),
        ..row
    };
    let parked: HoldKey = "host 192.0.2.1:25".parse().expect("a key");
    let parked = Progress {
        parked: Some(parked),
        ..later.clone()
    };
    let held = Progress {
        state: State::Held,
        ..later.clone()
    };
    let rows = vec![(0, later), (1, parked), (2, held)];
    let (settled, _) = expire(&rules, &message, rows, at(4 * HOUR));
    let said = settled.notices[0].about.iter().map(|about| about.ahead);
    let known = ahead(5 * HOUR, 5 * DAY);
    let held = known.map(|ahead| Ahead {
        next: None,
        ..ahead
    });
    assert_eq!(said.collect::<Vec<_>>(), [known, known, held]);
}

#[test]
fn what_waits_without_an_attempt_still_says_who_answered_last_and_when() {
    let message = mail(&["a@b.example"]);
    let rules = Rules::default();
    let row = queue::plan::first(&rules, &message, at(0), false);
    let refused = Deferral {
        problem: Problem {
            status: Status(4, 4, 1),
            text: "connect to mx.b.example[192.0.2.1]:25: Connection refused".to_owned(),
            remote: false,
            ..problem("")
        },
        ..plain()
    };
    let outcomes = vec![(0, Outcome::Deferred(refused.clone()))];
    let settled = settle(&rules, &message, &[(0, row)], outcomes, at(10), 0.0);
    let row = queue::Progress {
        state: queue::State::Held,
        ..settled.update[0].1.clone()
    };
    for (when, kind, status) in [
        (4 * HOUR, Kind::Delayed, Status(4, 4, 1)),
        (5 * DAY, Kind::Failed, Status(4, 4, 7)),
    ] {
        let (settled, _) = expire(&rules, &message, vec![(0, row.clone())], at(when));
        assert_eq!(kinds(&settled.notices), [kind]);
        let about = &settled.notices[0].about[0];
        let problem = Problem {
            status,
            answered: None,
            ..refused.problem.clone()
        };
        assert_eq!(
            (&about.problem, about.last_attempt),
            (&problem, Some(at(10)))
        );
    }
}
