//! `maildirsize`, as Courier, Dovecot and we write it, and as nobody should.

use policy::Moment;
use policy::mailbox::maildirsize::{
    Maildirsize, OCTETS_MAX, Quota, Recount, Room, STALE_AFTER, Usage,
};
use proptest::prelude::*;
use std::time::Duration;

const T: Moment = Moment::from_millis(1_767_225_600_000);

fn usage(octets: i64, messages: i64) -> Usage {
    Usage { octets, messages }
}

#[test]
fn the_quota_line() {
    #[rustfmt::skip]
    let table = [
        ("10000000S,1000C", Some((Some(10_000_000), Some(1000)))),
        ("1000C,10000000S", Some((Some(10_000_000), Some(1000)))),
        ("10000000S",       Some((Some(10_000_000), None))),
        ("1000C",           Some((None, Some(1000)))),
        (" 5S , 1C \r",     Some((Some(5), Some(1)))),
        ("0S,0C",           Some((None, None))),
        ("5S,7X",           Some((Some(5), None))),
        ("99999999999999999999999S", Some((Some(u64::MAX), None))),
        ("",     None),
        ("S",    None),
        ("5",    None),
        ("5S,",  None),
        ("-5S",  None),
        ("+5S",  None),
        ("5.5S", None),
        ("5S;1C", None),
        ("5ß",   None),
    ];
    for (line, expected) in table {
        let expected = expected.map(|(octets, messages)| Quota { octets, messages });
        assert_eq!(Quota::parse(line), expected, "{line:?}");
    }
}

#[test]
fn the_file() {
    let read = |text: &str| Maildirsize::parse(text.as_bytes());
    let file = read("1000S,10C\n600 2\n  -100   -1\n").unwrap();
    assert_eq!(
        (file.usage, file.lines, file.quota.to_string()),
        (usage(500, 1), 2, "1000S,10C".to_owned())
    );
    #[rustfmt::skip]
    let table = [
        ("",                                Err(Recount::NoQuota)),
        ("\n600 2\n",                       Err(Recount::NoQuota)),
        ("600 2\n",                         Err(Recount::NoQuota)),
        ("1000S\n",                         Ok((usage(0, 0), 0))),
        ("1000S",                           Ok((usage(0, 0), 0))),
        ("1000S\n600 2",                    Ok((usage(600, 2), 1))),
        ("1000S\r\n600 2\r\n",              Ok((usage(600, 2), 1))),
        ("1000S\n600 2\n\n\n7 1\n",         Ok((usage(607, 3), 2))),
        ("1000S\n600 2\n5",                 Err(Recount::Damaged(3))),
        ("1000S\n600 2 3\n",                Err(Recount::Damaged(2))),
        ("1000S\nsix 2\n",                  Err(Recount::Damaged(2))),
        ("1000S\n99999999999999999999 2\n", Err(Recount::Damaged(2))),
        ("1000S\n9223372036854775807 2\n9 9223372036854775807\n", Ok((usage(i64::MAX, i64::MAX), 2))),
    ];
    for (text, expected) in table {
        let found = read(text).map(|file| (file.usage, file.lines));
        assert_eq!(found, expected, "{text:?}");
    }
    let long = format!("1000S\n{}", "1 1\n".repeat(OCTETS_MAX / 4));
    assert_eq!(read(&long), Err(Recount::Long));
    assert_eq!(
        Maildirsize::parse(b"1000S\n\xff 1\n"),
        Err(Recount::Damaged(2))
    );
}

#[test]
fn what_is_written_is_read() {
    let text = format!(
        "{}\n{}{}",
        Quota {
            octets: Some(5000),
            messages: None
        },
        usage(4000, 3),
        usage(-10, -1)
    );
    let file = Maildirsize::parse(text.as_bytes()).unwrap();
    assert_eq!((file.usage, file.lines), (usage(3990, 2), 2));
}

#[test]
fn a_full_mailbox_is_believed_while_it_was_just_counted() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    #[rustfmt::skip]
    let table = [
        // the file, the mail's octets, the file's age in minutes, what to do
        ("1000S,10C\n600 2\n",         400,   0, Room::Fits),
        ("1000S,10C\n600 2\n",         400, 999, Room::Fits),
        ("1000S,10C\n600 2\n",         401,  14, Room::Full),
        ("1000S,10C\n600 2\n",         401,  15, Room::Recount(Recount::Full)),
        ("1000S,10C\n600 1\n0 1\n",    401,  14, Room::Recount(Recount::Full)),
        ("1000S,10C\n600 9\n",         400,   0, Room::Fits),
        ("1000S,10C\n600 10\n",          1,   0, Room::Full),
        ("1000S,10C\n",               2000,   0, Room::Recount(Recount::Full)),
        ("1000S,10C\n600 2\n-601 0\n",   1,   0, Room::Recount(Recount::Negative)),
        ("0S\n600 2\n",           u64::MAX,   0, Room::Fits),
        ("1000S\n600 999999\n",        400,   0, Room::Fits),
        ("1000S\n600 1\n",        u64::MAX,   0, Room::Full),
    ];
    for (text, octets, age, expected) in table {
        let file = Maildirsize::parse(text.as_bytes()).unwrap();
        let room = file.room(None, octets, T, T.after(minutes(age)));
        assert_eq!(room, expected, "{text:?} {octets} {age}");
    }
    let file = Maildirsize::parse(b"1000S\n600 1\n").unwrap();
    let other = Quota::parse("2000S");
    assert_eq!(
        file.room(other, 1, T, T),
        Room::Recount(Recount::OtherQuota)
    );
    assert_eq!(file.room(Quota::parse("1000S"), 1, T, T), Room::Fits);
}

proptest! {
    /// Any octets: an answer, no panic; and what says "full" is at most so old.
    #[test]
    fn any_file_has_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..200), n: u64, age in 0u64..2000) {
        if let Ok(file) = Maildirsize::parse(&octets) {
            let room = file.room(None, n, T, T.after(Duration::from_secs(age)));
            prop_assert!(room != Room::Full || age < STALE_AFTER.as_secs());
        }
    }

    /// Any lines of numbers sum up, and the mail that fits is the one that the sum leaves room for.
    #[test]
    fn the_sum_decides(
        limit in 1u64..100_000, n in 0u64..100_000,
        lines in proptest::collection::vec((-10_000i64..10_000, -3i64..4), 0..50),
    ) {
        let mut text = format!("{limit}S\n");
        for (octets, messages) in &lines {
            text += &format!("{octets} {messages}\n");
        }
        let file = Maildirsize::parse(text.as_bytes()).unwrap();
        let octets: i64 = lines.iter().map(|line| line.0).sum();
        let messages: i64 = lines.iter().map(|line| line.1).sum();
        prop_assert_eq!(file.usage, usage(octets, messages));
        let fits = octets >= 0 && messages >= 0 && octets as u64 + n <= limit;
        prop_assert_eq!(file.room(None, n, T, T) == Room::Fits, fits);
    }

    #[test]
    fn any_quota_line_has_an_answer(line in "\\PC{0,40}|[0-9SC, ]{0,20}") {
        if let Some(quota) = Quota::parse(&line) {
            prop_assert_eq!(Quota::parse(&quota.to_string()), Some(quota));
        }
    }
}
