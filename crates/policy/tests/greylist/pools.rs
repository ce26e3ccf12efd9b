//! Senders that come back from another address.

use crate::dialogue::check;
use crate::{secs, start, table};
use ipnet::IpNet;
use policy::greylist::pool::{PassedBy, Spf, confirmed};
use policy::greylist::{Arrival, Origin, Settings, Verdict, Visit};
use std::net::IpAddr;

#[test]
fn a_pool_like_outlooks_comes_back_from_another_network() {
    check(
        "
        0    40.92.66.13+spf:contoso.example+name:outlook.com  a@contoso.example b@y -> defer 300 first
        60   52.101.132.1+spf:contoso.example+name:outlook.com a@contoso.example b@y -> defer 240
        60   count pending=1 known=0
        5m   104.47.0.33+spf:contoso.example+name:outlook.com  a@contoso.example b@y -> waited 300
        6m   40.107.5.99+spf:contoso.example                   c@contoso.example d@y -> known
        6m   104.47.0.34                                       c@contoso.example d@y -> known   # its network
        6m   52.101.132.1                                      c@contoso.example d@y -> defer 300 first
        ",
    );
}

#[test]
fn the_reverse_name_groups_where_spf_says_nothing() {
    check(
        "
        0   40.92.66.13+name:outlook.com  a@x b@y -> defer 300 first
        5m  52.101.132.1+name:outlook.com a@x b@y -> waited 300
        6m  52.101.132.9                  c@x b@y -> known      # its network has passed
        6m  104.47.0.33+name:outlook.com  c@x b@y -> defer 300 first # a name is never known for good
        6m  104.47.0.33+name:outlook.com  a@x b@y -> known      # the triplet has passed
        ",
    );
}

#[test]
fn a_pool_like_ses_keeps_the_address_of_one_mail_and_shares_its_domain() {
    check(
        "
        0    54.240.8.31+spf:eu-west-1.amazonses.example  010201-a1@eu-west-1.amazonses.example b@y -> defer 300 first
        0    54.240.8.31+spf:eu-west-1.amazonses.example  010201-a2@eu-west-1.amazonses.example c@y -> defer 300 first
        5m   69.169.224.9+spf:eu-west-1.amazonses.example 010201-a1@eu-west-1.amazonses.example b@y -> waited 300
        # Another mail has another address: what carries over is the domain.
        6m   76.223.180.4+spf:eu-west-1.amazonses.example 010201-b7@eu-west-1.amazonses.example b@y -> known
        6m   76.223.180.4+spf:us-east-1.amazonses.example 010201-b7@us-east-1.amazonses.example b@y -> defer 300 first
        6m   54.240.8.31                                  010201-a2@eu-west-1.amazonses.example c@y -> waited 360
        ",
    );
}

#[test]
fn an_spf_answer_that_changes_between_two_visits_moves_nothing() {
    // It passes first, and fails, or isn't answered, on the return.
    check(
        "
        0   192.0.2.7+spf:x.example a@x.example b@y -> defer 300 first
        60  192.0.2.7               a@x.example b@y -> defer 240
        5m  192.0.2.7               a@x.example b@y -> waited 300
        ",
    );
    // The other way round.
    check(
        "
        0   192.0.2.7               a@x.example b@y -> defer 300 first
        60  192.0.2.7+spf:x.example a@x.example b@y -> defer 240
        61  count pending=1 known=0
        5m  198.51.100.7+spf:x.example a@x.example b@y -> waited 300   # it was written down at the second visit
        ",
    );
    // The return is from elsewhere, and nothing proves that it is the same: a stranger. The first is not moved by it.
    check(
        "
        0    192.0.2.7+spf:x.example    a@x.example b@y -> defer 300 first
        100  198.51.100.7               a@x.example b@y -> defer 300 first
        101  count pending=2 known=0
        # Now both are found: the earliest counts.
        200  198.51.100.7+spf:x.example a@x.example b@y -> defer 100
        # And was told, so it counts from then on whatever is found.
        250  198.51.100.7               a@x.example b@y -> defer 50
        251  restart
        252  198.51.100.7               a@x.example b@y -> defer 48
        5m   198.51.100.7+spf:x.example a@x.example b@y -> waited 300
        301  198.51.100.7               a@x.example b@y -> known
        301  192.0.2.7                  a@x.example b@y -> known       # it was told the same appointment
        3d   count pending=0 known=2 unclaimed=0
        ",
    );
}

