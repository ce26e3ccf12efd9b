//! The list of who never came back, served by the real rbldnsd and checked by BIND's own reader.

mod support;

use std::fs;
use std::process::Command;

use support::{Node, Rbldnsd, TempDir, never_returned, run, text, tool, until};

const ZONE: &str = "bl.example.org";

/// A node that does not run, with records of three clients, two of which are listed.
fn node(dir: &TempDir) -> Node {
    let node = Node::prepared(dir, "node", "127.0.0.1:0", "");
    fs::create_dir(&node.data).expect("a directory");
    never_returned(&node.data.join("policy.db"));
    node
}

#[track_caller]
fn policy(node: &Node, args: &[&str]) -> Vec<u8> {
    let output = node.command(&[&["policy"], args].concat());
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[track_caller]
fn zone(node: &Node, form: &str) -> Vec<u8> {
    policy(node, &["never-returned", "--zone", form, "--origin", ZONE])
}

#[test]
fn rbldnsd_answers_from_the_list() {
    let dir = TempDir::new();
    let node = node(&dir);
    let file = dir.write("bl", zone(&node, "rbldnsd"));
    let list = Rbldnsd::start(&dir, ZONE, &file);
    for (address, is_listed) in [
        ("192.0.2.7", true),
        // Not enough pairs; never heard of.
        ("192.0.2.8", false),
        ("198.51.100.1", false),
        // All of the /64, and nothing beside it.
        ("2001:db8::7", true),
        ("2001:db8::ffff:1:2:3", true),
        ("2001:db8:0:1::7", false),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false),
        // RFC 5782 §5.
        ("127.0.0.2", true),
        ("127.0.0.1", false),
        ("::ffff:127.0.0.2", true),
        ("::ffff:127.0.0.1", false),
    ] {
        // As rbldnsd writes an address.
        let written = address.trim_start_matches("::ffff:");
        let said = match is_listed {
            true => vec![
                "127.0.0.2".to_owned(),
                format!("{written} never came back when it was asked to wait"),
            ],
            false => vec![],
        };
        assert_eq!(list.has(address), said, "{address}");
    }

    // Forgiven, and written anew as the page says: it sees that by itself.
    policy(&node, &["forget", "client", "192.0.2.7"]);
    let new = dir.write("bl.new", zone(&node, "rbldnsd"));
    fs::rename(new, &file).expect("renamed");
    until("the new list", || {
        list.has("192.0.2.7").is_empty().then_some(())
    });
    assert_eq!(list.has("2001:db8::7").len(), 2, "still there");
}

#[test]
fn binds_own_reader_takes_the_zone() {
    let dir = TempDir::new();
    let node = node(&dir);
    let file = dir.write("bl.zone", zone(&node, "bind"));
    let mut command = Command::new(tool("named-checkzone"));
    command.args(["-D", "-o", "-", ZONE]).arg(&file);
    let output = run(&mut command, b"");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.contains("OK"), "{said}");
    let fields = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let records: Vec<_> = said.lines().map(fields).collect();
    for record in [
        "7.2.0.192.bl.example.org. 3600 IN A 127.0.0.2",
        "7.2.0.192.bl.example.org. 3600 IN TXT \"192.0.2.7 never came back when it was asked to wait\"",
        "*.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.org. 3600 IN A 127.0.0.2",
        "2.0.0.127.bl.example.org. 3600 IN A 127.0.0.2",
        "bl.example.org. 3600 IN NS node.test.",
    ] {
        assert!(
            records.iter().any(|one| one == record),
            "{record} is not in {said}"
        );
    }
    assert!(!said.contains("8.2.0.192"), "{said}");
}
