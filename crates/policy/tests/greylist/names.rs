//! Reverse names: lines and servers, as they are seen.

use policy::greylist::dynamic_looking;
use proptest::prelude::*;
use std::net::IpAddr;

fn check(expected: bool, cases: &[(&str, &str)]) {
    for (name, address) in cases {
        let address = address.parse().expect("an address");
        assert_eq!(dynamic_looking(name, address), expected, "{name}");
    }
}

#[test]
fn lines_look_like_lines() {
    check(
        true,
        &[
            // The address, forwards, backwards, padded, in hexadecimal, as one number.
            ("192-0-2-7.isp.example", "192.0.2.7"),
            ("host-192-0-2-7.isp.example", "192.0.2.7"),
            ("7.2.0.192.isp.example.net", "192.0.2.7"),
            ("ip192.0.2.7.isp.example", "192.0.2.7"),
            ("c-98-192-34-7.hsd1.ma.comcast.net", "98.192.34.7"),
            ("static-203-0-113-9.bb.isp.example", "203.0.113.9"),
            (
                "ec2-54-93-12-7.eu-central-1.compute.amazonaws.com",
                "54.93.12.7",
            ),
            ("7.12.93.54.bc.googleusercontent.com", "54.93.12.7"),
            ("static.7.113.0.203.clients.your-server.de", "203.0.113.7"),
            ("p5b1a2c3d.dip0.t-ipconnect.de", "91.26.44.61"),
            ("5b1a2c3d.cm-1-2a.isp.example", "91.26.44.61"),
            ("n192000002007.isp.example", "192.0.2.7"),
            ("host3221225991.isp.example", "192.0.2.7"),
            ("host-2-7-192.isp.example", "192.2.7.192"),
            ("192-0-2-7.isp.example", "::ffff:192.0.2.7"),
            // Words.
            ("adsl-17.isp.example", "192.0.2.7"),
            ("dsl.isp.example", "192.0.2.7"),
            ("dyn-88.cable.isp.example", "192.0.2.7"),
            ("dynamic.isp.example.", "192.0.2.7"),
            ("PPPoE-3.ISP.example", "192.0.2.7"),
            ("cpe-24.nyc.isp.example", "192.0.2.7"),
            ("pool-7-4.isp.example", "192.0.2.7"),
            ("customer-17.isp.example", "192.0.2.7"),
            ("user44.isp.example", "192.0.2.7"),
            ("dhcp9.campus.example.ac.uk", "192.0.2.7"),
            ("ftth12.isp.example", "192.0.2.7"),
            // IPv6.
            ("2001-db8-1-2-3-4-5-6.isp.example", "2001:db8:1:2:3:4:5:6"),
            (
                "2001-0db8-0001-0002-0000-0000-0000-0001.isp.example",
                "2001:db8:1:2::1",
            ),
            (
                "p200300c12f3a4b5c0123456789abcdef.isp.example",
                "2003:c1:2f3a:4b5c:123:4567:89ab:cdef",
            ),
            (
                "x0123456789abcdef.isp.example",
                "2001:db8::123:4567:89ab:cdef",
            ),
            (
                "f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0.isp.example",
                "2001:db8::123:4567:89ab:cdef",
            ),
        ],
    );
}

#[test]
fn servers_do_not() {
    check(
        false,
        &[
            ("mail-lj1-f173.google.com", "209.85.208.173"),
            (
                "mail-oln040092066013.outbound.protection.outlook.com",
                "40.92.66.13",
            ),
            (
                "mail-eopbgr80045.outbound.protection.outlook.com",
                "40.107.8.45",
            ),
            (
                "mail-am6eur05on2060.outbound.protection.outlook.com",
                "40.107.22.60",
            ),
            ("a8-31.smtp-out.amazonses.com", "54.240.8.31"),
            (
                "b224-12.smtp-out.eu-central-1.amazonses.com",
                "69.169.224.12",
            ),
            ("o1.ptr1234.sendgrid.net", "167.89.12.34"),
            ("mta-70-12-34-56.sparkpostmail.com", "70.12.34.56"),
            ("mout.kundenserver.de", "212.227.126.130"),
            ("mout-xforward.gmx.net", "82.165.159.12"),
            ("mx1.example.org", "192.0.2.1"),
            ("mx-192-0-2-7.example.org", "192.0.2.7"),
            ("smtp02.example.org", "192.0.2.2"),
            ("relay.example.ac.uk", "192.0.2.7"),
            ("sonic312-23.consmr.mail.ne1.yahoo.com", "98.137.69.23"),
            ("out1-smtp.messagingengine.com", "66.111.4.25"),
            ("wout4-smtp.messagingengine.com", "64.147.123.20"),
            ("lists.debian.org", "82.195.75.100"),
            ("bendel.debian.org", "82.195.75.100"),
            ("vger.kernel.org", "23.128.96.18"),
            ("mail.dynamic.example.org", "192.0.2.7"),
            ("hermes.home.example.org", "192.0.2.7"),
            ("client.example.org", "192.0.2.7"),
            ("example.org", "192.0.2.7"),
            ("host7.example.org", "192.0.2.7"),
            ("server-2-7.example.org", "192.0.2.7"),
            // The provider's own domain may be called what it likes.
            ("dsl.example", "192.0.2.7"),
            ("srv.dyn.com", "192.0.2.7"),
            ("hera.dsl-pool-provider.net", "192.0.2.7"),
            // Parts of words.
            ("poolside.example.org", "192.0.2.7"),
            ("dynamo1.example.org", "192.0.2.7"),
            ("cablecar1.example.org", "192.0.2.7"),
            ("v6.example.org", "2001:db8::1"),
            ("a.example.org", "::1"),
            ("0000-0000-0000-0001.example.org", "2001:db8::1"),
            ("", "192.0.2.7"),
        ],
    );
}

proptest! {
    #[test]
    fn no_name_makes_it_panic(name in ".{0,80}", v4: u32, v6: u128) {
        dynamic_looking(&name, IpAddr::V4(v4.into()));
        dynamic_looking(&name, IpAddr::V6(v6.into()));
    }

    #[test]
    fn a_name_with_its_whole_address_is_seen(address: [u8; 4], word in "[a-z]{0,3}") {
        prop_assume!(word != "mx" && word != "mta");
        let [a, b, c, d] = address;
        for host in [format!("{word}{a}-{b}-{c}-{d}"), format!("{word}-{d}.{c}.{b}.{a}")] {
            prop_assert!(dynamic_looking(&format!("{host}.isp.example"), IpAddr::from(address)), "{host}");
        }
    }
}