#[test]
fn what_a_pool_was_told_stands_across_a_restart() {
    check(
        "
        0   192.0.2.7+spf:x.example    a@x.example b@y -> defer 300 first
        10  203.0.113.7                c@x.example b@y -> defer 300 first
        20  203.0.113.7+spf:x.example  c@x.example b@y -> defer 290
        30  restart
        60  198.51.100.7+spf:x.example a@x.example b@y -> defer 240
        70  restart
        5m  198.51.100.7               a@x.example b@y -> waited 300
        5m  restart
        310 192.0.99.7+spf:x.example   c@x.example b@y -> waited 300
        310 198.51.100.8               f@x.example b@y -> known        # its network
        311 restart
        312 192.0.77.7+spf:x.example   d@x.example e@y -> known        # the domain
        ",
    );
}

#[test]
fn a_domain_must_pass_as_often_as_a_network_and_is_forgotten_as_it() {
    check(
        "
        set known_after=2 known_for=3d
        0      192.0.2.7+spf:x.example    a@x.example b@y -> defer 300 first
        5m     192.0.2.7+spf:x.example    a@x.example b@y -> waited 300
        6m     198.51.100.7+spf:x.example c@x.example b@y -> defer 300 first
        11m    198.51.100.7+spf:x.example c@x.example b@y -> waited 300
        12m    203.0.113.7+spf:x.example  d@x.example b@y -> known      # two passes, though of two networks
        12m    192.0.2.7                  d@x.example b@y -> defer 300 first
        3d+13m 203.0.113.7+spf:x.example  d@x.example b@y -> defer 300 first
        ",
    );
}

#[test]
fn a_record_is_found_under_three_at_most() {
    check(
        "
        0   192.0.2.7+spf:x.example+name:x.example+spf:z.example a@x.example b@y -> defer 300 first
        1   198.51.100.7+spf:z.example a@x.example b@y -> defer 300 first
        2   198.51.100.7+name:x.example a@x.example b@y -> defer 298
        2   count pending=2 known=0
        ",
    );
    check(
        "
        0   192.0.2.7+spf:x.example+spf:X.example. a@x.example b@y -> defer 300 first   # the same twice
        1   192.0.2.7+name:x.example               a@x.example b@y -> defer 299
        2   198.51.100.7+name:x.example            a@x.example b@y -> defer 298
        ",
    );
}

#[test]
fn whoever_was_told_finds_it_under_its_own_network() {
    let early = |n| {
        format!(
            "{n} 10.{n}.0.7+spf:x.example a@x.example b@y -> defer {}\n",
            300 - n
        )
    };
    let many: String = (1..20).map(early).collect();
    let back = |n| format!("5m 10.{n}.0.7 a@x.example b@y -> waited 300\n");
    let alone: String = (6..20).map(back).collect();
    check(&format!(
        "
        0   10.0.0.7+spf:x.example+name:x.example a@x.example b@y -> defer 300 first
        {many}
        20  count pending=15 known=0                 # six of the networks share one record
        20  restart
        {alone}
        6m  10.1.0.7 a@x.example b@y -> waited 360
        6m  10.2.0.7 a@x.example b@y -> known        # it was the same appointment
        3d  count pending=0 known=15 unclaimed=0
        "
    ));
}

#[test]
fn a_forged_sender_gains_nothing_by_a_known_domain() {
    check(
        "
        0    192.0.2.7+spf:bank.example a@bank.example b@y -> defer 300 first
        5m   192.0.2.7+spf:bank.example a@bank.example b@y -> waited 300
        # SPF does not pass for the forger, so its address is all there is.
        6m   203.0.113.66               a@bank.example b@y -> defer 300 first
        # A network, a name and an SPF domain of the same text are three things.
        6m   203.0.113.66+name:bank.example a@bank.example b@y -> defer 300
        6m   203.0.112.66+spf:bank.example.evil.example a@bank.example b@y -> defer 300 first
        ",
    );
}

#[test]
fn domains_are_counted_to_the_client_that_proved_them() {
    let mut table = table(Settings::default());
    let mut flood = |client: [u8; 4], from: u32| {
        let told = (from..from + 1_200).filter(|n| {
            let domain = format!("d{n}.flood.example");
            let origins = [format!("spf:{domain}").parse().unwrap()];
            let sender = format!("a@{domain}");
            let arrival = Arrival {
                visit: Visit {
                    client: IpAddr::from(client),
                    sender: &sender,
                    recipient: "b@y",
                },
                origins: &origins,
                delay: None,
            };
            let verdict = table.judge(arrival, start() + secs(1)).verdict;
            matches!(
                verdict,
                Verdict::Defer {
                    wait_secs: Some(300),
                    ..
                }
            )
        });
        told.count()
    };
    // A thousand domains of one's own are one network still.
    assert_eq!(flood([203, 0, 113, 1], 0), 1_000);
    assert_eq!(flood([203, 0, 113, 2], 5_000), 0);
    assert_eq!(flood([198, 51, 100, 1], 10_000), 1_000);
    assert_eq!(table.pending(), 2_000);
}

