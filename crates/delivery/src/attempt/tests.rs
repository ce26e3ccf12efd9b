//! Golden attempts: each line is what the stepper asks for, and what comes of it; then the report.

use retry_hint::Answered;
use smtp::client::{TlsFailure, Unfit};
use smtp::reply::Answer;

use super::*;
use crate::hosts::Way;

mod other_hosts;

/// Hosts `a`, `b`, … at 192.0.2.1, 192.0.2.2, …, each better than the next.
fn host(name: &str) -> Host {
    let last = name.as_bytes()[0] - b'a' + 1;
    Host {
        way: Way::Smtp,
        name: name.into(),
        addr: ([192, 0, 2, last], 25).into(),
        preference: Some(last.into()),
        from: None,
    }
}

fn group(recipients: &[u32], hosts: &str, held: Option<&str>) -> Group {
    let hosts = hosts.split_whitespace().map(host).collect();
    let held = held.map(|name| HoldKey::Host(host(name).key()));
    Group {
        recipients: recipients.to_vec(),
        free: Free { hosts, held },
        wish: Wish::None,
    }
}

fn answered(word: &str) -> Answered {
    match word {
        "greeting" => Answered::Greeting,
        "ehlo" => Answered::Ehlo,
        "mail" => Answered::Mail,
        "rcpt" => Answered::Rcpt,
        "data" => Answered::Data,
        "dot" => Answered::EndOfData,
        other => panic!("{other}"),
    }
}

fn answer(words: &str) -> Answer {
    Answer::parse(words).unwrap()
}

fn broken(word: &str, cause: Cause) -> Broken {
    let amid_content = word == "content";
    Broken {
        during: answered(if amid_content { "data" } else { word }),
        amid_content,
        cause,
    }
}

fn failure(words: &str) -> Failure {
    match words.split_once(' ').unwrap() {
        ("broken", during) => Failure::Broken(broken(during, Cause::Closed)),
        ("slow", during) => Failure::Broken(broken(during, Cause::TimedOut)),
        ("tls", during) => Failure::Broken(broken(during, Cause::Tls(TlsFailure::Injected))),
        (word, reply) => Failure::Refused {
            answered: answered(word),
            reply: answer(reply),
        },
    }
}

fn fate(words: &str) -> Fate {
    match words {
        "more" => Fate::NextTransaction(answer("452 4.5.3 too many")),
        "eight" => Fate::Unfit(Unfit::EightBit),
        "utf8" => Fate::Unfit(Unfit::Utf8),
        "size" => Fate::Unfit(Unfit::Size),
        _ if words.starts_with('2') => Fate::Accepted(answer(words)),
        _ => match failure(words) {
            Failure::Broken(broken) => Fate::Broken(broken),
            Failure::Refused { answered, reply } => Fate::Refused { answered, reply },
        },
    }
}

/// What the stepper asks for.
fn asked(step: &Step) -> String {
    match step {
        Step::Open {
            host,
            security,
            fresh,
            patient,
        } => {
            let fresh = if *fresh { " fresh" } else { "" };
            let clear = if *security == Security::Clear {
                " clear"
            } else {
                ""
            };
            let first = if *patient { "" } else { " if free" };
            format!("open {}{fresh}{clear}{first}", host.name)
        }
        Step::Send {
            recipients,
            seven_bit,
        } => {
            let to: Vec<_> = recipients.iter().map(u32::to_string).collect();
            format!(
                "send {}{}",
                to.join(","),
                if *seven_bit { " in 7bit" } else { "" }
            )
        }
        Step::Convert => "convert".to_owned(),
        Step::Over => "over".to_owned(),
    }
}

fn tell(attempt: &mut Attempt, step: &Step, came: &str) {
    match (step, came) {
        (Step::Open { .. }, "new") => attempt.opened(false, Path::default()),
        (Step::Open { .. }, "kept") => attempt.opened(true, Path::default()),
        (Step::Open { .. }, "busy") => attempt.no_slot(),
        (Step::Open { .. }, "ourselves") => attempt.loops(),
        (Step::Open { host, .. }, "none") => {
            let refused = std::io::ErrorKind::ConnectionRefused.into();
            attempt.not_reached(words::no_connection(host, &refused));
        }
        (Step::Open { .. }, failed) => attempt.not_ready(Some(failure(failed)), None),
        (Step::Send { .. }, "unreadable") => attempt.unreadable("no such file"),
        (Step::Send { .. }, came) => {
            let (fates, after) = came
                .split_once(" ; ")
                .map_or((came, None), |(fates, end)| (fates, Some(end)));
            let after = after.map_or(After::Open, |end| After::Closed(Some(failure(end))));
            attempt.sent(fates.split(" | ").map(fate).collect(), true, &after);
        }
        (Step::Convert, "ok") => attempt.converted(Ok(())),
        (Step::Convert, why) => attempt.converted(Err(why.to_owned())),
        (Step::Over, _) => {}
    }
}

