//! One mailbox has one name, however its address is written (RFC 5321 §4.1.2, RFC 6531).

use super::*;
use crate::lists::Action;

#[test]
fn no_way_to_write_an_address_makes_a_second_name() {
    for (per, first, second) in [
        (
            Scope::Sender,
            ("a@c.example", "me@d.example"),
            (r#""a"@c.example"#, "you@d.example"),
        ),
        (
            Scope::Recipient,
            ("a@c.example", "me@d.example"),
            ("b@c.example", r#""m\e"@d.example"#),
        ),
        (
            Scope::Sender,
            ("Ä@c.example", "me@d.example"),
            ("ä@c.example", "you@d.example"),
        ),
        (
            Scope::SenderDomain,
            ("a@BÜCHER.example", "me@d.example"),
            ("b@BüCHER.example", "you@d.example"),
        ),
        (
            Scope::SenderDomain,
            ("a@Ü.example", "me@d.example"),
            ("b@ü.example", "you@d.example"),
        ),
        (
            Scope::Sender,
            ("a@bücher.example", "me@d.example"),
            ("a@xn--bcher-kva.example", "you@d.example"),
        ),
    ] {
        let mut world = World::new(limits([limit(Counted::Messages, per, "1/h burst 1")]));
        assert_eq!(world.rcpt("192.0.2.1", first.0, first.1), "ok");
        let told = world.rcpt("192.0.2.1", second.0, second.1);
        assert!(told.contains(" TIME=3600 "), "{per:?}: {told}");
        // Who was told under one name has its place under the other.
        let told = world.rcpt("192.0.2.1", first.0, second.1);
        let at = world.rcpt("192.0.2.1", first.0, second.1);
        assert_eq!(told, at, "{per:?}");
    }
}

#[test]
fn an_exemption_counts_however_the_address_is_written() {
    for (listed, sender) in [
        ("a@c.example", r#""a"@c.example"#),
        (r#""a"@c.example"#, "a@c.example"),
        ("bücher.example", "a@xn--bcher-kva.example"),
        (".bücher.example", "a@mx.xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@Bücher.example"),
    ] {
        let mut world = World::new(Rules::default());
        let entry = Entry {
            subject: Subject::sender(listed).expect("a pattern"),
            action: Action::Allow,
            until: None,
            note: String::new(),
            made: world.now(),
        };
        world.engine.lists.set(entry).expect("there is room");
        assert_eq!(world.rcpt("192.0.2.1", sender, "me@d.example"), "ok");
    }
}
