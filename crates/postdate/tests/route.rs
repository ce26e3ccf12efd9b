//! `postdate route`: where mail for an address goes.

mod support;

use support::{Node, TempDir, text};

const TABLES: &str = r#"
[local]
domains = ["here.test"]
mailboxes = { "anna@here.test" = "mail/{user}", "bob@here.test" = "lmtp:inet:127.0.0.1:24" }
[aliases]
"sales" = ["anna", "eve@far.test"]
[relay]
domains = ["backup.test"]
[delivery.routes]
"backup.test" = "[192.0.2.10]:25"
"#;

#[test]
fn each_way_is_named() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", TABLES);
    let maildir = node.data.join("mail/anna");
    let anna = format!(": Maildir {}", maildir.display());
    for (address, words) in [
        (
            "Anna+lists@here.test",
            format!("<Anna+lists@here.test> -> <Anna+lists@here.test>{anna}\n"),
        ),
        (
            "sales@here.test",
            format!(
                "<sales@here.test> -> <anna@here.test>{anna}\n\
                 <sales@here.test> -> <eve@far.test>: by the MX of far.test\n"
            ),
        ),
        (
            "bob@here.test",
            "<bob@here.test> -> <bob@here.test>: by LMTP to inet:[127.0.0.1]:24\n".to_owned(),
        ),
        (
            "<x@backup.test>",
            "<x@backup.test> -> <x@backup.test>: to the host [192.0.2.10]:25\n".to_owned(),
        ),
        (
            "x@bücher.test",
            "<x@bücher.test> -> <x@bücher.test>: by the MX of xn--bcher-kva.test; only for who may relay\n"
                .to_owned(),
        ),
    ] {
        let output = node.command(&["route", address]);
        assert_eq!(text(&output.stdout), words);
        assert_eq!(output.status.code(), Some(0), "{address}");
    }
    let output = node.command(&["route", "eve@here.test"]);
    assert_eq!(
        text(&output.stdout),
        "<eve@here.test>: nobody here: 550 5.1.1\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_way_is_an_object() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", TABLES);
    let output = node.command(&["route", "--json", "eve@far.test", "eve@here.test"]);
    let all: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        all,
        [
            serde_json::json!({"address": "eve@far.test", "to": "eve@far.test", "by": "mx", "where": "far.test", "from": "relay.networks"}),
            serde_json::json!({"address": "eve@here.test", "to": null, "by": null, "where": null, "from": "nobody"}),
        ]
    );
}
