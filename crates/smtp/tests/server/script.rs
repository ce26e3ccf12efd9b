//! The golden dialogues' notation. `tests/dialogues/README.md` describes it.

use std::time::Duration;

use smtp::reply::{Reply, Status};
use smtp::server::{Ask, BareNewline, Decision, Settings};

#[derive(Debug)]
pub(crate) enum Step {
    /// Octets from the client.
    Client(Vec<u8>),
    /// A reply line, without its CRLF.
    Reply(String),
    /// Octets of the body.
    Body(Vec<u8>),
    /// A question, its subject if one is named, and the answer.
    Ask {
        ask: Ask,
        subject: Option<String>,
        decision: Decision,
    },
    Discard,
    StartTls,
    Close,
    Secured,
    Eof,
    ShutDown,
    Wait(Duration),
    /// A fact about the session: name, value.
    Fact(String, String),
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) settings: Settings,
    pub(crate) bare_newline: BareNewline,
    /// Each with its line number.
    pub(crate) steps: Vec<(usize, Step)>,
}

pub(crate) fn parse(text: &str, settings: Settings) -> Script {
    let mut script = Script {
        settings,
        bare_newline: BareNewline::Reject,
        steps: Vec::new(),
    };
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(setting) = line.strip_prefix("set ") {
            set(&mut script, setting);
            continue;
        }
        let (times, step) =
            step(line).unwrap_or_else(|| panic!("line {}: {line:?} means nothing", at + 1));
        if times == 1 {
            script.steps.push((at + 1, step));
        } else {
            repeat(&mut script, at + 1, times, &step);
        }
    }
    script
}

fn repeat(script: &mut Script, line: usize, times: usize, step: &Step) {
    match step {
        Step::Client(octets) => script
            .steps
            .push((line, Step::Client(octets.repeat(times)))),
        Step::Body(octets) => script.steps.push((line, Step::Body(octets.repeat(times)))),
        Step::Reply(text) => {
            let lines = (0..times).map(|_| (line, Step::Reply(text.clone())));
            script.steps.extend(lines);
        }
        _ => panic!("line {line}: can't be repeated"),
    }
}

fn step(line: &str) -> Option<(usize, Step)> {
    match line {
        "! discard" => return Some((1, Step::Discard)),
        "! starttls" => return Some((1, Step::StartTls)),
        "! close" => return Some((1, Step::Close)),
        "tls" => return Some((1, Step::Secured)),
        "eof" => return Some((1, Step::Eof)),
        "shutdown" => return Some((1, Step::ShutDown)),
        _ => {}
    }
    if let Some(question) = line.strip_prefix("? ") {
        return Some((1, ask(question)?));
    }
    if let Some(fact) = line.strip_prefix("= ") {
        let (name, value) = fact.split_once(' ').unwrap_or((fact, ""));
        return Some((1, Step::Fact(name.into(), value.into())));
    }
    if let Some(time) = line.strip_prefix("wait ") {
        return Some((1, Step::Wait(duration(time)?)));
    }
    let (head, rest) = line.split_once(':')?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (kind, times) = head.split_once('*').unwrap_or((head, "1"));
    let step = match kind {
        "C" => Step::Client([octets(rest)?, b"\r\n".to_vec()].concat()),
        "c" => Step::Client(octets(rest)?),
        "B" => Step::Body([octets(rest)?, b"\r\n".to_vec()].concat()),
        "b" => Step::Body(octets(rest)?),
        "S" => Step::Reply(rest.into()),
        _ => return None,
    };
    Some((times.parse().ok()?, step))
}

/// `recipient a@b.example -> refuse 450 4.2.0 TIME=300 Greylisted`.
fn ask(text: &str) -> Option<Step> {
    let (question, answer) = text.split_once(" -> ").unwrap_or((text, "accept"));
    let (name, subject) = match question.split_once(' ') {
        Some((name, subject)) => (name, Some(subject.to_owned())),
        None => (question, None),
    };
    let ask = match name {
        "connect" => Ask::Connect,
        "helo" => Ask::Helo,
        "mail" => Ask::Mail,
        "recipient" => Ask::Recipient,
        "data" => Ask::Data,
        "message" => Ask::Message,
        _ => return None,
    };
    let decision = match answer.split_once(' ') {
        None if answer == "accept" => Decision::Accept,
        Some(("accept", words)) => Decision::AcceptWith(reply(words)?),
        Some(("refuse", words)) => Decision::Refuse(reply(words)?),
        _ => return None,
    };
    Some(Step::Ask {
        ask,
        subject,
        decision,
    })
}

fn reply(words: &str) -> Option<Reply> {
    let (code, text) = words.split_once(' ')?;
    let mut reply = Reply::plain(code.parse().ok()?, text.to_owned());
    if let Some((status, rest)) = text.split_once(' ')
        && let Some(status) = Status::parse(status)
    {
        reply = Reply::new(reply.code, status, rest.to_owned());
    }
    let hinted = reply.text.strip_prefix("TIME=").map(str::to_owned);
    if let Some(hinted) = hinted {
        let (secs, rest) = hinted.split_once(' ')?;
        reply.hint = Some(secs.parse().ok()?);
        reply.text = rest.to_owned().into();
    }
    Some(reply)
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().ok()?;
    match unit {
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
}

/// Escapes: `\r` `\n` `\t` `\0` `\\` and `\xNN`. A `{c*N}` stands for N times the character c.
fn octets(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let escape = rest.chars().next()?;
                rest = &rest[1..];
                match escape {
                    'r' => out.push(b'\r'),
                    'n' => out.push(b'\n'),
                    't' => out.push(b'\t'),
                    '0' => out.push(0),
                    '\\' => out.push(b'\\'),
                    'x' => {
                        out.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                        rest = &rest[2..];
                    }
                    _ => return None,
                }
            }
            '{' if rest.get(1..2) == Some("*") => {
                let (times, after) = rest[2..].split_once('}')?;
                out.extend(rest[..1].repeat(times.parse().ok()?).bytes());
                rest = after;
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Some(out)
}

fn set(script: &mut Script, setting: &str) {
    let (name, value) = setting.split_once(' ').expect("set NAME VALUE");
    let settings = &mut script.settings;
    let number = || -> u64 { value.parse().expect("a number") };
    let time = || duration(value).expect("a time");
    match name {
        "max_size" => settings.max_size = number(),
        "max_recipients" => settings.max_recipients = number() as usize,
        "max_recipient_commands" => settings.max_recipient_commands = number() as usize,
        "max_command_line" => settings.max_command_line = number() as usize,
        "max_text_line" => settings.max_text_line = number() as usize,
        "max_header" => settings.max_header = number() as usize,
        "max_received" => settings.max_received = number() as u32,
        "max_errors" => settings.max_errors = number() as u32,
        "max_idle_commands" => settings.max_idle_commands = number() as u32,
        "command_timeout" => settings.command_timeout = time(),
        "data_timeout" => settings.data_timeout = time(),
        "data_total_timeout" => settings.data_total_timeout = time(),
        "starttls" => settings.starttls = value == "on",
        "bare_newline" => {
            script.bare_newline = match value {
                "reject" => BareNewline::Reject,
                "normalize" => BareNewline::Normalize,
                _ => panic!("bare_newline {value}"),
            }
        }
        _ => panic!("no setting {name}"),
    }
}
