//! What deliveries say about mailboxes: full, or with room.
//!
//! A mailbox is named as [`crate::directory::Mailbox`] names it: by its own address, whatever alias or tag led to it.

use queue::outcome::{Outcome, Problem};
use queue::{Destination, Message};

use crate::directory::Directory;

/// Hears of mailboxes as deliveries find them. Called by workers, so it returns at once.
pub(crate) trait MailboxNews: Send + Sync {
    /// A mail did not fit: its quota says so, or the LMTP server behind it.
    fn full(&self, mailbox: &str);
    /// A mail was delivered.
    fn room(&self, mailbox: &str);
}

/// The mailbox that all mail for this address goes to, by whatever aliases; `None`: none, or several. To an address
/// that stands for several, one that is full is no reason to refuse what others have room for.
pub(crate) fn behind(directory: &Directory, address: &str) -> Option<String> {
    let all = directory.expand(address).ok()?;
    let [only] = &all[..] else { return None };
    directory.mailbox(only).map(|mailbox| mailbox.name)
}

/// Tells what one attempt found out.
pub(crate) fn tell(
    news: &dyn MailboxNews,
    directory: &Directory,
    destination: &Destination,
    message: &Message,
    outcomes: &[(u32, Outcome)],
) {
    if !matches!(destination, Destination::Local | Destination::Lmtp(_)) {
        return;
    }
    for (index, outcome) in outcomes {
        let Some(recipient) = message.recipients.get(*index as usize) else {
            continue;
        };
        let full = match outcome {
            Outcome::Delivered(_) => false,
            Outcome::Deferred(deferral) if says_full(&deferral.problem) => true,
            Outcome::Failed(problem) if says_full(problem) => true,
            Outcome::Deferred(_) | Outcome::Failed(_) | Outcome::NotTried { .. } => continue,
        };
        let Some(mailbox) = directory.mailbox(&recipient.address) else {
            continue;
        };
        if full {
            news.full(&mailbox.name);
        } else {
            news.room(&mailbox.name);
        }
    }
}

/// X.2.2 (RFC 3463 §3.3), from a server that says so for good, too.
fn says_full(problem: &Problem) -> bool {
    (problem.status.1, problem.status.2) == (2, 2)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use queue::outcome::{Deferral, Delivered};
    use queue::route::Routes as _;
    use queue::{MessageId, Origin};
    use smtp::{Content, Recipient, Sender, Status};

    use super::*;
    use crate::config::Config;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl MailboxNews for Heard {
        fn full(&self, mailbox: &str) {
            self.0.lock().unwrap().push(format!("full {mailbox}"));
        }
        fn room(&self, mailbox: &str) {
            self.0.lock().unwrap().push(format!("room {mailbox}"));
        }
    }

    fn problem(class: u8, rest: (u16, u16)) -> Problem {
        Problem {
            status: Status(class, rest.0, rest.1),
            text: String::new(),
            remote: true,
            relay: String::new(),
            answered: None,
            tls: None,
        }
    }

    fn deferred(rest: (u16, u16)) -> Outcome {
        Outcome::Deferred(Deferral {
            problem: problem(4, rest),
            hint: None,
            host: None,
            local: None,
        })
    }

    fn delivered() -> Outcome {
        Outcome::Delivered(Delivered {
            relay: String::new(),
            reply: String::new(),
            status: Status(2, 0, 0),
            local: true,
            dsn_passed_on: false,
            tls: None,
        })
    }

    #[test]
    fn an_alias_for_one_mailbox_is_that_mailbox() {
        let config: Config = toml::from_str(
            "[local]\ndomains = [\"h.example\"]\n[local.mailboxes]\n\"bob@h.example\" = \"b\"\n\
             \"eve@h.example\" = \"e\"\n[aliases]\n\"robert\" = [\"bob+x\"]\n\
             \"all\" = [\"bob\", \"eve\"]\n\"far\" = [\"bob@else.example\"]\n",
        )
        .unwrap();
        let directory = Directory::new(&config);
        for (address, expected) in [
            ("BOB+y@h.example", Some("bob@h.example")),
            ("robert@h.example", Some("bob@h.example")),
            ("all@h.example", None),
            ("far@h.example", None),
            ("nobody@h.example", None),
        ] {
            assert_eq!(
                behind(&directory, address).as_deref(),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn mailboxes_are_named_by_their_own_address() {
        let config: Config = toml::from_str(
            "[local]\ndomains = [\"h.example\"]\nlmtp = \"unix:/run/lmtp\"\n\
             [local.mailboxes]\n\"bob@h.example\" = \"bob\"\n\
             [delivery.routes]\n\"l.example\" = \"lmtp:inet:127.0.0.1:24\"\n\"s.example\" = \"127.0.0.1:25\"\n",
        )
        .unwrap();
        let directory = Directory::new(&config);
        for (address, outcome, expected) in [
            ("bob@h.example", delivered(), "room bob@h.example"),
            ("Bob+x@H.example", deferred((2, 2)), "full bob@h.example"),
            ("any+x@h.example", deferred((2, 2)), "full any@h.example"),
            (
                "any@h.example",
                Outcome::Failed(problem(5, (2, 2))),
                "full any@h.example",
            ),
            ("A@L.example", deferred((2, 2)), "full a@l.example"),
            // Not about room.
            ("bob@h.example", deferred((2, 1)), ""),
            ("bob@h.example", Outcome::Failed(problem(5, (1, 1))), ""),
            ("bob@h.example", Outcome::NotTried { parked: None }, ""),
            // Somebody else's mailbox: another receiver's word about it is for the sender.
            ("a@s.example", deferred((2, 2)), ""),
            ("a@else.example", delivered(), ""),
        ] {
            let message = Message {
                id: MessageId(1),
                received: std::time::UNIX_EPOCH,
                sender: Sender::new(""),
                recipients: vec![Recipient::new(address)],
                content: Content::default(),
                origin: Origin::default(),
            };
            let heard = Heard::default();
            let destination = directory.destination(address);
            tell(&heard, &directory, &destination, &message, &[(0, outcome)]);
            assert_eq!(heard.0.lock().unwrap().join(" "), expected, "{address}");
        }
    }
}
