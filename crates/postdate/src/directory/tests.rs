use super::*;

fn directory(text: &str) -> Directory {
    let mut config: Config = toml::from_str(text).expect("a configuration");
    config.data_dir = "/data".into();
    Directory::new(&config)
}

fn maildir(path: &str) -> Place {
    Place::Maildir(path.into())
}

const HOME: &str = r#"
    [local]
    domains = ["home.example", "any.example"]
    [local.mailboxes]
    "Bob@home.example" = "/mail/bob"
    "anna@home.example" = "mail/{domain}/{user}"
    "*@any.example" = "/mail/{domain}/{user}"
    [aliases]
    "postmaster" = ["bob@home.example"]
    "sales@home.example" = ["anna", "bob", "x@elsewhere.example"]
    "bob+urgent@home.example" = ["anna@home.example"]
    "@home.example" = ["bob@home.example"]
    "anna@home.example" = ["anna@home.example", "archive@any.example"]
    "loop@home.example" = ["pool@home.example"]
    "pool@home.example" = ["loop@home.example"]
    "moved@elsewhere.example" = ["bob@home.example"]
"#;

#[test]
fn addresses_are_found_by_name_tag_and_catch_all() {
    let here = directory(HOME);
    for (address, expected) in [
        ("bob@home.example", "bob@home.example"),
        ("BOB@HOME.example", "BOB@HOME.example"),
        ("bob+lists@home.example", "bob+lists@home.example"),
        (
            "bob+urgent@home.example",
            "anna@home.example archive@any.example",
        ),
        (
            "sales@home.example",
            "anna@home.example archive@any.example bob@home.example x@elsewhere.example",
        ),
        ("nobody@home.example", "bob@home.example"),
        ("postmaster@any.example", "bob@home.example"),
        ("postmaster", "bob@home.example"),
        ("\"postmaster\"@any.example", "bob@home.example"),
        ("x@elsewhere.example", "x@elsewhere.example"),
        ("moved@elsewhere.example", "bob@home.example"),
    ] {
        assert_eq!(
            here.expand(address).expect("no loop").join(" "),
            expected,
            "{address}"
        );
    }
    let circle = [
        "loop@home.example",
        "pool@home.example",
        "loop@home.example",
    ];
    assert_eq!(
        here.expand("loop@home.example"),
        Err(AliasTrouble::Loop(circle.map(str::to_owned).to_vec()))
    );
}

const OWN: &str = r#"
    hostname = "Mail.home.example"
    [local]
    domains = ["home.example", "other.example"]
    [local.mailboxes]
    "anna@home.example" = "/mail/anna"
    "bob@other.example" = "/mail/bob"
    [aliases]
    "root" = ["anna"]
    "cron@mail.home.example" = ["bob@other.example"]
    "both" = ["anna", "anna@mail.home.example", "ANNA@localhost"]
"#;

#[test]
fn the_hosts_name_is_one_more_of_its_first_domain() {
    let here = directory(OWN);
    for (address, expected) in [
        ("root@mail.home.example", "anna@home.example"),
        ("Anna+x@MAIL.home.example.", "Anna+x@home.example"),
        ("anna@localhost", "anna@home.example"),
        // Of exactly this name.
        ("cron@mail.home.example", "bob@other.example"),
        ("cron@localhost", "Nobody"),
        ("bob@mail.home.example", "Nobody"),
        ("anna@other.home.example", "Elsewhere"),
        ("both@localhost", "anna@home.example"),
        ("MAILER-DAEMON@mail.home.example", "postmaster@home.example"),
        ("mailer-daemon@other.example", "Nobody"),
        ("root@other.example", "anna@other.example"),
        ("postmaster", "postmaster"),
    ] {
        let found = match here.find(address) {
            Found::Mailbox(_) | Found::Alias(_) => here.expand(address).expect("no loop").join(" "),
            found => format!("{found:?}"),
        };
        assert_eq!(found, expected, "{address}");
    }
    let mailbox = here.mailbox("anna@mail.home.example").expect("a mailbox");
    assert_eq!(mailbox.name, "anna@home.example");
    let posts = OWN.replace("anna", "postmaster");
    assert_eq!(
        directory(&posts).expand("postmaster").expect("no loop"),
        ["postmaster@home.example"]
    );
}