#[test]
fn a_thousand_networks_of_one_spf_domain_hold_no_more_than_without_it() {
    let mut table = table(Settings::default());
    let origins = ["spf:flood.example".parse().unwrap()];
    for network in 0..1_000u32 {
        let arrival = Arrival {
            visit: Visit {
                client: IpAddr::V4((0xc612_0000 + (network << 8)).into()),
                sender: "a@flood.example",
                recipient: "b@y",
            },
            origins: &origins,
            delay: None,
        };
        let told = table.judge(arrival, start()).verdict;
        assert!(matches!(
            told,
            Verdict::Defer {
                wait_secs: Some(300),
                ..
            }
        ));
    }
    // Each was told a time, and finds it under its own network whatever SPF says then.
    assert!(table.pending() <= 1_000);
}

#[test]
fn spf_that_lets_in_too_many_proves_nothing() {
    let range = |range: &str| PassedBy::Range(range.parse::<IpNet>().unwrap());
    for (by, counts) in [
        (range("192.0.2.7/32"), true),
        (range("40.92.0.0/16"), true),
        (range("40.92.0.0/15"), false),
        (range("0.0.0.0/1"), false),
        (range("0.0.0.0/0"), false),
        (range("2001:db8::/32"), true),
        (range("2001:db8::/31"), false),
        (range("::/0"), false),
        (range("::ffff:40.92.0.0/112"), true),
        (range("::ffff:40.92.0.0/111"), false),
        (PassedBy::Name, true),
        (PassedBy::All, false),
        (PassedBy::Computed, false),
    ] {
        let spf = Spf {
            domain: "X.example.",
            by,
        };
        let told = spf.origin().map(|origin| origin.to_string());
        assert_eq!(told, counts.then(|| "spf:x.example".to_owned()), "{by:?}");
    }
    let by = range("192.0.2.7/32");
    for domain in ["", ".", "a b.example", "a\r\n.example", &"x".repeat(254)] {
        assert_eq!(Spf { domain, by }.origin(), None, "{domain:?}");
    }
}

#[test]
fn a_confirmed_name_groups_by_the_domain_that_somebody_registered() {
    for (name, client, domain) in [
        (
            "mail-oln040092066013.outbound.protection.outlook.com",
            "40.92.66.13",
            Some("outlook.com"),
        ),
        (
            "mail-lj1-f173.google.com.",
            "209.85.208.173",
            Some("google.com"),
        ),
        (
            "A8-31.smtp-out.AmazonSES.com",
            "54.240.8.31",
            Some("amazonses.com"),
        ),
        (
            "mx1.department.example.ac.uk",
            "192.0.2.7",
            Some("example.ac.uk"),
        ),
        ("example.org", "192.0.2.7", Some("example.org")),
        // One of thousands of lines.
        ("p5b1a2c3d.dip0.t-ipconnect.de", "91.26.44.61", None),
        ("static.7.2.0.192.clients.your-server.de", "192.0.2.7", None),
        (
            "ec2-192-0-2-7.eu-west-1.compute.amazonaws.com",
            "192.0.2.7",
            None,
        ),
        // Nobody registered these.
        ("co.uk", "192.0.2.7", None),
        ("localhost", "192.0.2.7", None),
        ("mail.local", "192.0.2.7", None),
        ("", "192.0.2.7", None),
        ("..", "192.0.2.7", None),
        ("mail .example.org", "192.0.2.7", None),
    ] {
        let told = confirmed(name, client.parse().unwrap());
        let expected = domain.map(|domain| format!("name:{domain}").parse::<Origin>().unwrap());
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn an_origins_text_is_read_again() {
    for text in [
        "192.0.2.0/24",
        "2001:db8:1:2::/64",
        "spf:example.org",
        "name:bücher.example",
    ] {
        let origin: Origin = text.parse().expect(text);
        assert_eq!(origin.to_string(), text);
    }
    for text in [
        "",
        "spf:",
        "name:.",
        "next door",
        "example.org",
        "spf:a b",
        "192.0.2.7",
    ] {
        assert!(text.parse::<Origin>().is_err(), "{text}");
    }
}
