//! What holds for the client session whatever a server does.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use retry_hint::Answered;
use smtp::client::{
    Action, Broken, Cause, Failure, Fate, MAX_ADDRESS_LEN, Mail, PIPELINE_LEN, Protocol, Session,
    Settings, Timeouts, Tls,
};
use smtp::{Content, Recipient, Sender};

fn session() -> Session {
    speaking(Protocol::Smtp)
}

fn speaking(protocol: Protocol) -> Session {
    let timeout = Duration::from_secs(300);
    Session::new(Arc::new(Settings {
        helo: "client.example".to_owned(),
        protocol,
        tls: Tls::Opportunistic,
        timeouts: Timeouts {
            greeting: timeout,
            command: timeout,
            data: timeout,
            block: timeout,
            end_of_data: timeout,
            quit: timeout,
        },
    }))
}

fn mail(recipients: usize) -> Mail {
    let recipients = (0..recipients).map(|number| Recipient {
        address: format!("r{number}@y.example"),
        ..Recipient::default()
    });
    Mail {
        sender: Sender {
            address: "a@x.example".to_owned(),
            ..Sender::default()
        },
        recipients: recipients.collect(),
        content: Content::default(),
    }
}

/// What the shell sees, and what it wrote.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    actions: Vec<Action>,
    written: Vec<u8>,
    sent: usize,
}

/// Plays a shell with two mails of three recipients, which hears these pieces.
fn shell(protocol: Protocol, pieces: &[Vec<u8>], whole: bool) -> Seen {
    let mut session = speaking(protocol);
    let mut seen = Seen::default();
    let now = Duration::ZERO;
    for piece in pieces {
        let size = if whole { piece.len().max(1) } else { 1 };
        for part in piece.chunks(size) {
            session.receive(now, part);
        }
        react(&mut session, &mut seen);
        assert!(session.output().len() <= PIPELINE_LEN + 4 * MAX_ADDRESS_LEN);
        seen.written.extend_from_slice(session.output());
        session.output_taken();
    }
    session.closed();
    react(&mut session, &mut seen);
    seen
}

fn react(session: &mut Session, seen: &mut Seen) {
    let now = Duration::ZERO;
    while let Some(action) = session.poll() {
        match action {
            Action::Ready if seen.sent < 2 => {
                seen.sent += 1;
                session.send(now, mail(3));
            }
            Action::Ready => session.quit(now),
            Action::WantBody => session.body(now, b".x\r\n", true),
            Action::StartTls => session.secured(now),
            Action::Done(_) | Action::Closed(_) => {}
        }
        seen.actions.push(action);
    }
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let reply = prop::sample::select(vec![
        "220 mx\r\n",
        "250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n",
        "250-mx\r\n250 SIZE 5\r\n",
        "250 ok\r\n",
        "250 ok\n",
        "354 go on\r\n",
        "421 4.3.2 TIME=5\r\n",
        "450 4.2.0 TIME=5\r\n",
        "452 4.5.3 many\r\n",
        "550 no\r\n",
        "250-half",
        "what\r\n",
    ]);
    let reply = reply.prop_map(|reply| reply.as_bytes().to_vec());
    let likely = prop::sample::select(vec![
        &b"250 ok\r\n"[..],
        b"250 ok\r\n250 ok\r\n",
        b"354 go\r\n",
    ]);
    let noise = prop::collection::vec(any::<u8>(), 0..40);
    let piece = prop_oneof![
        4 => likely.prop_map(<[u8]>::to_vec),
        4 => reply.clone(),
        2 => prop::collection::vec(reply, 0..6).prop_map(|replies| replies.concat()),
        1 => noise,
    ];
    let greeting = prop::bool::weighted(0.9).prop_map(|polite| match polite {
        true => vec![
            b"220 mx\r\n".to_vec(),
            b"250-mx\r\n250 PIPELINING\r\n".to_vec(),
        ],
        false => Vec::new(),
    });
    (greeting, prop::collection::vec(piece, 0..24))
        .prop_map(|(greeting, rest)| [greeting, rest].concat())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Smtp, Protocol::Lmtp])
}

