//! A mail is judged by its content as it comes: in any pieces, of any length, in bounded memory.

use mail_auth::dkim::Canonicalization;
use policy::{Finding, Question};
use proptest::prelude::*;

use super::signed::{KEY, MAIL, signed, signed_as};
use super::{Bench, Who};
use crate::checks::content::{Content, HEADER_MAX, HEADERS_MAX, Reader, Room, Unread};

fn zone() -> String {
    format!("_dmarc.a.example TXT v=DMARC1; p=reject\n{KEY}")
}

fn read(room: &Room, pieces: &[&[u8]]) -> Content {
    let mut reader = Reader::new(room.clone());
    for piece in pieces {
        reader.write(piece);
    }
    reader.end()
}

/// What a look at the whole mail at once would say.
fn body_hashes(mail: &[u8]) -> Vec<Vec<u8>> {
    let message = mail_auth::AuthenticatedMessage::parse(mail).unwrap();
    let hashes = message.body_hashes.iter();
    hashes.map(|(.., hash)| hash.clone()).collect()
}

proptest! {
    #[test]
    fn pieces_of_any_size_are_one_mail(
        simple in any::<bool>(),
        lines in prop::collection::vec("[a-z. \t]{0,20}", 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let body = if simple { Canonicalization::Simple } else { Canonicalization::Relaxed };
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mail = signed_as(&format!("{MAIL}{text}"), body);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(mail.len())).collect();
        cuts.extend([0, mail.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &mail.as_bytes()[cut[0]..cut[1]]).collect();
        let content = read(&Room::new(HEADERS_MAX), &pieces);
        prop_assert_eq!(content.unread(), None);
        let message = content.message().unwrap();
        let hashes: Vec<_> = message.body_hashes.iter().map(|(.., hash)| hash.clone()).collect();
        prop_assert_eq!(hashes, body_hashes(mail.as_bytes()));
    }
}

#[tokio::test]
async fn a_long_mail_is_judged_like_a_short_one() {
    let bench = Bench::new(&zone());
    let long = format!(
        "{MAIL}{}",
        "0123456789abcdef0123456789abcdef\r\n".repeat(1 << 18)
    );
    let good = signed(&long);
    let bad = format!("{good}one line more\r\n");
    for (mail, expected) in [(&good, Finding::Pass), (&bad, Finding::Fail)] {
        let who = Who {
            client: "192.0.2.1",
            sender: "x@list.example",
            content: Some(mail),
            ..Who::default()
        };
        let facts = bench.ask(Question::Dmarc, who).await;
        assert_eq!(facts.dmarc.known(), Some(&expected));
    }
}

#[test]
fn of_a_body_nothing_is_kept() {
    let room = Room::new(HEADERS_MAX);
    let mut reader = Reader::new(room.clone());
    reader.write(MAIL.as_bytes());
    assert!(!reader.wants_more(), "nobody signed it");
    drop(reader);
    let mut reader = Reader::new(room.clone());
    reader.write(signed(MAIL).as_bytes());
    let held = HEADERS_MAX - room.free();
    for _ in 0..1000 {
        assert!(reader.wants_more());
        reader.write(&[b'x'; 4096]);
    }
    assert_eq!(HEADERS_MAX - room.free(), held);
    assert!(held < 8 << 10, "{held}");
    drop(reader.end());
    assert_eq!(room.free(), HEADERS_MAX);
}

#[test]
fn a_header_without_an_end_is_given_up() {
    let room = Room::new(HEADERS_MAX);
    let line = format!("X-Long: {}\r\n", "x".repeat(900));
    let mut reader = Reader::new(room.clone());
    let mut taken = 0;
    while reader.wants_more() {
        reader.write(line.as_bytes());
        taken += line.len();
        assert!(taken < 2 * HEADER_MAX);
    }
    assert_eq!(room.free(), HEADERS_MAX, "what it held is free");
    assert_eq!(reader.end().unread(), Some(Unread::HeaderTooLong));
}

#[test]
fn many_mails_at_once_have_one_room() {
    let room = Room::new(10 << 10);
    let begun = b"From: Anna <anna@a.example>\r\n";
    let first = read(&room, &[begun]);
    let second = read(&room, &[begun]);
    assert_eq!((first.unread(), second.unread()), (None, None));
    assert_eq!(read(&room, &[begun]).unread(), Some(Unread::NoRoom));
    drop(first);
    assert_eq!(read(&room, &[begun]).unread(), None);
}
