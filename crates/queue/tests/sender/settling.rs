//! What an attempt changes.

use queue::plan::{GiveUp, Rules, first};
use queue::settle::Settled;
use queue::{HoldKey, Message, Outcome, Progress, Stretched};
use retry_hint::{Hint, Holds, Tongue};

use crate::stage::{DAY, at, delivered, hinted, holding, mail, plain, problem, settle};

fn settled(message: &Message, outcomes: Vec<(u32, Outcome)>, now: u64) -> Settled {
    let rules = Rules::default();
    let row = first(&rules, message, at(0), false);
    let rows: Vec<_> = (0..3).map(|index| (index, row.clone())).collect();
    settle(&rules, message, &rows, outcomes, at(now), 0.0)
}

fn three() -> Message {
    mail(&["a@B.example", "b@b.example", "c@b.example"])
}

#[test]
fn each_recipient_goes_its_own_way() {
    let outcomes = vec![
        (2, delivered(false, false)),
        (0, Outcome::Failed(problem("550 5.1.1 No"))),
        (1, Outcome::Deferred(hinted(300))),
    ];
    let settled = settled(&three(), outcomes, 10);
    assert_eq!(settled.done, [2, 0]);
    let (index, row) = &settled.update[0];
    assert_eq!((*index, row.attempts, row.due), (1, 1, at(310)));
    let log: Vec<_> = settled
        .log
        .iter()
        .map(|e| (e.index, e.attempt, e.due))
        .collect();
    assert_eq!(log, [(2, 1, None), (0, 1, None), (1, 1, Some(at(310)))]);
    assert!(settled.mailbox_holds.is_empty());
}

#[test]
fn what_was_not_tried_is_as_it_was() {
    let rules = Rules::default();
    let message = three();
    let row = Progress {
        attempts: 7,
        backoff_steps: 2,
        broken: 1,
        last_reply: Some("450 4.2.0 Later".to_owned()),
        ..first(&rules, &message, at(0), false)
    };
    let key: HoldKey = "host 192.0.2.1:25".parse().expect("a key");
    let rows = vec![(0, row.clone()), (1, row.clone())];
    let outcomes = vec![
        (
            0,
            Outcome::NotTried {
                parked: Some(key.clone()),
            },
        ),
        (1, Outcome::NotTried { parked: None }),
    ];
    let settled = settle(&rules, &message, &rows, outcomes, at(10), 0.0);
    let parked = Progress {
        parked: Some(key),
        ..row.clone()
    };
    let soon = Progress { due: at(11), ..row };
    assert_eq!(settled.update, [(0, parked), (1, soon)]);
    assert_eq!((settled.log[0].attempt, settled.log[0].due), (7, None));
    assert_eq!(
        (settled.log[1].attempt, settled.log[1].due),
        (7, Some(at(11)))
    );
}

#[test]
fn a_mailbox_waits_as_one() {
    let full = || Outcome::Deferred(holding(600, Holds::Mailbox));
    let mut message = three();
    message.recipients[1].address = "a@b.EXAMPLE".to_owned();
    let settled = settled(&message, vec![(0, full()), (1, full()), (2, full())], 0);
    let holds: Vec<_> = settled
        .mailbox_holds
        .iter()
        .map(|(key, until, _)| (key.to_string(), *until))
        .collect();
    let expected = ["mailbox a@b.example", "mailbox c@b.example"];
    assert_eq!(holds, expected.map(|key| (key.to_owned(), at(600))));
    assert_eq!(
        settled.mailbox_holds[0].2.text,
        "450 4.2.0 TIME=600 Not now"
    );
    assert!(
        settled
            .update
            .iter()
            .all(|(_, row)| row.due == at(600) && row.appointment.is_some())
    );
}

#[test]
fn only_a_keyword_holds_a_mailbox() {
    let mut prose = holding(600, Holds::Mailbox);
    prose.hint = prose.hint.map(|hint| Hint {
        tongue: Tongue::Prose,
        ..hint
    });
    let settled = settled(&three(), vec![(0, Outcome::Deferred(prose))], 0);
    assert_eq!(
        (settled.mailbox_holds, settled.update[0].1.due),
        (vec![], at(600))
    );
}

#[test]
fn a_mailbox_waits_also_when_its_mail_is_given_up() {
    let message = three();
    let rules = Rules::default();
    let row = Progress {
        stretched: Stretched {
            to_appointment: true,
            to_probe: false,
        },
        ..first(&rules, &message, at(0), false)
    };
    let outcomes = vec![(0, Outcome::Deferred(holding(u64::MAX, Holds::Mailbox)))];
    let settled = settle(&rules, &message, &[(0, row)], outcomes, at(5 * DAY), 0.0);
    assert_eq!(settled.log[0].gave_up, Some(GiveUp::Lifetime));
    assert_eq!(settled.mailbox_holds[0].1, at(7 * DAY));
}

#[test]
fn strange_reports_are_survived() {
    let outcomes = vec![
        (0, Outcome::Deferred(plain())),
        (0, delivered(false, false)),
        (9, delivered(false, false)),
    ];
    let settled = settled(&three(), outcomes, 0);
    assert_eq!(
        (settled.update.len(), settled.done.len(), settled.log.len()),
        (1, 0, 1)
    );
    // A row of a recipient that the envelope doesn't know: nobody is told.
    let row = first(&Rules::default(), &three(), at(0), false);
    let outcomes = vec![(7, Outcome::Deferred(holding(1, Holds::Mailbox)))];
    let settled = settle(
        &Rules::default(),
        &three(),
        &[(7, row)],
        outcomes,
        at(0),
        0.0,
    );
    assert_eq!((settled.update.len(), settled.mailbox_holds.len()), (1, 0));
}