proptest! {
    #[test]
    fn every_recipient_gets_one_fate_whatever_the_server_says(protocol in protocol(), pieces in pieces()) {
        let seen = shell(protocol, &pieces, true);
        let done = seen.actions.iter().filter_map(|action| match action {
            Action::Done(fates) => Some(fates.len()),
            _ => None,
        });
        prop_assert_eq!(done.collect::<Vec<_>>(), vec![3; seen.sent]);
        let closed = |action: &Action| matches!(action, Action::Closed(_));
        prop_assert_eq!(seen.actions.iter().filter(|action| closed(action)).count(), 1);
        prop_assert!(seen.actions.last().is_some_and(closed));
    }

    #[test]
    fn the_cut_of_the_octets_makes_no_difference(protocol in protocol(), pieces in pieces()) {
        prop_assert_eq!(shell(protocol, &pieces, true), shell(protocol, &pieces, false));
    }
}

/// A server that keeps to the protocol, with a plan of what it answers.
struct Server<'a> {
    protocol: Protocol,
    pipelining: bool,
    /// The codes it answers with, in turn; 250, or 354, when they are used up.
    plan: std::slice::Iter<'a, u16>,
    /// The recipients accepted of the open mail; `None` without one.
    open: Option<Vec<String>>,
    in_content: bool,
    /// How often octets came: at least the round trips.
    heard: usize,
    /// A line that is not yet whole.
    line: Vec<u8>,
    content: Vec<u8>,
    queued: Vec<(Vec<String>, Vec<u8>)>,
}

impl<'a> Server<'a> {
    fn new(pipelining: bool, plan: &'a [u16]) -> Self {
        Self {
            protocol: Protocol::Smtp,
            pipelining,
            plan: plan.iter(),
            open: None,
            in_content: false,
            heard: 0,
            line: Vec::new(),
            content: Vec::new(),
            queued: Vec::new(),
        }
    }