/// Whoever says elsewhere where mail for the host's name goes is heard.
#[test]
fn the_hosts_name_may_be_elsewhere() {
    let host = "hostname = \"mail.example.org\"\n";
    let none = "[local]\ndomains = []\nmailboxes = {}\n";
    let smart = "[delivery]\nsmarthost = \"relay.example:25\"\n";
    for (tables, nobody, root, to) in [
        (
            "[relay]\ndomains = [\"Mail.example.org\"]\n".to_owned(),
            Found::Elsewhere,
            false,
            "mail.example.org",
        ),
        (
            "[delivery.routes]\n\"mail.example.org\" = \"[192.0.2.1]\"\n".to_owned(),
            Found::Elsewhere,
            false,
            "[192.0.2.1]:25",
        ),
        // Mailboxes that are all of another domain, and the name's own by MX.
        (
            format!(
                "[local]\ndomains = [\"lists.example\"]\nmailboxes = {{ \"a@lists.example\" = \"a\" }}\n{smart}\
                 [delivery.routes]\n\"Mail.example.org\" = \"mx:\"\n"
            ),
            Found::Elsewhere,
            false,
            "mail.example.org",
        ),
        // A null client.
        (
            format!("{none}{smart}"),
            Found::Elsewhere,
            false,
            "[relay.example]:25",
        ),
        // A relay, and one of whose mailboxes nothing is said: the name's mail may be elsewhere.
        (none.to_owned(), Found::Elsewhere, true, "mail.example.org"),
        (String::new(), Found::Elsewhere, true, "mail.example.org"),
        (
            smart.to_owned(),
            Found::Elsewhere,
            true,
            "[relay.example]:25",
        ),
    ] {
        let here = directory(&format!(
            "{host}{tables}[aliases]\nroot = [\"a@b.example\"]\n"
        ));
        assert_eq!(here.find("anna@mail.example.org"), nobody, "{tables}");
        let destination = here.destination("anna@mail.example.org");
        assert_eq!(destination.to_string(), to, "{tables}");
        let is_alias = matches!(here.find("root@mail.example.org"), Found::Alias(_));
        assert_eq!(is_alias, root, "{tables}");
        assert_eq!(here.destination("postmaster").to_string(), "local");
        assert!(
            matches!(here.find("postmaster"), Found::Mailbox(_)),
            "{tables}"
        );
    }
}

/// What programs send goes on to the smarthost, as before the host's name was one of ours: here nobody would read it.
#[test]
fn of_a_satellites_name_only_aliases_are_here() {
    let host = "hostname = \"web1.example.com\"\n[delivery]\nsmarthost = \"relay.example:25\"\n";
    let aliases = "[aliases]\nroot = [\"admin@example.com\"]\n\
                   \"postmaster@web1.example.com\" = [\"postmaster@web1.example.com\", \"x@y.example\"]\n";
    let here = directory(host);
    for user in ["root", "postmaster", "MAILER-DAEMON", "anna", "root+tag"] {
        let address = format!("{user}@Web1.example.com");
        assert_eq!(here.find(&address), Found::Elsewhere, "{address}");
        let to = here.destination(&address).to_string();
        assert_eq!(to, "[relay.example]:25", "{address}");
    }
    for address in ["postmaster", "root@localhost", "postmaster@localhost"] {
        let found = here.find(address);
        assert!(matches!(found, Found::Mailbox(_)), "{address}: {found:?}");
        assert_eq!(here.destination(address), Destination::Local, "{address}");
    }
    let here = directory(&format!("{host}{aliases}"));
    for (user, expected) in [
        ("root", "admin@example.com"),
        ("postmaster", "postmaster@web1.example.com x@y.example"),
    ] {
        let all = here.expand(&format!("{user}@web1.example.com"));
        let all = all.expect("no loop");
        assert_eq!(all.join(" "), expected);
        assert_eq!(here.destination(&all[0]).to_string(), "[relay.example]:25");
    }
}

/// What programs send, and answers to our notices, are kept in any case.
#[test]
fn root_and_the_mailer_daemon_are_the_postmaster() {
    let host = "hostname = \"mail.example.org\"\n";
    let any = "[local]\ndomains = [\"a.example\"]\nmailboxes = { \"*@a.example\" = \"{user}\" }\n";
    let pair =
        "[aliases]\n\"info@mail.example.org\" = [\"info@mail.example.org\", \"x@y.example\"]\n";
    for (tables, root, daemon, anna) in [
        ("", "/data/mail/postmaster", "/data/mail/postmaster", None),
        (
            "[local]\ndomains = []\nmailboxes = {}\n",
            "/data/mail/postmaster",
            "/data/mail/postmaster",
            None,
        ),
        (
            "[local]\ndomains = [\"a.example\"]\nmailboxes = { \"postmaster@a.example\" = \"pm\" }\n",
            "/data/pm",
            "/data/pm",
            None,
        ),
        (any, "/data/root", "/data/postmaster", Some("/data/anna")),
    ] {
        let here = directory(&format!("{host}{tables}"));
        for (user, expected) in [
            ("root", Some(root)),
            ("mailer-daemon", Some(daemon)),
            ("anna", anna),
        ] {
            let address = format!("{user}@mail.example.org");
            let all = here.expand(&address).expect("no loop");
            let found = here.mailbox(&all[0]).map(|mailbox| mailbox.place);
            assert_eq!(found, expected.map(maildir), "{address}, {tables}");
            let is_local = here.destination(&all[0]) == Destination::Local;
            let is_ours = expected.is_some() || here.find(&address) == Found::Nobody;
            assert_eq!(is_local, is_ours, "{address}, {tables}");
        }
    }
    let here = directory(&format!("{host}{pair}"));
    let all = here.expand("info@mail.example.org").expect("no loop");
    assert_eq!(all, ["info@mail.example.org", "x@y.example"]);
    assert_eq!(here.destination(&all[0]).to_string(), "mail.example.org");
}

