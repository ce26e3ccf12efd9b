//! SIGHUP: a changed configuration is taken over whole, or not at all.

mod support;

use std::fs;
use std::net::UdpSocket;

use rustix::process::Signal;
use support::{Client, Node, Sink, TempDir, content, free_port, send, until};

/// Puts another configuration in the file's place.
fn rewrite(node: &Node, change: impl Fn(&str) -> String) {
    let old = fs::read_to_string(&node.config).expect("the configuration");
    let new = change(&old);
    assert_ne!(old, new, "nothing was changed");
    fs::write(&node.config, new).expect("written");
}

/// What the log says of a SIGHUP.
fn reload(node: &mut Node) -> String {
    let reloads = |log: &str| {
        log.lines()
            .filter(|line| line.contains("reloaded"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = reloads(&node.log()).len();
    node.process().signal(Signal::HUP);
    until("the answer to SIGHUP", || {
        reloads(&node.log()).into_iter().nth(before)
    })
}

#[test]
fn limits_count_for_the_next_session() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "[limits]\nmessage_size = \"1MiB\"\n");
    let mut before = Client::connect(node.address);
    rewrite(&node, |text| {
        text.replace("\"1MiB\"", "\"2MiB\"\nconnections_per_client = 2")
    });
    assert!(reload(&mut node).contains("configuration reloaded"));
    // A session that is open keeps what it was told.
    before.ask("MAIL FROM:<a@client.test> SIZE=1500000", "552 5.3.4");
    let mut after = Client::connect(node.address);
    after.ask("MAIL FROM:<a@client.test> SIZE=1500000", "250 ");
    let third = std::net::TcpStream::connect(node.address).expect("a connection");
    let mut greeting = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(third), &mut greeting)
        .expect("a greeting");
    assert!(greeting.starts_with("421 4.7.0"), "{greeting}");
}

#[test]
fn mail_that_waits_takes_the_new_route() {
    let dir = TempDir::new();
    let sink = Sink::start();
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery.routes]\n\"far.test\" = \"127.0.0.1:{}\"\n",
        free_port()
    );
    let mut node = Node::start(&dir, "node", &tables);
    send(
        node.address,
        "a@client.test",
        "b@far.test",
        &content("waits"),
    );
    node.logged(&["status=deferred"]);
    rewrite(&node, |text| {
        let at = text.find("\"far.test\" = ").expect("the route");
        let end = at + text[at..].find('\n').expect("its end");
        format!(
            "{}\"far.test\" = \"{}\"{}",
            &text[..at],
            sink.address,
            &text[end..]
        )
    });
    assert!(reload(&mut node).contains("configuration reloaded"));
    assert!(node.command(&["queue", "retry", "--all"]).status.success());
    node.logged(&["status=sent"]);
}

/// SERVFAIL (RFC 1035 §4.1.1).
const OUT_OF_ORDER: u8 = 2;
/// No error.
const WELL: u8 = 0;

/// Answers each question for an IPv4 address with 127.0.0.1, and all others with nothing.
fn name_server(health: u8) -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut query) {
            let query = &query[..len];
            // RFC 1035 §4.1: a header of 12 octets, then the name, its type and class.
            let name_len = query[12..].iter().position(|&b| b == 0).unwrap_or(0) + 1;
            let question = &query[12..12 + name_len + 4];
            let is_a = health == WELL && question[name_len..name_len + 2] == [0, 1];
            let mut answer = query[..2].to_vec();
            answer.extend([0x84, health, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            answer.extend(question);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, client);
        }
    });
    address
}

#[test]
fn other_name_servers_are_asked() {
    let dir = TempDir::new();
    let sink = Sink::start();
    let tables = format!(
        "[relay]\nnetworks = [\"127.0.0.0/8\"]\n[delivery]\nport = {}\nname_servers = [\"{}\"]\n",
        sink.address.port(),
        name_server(OUT_OF_ORDER)
    );
    let mut node = Node::start(&dir, "node", &tables);
    send(
        node.address,
        "a@client.test",
        "b@far.test",
        &content("waits"),
    );
    node.logged(&["status=deferred", "dsn=4.4.3"]);
    let server = name_server(WELL);
    rewrite(&node, |text| {
        let at = text.find("name_servers = ").expect("the key");
        let end = at + text[at..].find('\n').expect("its end");
        format!(
            "{}name_servers = [\"{server}\"]{}",
            &text[..at],
            &text[end..]
        )
    });
    assert!(reload(&mut node).contains("configuration reloaded"));
    assert!(node.command(&["queue", "retry", "--all"]).status.success());
    node.logged(&["status=sent"]);
}

