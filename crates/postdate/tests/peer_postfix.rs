//! Postfix, unmodified: before us, behind us, and behind us with postgrey.

mod support;

use std::time::Duration;

use support::{
    Node, Postfix, Postgrey, Process, Sink, TempDir, content, free_port, lf, now, send, tool, until,
};

#[test]
fn postfix_relays_through_us() {
    let dir = TempDir::new();
    let sink = Sink::start();
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"sink.test\" = \"{}\"\n[greylist]\ndelay = \"300s\"\n",
        sink.address
    );
    let node = Node::start(&dir, "node", &tables);
    let postfix = Postfix::start(&dir, &format!("relayhost = [127.0.0.1]:{}\n", node.port()));
    let address = ([127, 0, 0, 1], postfix.port).into();
    send(
        address,
        "a@client.test",
        "b@sink.test",
        &content("through Postfix and through us"),
    );
    let taken = until("the mail in the sink", || sink.taken().pop());
    assert_eq!(
        (taken.from.as_str(), &taken.to[..]),
        ("a@client.test", &["b@sink.test".to_owned()][..])
    );
    let text = support::text(&taken.content);
    assert!(
        text.contains("by node.test (Postdate) with ESMTPS id") && text.contains("(Postfix)"),
        "{text}"
    );
    assert!(
        text.ends_with("\r\n\r\nHello,\r\n.a line with a dot\r\n"),
        "{text}"
    );
}

#[test]
fn postfix_without_hints_gets_in_by_its_own_schedule() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "[greylist]\ndelay = \"3s\"\n");
    let postfix = Postfix::start(&dir, &format!("relayhost = [127.0.0.1]:{}\n", node.port()));
    let began = now();
    send(
        ([127, 0, 0, 1], postfix.port).into(),
        "a@client.test",
        "b@here.test",
        &content("greylisted"),
    );
    let mail = node.arrived("b");
    assert!(now() - began >= Duration::from_secs(1));
    assert!(
        mail.field("X-Greylist")
            .is_some_and(|field| field.starts_with("delayed ")),
        "{}",
        mail.header()
    );
    let log = postfix.log();
    let line = log
        .lines()
        .find(|line| line.contains("status=deferred"))
        .expect("Postfix deferred it");
    assert!(line.contains("450 4.2.0 TIME=3 <b@here.test>: Recipient address rejected: Greylisted, try again in 3 seconds; from="), "{line}");
}

/// Postfix puts its own words before the policy's text; the hint is read all the same.
#[test]
fn the_hint_of_postgrey_behind_postfix_is_kept() {
    const DELAY: u32 = 4;
    let dir = TempDir::new();
    let postgrey = Postgrey::start(&dir, DELAY);
    let postfix = Postfix::start(
        &dir,
        &format!(
            "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{}, permit\n",
            postgrey.port
        ),
    );
    let node = relaying(&dir, "postfix.test", postfix.port);
    send(
        node.address,
        "a@client.test",
        "b@postfix.test",
        &content("to postgrey"),
    );
    let deferred = node.logged(&["status=deferred"]);
    let told = now();
    assert!(
        deferred
            .contains("450 4.2.0 <b@postfix.test>: Recipient address rejected: TIME=4 Greylisted"),
        "{deferred}"
    );
    assert!(
        deferred.contains("hint=4") && deferred.contains("attempt=1"),
        "{deferred}"
    );
    let sent = node.logged(&["status=sent"]);
    let waited = now() - told;
    assert!(sent.contains("attempt=2"), "{sent}");
    let lateness = waited.as_secs_f64() - f64::from(DELAY);
    println!("postgrey's appointment was kept {lateness:.2} s after its time");
    assert!((-0.2..10.0).contains(&lateness), "{lateness} s late");
    assert!(postfix.arrived().field("X-Greylist").is_some());
}

#[test]
fn twenty_five_mebibytes_arrive_at_postfix_as_they_were() {
    let dir = TempDir::new();
    let postfix = Postfix::start(&dir, "");
    let node = relaying(&dir, "postfix.test", postfix.port);
    let mut mail = b"Subject: large\r\n\r\n".to_vec();
    for number in 0u32.. {
        if mail.len() >= 25 << 20 {
            break;
        }
        // Dots, 8-bit octets, and lines of up to 998 octets.
        mail.extend_from_slice([&b"."[..], b"..", b"\xe4\xf6\xfc", b"x"][number as usize % 4]);
        mail.extend(
            (0..number % 995)
                .map(|column| b' ' + u8::try_from((number + column) % 94).expect("a letter")),
        );
        mail.extend_from_slice(b"\r\n");
    }
    send(node.address, "a@client.test", "b@postfix.test", &mail);
    let expected = lf(support::body_of(&mail));
    assert!(
        postfix.arrived().body() == expected,
        "the body changed on its way"
    );
}

/// Postfix' own test sink says a hint.
#[test]
fn the_hint_of_smtp_sink_is_read() {
    let dir = TempDir::new();
    let port = free_port();
    let mut command = std::process::Command::new(tool("smtp-sink"));
    command.args([
        "-u",
        "nobody",
        "-r",
        "RCPT",
        "-b",
        "450 4.2.0 TIME=300 Greylisted",
        &format!("127.0.0.1:{port}"),
        "50",
    ]);
    let _sink = Process::start(&mut command, &dir.join("smtp-sink.log"));
    until("smtp-sink to listen", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let node = relaying(&dir, "sink.test", port);
    send(
        node.address,
        "a@client.test",
        "b@sink.test",
        &content("to smtp-sink"),
    );
    node.logged(&["status=deferred", "hint=300", "tongue=keyword"]);
    let queue = until("the appointment in the queue", || {
        Some(node.queue()).filter(|queue| queue.iter().any(|row| !row["hint"].is_null()))
    });
    assert_eq!(
        (
            &queue[0]["hint"],
            &queue[0]["tongue"],
            &queue[0]["attempts"]
        ),
        (&300.into(), &"keyword".into(), &1.into())
    );
    assert!(
        queue[0]["last_reply"]
            .as_str()
            .is_some_and(|reply| reply.contains("TIME=300 Greylisted")),
        "{queue:?}"
    );
}

/// A node that relays for this machine, and knows one way.
fn relaying(dir: &TempDir, domain: &str, port: u16) -> Node {
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"{domain}\" = \"127.0.0.1:{port}\"\n"
    );
    Node::start(dir, "node", &tables)
}
