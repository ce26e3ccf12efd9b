//! Clients that are slow, rude or gone.

use std::time::Duration;

use store::memory::MemorySpool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::Client;
use super::moody::Moody;
use super::net::Net;
use super::node::Node;
use super::{HOUR, MINUTE, SECOND, pass, until};

const OPEN: &str = "hostname = \"mx.example\"\n[local]\ndomains = []\nmailboxes = {}\n\
    [greylist]\nmode = \"off\"\n[relay]\nnetworks = [\"192.0.2.0/24\"]\n";

fn open() -> (Net, Node) {
    let net = Net::new();
    let node = Node::start(&net, "198.51.100.2", MemorySpool::default(), OPEN);
    (net, node)
}

/// Says `text` at one octet a minute until the server has had enough; what it says then, and when.
async fn drip(net: &Net, client: Client, text: &str) -> (String, Duration) {
    let (mut read, mut write) = tokio::io::split(client.0.into_inner());
    let text = text.as_bytes().to_vec();
    let dripping = tokio::spawn(async move {
        for octet in text.iter().cycle() {
            pass(MINUTE).await;
            if write.write_all(&[*octet]).await.is_err() {
                break;
            }
        }
    });
    let mut said = String::new();
    read.read_to_string(&mut said).await.unwrap();
    drop(read);
    dripping.abort();
    (said, net.at())
}

#[tokio::test(start_paused = true)]
async fn a_command_that_drips_in_ends_at_its_deadline() {
    let (net, node) = open();
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    let (said, at) = drip(&net, client, "NOOP with very many words").await;
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(at >= 5 * MINUTE && at <= 5 * MINUTE + SECOND, "{at:?}");
    until("its end", 5 * SECOND, || node.sessions() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn content_that_drips_in_ends_at_its_deadline_and_leaves_nothing() {
    let (net, node) = open();
    let mut client = node.client("192.0.2.9");
    client.begin("u@a.example", "v@b.example").await;
    let (said, at) = drip(&net, client, "words\r\n").await;
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(at >= HOUR && at <= HOUR + MINUTE, "{at:?}");
    assert!(node.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_without_end_has_a_deadline_too() {
    let (net, node) = open();
    let mut client = node.client("192.0.2.9");
    client.begin("u@a.example", "v@b.example").await;
    let (mut read, mut write) = tokio::io::split(client.0.into_inner());
    let flood = tokio::spawn(async move {
        let line = [b"x".repeat(998).as_slice(), b"\r\n"].concat();
        // Always more than the server can read in one go, and a moment passes for every megabyte.
        loop {
            for _ in 0..1000 {
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
            pass(MINUTE).await;
        }
    });
    let mut said = String::new();
    read.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(net.at() <= HOUR + MINUTE, "{:?}", net.at());
    flood.abort();
    assert!(node.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_connection_still_gets_its_replies() {
    let (net, node) = open();
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    client
        .write(
            b"MAIL FROM:<u@a.example>\r\nRCPT TO:<v@b.example>\r\nDATA\r\n\
              Subject: half\r\n\r\nclosed\r\n.\r\nMAIL FROM:<w@a.example>\r\n",
        )
        .await;
    client.0.shutdown().await.unwrap();
    let said = client.rest().await;
    let codes: Vec<_> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "354", "250", "250"], "{said}");
    assert!(net.at() < SECOND);
    until("its end", SECOND, || node.sessions() == 0).await;
    assert_eq!(node.queued().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_given_up() {
    let (net, node) = open();
    let mut wire = node.wire("192.0.2.9", 256);
    let writing = tokio::spawn(async move {
        while wire.write_all(b"NOOP\r\n").await.is_ok() {}
        // Kept open, and unread.
        pass(HOUR).await;
    });
    pass(SECOND).await;
    assert_eq!(node.sessions(), 1);
    until("its end", 3 * MINUTE, || node.sessions() == 0).await;
    assert!(net.at() >= 2 * MINUTE);
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_recipients_in_one_write_are_all_answered_or_the_session_is_closed() {
    let (net, node) = open();
    let mut client = node.client("192.0.2.9");
    client.hello().await;
    client.ask("MAIL FROM:<u@a.example>", "250 ").await;
    let (mut read, mut write) = tokio::io::split(client.0.into_inner());
    let rcpts: String = (0..10_000)
        .map(|i| format!("RCPT TO:<v{i}@b.example>\r\n"))
        .collect();
    let writing = tokio::spawn(async move {
        let _ = write.write_all(rcpts.as_bytes()).await;
    });
    let mut said = String::new();
    read.read_to_string(&mut said).await.unwrap();
    writing.await.unwrap();
    let count = |code: &str| said.lines().filter(|line| line.starts_with(code)).count();
    assert_eq!(count("250 2.1.5 "), 1000);
    assert_eq!(count("452 4.5.3 "), 1000);
    assert_eq!(said.lines().count(), 2001, "and then it has had enough");
    assert!(
        said.lines().last().unwrap().starts_with("421 "),
        "{:?}",
        said.lines().last()
    );
    assert!(net.at() < 3 * SECOND, "{:?}", net.at());
    drop(read);
    until("its end", 3 * SECOND, || node.sessions() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_in_the_middle_of_data_leaves_nothing() {
    let (_, node) = open();
    for large in [false, true] {
        let mut client = node.client("192.0.2.9");
        client.begin("u@a.example", "v@b.example").await;
        client.write(b"Subject: half a mail\r\n\r\n").await;
        if large {
            client.write(&b"many words of it\r\n".repeat(10_000)).await;
        }
        drop(client);
        until("its end", SECOND, || node.sessions() == 0).await;
        assert!(node.queued().is_empty());
    }
    assert_eq!(node.runner.dispatcher().active(), 0);
}

#[tokio::test(start_paused = true)]
async fn places_are_given_back_however_a_session_ends() {
    let (_, node) = open();
    let mut all = Vec::new();
    for _ in 0..50 {
        let mut client = node.client("192.0.2.9");
        client.hello().await;
        all.push(client);
    }
    let refused = node.client("192.0.2.9").rest().await;
    assert!(refused.starts_with("421 4.7.0 "), "{refused}");
    drop(all);
    until("their end", SECOND, || node.sessions() == 0).await;
    node.client("192.0.2.9").hello().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_wait_for_its_250_has_its_mail_kept_once() {
    let net = Net::new();
    let spool = Moody {
        takes: SECOND,
        ..Moody::default()
    };
    let node = Node::start(&net, "198.51.100.2", spool, OPEN);
    let mut client = node.client("192.0.2.9");
    client.begin("u@a.example", "v@b.example").await;
    client
        .write(b"Subject: impatient\r\n\r\n.\r\nQUIT\r\n")
        .await;
    drop(client);
    until("its end", 5 * SECOND, || node.sessions() == 0).await;
    assert_eq!(node.queued().len(), 1);
}