#[test]
fn final_addresses_have_a_maildir() {
    let here = directory(HOME);
    for (address, path) in [
        ("bob@home.example", Some("/mail/bob")),
        ("bob+lists@home.example", Some("/mail/bob")),
        ("anna@home.example", Some("/data/mail/home.example/anna")),
        ("Zoe+x@any.example", Some("/mail/any.example/zoe")),
        ("../../etc@any.example", None),
        ("a/b@any.example", None),
        (".hidden@any.example", None),
        ("\"Zoe\"@any.example", Some("/mail/any.example/zoe")),
        ("\"z\\oe+x\"@any.example", Some("/mail/any.example/zoe")),
        ("\"..\"@any.example", None),
        ("\"a/b\"@any.example", None),
        (
            "\"{domain}\"@any.example",
            Some("/mail/any.example/{domain}"),
        ),
        ("\"bob\"@home.example", Some("/mail/bob")),
        ("x@elsewhere.example", None),
    ] {
        let found = here.mailbox(address).map(|mailbox| mailbox.place);
        assert_eq!(found, path.map(maildir), "{address}");
    }
}

#[test]
fn there_is_always_a_postmaster() {
    let here = directory("[local]\ndomains = [\"h.example\"]\nmailboxes = {}");
    assert_eq!(
        here.find("postmaster@h.example"),
        Found::Mailbox(Mailbox {
            name: "postmaster@h.example".into(),
            place: maildir("/data/mail/postmaster"),
        })
    );
    assert_eq!(
        here.find("Postmaster"),
        Found::Mailbox(Mailbox {
            name: "postmaster".into(),
            place: maildir("/data/mail/postmaster"),
        })
    );
    assert_eq!(here.find("bob@h.example"), Found::Nobody);
}

/// An alias that leads to nobody in one of the domains leaves that without a postmaster no more than the others.
#[test]
fn each_domain_has_a_postmaster() {
    let here = directory(
        "[local]\ndomains = [\"a.example\", \"b.example\"]\nmailboxes = { \"anna@a.example\" = \"m\" }\n\
         [aliases]\npostmaster = [\"anna\"]\nsales = [\"anna\"]\n",
    );
    for address in ["postmaster", "postmaster@a.example", "Postmaster@b.example"] {
        let all = here.expand(address).expect("no loop");
        assert_eq!(all, ["anna@a.example"], "{address}");
    }
    let all = here.expand("sales@b.example").expect("no loop");
    assert_eq!(all, ["anna@b.example"]);
    assert_eq!(here.find("anna@b.example"), Found::Nobody);
}

/// Each mailbox's own value counts; `lmtp` is for all that have none.
#[test]
fn mailboxes_may_be_behind_lmtp() {
    let some = "[local]\ndomains = [\"h.example\", \"i.example\"]\n[local.mailboxes]\n\
                \"bob@h.example\" = \"/mail/bob\"\n\"anna@h.example\" = \"lmtp:unix:/run/a\"\n\
                \"*@i.example\" = \"lmtp:inet:[::1]\"\n";
    let all = "[local]\ndomains = [\"h.example\", \"i.example\"]\nlmtp = \"unix:/run/all\"\n";
    let both = some.replace("\n[local.", "\nlmtp = \"unix:/run/all\"\n[local.");
    for (address, with_some, with_all, with_both) in [
        ("Bob+x@h.example", "local", "lmtp:unix:/run/all", "local"),
        (
            "anna+x@h.example",
            "lmtp:unix:/run/a",
            "lmtp:unix:/run/all",
            "lmtp:unix:/run/a",
        ),
        // Nobody.
        (
            "eve@h.example",
            "local",
            "lmtp:unix:/run/all",
            "lmtp:unix:/run/all",
        ),
        (
            "\"a/b\"@i.example",
            "lmtp:inet:[::1]:24",
            "lmtp:unix:/run/all",
            "lmtp:inet:[::1]:24",
        ),
        ("postmaster", "local", "local", "local"),
        (
            "a@else.example",
            "else.example",
            "else.example",
            "else.example",
        ),
    ] {
        for (config, expected) in [(some, with_some), (all, with_all), (&both, with_both)] {
            let here = directory(config);
            assert_eq!(
                here.destination(address).to_string(),
                expected,
                "{address}, {config}"
            );
        }
    }
    assert_eq!(directory(some).find("eve@h.example"), Found::Nobody);
    let moved = directory(all).delivered_to("bob@h.example");
    assert_eq!(moved, Some(delivery::local::Place::Elsewhere));
}