    fn hear(&mut self, octets: &[u8], replies: &mut Vec<u8>) {
        self.heard += 1;
        for part in octets.split_inclusive(|&octet| octet == b'\n') {
            self.line.extend_from_slice(part);
            if !self.line.ends_with(b"\r\n") {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if self.in_content && line != b".\r\n" {
                self.content
                    .extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                continue;
            }
            if self.in_content && self.protocol == Protocol::Lmtp {
                self.end_content_for_each(replies);
                continue;
            }
            let line = std::str::from_utf8(&line).expect("commands in ASCII");
            let code = self.command(line.trim_ascii_end());
            let keyword = if self.pipelining {
                "PIPELINING"
            } else {
                "HELP"
            };
            let reply = match line.starts_with("EHLO") || line.starts_with("LHLO") {
                true => format!("250-mx\r\n250 {keyword}\r\n"),
                false => format!("{code} said to {line}"),
            };
            replies.extend_from_slice(reply.as_bytes());
        }
    }

    /// RFC 2033 §4.2: a reply a recipient, each decided on its own.
    fn end_content_for_each(&mut self, replies: &mut Vec<u8>) {
        self.in_content = false;
        let content = std::mem::take(&mut self.content);
        for recipient in self.open.take().expect("a mail under way") {
            let code = self.planned(250);
            replies.extend_from_slice(format!("{code} for {recipient}\r\n").as_bytes());
            match code {
                250 => self.queued.push((vec![recipient], content.clone())),
                421 => return,
                _ => {}
            }
        }
    }

    fn planned(&mut self, otherwise: u16) -> u16 {
        match self.plan.next() {
            Some(&code) if code >= 400 => code,
            _ => otherwise,
        }
    }

    fn command(&mut self, line: &str) -> u16 {
        if self.in_content {
            self.in_content = false;
            let recipients = self.open.take().expect("a mail under way");
            let content = std::mem::take(&mut self.content);
            let code = self.planned(250);
            if code == 250 {
                self.queued.push((recipients, content));
            }
            return code;
        }
        match line.split([' ', ':']).next().expect("a verb") {
            "RSET" => {
                self.open = None;
                250
            }
            "MAIL" if self.open.is_some() => 503,
            "MAIL" => {
                let code = self.planned(250);
                self.open = (code == 250).then(Vec::new);
                code
            }
            "RCPT" | "DATA" if self.open.is_none() => 503,
            "RCPT" => {
                let code = self.planned(250);
                if code == 250 {
                    let address = line.trim_start_matches("RCPT TO:<").trim_end_matches('>');
                    self.open.get_or_insert_default().push(address.to_owned());
                }
                code
            }
            "DATA" => {
                let code = self.planned(354);
                self.in_content = code == 354;
                code
            }
            _ => 250,
        }
    }
}

/// How one mail ends at such a server that goes silent for good after so many replies' octets.
fn deliver(
    server: &mut Server<'_>,
    mails: &[Mail],
    content: &[u8],
    piece: usize,
    silent_after: usize,
) -> Vec<Vec<Fate>> {
    let mut session = speaking(server.protocol);
    let now = Duration::ZERO;
    let (mut left, mut heard) = (silent_after, 0);
    let mut replies = b"220 mx\r\n".to_vec();
    let mut mails = mails.iter();
    let mut done = Vec::new();
    loop {
        let said = &replies[heard..][..(replies.len() - heard).min(left)];
        if said.is_empty() {
            session.closed();
        }
        left -= said.len();
        heard += said.len();
        session.receive(now, said);
        while let Some(action) = session.poll() {
            match action {
                Action::Ready => match mails.next() {
                    Some(mail) => session.send(now, mail.clone()),
                    None => session.quit(now),
                },
                Action::WantBody => {
                    for part in content.chunks(piece) {
                        session.body(now, part, false);
                        assert!(
                            session.output().len() <= 2 * part.len() + 4,
                            "output grows with the piece only"
                        );
                        server.hear(session.output(), &mut replies);
                        session.output_taken();
                    }
                    session.body(now, b"", true);
                }
                Action::Done(fates) => done.push(fates),
                Action::Closed(_) => return done,
                Action::StartTls => panic!("not offered"),
            }
        }
        assert!(
            session.output().len() <= PIPELINE_LEN,
            "more in flight than promised"
        );
        server.hear(session.output(), &mut replies);
        session.output_taken();
    }
}

proptest! {
    /// Accepted means queued, once and whole; queued means accepted, unless the reply to the content was lost.
    #[test]
    fn fates_are_what_the_server_did(
        pipelining: bool,
        plan in prop::collection::vec(prop::sample::select(vec![250, 250, 250, 250, 421, 450, 452, 503, 550, 552]), 0..30),
        recipients in prop::collection::vec(0..5_usize, 1..4),
        silent_after in prop_oneof![Just(usize::MAX), 0..900_usize],
    ) {
        let mails: Vec<_> = recipients.iter().map(|&count| mail(count)).collect();
        let mut server = Server::new(pipelining, &plan);
        let done = deliver(&mut server, &mails, b"x\r\n", 9, silent_after);
        let mut queued = server.queued.iter().filter(|(recipients, _)| !recipients.is_empty());
        let mut unsure = Vec::new();
        for (mail, fates) in mails.iter().zip(&done) {
            prop_assert_eq!(mail.recipients.len(), fates.len());
            let of = |wanted: &dyn Fn(&Fate) -> bool| -> Vec<String> {
                let pairs = mail.recipients.iter().zip(fates).filter(|(_, fate)| wanted(fate));
                pairs.map(|(recipient, _)| recipient.address.clone()).collect()
            };
            let accepted = of(&|fate| matches!(fate, Fate::Accepted(_)));
            if !accepted.is_empty() {
                prop_assert_eq!(queued.next().map(|(recipients, _)| recipients), Some(&accepted));
            }
            let lost = Broken { during: Answered::EndOfData, amid_content: false, cause: Cause::Closed };
            unsure = of(&|fate| *fate == Fate::Broken(lost.clone()));
        }
        if let Some((recipients, _)) = queued.next() {
            prop_assert_eq!(recipients, &unsure);
        }
        prop_assert_eq!(queued.count(), 0);
    }

    /// Each recipient's reply is its own: accepted means queued for this one, once; and the other way round, unless
    /// the reply was lost.
    #[test]
    fn over_lmtp_fates_are_what_the_server_did_for_each(
        pipelining: bool,
        plan in prop::collection::vec(prop::sample::select(vec![250, 250, 250, 250, 421, 450, 452, 503, 550, 552]), 0..30),
        recipients in prop::collection::vec(0..5_usize, 1..4),
        silent_after in prop_oneof![Just(usize::MAX), 0..900_usize],
    ) {
        let mails: Vec<_> = recipients.iter().map(|&count| mail(count)).collect();
        let mut server = Server::new(pipelining, &plan);
        server.protocol = Protocol::Lmtp;
        let done = deliver(&mut server, &mails, b"x\r\n", 9, silent_after);
        let lost = Broken { during: Answered::EndOfData, amid_content: false, cause: Cause::Closed };
        let mut queued = server.queued.iter().map(|(recipients, content)| (&recipients[0], content)).peekable();
        for (mail, fates) in mails.iter().zip(&done) {
            prop_assert_eq!(mail.recipients.len(), fates.len());
            for (recipient, fate) in mail.recipients.iter().zip(fates) {
                let mut took = || queued.next_if(|(address, _)| **address == recipient.address);
                match fate {
                    Fate::Accepted(reply) => {
                        prop_assert_eq!(&reply.raw, &format!("250 for {}", recipient.address));
                        prop_assert_eq!(took().map(|(_, content)| content.as_slice()), Some(&b"x\r\n"[..]));
                    }
                    Fate::Broken(broken) if *broken == lost => drop(took()),
                    _ => {}
                }
            }
        }
        prop_assert_eq!(queued.next(), None);
    }

    #[test]
    fn content_arrives_as_it_was(
        content in "([.a]|\r\n|\r\n[.]){0,60}",
        piece in 1..20_usize,
        pipelining: bool,
    ) {
        let mut server = Server::new(pipelining, &[]);
        let done = deliver(&mut server, &[mail(1)], content.as_bytes(), piece, usize::MAX);
        prop_assert!(matches!(done[0][0], Fate::Accepted(_)));
        let mut expected = content.into_bytes();
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(&server.queued[0].1, &expected);
    }
}

#[test]
fn many_recipients_go_in_windows() {
    for (pipelining, most) in [(true, 30), (false, 2020)] {
        let mut server = Server::new(pipelining, &[]);
        let done = deliver(&mut server, &[mail(2000), mail(1)], b"x\r\n", 9, usize::MAX);
        assert_eq!(server.queued[0].0.len(), 2000);
        assert_eq!(server.queued[1].0.len(), 1);
        assert!(server.heard < most, "{} round trips", server.heard);
        let fates = done.concat();
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Accepted(_))));
    }
}