fn end(index: u32, outcome: &Outcome) -> String {
    let name = |key: &HostKey| char::from(b'a' + key.0.ip().to_string().as_bytes()[8] - b'1');
    match outcome {
        Outcome::Delivered(done) => format!("{index} delivered {} by {}", done.status, done.relay),
        Outcome::Failed(problem) => format!("{index} failed {}: {}", problem.status, problem.text),
        Outcome::Deferred(Deferral {
            problem,
            hint,
            host,
            ..
        }) => {
            let hint = hint.map_or(String::new(), |hint| format!(" wait {}", hint.wait_secs));
            let host = host.as_ref().map_or('-', name);
            format!(
                "{index} deferred {} by {host}{hint}: {}",
                problem.status, problem.text
            )
        }
        Outcome::NotTried { parked: Some(key) } => format!("{index} parked under {key}"),
        Outcome::NotTried { parked: None } => format!("{index} not tried"),
    }
}

fn check(groups: Vec<Group>, script: &str) {
    let mut attempt = Attempt::new(groups, Some(Tongues::default()));
    let mut seen = Vec::new();
    let mut lines = script.lines().map(str::trim);
    loop {
        let step = attempt.next();
        if step == Step::Over {
            break;
        }
        let line = lines.next().unwrap_or_default();
        let came = line.split_once(" -> ").map_or("", |(_, came)| came);
        seen.push(format!("{} -> {came}", asked(&step)));
        assert!(!came.is_empty(), "{}", seen.join("\n"));
        tell(&mut attempt, &step, came);
    }
    let report = attempt.into_report();
    seen.extend(
        report
            .outcomes
            .iter()
            .map(|(index, outcome)| end(*index, outcome)),
    );
    seen.extend(report.hosts.iter().map(|(key, event)| match event {
        HostEvent::Works => format!("{key} works"),
        HostEvent::Unreachable(why) => format!("{key} unreachable: {why}"),
        HostEvent::Refused { reply, hint } => format!(
            "{key} refused {:?}: {reply}",
            hint.map(|hint| hint.wait_secs)
        ),
    }));
    let expected: Vec<_> = script.lines().map(str::trim).collect();
    assert_eq!(seen.join("\n"), expected.join("\n"));
}

#[test]
fn the_first_host_that_takes_it() {
    check(
        vec![group(&[0, 1], "a b", None)],
        "open a -> new
        send 0,1 -> 250 2.0.0 Ok | 250 Ok
        0 delivered 2.0.0 by a[192.0.2.1]:25
        1 delivered 2.0.0 by a[192.0.2.1]:25
        192.0.2.1:25 works",
    );
}

#[test]
fn connection_trouble_leads_to_the_next_host() {
    check(
        vec![group(&[0], "a b c d", None)],
        "open a -> none
        open b -> broken greeting
        open c -> slow ehlo
        open d -> new
        send 0 -> broken rcpt ; broken rcpt
        0 deferred 4.4.2 by d: lost connection with d[192.0.2.4] while sending RCPT TO
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused
        192.0.2.2:25 unreachable: lost connection with b[192.0.2.2] while receiving the initial server greeting
        192.0.2.3:25 unreachable: conversation with c[192.0.2.3] timed out while performing the EHLO handshake
        192.0.2.4:25 unreachable: lost connection with d[192.0.2.4] while sending RCPT TO",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> slow data ; slow data
        open b -> new
        send 0 -> slow content ; slow content
        0 deferred 4.4.2 by b: conversation with b[192.0.2.2] timed out while sending message body
        192.0.2.1:25 unreachable: conversation with a[192.0.2.1] timed out while sending DATA command
        192.0.2.2:25 unreachable: conversation with b[192.0.2.2] timed out while sending message body",
    );
}

#[test]
fn a_broken_end_of_data_is_not_tried_elsewhere() {
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> broken dot ; broken dot
        0 deferred 4.4.2 by a: lost connection with a[192.0.2.1] while sending end of data -- message may be sent more than once
        192.0.2.1:25 unreachable: lost connection with a[192.0.2.1] while sending end of data -- message may be sent more than once",
    );
}

