//! What a wait holds back, and what a human is told about a reading.

use retry_hint::{Answered, Holds, Tongues, explain, holds, read};

#[test]
fn what_waits() {
    use Answered::{Data, Ehlo, EndOfData, Greeting, Mail, Rcpt};
    let table = [
        (Greeting, "450 4.3.2 TIME=60 busy", Holds::Host),
        (Ehlo, "450 4.3.2 TIME=60 busy", Holds::Host),
        (Rcpt, "421 4.3.2 TIME=60 busy", Holds::Host),
        (EndOfData, "421 TIME=60 busy", Holds::Host),
        (Mail, "451 4.7.1 TIME=60 rate", Holds::Message),
        (Data, "451 4.7.1 TIME=60 rate", Holds::Message),
        (Mail, "452 4.2.2 TIME=60 full", Holds::Message),
        (Rcpt, "452 4.2.2 TIME=60 full", Holds::Mailbox),
        (Rcpt, "450 4.2.1 TIME=60 rate", Holds::Mailbox),
        (Rcpt, "450 4.2.0 TIME=60 grey", Holds::Recipient),
        (Rcpt, "450 4.2.11 TIME=60 other", Holds::Recipient),
        (Rcpt, "450 TIME=60 grey", Holds::Recipient),
        (EndOfData, "452 4.2.2 TIME=60 full", Holds::Recipient),
        (
            Rcpt,
            "450 4.2.2 <b@b.example>: Recipient address rejected: TIME=60 full",
            Holds::Mailbox,
        ),
        // The other tongues never hold more than the recipient.
        (
            Greeting,
            "421 4.3.2 try again in 60 seconds",
            Holds::Recipient,
        ),
        (Mail, "451 4.7.1 slow down retry=60", Holds::Recipient),
        (
            Rcpt,
            "452 4.2.2 full, try again in 60 seconds",
            Holds::Recipient,
        ),
    ];
    for (answered, reply, expected) in table {
        let hint = read(reply.as_bytes(), answered, Tongues::default()).expect(reply);
        assert_eq!((hint.wait_secs, hint.holds), (60, expected), "{reply}");
        let status = reply.contains("4.2.2").then_some([4, 2, 2]);
        if status.is_some() {
            let code = reply[..3].parse().expect("a code");
            assert_eq!(
                holds(code, status, answered, hint.tongue),
                expected,
                "{reply}"
            );
        }
    }
}

#[test]
fn why() {
    let table = [
        (
            "450 4.2.0 TIME=300 no",
            "wait 300 s: the keyword \"TIME=300\" holds this message's recipient (octets 10..18)",
        ),
        (
            "450 4.7.1 no. retry=00:05:00",
            "wait 300 s: the draft's \"retry=00:05:00\" holds this message's recipient (octets 14..28)",
        ),
        (
            "450 4.7.1 Greylisted for 5 minutes.",
            "wait 300 s: the prose \"Greylisted for 5 minutes\" holds this message's recipient (octets 10..34)",
        ),
        ("hello", "no hint: this does not begin with a reply code"),
        (
            "550 5.1.1 TIME=300",
            "no hint: 550 is no temporary refusal (4yz)",
        ),
        (
            "450-4.2.0 TIME=300\r\n451 no",
            "no hint: 450 and 451 are not one reply",
        ),
        (
            "450 4.2.0 TIME=300s no",
            "no hint: \"TIME=300s\" is not TIME= and digits alone (octets 10..19)",
        ),
        (
            "450 4.2.0 no TIME=300",
            "no hint: \"TIME=300\" stands where a client's own words could (octets 13..21)",
        ),
        (
            "450-4.2.0 no\r\n450 4.2.0 TIME=300",
            "no hint: \"TIME=300\" stands where a client's own words could (octets 24..32)",
        ),
        (
            "450 4.2.0 no retry=5m",
            "no hint: \"retry=5m\" has neither a clock nor whole seconds (octets 13..21)",
        ),
        (
            "450 4.2.0 100 mails per 5 minutes",
            "no hint: \"5 minutes\" is the window of a limit, not a wait (octets 24..33)",
        ),
        (
            "450 4.2.0 mx.example said: 450 4.2.0 try again in 5 minutes",
            "no hint: \"5 minutes\" is from another server's reply (octets 50..59)",
        ),
        (
            "450 4.2.0 greylisted until 10:05:00",
            "no hint: \"10:05:00\" is a point in time, not a wait (octets 27..35)",
        ),
        (
            "450 4.2.0 idle for 5 minutes",
            "no hint: no word says that \"5 minutes\" is to be waited (octets 19..28)",
        ),
        ("450 4.2.0 try later", "no hint: no word names a wait"),
    ];
    for (reply, expected) in table {
        assert_eq!(
            explain(reply.as_bytes(), Answered::Rcpt, Tongues::default()).to_string(),
            expected,
            "{reply}"
        );
    }
    let off = explain(
        b"450 try again in 5 minutes",
        Answered::Rcpt,
        Tongues { prose: false },
    );
    assert_eq!(
        off.to_string(),
        "no hint: \"try again in 5 minutes\" is prose, and prose is not read (octets 4..26)"
    );
    assert_eq!(off.words(), Some(&b"try again in 5 minutes"[..]));
}
