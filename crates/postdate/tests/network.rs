//! Two nodes, and between them a line that stalls, swallows and breaks: nothing is lost, and little comes twice.
//!
//! `POSTDATE_TEST_FAULTS` sets how many sessions are struck (`cargo xtask long` does), `POSTDATE_TEST_SEED` by what.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use support::{Chance, Client, Mail, Node, Proxy, TempDir, setting, text, within};

/// Submitted at a time; the next ones when these have arrived.
const MAILS: usize = 40;
/// Of 17 octets, in turns: small, inline, small, a file.
const LINES: [usize; 4] = [10, 200, 10, 8000];
/// For one lot to arrive, with faults or without.
const DRAIN: Duration = Duration::from_secs(120);

#[test]
fn a_bad_line_loses_nothing() {
    let wanted = setting("POSTDATE_TEST_FAULTS").unwrap_or(6);
    let wanted = usize::try_from(wanted).expect("a number of faults");
    let dir = TempDir::new();
    let receiver = Node::start(
        &dir,
        "receiver",
        "[limits]\ncommand_timeout = \"2s\"\ndata_timeout = \"2s\"\n",
    );
    let proxy = Proxy::start(receiver.address, Chance::new());
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery]\ncommand_timeout = \"2s\"\n[delivery.routes]\n\"here.test\" = \"127.0.0.1:{}\"\n\
         [local]\ndomains = [\"sender.test\"]\nmailboxes = {{ \"*@sender.test\" = \"mail/{{user}}\" }}\n\
         [queue]\nfirst_backoff = \"1s\"\nmax_backoff = \"1s\"\n",
        proxy.port
    );
    let sender = Node::start(&dir, "sender", &tables);
    let mut arrivals = Arrivals::of(&receiver);
    let mut submitted = 0;
    let struck = || proxy.struck().iter().sum::<usize>();
    while struck() < wanted {
        submit(&sender, submitted..submitted + MAILS);
        submitted += MAILS;
        within(DRAIN, "the line to fail, or all mail to arrive", || {
            (struck() >= wanted || arrivals.look().len() == submitted).then_some(())
        });
    }
    proxy.heal();
    within(DRAIN, "all mail to arrive, and to be settled", || {
        (arrivals.look().len() == submitted && sender.queue().is_empty()).then_some(())
    });
    let arrived = arrivals.look();
    let again = arrived.values().sum::<usize>() - arrived.len();
    let [cut, swallowed, stalled] = proxy.struck();
    println!(
        "{submitted} acknowledged, {} arrived, {again} of them again, over {cut} sessions cut, {swallowed} swallowed, {stalled} stalled",
        arrived.len()
    );
    // A session has one mail under way whose outcome can be lost.
    assert!(again <= cut + swallowed + stalled, "{again} duplicates");
    assert!(
        sender.mailbox("a").is_empty(),
        "a bad line is no reason for a notice: {}",
        sender.mailbox("a")[0].header()
    );
}

fn submit(sender: &Node, numbers: std::ops::Range<usize>) {
    let mut client = Client::connect(sender.address);
    for number in numbers {
        let filler = "0123456789abcde\r\n".repeat(LINES[number % LINES.len()]);
        let mail = format!("X-Number: {number}\r\n\r\n{filler}end of {number}\r\n");
        let reply = client.mail("a@sender.test", "b@here.test", mail.as_bytes());
        let reply = reply.expect("a reply");
        assert!(reply.starts_with("250 "), "{reply}");
    }
}

/// How often each mail arrived, by number; the content of each must be whole.
struct Arrivals<'a> {
    receiver: &'a Node,
    arrived: BTreeMap<usize, usize>,
    /// The files that were read already.
    known: BTreeSet<OsString>,
}

impl<'a> Arrivals<'a> {
    fn of(receiver: &'a Node) -> Self {
        Self {
            receiver,
            arrived: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    fn look(&mut self) -> &BTreeMap<usize, usize> {
        let folder = self.receiver.data.join("mail/b/new");
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            if self.known.insert(file.file_name()) {
                let octets = fs::read(file.path()).expect("a mail");
                *self.arrived.entry(number_of(&Mail { octets })).or_insert(0) += 1;
            }
        }
        &self.arrived
    }
}

#[track_caller]
fn number_of(mail: &Mail) -> usize {
    let number = mail.field("X-Number").and_then(|text| text.parse().ok());
    let number: usize = number.expect("its number");
    let body = text(mail.body());
    let lines = LINES[number % LINES.len()] + 1;
    assert!(
        body.lines().count() == lines && body.ends_with(&format!("end of {number}\n")),
        "mail {number} was cut"
    );
    number
}
