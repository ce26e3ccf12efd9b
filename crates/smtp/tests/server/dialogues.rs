//! Runs every dialogue in `tests/dialogues`: with whole groups of lines at a time, and octet by octet, and in pieces
//! between. All have to give the same.

use std::path::Path;

use smtp::server::{Action, Ask, Session};

use crate::driver::{Driver, settings};
use crate::script::{Script, Step, parse};

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    files.sort();
    assert!(files.len() > 30, "the dialogues are here");
    let mut failures = Vec::new();
    for file in files {
        let script = parse(&std::fs::read_to_string(&file).unwrap(), settings());
        for piece_len in [usize::MAX, 1, 7] {
            if let Err(failure) = run(&script, piece_len) {
                let name = file.file_name().unwrap().display();
                failures.push(format!("{name}:{failure} (in pieces of {piece_len})"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn run(script: &Script, piece_len: usize) -> Result<(), String> {
    let mut driver = Driver::new(script.settings.clone(), script.bare_newline, piece_len);
    let mut steps = script.steps.iter().peekable();
    while let Some((line, step)) = steps.next() {
        let mut said = Vec::new();
        if let Step::Client(octets) = step {
            said.extend_from_slice(octets);
            while let Some((_, Step::Client(octets))) = steps.peek() {
                said.extend_from_slice(octets);
                steps.next();
            }
        }
        let done = if said.is_empty() {
            take(&mut driver, step)
        } else {
            driver.feed(&said);
            Ok(())
        };
        done.map_err(|failure| format!("{line}: {failure}"))?;
    }
    let rest = (
        String::from_utf8_lossy(&driver.output),
        &driver.actions,
        &driver.body,
    );
    if rest.0.is_empty() && rest.1.is_empty() && rest.2.is_empty() {
        Ok(())
    } else {
        Err(format!("end: more came: {rest:?}"))
    }
}

fn take(driver: &mut Driver, step: &Step) -> Result<(), String> {
    match step {
        Step::Client(octets) => driver.feed(octets),
        Step::Reply(expected) => {
            let len = memchr::memmem::find(&driver.output, b"\r\n")
                .ok_or(format!("no reply, expected {expected:?}"))?;
            let line: Vec<u8> = driver.output.drain(..len + 2).collect();
            same(&String::from_utf8_lossy(&line[..len]), expected)?;
        }
        Step::Body(expected) => {
            let len = expected.len().min(driver.body.len());
            let body: Vec<u8> = driver.body.drain(..len).collect();
            same(
                &body.escape_ascii().to_string(),
                &expected.escape_ascii().to_string(),
            )?;
        }
        Step::Ask {
            ask,
            subject,
            decision,
        } => {
            let action = driver.actions.pop_front();
            let Some(Action::Ask(ticket, asked)) = action else {
                return Err(format!("expected {ask:?}, got {action:?}"));
            };
            same(&format!("{asked:?}"), &format!("{ask:?}"))?;
            if let Some(subject) = subject {
                same(&subject_of(&driver.session, asked), subject)?;
            }
            if asked == Ask::Message {
                same(&driver.body.escape_ascii().to_string(), "")?;
            }
            driver.decide(ticket, decision.clone());
        }
        Step::Discard => same(
            &format!("{:?}", driver.actions.pop_front()),
            "Some(Discard)",
        )?,
        Step::StartTls => same(
            &format!("{:?}", driver.actions.pop_front()),
            "Some(StartTls)",
        )?,
        Step::Close => same(&format!("{:?}", driver.actions.pop_front()), "Some(Close)")?,
        Step::Secured => driver.secure(),
        Step::Eof => driver.eof(),
        Step::ShutDown => driver.shut_down(),
        Step::Wait(time) => driver.wait(*time),
        Step::Fact(name, expected) => same(&fact(&driver.session, name), expected)?,
    }
    Ok(())
}

fn same(got: &str, expected: &str) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, got {got:?}"))
    }
}

fn subject_of(session: &Session, ask: Ask) -> String {
    let transaction = session.transaction();
    match ask {
        Ask::Connect => String::new(),
        Ask::Helo => session.helo().unwrap_or_default().to_owned(),
        Ask::Mail => transaction.sender.address.clone(),
        Ask::Recipient => transaction.candidate.clone().unwrap_or_default().address,
        Ask::Data | Ask::Message => {
            let addresses = transaction.recipients.iter().map(|r| r.address.as_str());
            addresses.collect::<Vec<_>>().join(",")
        }
    }
}

fn fact(session: &Session, name: &str) -> String {
    let transaction = session.transaction();
    let content = session.content();
    match name {
        "helo" => session.helo().unwrap_or("-").to_owned(),
        "protocol" => session.protocol().to_owned(),
        "tls" => session.tls().map_or("-", |tls| &tls.version).to_owned(),
        "sender" => transaction.sender.address.clone(),
        "body" => format!("{:?}", transaction.sender.body),
        "smtputf8" => transaction.sender.smtputf8.to_string(),
        "size" => format!("{:?}", transaction.sender.size),
        "ret" => format!("{:?}", transaction.sender.ret),
        "envid" => transaction.sender.envid.clone().unwrap_or("-".into()),
        "notify" => format!(
            "{:?}",
            transaction.candidate.clone().unwrap_or_default().notify
        ),
        "orcpt" => transaction
            .candidate
            .clone()
            .unwrap_or_default()
            .orcpt
            .unwrap_or("-".into()),
        "recipients" => transaction.recipients.len().to_string(),
        "content.size" => content.size.to_string(),
        "content.eight_bit" => content.eight_bit.to_string(),
        "content.utf8_header" => content.utf8_header.to_string(),
        "content.received" => content.received.to_string(),
        "deadline" => format!("{}s", session.deadline().as_secs()),
        _ => panic!("no fact {name}"),
    }
}
