//! The main job, on real TCP: a receiver that says when, a sender that comes back then.

mod support;

use std::time::Duration;

use support::{Node, Sink, TempDir, content, lf, now, send, until};

fn sender(dir: &TempDir, domain: &str, port: u16) -> Node {
    let tables = format!(
        "[local]\ndomains = []\nmailboxes = {{}}\n[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"{domain}\" = \"127.0.0.1:{port}\"\n"
    );
    Node::start(dir, "sender", &tables)
}

#[test]
fn the_second_attempt_is_let_in() {
    const DELAY: u64 = 4;
    let dir = TempDir::new();
    let receiver = Node::start(
        &dir,
        "receiver",
        &format!("[greylist]\ndelay = \"{DELAY}s\"\n"),
    );
    let sender = sender(&dir, "here.test", receiver.port());
    send(
        sender.address,
        "a@client.test",
        "b@here.test",
        &content("an appointment"),
    );
    let deferred = sender.logged(&["status=deferred"]);
    let told = now();
    assert!(
        deferred.contains("attempt=1")
            && deferred.contains(&format!("hint={DELAY}"))
            && deferred.contains("due=")
            && deferred.contains("tls=TLSv1."),
        "{deferred}"
    );
    let sent = sender.logged(&["status=sent"]);
    let lateness = (now() - told).as_secs_f64() - DELAY as f64;
    println!("kept {lateness:.2} s after its time");
    assert!(sent.contains("attempt=2"), "{sent}");
    assert!((-0.2..10.0).contains(&lateness), "{lateness} s late");
    let mail = receiver.arrived("b");
    let waited = mail.field("X-Greylist").expect("how long it waited");
    let secs: u64 = waited
        .split(' ')
        .nth(1)
        .and_then(|secs| secs.parse().ok())
        .expect("seconds");
    assert!((DELAY..DELAY + 2).contains(&secs), "{waited}");
    until("the sender's queue to be empty", || {
        sender.queue().is_empty().then_some(())
    });
}

/// Measured where the mail arrives: from the end of the refusal to the next visit.
#[test]
fn it_never_comes_before_its_time() {
    const DELAY: Duration = Duration::from_secs(2);
    let dir = TempDir::new();
    let mut visits = 0;
    let sink = Sink::answering(Box::new(move |line| {
        visits += u32::from(line.starts_with("RCPT"));
        (line.starts_with("RCPT") && visits == 1).then(|| "450 4.2.0 TIME=2 not yet".to_owned())
    }));
    let sender = sender(&dir, "sink.test", sink.port());
    send(
        sender.address,
        "a@client.test",
        "b@sink.test",
        &content("an appointment"),
    );
    until("the mail in the sink", || sink.taken().pop());
    let times: Vec<_> = sink
        .commands()
        .into_iter()
        .filter(|(_, line)| line.starts_with("RCPT"))
        .map(|(at, _)| at)
        .collect();
    let waited = times[1] - times[0];
    println!("came back after {waited:?}");
    assert_eq!(times.len(), 2);
    assert!(waited >= DELAY, "{waited:?}");
    assert!(waited < DELAY + Duration::from_secs(10), "{waited:?}");
}

#[test]
fn twenty_five_mebibytes_arrive_as_they_were() {
    let dir = TempDir::new();
    let receiver = Node::start(&dir, "receiver", "");
    let sender = sender(&dir, "here.test", receiver.port());
    let mut mail = b"Subject: large\r\n\r\n.\r\n..\r\n".to_vec();
    // One line far beyond 998 octets, then lines of any octets but CR, LF and NUL.
    mail.extend(std::iter::repeat_n(b'.', 100_000));
    mail.extend_from_slice(b"\r\n");
    for number in 0usize.. {
        if mail.len() >= 25 << 20 {
            break;
        }
        if number.is_multiple_of(5) {
            mail.push(b'.');
        }
        mail.extend((0..number % 997).map(|column| (14 + (number * 7 + column) % 242) as u8));
        mail.extend_from_slice(b"\r\n");
    }
    send(sender.address, "a@client.test", "b@here.test", &mail);
    let arrived = receiver.arrived("b");
    assert!(
        arrived.body() == lf(support::body_of(&mail)),
        "the body changed on its way"
    );
}