/// Every mail is answered for, also one that is handed over when it is too late.
#[test]
fn a_closed_session_answers_for_a_mail() {
    let mut session = session();
    session.receive(Duration::ZERO, b"421 4.3.2 busy\r\n");
    session.send(Duration::ZERO, mail(2));
    let closed = session.poll();
    assert!(matches!(
        closed,
        Some(Action::Closed(Some(Failure::Refused { .. })))
    ));
    let broken = Fate::Broken(Broken {
        during: Answered::Mail,
        amid_content: false,
        cause: Cause::Closed,
    });
    assert_eq!(session.poll(), Some(Action::Done(vec![broken; 2])));
}

/// The whole reply is kept, as the hint's reader wants it.
#[test]
fn a_hint_is_read_from_what_is_kept() {
    let mut session = session();
    let now = Duration::ZERO;
    let mut fates = None;
    for piece in [
        "220 mx\r\n",
        "250 mx\r\n",
        "250 2.1.0 ok\r\n",
        "450-4.2.0 TIME=300 <r0@y.example>: Recipient address rejected: Greylisted\r\n450 4.2.0 see our pages\r\n",
    ] {
        session.receive(now, piece.as_bytes());
        while let Some(action) = session.poll() {
            match action {
                Action::Ready if fates.is_none() => session.send(now, mail(1)),
                Action::Done(done) => fates = Some(done),
                _ => {}
            }
        }
        session.output_taken();
    }
    let Some([Fate::Refused { answered, reply }]) = fates.as_deref() else {
        panic!("one refusal, not {fates:?}");
    };
    assert_eq!(*answered, Answered::Rcpt);
    assert!(reply.raw.ends_with("Greylisted\r\n450 4.2.0 see our pages"));
    let hint = retry_hint::read(
        reply.raw.as_bytes(),
        *answered,
        retry_hint::Tongues::default(),
    );
    assert_eq!(hint.map(|hint| hint.wait_secs), Some(300));
}
