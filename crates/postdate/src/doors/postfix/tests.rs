//! What Postfix asks, well and badly, and what it hears.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::request::{MAX_REQUEST, Malformed, Request, Requests};
use crate::doors::tests::{Room, request};

/// All requests in the octets, when they come in pieces of these lengths.
fn cut(octets: &[u8], lengths: &[usize]) -> Vec<Result<Request, Malformed>> {
    let mut requests = Requests::default();
    let mut found = Vec::new();
    let mut rest = octets;
    let mut lengths = lengths.iter().copied().cycle();
    while !rest.is_empty() {
        let len = lengths.next().unwrap_or(1).clamp(1, rest.len());
        requests.buffer().extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        while let Some(request) = requests.next() {
            let fatal = request.as_ref().is_err_and(Malformed::is_fatal);
            found.push(request);
            if fatal {
                return found;
            }
        }
        assert!(requests.buffer().len() <= MAX_REQUEST + len + 2);
    }
    found
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "request=smtpd_access_policy", "protocol_state=RCPT", "protocol_state=DATA", "client_address=192.0.2.1",
            "client_address=IPv6:2001:db8::1%eth0", "client_address=nonsense", "client_address=unknown", "size=7",
            "size=x", "sender=", "recipient=b@here.example", "instance=1.2", "sasl_username=u", "a=b=c", "", "",
        ]).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (0..MAX_REQUEST).prop_map(|len| [&b"long="[..], &vec![b'x'; len]].concat()),
    ]
    .prop_map(|mut line| {
        line.push(b'\n');
        line
    })
}

proptest! {
    #[test]
    fn any_cut_of_any_octets_gives_the_same_requests(
        lines in prop::collection::vec(line(), 0..24),
        lengths in prop::collection::vec(1..5000usize, 1..8),
    ) {
        let octets = lines.concat();
        prop_assert_eq!(cut(&octets, &lengths), cut(&octets, &[octets.len().max(1)]));
    }
}

#[test]
fn the_largest_request_is_taken_however_it_is_cut() {
    let start =
        "request=smtpd_access_policy\nclient_address=192.0.2.1\nrecipient=b@here.example\nlong=";
    for (over, taken) in [(0, true), (1, false)] {
        let long = "x".repeat(MAX_REQUEST - start.len() + over);
        let octets = format!("{start}{long}\n\n").into_bytes();
        for lengths in [[1, 1], [4096, 4096], [MAX_REQUEST + 1, 1]] {
            let found = cut(&octets, &lengths);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].is_ok(), taken, "{over} over, cut into {lengths:?}");
        }
    }
}

const DUNNO: &str = "action=DUNNO\n\n";

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_gets_a_clear_answer() {
    let whole = request("RCPT", "192.0.2.1", "a@far.example", "b@here.example");
    let without = |name: &str| {
        let kept = whole.lines().filter(|line| !line.starts_with(name));
        kept.map(|line| format!("{line}\n")).collect::<String>() + "\n"
    };
    for (asked, hears, closes) in [
        (without("request="), DUNNO, false),
        (without("client_address="), DUNNO, false),
        (without("recipient="), DUNNO, false),
        (whole.replace("size=100", "size=-1"), DUNNO, false),
        (whole.replace("192.0.2.1", "192.0.2.1.5"), DUNNO, false),
        (whole.replace("RCPT", "VRFY"), DUNNO, false),
        (format!("{}\n\n", without("request=")), DUNNO, false),
        ("\n".to_owned(), DUNNO, true),
        ("\n\n".to_owned(), DUNNO, true),
        ("HELO you\n\n".to_owned(), DUNNO, true),
        (
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n\n\n".to_owned(),
            DUNNO,
            true,
        ),
        ("x".repeat(MAX_REQUEST + 2), DUNNO, true),
    ] {
        let room = Room::new("");
        let mut wire = room.postfix();
        wire.write_all(asked.as_bytes()).await.expect("written");
        if closes {
            let mut said = String::new();
            wire.read_to_string(&mut said).await.expect("closed");
            assert_eq!(said, hears, "{asked:.60?}");
            continue;
        }
        let mut said = vec![0; hears.len()];
        wire.read_exact(&mut said).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&said), hears, "{asked:.60?}");
        // And it goes on.
        wire.write_all(whole.as_bytes()).await.expect("written");
        let mut said = vec![0; 200];
        let len = wire.read(&mut said).await.expect("an answer");
        assert!(said[..len].starts_with(b"action=DEFER_IF_PERMIT 4.2.0 TIME=300 "));
    }
}

#[tokio::test(start_paused = true)]
async fn half_requests_and_idle_connections_end_in_their_time() {
    for (asked, secs) in [("", 600), ("request=smtpd_access_policy\nclient", 30)] {
        let room = Room::new("");
        let began = tokio::time::Instant::now();
        let mut wire = room.postfix();
        wire.write_all(asked.as_bytes()).await.expect("written");
        let mut said = String::new();
        wire.read_to_string(&mut said).await.expect("closed");
        assert_eq!(
            (said.as_str(), began.elapsed()),
            ("", Duration::from_secs(secs))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn binary_names_do_no_harm() {
    let room = Room::new("");
    let mut wire = room.postfix();
    let mut asked = request("RCPT", "192.0.2.1", "a@far.example", "b@here.example").into_bytes();
    let at = asked
        .windows(5)
        .position(|five| five == b"helo_")
        .expect("a name");
    asked.splice(at..at, *b"helo_name=\xff\x00\x1b[31m\r\n");
    wire.write_all(&asked).await.expect("written");
    let mut said = vec![0; 200];
    let len = wire.read(&mut said).await.expect("an answer");
    assert_eq!(
        String::from_utf8_lossy(&said[..len]),
        "action=DEFER_IF_PERMIT 4.2.0 TIME=300 Greylisted, try again in 300 seconds\n\n"
    );
}
