//! All doors in front of one judge: the same events meet the same verdicts.

mod direct;
mod room;
mod script;
mod through_milter;
mod through_opensmtpd;
mod through_postfix;
mod through_smtp;

pub(super) use room::{Room, packet, request};

use script::{Door, Script};

/// Each line is a step of a session, and what the client hears where it is not let through:
/// `wait SECONDS` or `never`. `came back SECONDS`: the mail is marked with its wait.
const SCRIPTS: &[(&str, &str, &str)] = &[
    (
        "a stranger waits once, and its network is known then",
        "",
        "
        client 192.0.2.9 mail.far.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        end
        pass 100
        mail a@far.example
        rcpt b@here.example -> wait 200
        pass 200
        client 192.0.2.77 other.far.example
        mail a@far.example
        rcpt b@here.example -> came back 300
        rcpt c@here.example
        done
        client 192.0.2.5 third.far.example
        mail x@other.example
        rcpt d@here.example
        done
        ",
    ),
    (
        "each of several recipients has its own appointment",
        "",
        "
        client 2001:db8:1::9 mail.far.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        pass 50
        rcpt c@here.example -> wait 300
        pass 250
        rcpt b@here.example -> came back 300
        rcpt c@here.example
        done
        ",
    ),
    (
        "who logged in, the postmaster and notices are not asked to wait",
        "",
        "
        client 192.0.2.9 mail.far.example
        login anna
        mail a@far.example
        rcpt b@here.example
        done
        client 198.51.100.1 mail.far.example
        mail a@far.example
        rcpt postmaster
        rcpt b@here.example -> wait 300
        end
        mail <>
        rcpt b@here.example
        done
        ",
    ),
    (
        "exempt networks, domains and recipients",
        "[greylist]\nexempt_networks = [\"192.0.2.0/25\"]\nexempt_domains = [\"friend.example\"]\nexempt_recipients = [\"list@here.example\"]\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example
        done
        client 192.0.2.200 b.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        rcpt list@here.example
        done
        mail a@friend.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "beyond the bound no time is told",
        "[greylist]\nmax_pending_per_network = 1\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        end
        mail z@far.example
        rcpt b@here.example -> wait
        ",
    ),
    (
        "greylisting that is off asks nobody to wait",
        "[greylist]\nmode = \"off\"\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "odd addresses are the same everywhere",
        "",
        "
        client 192.0.2.9 a.example
        mail a%x|y@far.example
        rcpt \"b c\"@here.example -> wait 300
        rcpt b%c@here.example -> wait 300
        rcpt bücher@here.example -> wait 300
        ",
    ),
];

#[tokio::test(start_paused = true)]
async fn all_doors_give_the_same_verdicts() {
    for (name, config, text) in SCRIPTS {
        let script = Script::read(text);
        for header in [false, true] {
            // Each has records of its own, as it would on a machine of its own.
            let room = || Room::new(config);
            let mut doors: Vec<Box<dyn Door>> = vec![
                Box::new(direct::Direct::new(room())),
                Box::new(through_postfix::Postfix::new(room())),
                Box::new(through_milter::Milter::new(room())),
                Box::new(through_opensmtpd::OpenSmtpd::new(room(), header)),
                Box::new(crate::tests::through_smtp::Smtp::new(config)),
            ];
            doors.retain(|door| script.suits(door.as_ref()));
            script.run(name, &mut doors).await;
        }
    }
}
