//! postgrey's files, read as postgrey 1.37 reads them.

use policy::lists::postgrey::{Clients, LINES_MAX, OCTETS_MAX, Recipients, Trouble};
use proptest::prelude::*;
use std::net::IpAddr;

fn told(trouble: &[Trouble]) -> Vec<String> {
    trouble.iter().map(ToString::to_string).collect()
}

const CLIENTS: &str = r"# a comment, and an empty line

debian.org                 # and another
Southwest.COM
66.216.126.174
193.1.2.0/24
192.168
172.16.5
2001:db8:1::/48
2001:db8:2::7
/^ms-smtp.*\.rr\.com$/
/^(?:smtp\w*|postfix)[0-9]+-g[0-9]+\.free\.fr$/
/^mail[12]\.PI\.ws$/
";

#[test]
fn clients() {
    let (clients, trouble) = Clients::parse(CLIENTS.as_bytes());
    assert_eq!(told(&trouble), [""; 0]);
    let nowhere = "203.0.113.1";
    #[rustfmt::skip]
    let table = [
        // client, its verified name, the line it falls under
        (nowhere,            Some("debian.org"),              Some(3)),
        (nowhere,            Some("mailly.DEBIAN.org"),       Some(3)),
        (nowhere,            Some("mailly.debian.org."),      Some(3)),
        (nowhere,            Some("notdebian.org"),           None),
        (nowhere,            Some("debian.org.evil.example"), None),
        (nowhere,            Some("southwest.com"),           Some(4)),
        ("66.216.126.174",   None,                            Some(5)),
        ("66.216.126.175",   None,                            None),
        ("193.1.2.255",      None,                            Some(6)),
        ("::ffff:193.1.2.9", None,                            Some(6)),
        ("192.168.77.1",     None,                            Some(7)),
        ("172.16.5.9",       None,                            Some(8)),
        ("172.16.6.9",       None,                            None),
        ("2001:db8:1:9::1",  None,                            Some(9)),
        ("2001:db8:2::7",    None,                            Some(10)),
        ("2001:db8:2::8",    None,                            None),
        (nowhere,            Some("ms-smtp-04.nyroc.rr.com"), Some(11)),
        (nowhere,            Some("x.ms-smtp-04.rr.com"),     None),
        (nowhere,            Some("SMTPfb1-g21.free.fr"),     Some(12)),
        (nowhere,            Some("mail2.pi.ws"),             Some(13)),
        (nowhere,            Some("mail3.pi.ws"),             None),
        (nowhere,            Some(""),                        None),
        (nowhere,            None,                            None),
    ];
    for (client, name, line) in table {
        let addr: IpAddr = client.parse().unwrap();
        assert_eq!(clients.find(addr, name), line, "{client} {name:?}");
    }
}

const RECIPIENTS: &str = r"postmaster@
abuse@Example.org   # with its extensions
test.example
/^list-.*@example\.com$/
";

