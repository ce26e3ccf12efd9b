//! `postdate policy serve` as an administrator runs it: where it listens, what it refuses, what it says of trouble.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use support::{
    LONG, Node, PolicyServer, Process, SmallDisk, TempDir, free_port, run, text, until, within,
};

/// What is said to one question; nothing when the connection is closed.
fn ask(wire: &mut (impl std::io::Read + std::io::Write), client: &str) -> String {
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={client}\nsender=a@far.test\nrecipient=b@here.test\n\n"
    );
    let mut said = Vec::new();
    if wire.write_all(request.as_bytes()).is_err() {
        return String::new();
    }
    let mut octets = [0; 1024];
    while !said.ends_with(b"\n\n") {
        match wire.read(&mut octets) {
            Ok(count) if count > 0 => said.extend_from_slice(&octets[..count]),
            _ => break,
        }
    }
    text(&said)
}

fn connect(port: u16) -> TcpStream {
    let wire = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    wire.set_read_timeout(Some(LONG)).expect("a time-out");
    wire
}

fn asked(port: u16, client: &str) -> String {
    ask(&mut connect(port), client)
}

const DEFERRED: &str =
    "action=DEFER_IF_PERMIT 4.2.0 TIME=300 Greylisted, try again in 300 seconds\n\n";
const DUNNO: &str = "action=DUNNO\n\n";
const ANY_PORT: &[&str] = &["--listen", "inet:127.0.0.1:0"];

fn start_another(server: &PolicyServer, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
    command
        .arg("-c")
        .arg(&server.config)
        .args(["policy", "serve"])
        .args(args);
    let output = run(&mut command, b"");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn a_second_one_is_refused_with_the_first_ones_process_id() {
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, ANY_PORT, "");
    let (code, said) = start_another(&server, ANY_PORT);
    assert_eq!(code, Some(1));
    let pid = server.process.id();
    assert!(
        said.contains(&format!("is in use by process {pid}")),
        "{said}"
    );
}

#[test]
fn records_survive_the_end_of_the_process() {
    let dir = TempDir::new();
    let mut server = PolicyServer::start(&dir, ANY_PORT, "[greylist]\ndelay = \"1h\"\n");
    assert!(asked(server.port(), "192.0.2.1").contains("TIME=3600 "));
    // Postfix keeps connections open: that must not hold the end up.
    let _idle = connect(server.port());
    assert!(server.stop().success());
    fs::remove_file(dir.join("policy.log")).expect("a log");
    let server = PolicyServer::start(&dir, ANY_PORT, "[greylist]\ndelay = \"2h\"\n");
    let said = asked(server.port(), "192.0.2.1");
    assert!(
        said.contains("TIME=3") && !said.contains("TIME=7200"),
        "the appointment stands: {said}"
    );
}

#[test]
fn a_changed_configuration_opens_and_closes_doors() {
    let dir = TempDir::new();
    let (first, second) = (free_port(), free_port());
    let listen = |port: u16| format!("[policy]\nlisten = [\"inet:127.0.0.1:{port}\"]\n");
    let server = PolicyServer::start(&dir, &[], &listen(first));
    assert_eq!(asked(first, "192.0.2.1"), DEFERRED);
    let reload = |old: &str, new: &str| {
        let config = fs::read_to_string(&server.config).expect("the configuration");
        fs::write(&server.config, config.replace(old, new)).expect("written");
        let before = server.log().matches("reloaded").count();
        server.process.signal(Signal::HUP);
        until("the reload", || {
            (server.log().matches("reloaded").count() > before).then_some(())
        });
    };
    reload(&first.to_string(), &second.to_string());
    assert_eq!(asked(second, "192.0.2.1"), DEFERRED);
    until("the first to be closed", || {
        TcpStream::connect(("127.0.0.1", first))
            .is_err()
            .then_some(())
    });
    // What can't be done changes nothing.
    let taken = UnixListener::bind(dir.join("taken")).expect("a socket");
    let place = format!("unix:{}", dir.join("taken").display());
    reload(&format!("inet:127.0.0.1:{second}"), &place);
    assert!(
        server.log().contains("configuration not reloaded"),
        "{}",
        server.log()
    );
    assert!(
        server.log().contains("another program listens there"),
        "{}",
        server.log()
    );
    assert_eq!(asked(second, "192.0.2.1"), DEFERRED);
    drop(taken);
    reload("no such words", "");
    until("the new socket", || {
        UnixStream::connect(dir.join("taken")).ok()
    });
}