#[test]
fn the_log_changes_its_level_and_its_form() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "[log]\nlevel = \"warn\"\n");
    let address = node.address;
    send(address, "a@client.test", "b@here.test", &content("quiet"));
    node.arrived("b");
    rewrite(&node, |text| {
        text.replace("level = \"warn\"", "format = \"json\"")
    });
    node.process().signal(Signal::HUP);
    node.logged(&["{", "configuration reloaded"]);
    send(address, "a@client.test", "c@here.test", &content("told"));
    node.logged(&["\"status\":\"queued\"", "a@client.test"]);
    assert!(!node.log().contains("b@here.test"), "{}", node.log());
    rewrite(&node, |text| {
        text.replace("format = \"json\"", "format = \"text\"")
    });
    assert!(reload(&mut node).contains("server: configuration reloaded"));
}

#[test]
fn sockets_are_opened_and_closed() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let (old, new) = (node.address, free_port());
    let new = std::net::SocketAddr::from(([127, 0, 0, 1], new));
    let mut under_way = Client::connect(old);
    under_way.ask("MAIL FROM:<a@client.test>", "250 ");
    under_way.ask("RCPT TO:<b@here.test>", "250 ");
    under_way.ask("DATA", "354 ");
    rewrite(&node, |text| text.replace("127.0.0.1:0", &new.to_string()));
    assert!(reload(&mut node).contains("configuration reloaded"));
    send(
        new,
        "a@client.test",
        "c@here.test",
        &content("at the new one"),
    );
    until("the old socket closed", || {
        std::net::TcpStream::connect(old).is_err().then_some(())
    });
    under_way
        .write(b"Subject: under way\r\n\r\nx\r\n.\r\n")
        .expect("written");
    let reply = under_way.reply().expect("a reply");
    assert!(reply.starts_with("250 "), "{reply}");
    node.arrived("b");
    assert!(node.stop().success());
}

#[test]
fn a_socket_that_can_t_be_opened_changes_nothing() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let taken = other.local_addr().expect("its address");
    rewrite(&node, |text| {
        text.replace("mode = \"off\"", "mode = \"enforce\"")
            .replace("127.0.0.1:0", &taken.to_string())
    });
    let said = reload(&mut node);
    assert!(
        said.contains("not reloaded")
            && said.contains(&taken.to_string())
            && said.contains("ss -ltnp"),
        "{said}"
    );
    // Greylisting is still off, at the old socket.
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("as before"),
    );
}

#[test]
fn another_data_directory_needs_a_restart_and_changes_nothing() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let old = node.data.display().to_string();
    let other = dir.join("other").display().to_string();
    rewrite(&node, |text| {
        text.replace("mode = \"off\"", "mode = \"enforce\"")
            .replace(&old, &other)
    });
    let said = reload(&mut node);
    for words in ["not reloaded", "data_dir", &old, &other, "stop it"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    send(
        node.address,
        "a@client.test",
        "b@here.test",
        &content("as before"),
    );
    assert!(!dir.join("other").exists());
}

#[test]
fn a_certificate_that_can_t_be_used_is_named_with_its_line() {
    let dir = TempDir::new();
    let mut node = Node::start(&dir, "node", "");
    let missing = dir.join("missing.pem").display().to_string();
    rewrite(&node, |text| {
        format!("{text}[tls]\ncertificate = \"{missing}\"\nkey = \"{missing}\"\n")
    });
    let written = fs::read_to_string(&node.config).expect("the configuration");
    let before = written.split("certificate").next().expect("lines");
    let line = before.lines().count() + 1;
    let said = reload(&mut node);
    let expected = format!(
        "not reloaded, the old one stays in force: {}:{line}: tls.certificate: {missing}: can't be read",
        node.config.display()
    );
    assert!(said.contains(&expected), "{expected} is not in {said}");
}