#[test]
fn greetings_that_turn_away() {
    check(
        vec![group(&[0], "a b", None)],
        "open a -> greeting 421 4.3.2 TIME=60 full
        open b -> greeting 450 busy
        0 deferred 4.0.0 by b: 450 busy
        192.0.2.1:25 refused Some(60): 421 4.3.2 TIME=60 full
        192.0.2.2:25 refused None: 450 busy",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> greeting 421 TIME=60 full
        open b -> greeting 421 TIME=30 full
        0 deferred 4.0.0 by b wait 30: 421 TIME=30 full
        192.0.2.1:25 refused Some(60): 421 TIME=60 full
        192.0.2.2:25 refused Some(30): 421 TIME=30 full",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> greeting 554 no
        open b -> ehlo 550 5.7.1 no
        0 failed 5.7.1: 550 5.7.1 no
        192.0.2.1:25 works
        192.0.2.2:25 works",
    );
    // As long as another may still take it, nothing is final.
    check(
        vec![group(&[0], "a b", None)],
        "open a -> none
        open b -> greeting 554 no
        0 deferred 4.4.1 by a: connect to a[192.0.2.1]:25: connection refused
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused
        192.0.2.2:25 works",
    );
    check(
        vec![group(&[0], "a", Some("b"))],
        "open a -> greeting 554 no
        0 parked under host 192.0.2.2:25
        192.0.2.1:25 works",
    );
}

#[test]
fn what_is_said_of_a_recipient_ends_it() {
    check(
        vec![group(&[3, 5, 7], "a b", None)],
        "open a -> new
        send 3,5,7 -> rcpt 450 4.2.0 TIME=300 Greylisted | rcpt 550 5.1.1 unknown | rcpt 451 4.3.0 later
        3 deferred 4.2.0 by a wait 300: 450 4.2.0 TIME=300 Greylisted
        5 failed 5.1.1: 550 5.1.1 unknown
        7 deferred 4.3.0 by a: 451 4.3.0 later
        192.0.2.1:25 works",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> dot 451 4.7.1 TIME=9 later
        0 deferred 4.7.1 by a wait 9: 451 4.7.1 TIME=9 later
        192.0.2.1:25 works",
    );
}

#[test]
fn no_host_is_dialled_before_the_time_it_named_for_this_mail() {
    check(
        vec![group(&[0], "a b c", None)],
        "open a -> new
        send 0 -> mail 451 4.3.2 TIME=600 full
        open b -> new
        send 0 -> mail 451 4.3.2 TIME=30 full
        open c -> none
        0 deferred 4.3.2 by a wait 600: 451 4.3.2 TIME=600 full
        192.0.2.1:25 works
        192.0.2.2:25 works
        192.0.2.3:25 unreachable: connect to c[192.0.2.3]:25: connection refused",
    );
}

#[test]
fn what_is_said_of_the_message_binds_that_host_only() {
    check(
        vec![group(&[0], "a b c", None)],
        "open a -> new
        send 0 -> mail 452 4.3.1 TIME=600 full
        open b -> new
        send 0 -> data 451 later
        open c -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by c[192.0.2.3]:25
        192.0.2.1:25 works
        192.0.2.2:25 works
        192.0.2.3:25 works",
    );
    // Prose holds the recipient, whatever it answers.
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> mail 450 4.7.1 Greylisted, try again in 300 seconds
        0 deferred 4.7.1 by a wait 300: 450 4.7.1 Greylisted, try again in 300 seconds
        192.0.2.1:25 works",
    );
}

#[test]
fn a_421_sends_the_rest_elsewhere() {
    check(
        vec![group(&[0, 1], "a b", None)],
        "open a -> new
        send 0,1 -> rcpt 550 5.1.1 no | rcpt 421 4.7.0 TIME=20 later ; rcpt 421 4.7.0 TIME=20 later
        open b -> new
        send 1 -> 250 Ok
        0 failed 5.1.1: 550 5.1.1 no
        1 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.1:25 works
        192.0.2.1:25 refused Some(20): 421 4.7.0 TIME=20 later
        192.0.2.2:25 works",
    );
}

