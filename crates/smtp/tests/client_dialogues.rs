//! Golden dialogues of the client session: every file in `client-dialogues/` is one session.
//!
//! - `S: 250 ok` is a line of the server, with its CRLF; lines that follow each other come in one piece. `S| 250 ok\n`
//!   is the same with escapes and without the CRLF.
//! - `! mail from=a@x to=b@y …` is something the shell does; [`Player::act`] lists all of it.
//! - `C: EHLO client.example` is a line that we write, `A: Ready` an action, both in consequence of what stands above.
//!   Nothing else may be written or asked for.
//!
//! Each is played twice: every piece whole, and octet by octet.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smtp::client::{
    Action, Broken, Failure, Fate, Mail, Protocol, Session, Settings, Timeouts, Tls,
};
use smtp::reply::Answer;
use smtp::{BodyKind, Notify, Recipient, Ret};

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client-dialogues");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of dialogues")
        .map(|entry| entry.expect("a dialogue").path())
        .collect();
    files.sort();
    assert!(files.len() > 40, "dialogues are missing");
    let mut failures = String::new();
    for file in files {
        let script = std::fs::read_to_string(&file).expect("a dialogue in UTF-8");
        for whole in [true, false] {
            let played = play(&script, whole);
            if played != without_comments(&script) {
                let name = file.file_name().expect("a name").display();
                let cut = if whole { "whole" } else { "octet by octet" };
                let _ = writeln!(
                    failures,
                    "--- {name}, {cut}; this is what happened:\n{played}"
                );
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn without_comments(script: &str) -> String {
    let lines = script
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The dialogue as it happened: the script's own S and ! lines, each with what followed from it.
fn play(script: &str, whole: bool) -> String {
    let mut player = Player {
        session: Session::new(Arc::new(settings(Tls::Opportunistic))),
        now: Duration::ZERO,
        mail: None,
        whole,
        played: String::new(),
    };
    let script = without_comments(script);
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let (kind, rest) = line.split_at_checked(2).expect("a kind of line");
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match kind {
            "S:" | "S|" | "! " => {
                let _ = writeln!(player.played, "{line}");
            }
            "A:" | "C:" => continue,
            _ => panic!("what is {line:?}?"),
        }
        match kind {
            "! " => player.act(rest),
            kind => {
                let mut piece = unescape(rest);
                piece.extend_from_slice(if kind == "S:" { b"\r\n" } else { b"" });
                player.pieces(&piece, |session, now, piece| session.receive(now, piece));
                if lines.peek().is_some_and(|next| next.starts_with('S')) {
                    continue;
                }
            }
        }
        player.note();
    }
    player.played
}

fn settings(tls: Tls) -> Settings {
    Settings {
        helo: "client.example".to_owned(),
        protocol: Protocol::Smtp,
        tls,
        timeouts: Timeouts {
            greeting: Duration::from_secs(301),
            command: Duration::from_secs(302),
            data: Duration::from_secs(120),
            block: Duration::from_secs(180),
            end_of_data: Duration::from_secs(600),
            quit: Duration::from_secs(5),
        },
    }
}

struct Player {
    session: Session,
    now: Duration,
    mail: Option<Mail>,
    whole: bool,
    played: String,
}

impl Player {
    fn pieces(&mut self, octets: &[u8], mut hand_over: impl FnMut(&mut Session, Duration, &[u8])) {
        let size = if self.whole { octets.len().max(1) } else { 1 };
        for piece in octets.chunks(size) {
            hand_over(&mut self.session, self.now, piece);
        }
    }

    fn act(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "tls=off" => self.session = Session::new(Arc::new(settings(Tls::Off))),
            "lmtp" => {
                let protocol = Protocol::Lmtp;
                let settings = settings(Tls::Opportunistic);
                self.session = Session::new(Arc::new(Settings {
                    protocol,
                    ..settings
                }));
            }
            "mail" => {
                let mail = mail(rest);
                self.mail = Some(mail.clone());
                self.session.send(self.now, mail);
            }
            // The last piece is handed over empty, or not at all if it is not yet the end.
            "body" => self.pieces(&unescape(rest), |session, now, piece| {
                session.body(now, piece, false)
            }),
            "last" => {
                self.pieces(&unescape(rest), |session, now, piece| {
                    session.body(now, piece, false)
                });
                self.session.body(self.now, b"", true);
            }
            "quit" => self.session.quit(self.now),
            "abandon" => self.session.abandon(),
            "close" => self.session.closed(),
            "secured" => {
                self.session.secured(self.now);
                assert!(self.session.is_secured());
                assert!(
                    !self.session.extensions().esmtp,
                    "extensions of before the handshake"
                );
            }
            "tls-failed" => self.session.tls_failed(rest),
            "wait" => self.now += seconds(rest),
            "time-out" => {
                assert_eq!(self.session.deadline(), self.now + seconds(rest));
                self.now = self.session.deadline();
                self.session.timed_out(self.now);
            }
            _ => panic!("what is {line:?}?"),
        }
    }

    /// Writes down what the session wants after an event.
    fn note(&mut self) {
        let output = String::from_utf8_lossy(self.session.output()).into_owned();
        let (ended, unended) = output.rsplit_once("\r\n").unwrap_or(("", &output));
        let whole = output.contains("\r\n").then(|| ended.split("\r\n"));
        for line in whole.into_iter().flatten() {
            let _ = writeln!(
                self.played,
                "C: {}",
                line.escape_debug().to_string().replace("\\\"", "\"")
            );
        }
        if !unended.is_empty() {
            let _ = writeln!(self.played, "C: {} and no line end", unended.escape_debug());
        }
        self.session.output_taken();
        while let Some(action) = self.session.poll() {
            let (name, fates) = match action {
                Action::Done(fates) => ("Done".to_owned(), fates),
                Action::Closed(None) => ("Closed".to_owned(), Vec::new()),
                Action::Closed(Some(failure)) => {
                    (format!("Closed: {}", failed(&failure)), Vec::new())
                }
                other => (format!("{other:?}"), Vec::new()),
            };
            let _ = writeln!(self.played, "A: {name}");
            let mail = self.mail.take_if(|_| name == "Done");
            let recipients = mail.map(|mail| mail.recipients).unwrap_or_default();
            assert_eq!(recipients.len(), fates.len(), "one fate a recipient");
            for (recipient, fate) in recipients.iter().zip(&fates) {
                let address = recipient
                    .address
                    .escape_debug()
                    .to_string()
                    .replace("\\\"", "\"");
                let _ = writeln!(self.played, "A:   <{address}> {}", became(fate));
            }
        }
    }
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Refused { answered, reply } => format!("{answered:?} refused: {}", text(reply)),
        Failure::Broken(broken) => broke(broken),
    }
}

fn became(fate: &Fate) -> String {
    match fate {
        Fate::Accepted(reply) => format!("accepted: {}", text(reply)),
        Fate::Refused { answered, reply } => format!("{answered:?} refused: {}", text(reply)),
        Fate::NextTransaction(reply) => format!("next transaction: {}", text(reply)),
        Fate::Unfit(unfit) => format!("unfit: {unfit:?}"),
        Fate::Broken(broken) => broke(broken),
    }
}

fn broke(broken: &Broken) -> String {
    let content = if broken.amid_content {
        ", amid content,"
    } else {
        ""
    };
    format!("{:?}{content} broken: {:?}", broken.during, broken.cause)
}

fn text(reply: &Answer) -> String {
    reply.raw.replace("\r\n", "\\r\\n")
}

fn seconds(word: &str) -> Duration {
    let number = word.strip_suffix('s').expect("seconds");
    Duration::from_secs(number.parse().expect("a number of seconds"))
}

fn mail(line: &str) -> Mail {
    let mut mail = Mail {
        sender: smtp::Sender::default(),
        recipients: Vec::new(),
        content: smtp::Content::default(),
    };
    for word in line.split(' ') {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let value = String::from_utf8(unescape(value)).expect("UTF-8");
        match key {
            "from" => mail.sender.address = value,
            "declared-8bit" => mail.sender.body = BodyKind::EightBitMime,
            "declared-utf8" => mail.sender.smtputf8 = true,
            "ret" => {
                mail.sender.ret = Some(if value == "FULL" {
                    Ret::Full
                } else {
                    Ret::Hdrs
                })
            }
            "envid" => mail.sender.envid = Some(value),
            "size" => mail.content.size = value.parse().expect("a size"),
            "8bit" => mail.content.eight_bit = true,
            "utf8-header" => {
                mail.content.eight_bit = true;
                mail.content.utf8_header = true;
            }
            "to" => mail.recipients.push(Recipient {
                address: value,
                ..Recipient::default()
            }),
            "notify" => last(&mut mail).notify = notify(&value),
            "orcpt" => last(&mut mail).orcpt = Some(value),
            _ => panic!("what is {word:?}?"),
        }
    }
    mail
}

fn last(mail: &mut Mail) -> &mut Recipient {
    mail.recipients.last_mut().expect("a recipient before it")
}

fn notify(value: &str) -> Notify {
    match value {
        "NEVER" => Notify::Never,
        words => Notify::On {
            success: words.contains("SUCCESS"),
            failure: words.contains("FAILURE"),
            delay: words.contains("DELAY"),
        },
    }
}

/// `\r`, `\n`, `\s` (a space), `\\` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let (octet, length) = match (first, tail) {
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b's', ..]) => (b' ', 1),
            (b'\\', [b'\\', ..]) => (b'\\', 1),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("two digits"), 3)
            }
            _ => (*first, 0),
        };
        octets.push(octet);
        rest = &rest[length..];
    }
    octets
}