#[test]
fn recipients() {
    let (recipients, trouble) = Recipients::parse(RECIPIENTS.as_bytes());
    assert_eq!(told(&trouble), [""; 0]);
    #[rustfmt::skip]
    let table = [
        ("postmaster@anywhere.example",   Some(1)),
        ("PostMaster+x@anywhere.example", Some(1)),
        ("postmaster+@anywhere.example",  None),
        ("postmaster",                    None),
        ("xpostmaster@anywhere.example",  None),
        ("abuse@example.org",             Some(2)),
        ("abuse+a+b@EXAMPLE.org",         Some(2)),
        ("abuse@sub.example.org",         None),
        ("x@test.example",                Some(3)),
        ("x@a.b.test.example",            Some(3)),
        ("x@nottest.example",             None),
        ("list-7@example.com",            Some(4)),
        ("LIST-7@example.com",            Some(4)),
        ("my-list-7@example.com",         None),
        ("",                              None),
    ];
    for (address, line) in table {
        assert_eq!(recipients.find(address), line, "{address}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_the_others_hold() {
    let text = "good.example
two words
192.168.1.300
10
1.2.3.4/33
fe80::/200
.example.org
/(unclosed/
/look(?=ahead)/
/a b/
//
/(a{1000}){1000}/
also.example
";
    let (clients, trouble) = Clients::parse(text.as_bytes());
    assert_eq!(
        told(&trouble),
        [
            "line 2: \"two words\" is no host name, address, network or /expression/",
            "line 3: \"192.168.1.300\" is no host name, address, network or /expression/",
            "line 4: \"10\" is no host name, address, network or /expression/",
            "line 5: \"1.2.3.4/33\" is no host name, address, network or /expression/",
            "line 6: \"fe80::/200\" is no host name, address, network or /expression/",
            "line 7: \".example.org\" is no host name, address, network or /expression/",
            "line 8: the expression can't be used: unclosed group",
            "line 9: the expression can't be used: look-around, including look-ahead and look-behind, is not supported",
            "line 10: \"/a b/\" is no host name, address, network or /expression/",
            "line 11: \"//\" is no host name, address, network or /expression/",
            "line 12: the expression can't be used: Compiled regex exceeds size limit of 262144 bytes.",
        ]
    );
    let nowhere = "203.0.113.1".parse().unwrap();
    assert_eq!(clients.find(nowhere, Some("also.example")), Some(13));

    let (_, trouble) = Recipients::parse(b"a b\n@x.example\nu@x..y\n\xff@x\nok@\n/(/\n");
    assert_eq!(
        told(&trouble),
        [
            "line 1: \"a b\" is no address, user@, domain or /expression/",
            "line 2: \"@x.example\" is no address, user@, domain or /expression/",
            "line 3: \"u@x..y\" is no address, user@, domain or /expression/",
            "line 4: is not UTF-8",
            "line 6: the expression can't be used: unclosed group",
        ]
    );
    let (_, trouble) = Clients::parse(b"# caf\xe9\nx.example # \xff\n");
    assert_eq!(told(&trouble), [""; 0], "a comment may be anything");
}

#[test]
fn a_file_has_an_end() {
    let many = "a.example\n".repeat(LINES_MAX + 5);
    let (_, trouble) = Clients::parse(many.as_bytes());
    assert_eq!(trouble.len(), 1);
    assert_eq!(trouble[0].line, LINES_MAX + 1);
    let long = format!("a.example\n{}b.example\n", "#".repeat(OCTETS_MAX));
    let (clients, trouble) = Clients::parse(long.as_bytes());
    assert_eq!(trouble.len(), 1);
    let nowhere = "203.0.113.1".parse().unwrap();
    assert_eq!(clients.find(nowhere, Some("a.example")), Some(1));

    let expressions = "/^a{900}$/\n".repeat(1_001);
    let (clients, trouble) = Clients::parse(expressions.as_bytes());
    let (last, first) = (trouble[0].to_string(), &trouble[1]);
    assert!(
        last.starts_with("line 1001: ") && last.ends_with("this one is not used"),
        "{last}"
    );
    assert!(
        (100..1_000).contains(&first.line),
        "the first ones hold: {first}"
    );
    let (name, other) = ("a".repeat(900), "b".repeat(900));
    assert_eq!(clients.find(nowhere, Some(&name)), Some(1));
    assert_eq!(clients.find(nowhere, Some(&other)), None);
}

proptest! {
    /// Any octets are read, in bounded time and without a panic; every trouble names a line that is there.
    #[test]
    fn any_file_is_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let lines = octets.split(|octet| *octet == b'\n').count();
        let (clients, trouble) = Clients::parse(&octets);
        prop_assert!(trouble.iter().all(|trouble| (1..=lines).contains(&trouble.line)));
        clients.find("192.0.2.7".parse().unwrap(), Some("a.example"));
        let (recipients, trouble) = Recipients::parse(&octets);
        prop_assert!(trouble.iter().all(|trouble| (1..=lines).contains(&trouble.line)));
        recipients.find("u@a.example");
    }

    /// A line of the right form holds, for what it names and not for a neighbour.
    #[test]
    fn a_line_holds_for_what_it_names(
        host in "[a-z]{1,10}(\\.[a-z]{1,10}){1,3}", user in "[a-z]{1,8}", below in "[a-z]{1,5}",
    ) {
        let nowhere = "203.0.113.1".parse().unwrap();
        let (clients, trouble) = Clients::parse(format!("\n {host}\t# x\r\n").as_bytes());
        prop_assert!(trouble.is_empty());
        prop_assert_eq!(clients.find(nowhere, Some(&host)), Some(2));
        prop_assert_eq!(clients.find(nowhere, Some(&format!("{below}.{host}"))), Some(2));
        prop_assert_eq!(clients.find(nowhere, Some(&format!("{below}{host}"))), None);
        let (recipients, _) = Recipients::parse(format!("{user}@{host}").as_bytes());
        prop_assert_eq!(recipients.find(&format!("{user}@{host}")), Some(1));
        prop_assert_eq!(recipients.find(&format!("{user}+{below}@{host}")), Some(1));
        prop_assert_eq!(recipients.find(&format!("{below}{user}@{host}")), None);
        prop_assert_eq!(recipients.find(&format!("{user}@{below}.{host}")), None);
    }
}