#[test]
fn too_many_recipients_go_at_once() {
    check(
        vec![group(&[0, 1, 2], "a", None)],
        "open a -> new
        send 0,1,2 -> 250 Ok | more | more
        send 1,2 -> 250 Ok | more ; rcpt 421 bye
        open a fresh -> new
        send 2 -> more
        0 delivered 2.0.0 by a[192.0.2.1]:25
        1 delivered 2.0.0 by a[192.0.2.1]:25
        2 deferred 4.5.3 by a: 452 4.5.3 too many
        192.0.2.1:25 works
        192.0.2.1:25 refused None: 421 bye
        192.0.2.1:25 works",
    );
}

#[test]
fn a_failed_handshake_is_followed_by_one_try_in_clear() {
    check(
        vec![group(&[0], "a b", None)],
        "open a -> tls ehlo
        open a fresh clear -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by a[192.0.2.1]:25
        192.0.2.1:25 works",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> tls ehlo
        open a fresh clear -> none
        open b -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused
        192.0.2.2:25 works",
    );
}

#[test]
fn a_kept_session_that_is_gone_costs_nothing() {
    check(
        vec![group(&[0], "a b", None)],
        "open a -> kept
        send 0 -> broken mail ; broken mail
        open a fresh -> new
        send 0 -> broken mail ; broken mail
        open b -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.1:25 unreachable: lost connection with a[192.0.2.1] while sending MAIL FROM
        192.0.2.2:25 works",
    );
    check(
        vec![group(&[0], "a", None)],
        "open a -> kept
        send 0 -> mail 421 4.4.2 idle ; mail 421 4.4.2 idle
        open a fresh -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by a[192.0.2.1]:25
        192.0.2.1:25 works",
    );
    // With a hint it is no idle session, but a wait.
    check(
        vec![group(&[0], "a", None)],
        "open a -> kept
        send 0 -> mail 421 4.3.2 TIME=5 busy ; mail 421 4.3.2 TIME=5 busy
        0 deferred 4.3.2 by a wait 5: 421 4.3.2 TIME=5 busy
        192.0.2.1:25 refused Some(5): 421 4.3.2 TIME=5 busy",
    );
}

#[test]
fn content_that_a_host_can_not_take() {
    check(
        vec![group(&[0, 1], "a", None)],
        "open a -> new
        send 0,1 -> eight | eight
        convert -> ok
        send 0,1 in 7bit -> 250 Ok | 250 Ok
        0 delivered 2.0.0 by a[192.0.2.1]:25
        1 delivered 2.0.0 by a[192.0.2.1]:25
        192.0.2.1:25 works",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> eight
        convert -> it is signed
        0 failed 5.6.3: it is signed, and a[192.0.2.1] does not offer 8BITMIME
        192.0.2.1:25 works",
    );
    check(
        vec![group(&[0, 1], "a", None)],
        "open a -> new
        send 0,1 -> utf8 | size
        0 failed 5.6.7: SMTPUTF8 is required, but was not offered by host a[192.0.2.1]
        1 failed 5.3.4: message size exceeds size limit of server a[192.0.2.1]
        192.0.2.1:25 works",
    );
}

#[test]
fn without_hosts_slots_or_content() {
    check(
        vec![group(&[0, 1], "", Some("b"))],
        "0 parked under host 192.0.2.2:25\n1 parked under host 192.0.2.2:25",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> busy\n0 not tried",
    );
    check(
        vec![group(&[0], "a", None)],
        "open a -> new
        send 0 -> unreadable
        0 deferred 4.3.0 by -: the message could not be read: no such file",
    );
}

#[test]
fn groups_follow_each_other() {
    check(
        vec![group(&[1], "b", None), group(&[0], "a b", None)],
        "open b -> new
        send 1 -> 250 Ok
        open a -> none
        open b -> kept
        send 0 -> 250 Ok
        1 delivered 2.0.0 by b[192.0.2.2]:25
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.2:25 works
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused
        192.0.2.2:25 works",
    );
}

#[test]
fn hints_are_not_read_where_they_are_switched_off() {
    let mut attempt = Attempt::new(vec![group(&[0], "a", None)], None);
    for came in ["new", "rcpt 450 4.2.0 TIME=300 Greylisted"] {
        let step = attempt.next();
        tell(&mut attempt, &step, came);
    }
    assert_eq!(attempt.next(), Step::Over);
    let report = attempt.into_report();
    assert_eq!(
        end(0, &report.outcomes[0].1),
        "0 deferred 4.2.0 by a: 450 4.2.0 TIME=300 Greylisted"
    );
}
