//! All doors in front of one judge: the same events meet the same verdicts.

mod direct;
mod exempt;
mod greylisting;
mod limiting;
mod operator;
mod refusing;
mod room;
mod script;
mod through_milter;
mod through_opensmtpd;
mod through_postfix;
mod through_smtp;
mod told;

pub(super) use room::{Room, packet, request};

use crate::checks::tests::name_server::NameServer;
use script::{Door, Script};

/// What is shown, the configuration, and the script.
///
/// Each line of a script is a step of a session and what the client hears, as `told::Told::read` has it; nothing, where it
/// is let in. What a door's protocol can't say like the others stands behind it: `; at DOOR, DOOR: …`, and a script that a
/// door can't say at all names it in its first line: `without DOOR`. A session that was closed hears `closed`, until the
/// next client. The doors: `judge` (none in between), `postfix` (asks at each stage), `postfix-rcpt` (for recipients only,
/// with postfix_action = "code"), `milter`, `opensmtpd`, `opensmtpd-header` (marks mail that came back), `smtp`.
///
/// - Postfix's own code for a refusal that it may still outweigh is 450, whatever ours is.
/// - Postfix doesn't say that a mail was given up: it counts as taken.
/// - Postfix that asks for recipients only tells neither of connections nor of the length of a mail.
/// - The SMTP server has no AUTH.
type Row = (&'static str, &'static str, &'static str);

fn doors(config: &str) -> Vec<Box<dyn Door>> {
    // Each has records of its own, as it would on a machine of its own.
    let room = || Room::new(config);
    let code = Room::new(&format!("policy.postfix_action = \"code\"\n{config}"));
    vec![
        Box::new(direct::Direct::new(room())),
        Box::new(through_postfix::Postfix::new(room(), false)),
        Box::new(through_postfix::Postfix::new(code, true)),
        Box::new(through_milter::Milter::new(room())),
        Box::new(through_opensmtpd::OpenSmtpd::new(room(), false)),
        Box::new(through_opensmtpd::OpenSmtpd::new(room(), true)),
        Box::new(crate::tests::through_smtp::Smtp::new(config)),
    ]
}

#[tokio::test(start_paused = true)]
async fn all_doors_give_the_same_verdicts() {
    let tables = [greylisting::SCRIPTS, limiting::SCRIPTS, refusing::SCRIPTS];
    for (name, config, text) in tables.concat() {
        Script::read(text).run(name, doors(config)).await;
    }
}

/// A client may bring anybody's mail, one after the other.
#[tokio::test]
async fn what_was_looked_up_of_a_refused_sender_is_not_the_next_ones() {
    const MAILS: &str = "
        client 192.0.2.1 a.example
        mail a@gone.example -> 550 5.1.8 Sender's domain takes no mail; at postfix-rcpt: nothing
        mail a@there.example
        rcpt b@here.example
        end
        mail <>
        rcpt b@here.example
        end
        ";
    let names = NameServer::start("there.example MX 10 mx.there.example");
    let config = format!(
        "greylist.mode = \"off\"\nchecks.sender_domain = \"reject\"\npolicy.delay_reject = false\n\
         delivery.name_servers = [\"{}\"]\n",
        names.address
    );
    Script::read(MAILS).run("one session", doors(&config)).await;
}
