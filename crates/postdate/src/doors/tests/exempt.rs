//! `[exempt]`, key by key: from the configuration to the verdict.

use policy::{Event, Stage, Verdict};

use super::Room;
use crate::judge::Caller;
use crate::mailboxes;

/// Two mails, where a stranger would be greylisted, and any second one be beyond its recipient's rate.
const RULES: &str = "[[rates]]\nname = \"r\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"1/d\"\n\
    [local]\ndomains = [\"here.example\"]\nmailboxes = { \"vip@here.example\" = \"vip\", \"b@here.example\" = \"b\" }\n\
    [aliases]\n\"chief\" = [\"vip\"]\n";

/// How many of them are.
async fn let_in(key: &str, client: &str, name: &str, sender: &str, recipient: &str) -> u32 {
    let mut count = 0;
    let room = Room::new(&format!("{RULES}{key}\n"));
    let judge = &room.desk.judge;
    for _ in 0..2 {
        let mut caller = Caller::default();
        caller.named(name, name);
        let mailbox = mailboxes::behind(&judge.site.get().directory, recipient);
        caller.goes_to(mailbox, None);
        let event = Event {
            stage: Stage::Recipient,
            client: client.parse().expect("an address"),
            helo: "mx.far.example",
            user: None,
            sender,
            recipient,
            size: 100,
        };
        if !matches!(
            judge.judge(&mut caller, &event).await,
            Verdict::Accept { waited: None }
        ) {
            break;
        }
        judge.taken(&mut caller);
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn whoever_is_exempt_waits_for_no_rule() {
    let (client, name) = ("198.51.100.7", "mx.far.example");
    let (from, to) = ("a@far.example", "b@here.example");
    let networks = "[exempt]\nnetworks = [\"192.0.2.0/24\", \"2001:db8::/32\"]";
    let domains = "[exempt]\ndomains = [\"partner.example\", \".big.example\"]";
    let recipients = "[exempt]\nrecipients = [\"vip@here.example\", \"all.example\"]";
    let names = "[exempt]\nnames = [\".example.org\", \"mx.example.net\"]";
    let greylist = "[greylist]\nexempt_recipients = [\"vip@here.example\"]";
    for (key, client, name, from, to, expected) in [
        ("", client, name, from, to, 0),
        (networks, "192.0.2.77", name, from, to, 2),
        (networks, "2001:db8:1::1", name, from, to, 2),
        (networks, client, name, from, to, 0),
        (domains, client, name, "a@Partner.example", to, 2),
        (domains, client, name, "a@mx.big.example", to, 2),
        (domains, client, name, "a@big.example", to, 0),
        (domains, client, "partner.example", from, to, 0),
        (recipients, client, name, from, "Vip@here.example", 2),
        (recipients, client, name, from, "vip+tag@here.example", 2),
        (recipients, client, name, from, "chief@here.example", 2),
        (recipients, client, name, from, "x@all.example", 2),
        (recipients, client, name, from, to, 0),
        (names, client, "mail.example.org", from, to, 2),
        (names, client, "Mail.Example.org", from, to, 2),
        (names, client, "mx.example.net", from, to, 2),
        (names, client, "example.org", from, to, 0),
        (names, client, "", from, to, 0),
        // The sender's domain is no name of the client.
        (names, client, name, "a@mail.example.org", to, 0),
        // Only greylisting leaves it alone: the rate is reached.
        (greylist, client, name, from, "vip@here.example", 1),
        (greylist, client, name, from, "vip+tag@here.example", 1),
        (greylist, client, name, from, to, 0),
    ] {
        let told = let_in(key, client, name, from, to).await;
        assert_eq!(told, expected, "{key}: {client} {name} {from} {to}");
    }
}
