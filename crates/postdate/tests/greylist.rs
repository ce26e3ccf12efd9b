//! Greylisting that is only tried out.

mod support;

use support::{Node, TempDir, content, send, until};

#[test]
fn observing_logs_every_verdict_and_leaves_no_trace_in_the_mail() {
    let dir = TempDir::new();
    // Up to two seconds early are on time: the second visit is.
    let node = Node::start(
        &dir,
        "node",
        "[greylist]\nmode = \"observe\"\ndelay = \"2s\"\n",
    );
    for words in [
        &["would defer", "wait_secs=2"][..],
        &["would pass: it came back in time", "waited_secs=0"],
        &["would pass: it is known"],
    ] {
        send(
            node.address,
            "a@client.test",
            "b@here.test",
            &content("observed"),
        );
        let line = node.logged(words);
        for words in [
            "client=[127.0.0.1]",
            "from=<a@client.test>",
            "to=<b@here.test>",
        ] {
            assert!(line.contains(words), "{line}");
        }
    }
    until("three mails", || {
        (node.mailbox("b").len() == 3).then_some(())
    });
    for mail in node.mailbox("b") {
        assert_eq!(mail.field("X-Greylist"), None);
    }
}
