//! Mailboxes that are full.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{HOUR, MINUTE, SECOND, until};
use crate::mailboxes::MailboxNews;

/// What was heard of mailboxes, and when.
struct News(Net, Mutex<Vec<(Duration, String)>>);

impl News {
    fn of(net: &Net, node: &Node) -> Arc<Self> {
        let news = Arc::new(Self(net.clone(), Mutex::default()));
        node.runner.hear_of_mailboxes(news.clone());
        news
    }

    fn add(&self, news: String) {
        self.1.lock().unwrap().push((self.0.at(), news));
    }

    /// In words, without the times.
    fn all(&self) -> Vec<String> {
        let all = self.1.lock().unwrap();
        all.iter().map(|(_, news)| news.clone()).collect()
    }
}

impl MailboxNews for News {
    fn full(&self, mailbox: &str) {
        self.add(format!("full {mailbox}"));
    }
    fn room(&self, mailbox: &str) {
        self.add(format!("room {mailbox}"));
    }
}

#[tokio::test(start_paused = true)]
async fn behind_lmtp_only_whose_mailbox_is_full_waits_and_comes_at_the_time_named() {
    let net = Net::new();
    let far = Far::add(&net, "boxes.example", "192.0.2.2", |said, at| {
        let full = said == "." && at < MINUTE;
        let replies = "250 2.0.0 Saved\r\n452 4.2.2 TIME=600 Mailbox is full";
        full.then(|| (replies.to_owned(), Duration::ZERO))
    });
    let config = "hostname = \"a.example\"\n[local]\ndomains = [\"here.example\"]\n\
                  lmtp = \"inet:192.0.2.2\"\n[aliases]\n\"ann\" = [\"eve+x\"]\n";
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), config);
    let news = News::of(&net, &node);
    let mut program = node.program(1000);
    program.hello().await;
    for (said, reply) in [
        ("MAIL FROM:<u@else.example>", "250 "),
        ("RCPT TO:<bob@here.example>", "250 "),
        ("RCPT TO:<ann@here.example>", "250 "),
        ("DATA", "354 "),
        ("Subject: one\r\n\r\nwords\r\n.", "250 "),
    ] {
        program.ask(said, reply).await;
    }
    until("an empty queue", HOUR, || node.queued().is_empty()).await;
    assert_eq!(far.heard("LHLO a.example").len(), 2);
    assert_eq!(far.heard("RCPT TO:<bob@here.example>").len(), 1, "once");
    let asked = far.heard("RCPT TO:<eve+x@here.example>");
    assert_eq!(asked.len(), 2);
    let waited = asked[1] - asked[0];
    assert!(
        waited >= 10 * MINUTE && waited < 10 * MINUTE + 2 * SECOND,
        "{waited:?}"
    );
    assert_eq!(
        news.all(),
        [
            "room bob@here.example",
            "full eve@here.example",
            "room eve@here.example"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn beyond_its_quota_a_maildir_takes_nothing_until_there_is_room() {
    let net = Net::new();
    let root = tempfile::tempdir().unwrap();
    let config = format!(
        "hostname = \"a.example\"\ndata_dir = \"{}\"\n[local]\ndomains = [\"here.example\"]\nquota = \"1KiB\"\n\
         [local.mailboxes]\n\"bob@here.example\" = \"bob\"\n",
        root.path().display()
    );
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    let news = News::of(&net, &node);
    let new = root.path().join("bob/new");
    let there = || fs::read_dir(&new).map_or(0, Iterator::count);
    let one = format!("Subject: one\r\n\r\n{}\r\n", "x".repeat(500));
    let send = async || {
        let program = node.program(1000);
        program
            .send("u@else.example", "Bob+x@here.example", &one)
            .await
    };
    send().await;
    until("the first mail", MINUTE, || there() == 1).await;
    send().await;
    until("the second to wait", MINUTE, || news.all().len() == 2).await;
    assert_eq!(there(), 1);
    let waiting = node.queued();
    let reply = waiting[0].rows[0].1.last_reply.clone().unwrap();
    assert!(
        reply.starts_with("the mailbox of <Bob+x@here.example> is full: ")
            && reply.contains(" of 1024 octets"),
        "{reply}"
    );
    // As a reader deletes it that keeps the quota.
    let mail = fs::read_dir(&new).unwrap().next().unwrap().unwrap();
    let octets = mail.metadata().unwrap().len();
    assert!(
        mail.file_name()
            .to_str()
            .unwrap()
            .ends_with(&format!(",S={octets}"))
    );
    fs::remove_file(mail.path()).unwrap();
    let file = root.path().join("bob/maildirsize");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}-{octets} -1\n")).unwrap();
    until("the second mail", HOUR, || node.queued().is_empty()).await;
    assert_eq!(there(), 1);
    assert_eq!(
        news.all(),
        [
            "room bob@here.example",
            "full bob@here.example",
            "room bob@here.example"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_named_twice_has_one_copy_however_it_is_quoted() {
    let net = Net::new();
    let root = tempfile::tempdir().expect("a directory");
    let config = format!(
        "hostname = \"a.example\"\ndata_dir = \"{}\"\n[local]\ndomains = [\"here.example\"]\n\
         [local.mailboxes]\n\"bob@here.example\" = \"bob\"\n",
        root.path().display()
    );
    let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), &config);
    let mut program = node.program(1000);
    program.hello().await;
    for (said, reply) in [
        ("MAIL FROM:<u@else.example>", "250 "),
        ("RCPT TO:<\"bob\"@here.example>", "250 "),
        ("RCPT TO:<bob@here.example>", "250 "),
        ("RCPT TO:<\"b\\OB\"@HERE.example>", "250 "),
        (
            "RCPT TO:<\"carol\"@here.example>",
            "550 5.1.1 <\"carol\"@here.example>: ",
        ),
        ("DATA", "354 "),
        ("Subject: one\r\n\r\nwords\r\n.", "250 "),
    ] {
        program.ask(said, reply).await;
    }
    until("an empty queue", HOUR, || node.queued().is_empty()).await;
    let new = fs::read_dir(root.path().join("bob/new")).expect("a mailbox");
    assert_eq!(new.count(), 1);
}