#[test]
fn a_stale_unix_socket_is_replaced_and_other_files_are_not() {
    let dir = TempDir::new();
    let path = dir.join("policy.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    let place = format!("unix:{}", path.display());
    let mut server = PolicyServer::start(
        &dir,
        &["--listen", &place],
        "[policy]\nsocket_mode = \"0666\"\n",
    );
    let mut wire = UnixStream::connect(&path).expect("a connection");
    assert_eq!(ask(&mut wire, "192.0.2.1"), DEFERRED);
    assert!(server.stop().success());
    assert!(!path.exists());
    fs::write(&path, "letters").expect("a file");
    let (code, said) = start_another(&server, &["--listen", &place]);
    assert_eq!(code, Some(1));
    assert!(said.contains("another file has this name"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "letters");
}

#[test]
fn serve_opens_the_doors_too_and_shares_the_records() {
    let dir = TempDir::new();
    let port = free_port();
    let node = Node::start(
        &dir,
        "node",
        &format!("[greylist]\ndelay = \"300s\"\n[policy]\nlisten = [\"inet:127.0.0.1:{port}\"]\n"),
    );
    assert!(
        node.said()
            .contains(&format!("answering mail servers on inet:127.0.0.1:{port}"))
    );
    assert_eq!(asked(port, "127.0.0.1"), DEFERRED);
    let mut client = support::Client::connect(node.address);
    client.ask("MAIL FROM:<a@far.test>", "250 ");
    until("what remains of the door's appointment", || {
        let reply = client.ask("RCPT TO:<b@here.test>", "450 4.2.0 TIME=");
        (!reply.contains("TIME=300")).then_some(())
    });
}

/// A machine that is still waiting for its network takes mail meanwhile.
#[test]
fn without_name_servers_the_doors_open_and_the_log_says_so() {
    let dir = TempDir::new();
    let port = free_port();
    let config = dir.write(
        "policy.toml",
        format!(
            "hostname = \"mx.test\"\ndata_dir = \"{}\"\n",
            dir.join("policy").display()
        ),
    );
    let nobody = dir.write("resolv.conf", "options timeout:1\n");
    let script = "mount --bind \"$1\" /etc/resolv.conf; shift; exec \"$@\"";
    let mut command = Command::new(support::tool("unshare"));
    command
        .args(["-m", "sh", "-ec", script, "sh"])
        .arg(nobody)
        .arg(env!("CARGO_BIN_EXE_postdate"))
        .arg("-c")
        .arg(&config)
        .args(["policy", "serve", "--listen"])
        .arg(format!("inet:127.0.0.1:{port}"));
    let log = dir.join("log");
    let mut process = Process::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    until("it to listen", || {
        assert!(process.runs(), "it did not start: {}", said());
        said().contains("data in ").then_some(())
    });
    let words = "warning: no name servers in /etc/resolv.conf (";
    assert_eq!(said().matches(words).count(), 1, "{}", said());
    // An address that the world knows, so that there is something to look up.
    assert_eq!(asked(port, "192.0.2.1"), DEFERRED);
}

/// Waiting connections cost memory, and asking ones are answered meanwhile; beyond the limit they are closed, and the log
/// says so once.
#[test]
fn thousands_of_idle_connections_are_bounded() {
    const MOST: usize = 2000;
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, ANY_PORT, &format!("[policy]\nconnections = {MOST}\n"));
    let port = server.port();
    let memory = || {
        let status =
            fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("a process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a size");
        line.trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("a number")
    };
    let mut idle: Vec<TcpStream> = vec![connect(port)];
    assert_eq!(ask(&mut idle[0], "192.0.2.1"), DEFERRED);
    let before = memory();
    for _ in 1..MOST {
        let mut wire = connect(port);
        wire.write_all(b"request=smtpd_access_policy\nhalf=")
            .expect("written");
        idle.push(wire);
    }
    for _ in 0..50 {
        let mut octets = [0; 1];
        assert!(
            matches!(connect(port).read(&mut octets), Ok(0) | Err(_)),
            "closed at once"
        );
    }
    let each = (memory() - before) * 1024 / MOST as u64;
    println!("{each} octets of memory for a connection that waits");
    assert!(each < 16 * 1024, "{each}");
    assert!(ask(&mut idle[0], "192.0.2.1").starts_with("action=DEFER_IF_PERMIT 4.2.0 TIME="));
    let said = || {
        server.log().matches("connections are closed at once: 2000 connections are open: raise policy.connections").count()
    };
    assert_eq!(said(), 1, "{}", server.log());
    idle.truncate(10);
    until("a place", || {
        (!asked(port, "192.0.2.1").is_empty()).then_some(())
    });
    within(Duration::from_secs(20), "the end of it", || {
        server
            .log()
            .contains("connections are taken again: ")
            .then_some(())
    });
    assert_eq!(said(), 1, "{}", server.log());
}

#[test]
fn while_records_cannot_be_written_doors_are_open_or_closed_and_the_log_says_so_once() {
    for (on_failure, replies, says) in [
        ("open", "", DUNNO),
        (
            "closed",
            "",
            "action=DEFER_IF_PERMIT 4.3.0 Records are out of order here, try again later\n\n",
        ),
        (
            "closed",
            "[replies.storage]\nstatus = \"4.3.5\"\ntext = \"Kaputt\"\n",
            "action=DEFER_IF_PERMIT 4.3.5 Kaputt\n\n",
        ),
    ] {
        let dir = TempDir::new();
        let data = dir.join("policy");
        let _disk = SmallDisk::mount(&data, "1M");
        let server = PolicyServer::start(
            &dir,
            ANY_PORT,
            &format!("[policy]\non_failure = \"{on_failure}\"\n{replies}"),
        );
        let port = server.port();
        assert_eq!(asked(port, "192.0.2.1"), DEFERRED);
        let ballast = data.join("ballast");
        let _ = fs::write(&ballast, vec![0; 2 << 20]);
        let mut wire = connect(port);
        let mut n = 0u32;
        until("trouble", || {
            n += 1;
            (ask(&mut wire, &format!("10.{}.{}.1", n >> 8 & 255, n & 255)) == says).then_some(())
        });
        for n in 0..20 {
            assert_eq!(ask(&mut wire, &format!("172.16.{n}.1")), says);
        }
        let log = server.log();
        assert_eq!(
            log.matches("error: records can't be kept: ").count(),
            1,
            "{log}"
        );
        fs::remove_file(&ballast).expect("space again");
        n = 0;
        until("records again", || {
            n += 1;
            (ask(&mut wire, &format!("10.200.{n}.1")) == DEFERRED).then_some(())
        });
        assert_eq!(server.log().matches("records are kept again").count(), 1);
    }
}
