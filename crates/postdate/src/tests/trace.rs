//! `Received:` on its way through hops of all ages.

use store::memory::MemorySpool;

use super::far::Far;
use super::net::Net;
use super::node::Node;
use super::{MINUTE, until};

/// The far host knows neither SMTPUTF8 nor 8BITMIME.
#[tokio::test(start_paused = true)]
async fn names_beyond_ascii_are_written_in_a_labels_or_not_at_all() {
    for (helo, to, from, for_whom) in [
        (
            "b\u{fc}cher.example",
            "u@b\u{fc}cher.example",
            "from xn--bcher-kva.example (",
            Some("for <u@xn--bcher-kva.example>"),
        ),
        (
            "b\u{fc}cher\u{ff08}.example",
            "\u{fc}@here.example",
            "from unknown (",
            None,
        ),
        (
            "Plain_name.example",
            "U@xn--bcher-kva.example",
            "from Plain_name.example (",
            Some("for <U@xn--bcher-kva.example>"),
        ),
    ] {
        let net = Net::new();
        let far = Far::willing(&net, "xn--bcher-kva.example", "192.0.2.2");
        let config = "hostname = \"here.example\"\n[relay]\nnetworks = [\"203.0.113.0/24\"]\n\
                      [aliases]\n\"\u{fc}@here.example\" = [\"u@xn--bcher-kva.example\"]\n";
        let node = Node::start(&net, "192.0.2.1", MemorySpool::default(), config);
        let mut client = node.client("203.0.113.7");
        client.reply().await;
        client.ask(&format!("EHLO {helo}"), "250-").await;
        client.ask("MAIL FROM:<a@b.example> SMTPUTF8", "250 ").await;
        client.ask(&format!("RCPT TO:<{to}>"), "250 ").await;
        client.ask("DATA", "354 ").await;
        client.ask("Subject: x\r\n\r\nx\r\n.", "250 ").await;
        until("the mail", MINUTE, || far.mails().len() == 1).await;
        let (_, mail) = far.mails().remove(0);
        assert!(mail.is_ascii(), "{mail}");
        assert!(mail.contains(from), "{mail}");
        match for_whom {
            Some(words) => assert!(mail.contains(words), "{mail}"),
            None => assert!(!mail.contains("for <"), "{mail}"),
        }
    }
}
