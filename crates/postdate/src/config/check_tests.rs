use super::*;

fn error(text: &str) -> String {
    parse(text, Path::new("p.toml"))
        .map(|_| ())
        .expect_err("an error")
        .to_string()
}

#[test]
fn errors_name_file_line_key_and_the_nearest_name() {
    for (text, expected) in [
        (
            "hostnam = \"a\"\n",
            "p.toml:1: unknown key \"hostnam\": did you mean \"hostname\"?",
        ),
        (
            "[greylist]\n\ndely = \"5m\"\n",
            "p.toml:3: unknown key \"dely\": did you mean \"delay\"?",
        ),
        (
            "[greylist]\ndelay = \"5x\"\n",
            "p.toml:2: greylist.delay: \"5x\" is no time: write 30s, 5m, 4h or 5d",
        ),
        (
            "[greylist]\nmode = \"watch\"\n",
            "p.toml:2: greylist.mode: \"watch\" is not known here: write enforce or observe or off",
        ),
        (
            "[relay]\nnetworks = [\"10.0.0.0/99\"]\n",
            "p.toml:2: relay.networks: \"10.0.0.0/99\" is no network: write 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "[limits]\nmessage_size = \"5 ZB\"\n",
            "p.toml:2: limits.message_size: \"5 ZB\" is no size: write 64KiB, 25MiB or 1GiB",
        ),
        (
            "[greylist]\ndelay = \"1h\"\nwindow = \"5m\"\n",
            "p.toml:3: greylist.window: must be longer than the delay, or nobody ever gets in",
        ),
        (
            "hostname = \"a b\"\n",
            "p.toml:1: hostname: write a host name such as mail.example.org",
        ),
        (
            "[greylist]\ncode = 421\n",
            "p.toml:2: greylist.code: a temporary failure has a code from 400 to 499, and 421 would close the session",
        ),
        (
            "[delivery]\nsmarthost = \"mail:x\"\n",
            "p.toml:2: delivery.smarthost: \"mail:x\" is no next hop: write host:port or [192.0.2.1]:25",
        ),
    ] {
        assert_eq!(error(text), expected, "for {text:?}");
    }
}

#[test]
fn a_bad_value_is_named_with_its_key_and_what_was_expected() {
    for (text, expected) in [
        (
            "hostname = mail.example.org\n",
            "1: hostname: text stands in quotes: \"mail.example.org\"",
        ),
        (
            "hostname = \"mail\n",
            "1: hostname: the text has no closing quote",
        ),
        (
            "hostname = 5\n",
            "1: hostname: expected text in quotes, found 5",
        ),
        (
            "[delivery]\nport = 70000\n",
            "2: delivery.port: expected a whole number from 0 to 65535, found 70000",
        ),
        (
            "[hints]\ngive = \"yes\"\n",
            "2: hints.give: expected true or false, found \"yes\"",
        ),
        (
            "listen = \"0.0.0.0:25\"\n",
            "1: listen: expected [[listen]], and address = \"…\" below it, found \"0.0.0.0:25\"",
        ),
        (
            "[[listen]]\naddress = \"0.0.0.0:25\"\n[[listen]]\naddress = \"25\"\n",
            "4: listen.address: \"25\" is no address with a port: write 0.0.0.0:25 or [::]:25",
        ),
        (
            "[delivery]\nname_servers = [\"192.0.2.1\", \"ns1\"]\n",
            "2: delivery.name_servers: \"ns1\" is no name server: write 192.0.2.1 or 192.0.2.1:5353",
        ),
        (
            "[delivery]\nlocal_address = \"eth0\"\n",
            "2: delivery.local_address: \"eth0\" is no IP address: write 192.0.2.1 or 2001:db8::1",
        ),
        (
            "[delivery.routes]\n\"a.example\" = \"b\"\n\"x.example\" = \"a b\"\n",
            "3: delivery.routes.\"x.example\": \"a b\" is no next hop: write host:port or [192.0.2.1]:25",
        ),
        (
            "[local]\nmailboxes = { \"x@not.here\" = \"a\" }\n",
            "2: local.mailboxes.\"x@not.here\": its domain is not in local.domains",
        ),
        (
            "[local]\ndomains = [\"h.example\"]\nmailboxes = { \"*@h.example\" = \"lmtp:/run/lmtp\" }\n",
            "3: local.mailboxes.\"*@h.example\": \"/run/lmtp\" is no LMTP server: write unix:/run/dovecot/lmtp or inet:127.0.0.1:24",
        ),
        (
            "[local]\nlmtp = \"127.0.0.1:24\"\n",
            "2: local.lmtp: \"127.0.0.1:24\" is no LMTP server: write unix:/run/dovecot/lmtp or inet:127.0.0.1:24",
        ),
        (
            "[local]\nquota = \"1 GB!\"\n",
            "2: local.quota: \"1 GB!\" is no size: write 64KiB, 25MiB or 1GiB",
        ),
        (
            "[local]\nquota = 0\n",
            "2: local.quota: with no room at all nothing can be delivered: write a size, or leave it out for no quota",
        ),
        (
            "greylist = { delay = \"5x\" }\n",
            "1: greylist.delay: \"5x\" is no time: write 30s, 5m, 4h or 5d",
        ),
        ("greylist = 5\n", "1: greylist: expected a table, found 5"),
        (
            "[log]\nlevel = \"verbose\"\n",
            "2: log.level: \"verbose\" is not known here: write error or warn or info or debug",
        ),
        (
            "[queue]\nlifetime = \"1d\"\nlifetime = \"2d\"\n",
            "3: \"lifetime\" is there twice",
        ),
        (
            "[aliases]\n\"a@x.example\" = \"b@x.example\"\n",
            "2: aliases.\"a@x.example\": expected a list in brackets, [\"…\"], found \"b@x.example\"",
        ),
        (
            "[policy]\norder = [\"checks\", \"mailbox\", \"greylist\"]\n",
            "2: policy.order: \"never_returned\" is left out: name each rule once (a rule is switched off by its own keys)",
        ),
        (
            "[policy]\norder = [\"greylist\", \"checks\", \"never_returned\", \"mailbox\", \"greylist\"]\n",
            "2: policy.order: \"greylist\" is there twice",
        ),
        (
            "[policy]\norder = [\"rates\"]\n",
            "2: policy.order: \"rates\" is no rule whose place can be set: write checks, never_returned, mailbox, greylist",
        ),
        (
            "[checks]\nspf = \"hard\"\n",
            "2: checks.spf: \"hard\" is not known here: write off or pool or reject",
        ),
        (
            "[checks]\ntime_limit = \"1m\"\n",
            "2: checks.time_limit: must be from 1s to 10s",
        ),
        (
            "[[checks.blocklists]]\nzone = \"bl\"\n",
            "1: checks.blocklists: \"bl\" is no zone: write its name in the DNS, such as bl.example.org",
        ),
        (
            "[[checks.blocklists]]\nzone = \"bl.example.org\"\nanswers = [\"10.0.0.1\"]\n",
            "1: checks.blocklists: bl.example.org: 10.0.0.1/32 is no answer of a list: they are 127.0.0.2 and the like",
        ),
        (
            "[checks]\nallowlists = [\"a b\"]\n",
            "2: checks.allowlists: \"a b\" is no zone: write its name in the DNS, such as bl.example.org",
        ),
        (
            "[tls]\nkey = \"k.pem\"\n",
            "2: tls.key: certificate and key go together: add tls.certificate",
        ),
    ] {
        assert_eq!(error(text), format!("p.toml:{expected}"), "for {text:?}");
    }
}

/// What can be read, and can't work.
#[test]
fn what_cannot_work_is_not_good() {
    let there = "[local]\nmailboxes = { \"bob@localhost\" = \"b\" }\n";
    for (text, expected) in [
        (
            "data_dir = \"\"\n",
            "1: data_dir: write a directory such as /var/lib/postdate",
        ),
        // Zero is "off" or "no limit" elsewhere: Postfix's delay_warning_time, postgrey's --auto-whitelist-clients.
        (
            "[queue]\ndelay_notice = \"0h\"\n",
            "2: queue.delay_notice: must be above zero, or each mail that is not sent at once is told of: write \"never\" for no notice",
        ),
        (
            "[greylist]\nmax_pending = 0\n",
            "2: greylist.max_pending: must be at least 1: it is a bound, and 0 is room for nobody",
        ),
        (
            "[aliases]\n\"a@localhost\" = [\"b b@localhost\"]\n",
            "2: aliases.\"a@localhost\": \"b b@localhost\" is no address: write anna@example.org, or anna for one of the alias's own domain",
        ),
        (
            &format!(
                "{there}[aliases]\n\"a\" = [\"nouser\"]\n\"c\" = [\"bob\", \"eve@localhost\"]\n"
            ),
            "4: aliases.a: leads to nouser@localhost, and that is nobody here: name it in local.mailboxes\n\
             p.toml:5: aliases.c: leads to eve@localhost, and that is nobody here: name it in local.mailboxes",
        ),
        (
            "[aliases]\n\"a b\" = [\"c\"]\n\"*@localhost\" = [\"c\"]\n\"@far.example\" = [\"c@localhost\"]\n",
            "2: aliases.\"a b\": is no user's name: write anna, anna@example.org or @example.org\n\
             p.toml:3: aliases.\"*@localhost\": write \"@localhost\" for whatever has no mailbox there\n\
             p.toml:4: aliases.\"@far.example\": its domain is not in local.domains: write the addresses there that are meant, one by one",
        ),
        (
            "[local]\ndomains = []\n[delivery]\nsmarthost = \"a.example\"\n[aliases]\nroot = [\"a@b.example\"]\n",
            "6: aliases.root: no domain is local, so write it with its domain",
        ),
        (
            "[greylist]\ntext = \"Wait {secs}\"\n",
            "2: greylist.text: only {seconds} is filled in: write no other braces",
        ),
        (
            "[greylist]\ntext = \"a\\nb\"\n",
            "2: greylist.text: a reply's text is one line without control characters",
        ),
        (
            "[local]\nmailboxes = { \"a@localhost\" = \"mail/{usr}\", \"b@localhost\" = \"\", \"c c@localhost\" = \"c\" }\n",
            "2: local.mailboxes.\"a@localhost\": \"mail/{usr}\": only {user} and {domain} are filled in\n\
             p.toml:2: local.mailboxes.\"b@localhost\": has no path: write that of its Maildir, such as mail/{user}\n\
             p.toml:2: local.mailboxes.\"c c@localhost\": is no address: write user@domain or *@domain",
        ),
        (
            "[relay]\ndomains = [\"exa mple\", \"*\", \"a.example\"]\n[delivery.routes]\n\"exa mple\" = \"b\"\n",
            "2: relay.domains: \"exa mple\" is no domain: write example.org, each by its name\n\
             p.toml:2: relay.domains: \"*\" is no domain: write example.org, each by its name\n\
             p.toml:4: delivery.routes.\"exa mple\": \"exa mple\" is no domain: write example.org, each by its name",
        ),
        (
            "[greylist]\nexempt_recipients = [\"x y\"]\n[exempt]\ndomains = [\"*.x\"]\nnames = [\"*.x\", \".good.example\"]\n",
            "2: greylist.exempt_recipients: \"x y\" is no address and no domain: write user@example.org, example.org, or .example.org for all below it\n\
             p.toml:4: exempt.domains: \"*.x\" is no address and no domain: write user@example.org, example.org, or .example.org for all below it\n\
             p.toml:5: exempt.names: \"*.x\" is no host's name: write mail.example.org, or .example.org for all below it",
        ),
        (
            "[delivery]\nhelo = \"a b\"\nport = 0\nconnect_timeout = \"0s\"\n[limits]\nmessage_size = \"0\"\nmax_received = 0\n",
            "2: delivery.helo: write a host name such as mail.example.org, or [192.0.2.1] for a host without one\n\
             p.toml:3: delivery.port: must be at least 1\n\
             p.toml:4: delivery.connect_timeout: must be at least 1s\n\
             p.toml:6: limits.message_size: RFC 5321 §4.5.3.1.7 asks for at least 64KiB\n\
             p.toml:7: limits.max_received: must be at least 1",
        ),
        (
            "[queue]\nlifetime = \"0s\"\n",
            "2: queue.lifetime: must be at least 1s",
        ),
        (
            "[queue]\nlifetime = \"5d\"\ndelay_notice = \"10d\"\n",
            "3: queue.delay_notice: must be shorter than lifetime, or it is never sent: write a shorter time, or \"never\"",
        ),
        (
            "[greylist]\nmode = \"off\"\n[never_returned]\naction = \"delay\"\n",
            "4: never_returned.action: \"delay\" is a longer greylisting, and greylist.mode is \"off\": write \"reject\" or \"count\"",
        ),
        (
            "[local]\ndomains = [\"example.org\"]\n",
            "2: local.domains: nobody has a mailbox in example.org: write [local.mailboxes] with \"anna@example.org\" = \"mail/{user}\", or local.lmtp",
        ),
    ] {
        assert_eq!(error(text), format!("p.toml:{expected}"), "for {text:?}");
    }
}

#[test]
fn what_works_is_good() {
    for text in [
        "[local]\ndomains = []\n",
        "[local]\ndomains = [\"example.org\"]\nlmtp = \"unix:/run/lmtp\"\n",
        "[local]\ndomains = [\"example.org\"]\n[aliases]\n\"@example.org\" = [\"a@far.example\"]\n",
        "[local]\ndomains = [\"B\u{fc}cher.example\"]\nmailboxes = { \"a@xn--bcher-kva.example\" = \"m\" }\n",
        "hostname = \"mx.a.example\"\n[local]\ndomains = []\n[aliases]\nroot = [\"a@b.example\"]\n\"cron@mx.a.example\" = [\"root\"]\n",
        // One who has left, and whose mail this machine's programs still send.
        "[aliases]\n\"gone@far.example\" = [\"a@b.example\"]\n",
        "[queue]\nlifetime = \"2h\"\n",
        // In one of the domains it leads to somebody.
        "[local]\ndomains = [\"a.example\", \"b.example\"]\nmailboxes = { \"anna@b.example\" = \"m\" }\n[aliases]\npostmaster = [\"anna\"]\n",
        "[delivery]\nhelo = \"[IPv6:2001:db8::1]\"\n",
        "[local]\ndomains = [\"[192.0.2.1]\"]\nmailboxes = { \"*@[192.0.2.1]\" = \"{user}\" }\n[aliases]\n\"@[192.0.2.1]\" = [\"anna\"]\n",
        "[local]\ndomains = [\"a.example.\"]\nmailboxes = { \"anna@a.example.\" = \"m\" }\n[aliases]\n\"@a.example.\" = [\"anna@a.example.\"]\n",
        "[relay]\ndomains = [\"[192.0.2.1]\", \"a.example.\"]\n[delivery.routes]\n\"[192.0.2.1]\" = \"b\"\n\"a.example.\" = \"b\"\n",
        // Mail for a postmaster without a domain comes here, and nothing else.
        "[local]\ndomains = []\n[delivery]\nsmarthost = \"b\"\n[aliases]\npostmaster = [\"a@b.example\"]\n",
        "[exempt]\ndomains = [\"@a.example\", \"b@c.example\"]\nrecipients = [\"postmaster\"]\n",
    ] {
        if let Err(err) = parse(text, Path::new("p.toml")) {
            panic!("{err}, for {text:?}");
        }
    }
}

#[test]
fn one_run_names_all_that_is_wrong() {
    for (text, expected) in [
        (
            "hostnam = \"a\"\n[greylst]\ndelay = \"5x\"\n[greylist]\ndelay = \"5x\"\ncode = 9\nwindw = \"1m\"\n\
             [limits]\nrecipients = 5\nconnections = 0\n",
            &[
                "1: unknown key \"hostnam\": did you mean \"hostname\"?",
                "2: unknown key \"greylst\": did you mean \"greylist\"?",
                "5: greylist.delay: \"5x\" is no time: write 30s, 5m, 4h or 5d",
                "7: unknown key \"windw\": did you mean \"window\"?",
                // greylist.code may be wrong for what could not be read there, limits are not.
                "9: limits.recipients: RFC 5321 §4.5.3.1.8 asks for at least 100",
                "10: limits.connections: must be at least 1",
            ][..],
        ),
        (
            "hostname = mail.example.org\ndata_dir = /var/lib/postdate\n",
            &[
                "1: hostname: text stands in quotes: \"mail.example.org\"",
                "2: data_dir: text stands in quotes: \"/var/lib/postdate\"",
            ],
        ),
        // An item of a list of tables: what follows from its mistake is not one more.
        (
            "[[rates]]\nname = \"a\"\ncount = \"msgs\"\nper = \"client\"\nlimit = \"1/h\"\n\
             [[rates]]\nname = \"b\"\ncount = \"messages\"\nper = \"client\"\nlimt = \"1/h\"\nlimit = \"1/h\"\n\
             [[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"sender\"\nlimit = \"many\"\n",
            &[
                "3: rates.count: \"msgs\" is not known here: write connections or messages or recipients or octets",
                "10: unknown key \"limt\": did you mean \"limit\"?",
                "16: rates.limit: expected a count, a slash and a period: \"100/h burst 20\" (a rate) or \"500/d\" (a quota)",
            ],
        ),
        (
            "greylist = { delay = \"5x\", dely = 1 }\n[aliases]\n\"x\" = []\n",
            &[
                "1: greylist.delay: \"5x\" is no time: write 30s, 5m, 4h or 5d",
                "1: unknown key \"dely\": did you mean \"delay\"?",
                "3: aliases.x: leads to nobody",
            ],
        ),
        // A list of tables that there is not, once for all its items.
        (
            "[[routes]]\ndomain = \"*\"\n[[routes]]\ndomain = \"a\"\n[greylist]\ncode = 9\n",
            &[
                "1: unknown key \"routes\": did you mean \"rates\"?",
                "6: greylist.code: a temporary failure has a code from 400 to 499, and 421 would close the session",
            ],
        ),
        // It is only the domains that are wrong.
        (
            "[local]\ndomains = \"h.example\"\nmailboxes = { \"bob@h.example\" = \"b\" }\n[aliases]\n\"@h.example\" = [\"bob\"]\n",
            &["2: local.domains: expected a list in brackets, [\"…\"], found \"h.example\""],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|line| format!("p.toml:{line}"))
            .collect();
        assert_eq!(
            error(text).lines().collect::<Vec<_>>(),
            expected,
            "for {text}"
        );
    }
    let error = parse("hostnam = 1\nhostnme = 2\n", Path::new("p.toml")).expect_err("two");
    assert_eq!(
        format!("{error:#}"),
        "p.toml:1: unknown key \"hostnam\": did you mean \"hostname\"?; \
         p.toml:2: unknown key \"hostnme\": did you mean \"hostname\"?",
        "the log has one line for it"
    );
}

proptest::proptest! {
    /// Whatever is written, it is read or refused in words, and soon.
    #[test]
    fn any_text_is_read_or_refused(
        lines in proptest::collection::vec(
            proptest::sample::select(vec![
                "[greylist]", "[[rates]]", "[[listen]]", "[local]", "[aliases]", "[zzz]", "[greylist.suspicious]",
                "delay = \"5m\"", "delay = 5.5", "delay = []", "zzz = 1", "name = \"a\"", "limit = \"1/h\"",
                "address = 1", "domains = [1, 2]", "greylist = 5", "rates = {}", "listen = [[1]]", "x = { y = { z = 1 } }",
                "= 1", "a.b.c = 1", "\"x y\" = 1", "[", "]]", "\u{fe}\0",
            ]),
            0..30,
        ),
    ) {
        let text = lines.join("\n");
        if let Err(error) = parse(&text, Path::new("p.toml")) {
            let said = error.to_string();
            proptest::prop_assert!(said.starts_with("p.toml:"), "{said}");
        }
    }
}

#[test]
fn an_alias_that_leads_nowhere_is_named_with_its_way() {
    let here = "[local]\ndomains = [\"h.example\", \"i.example\"]\nmailboxes = { \"bob@h.example\" = \"b\" }\n[aliases]\n";
    for (aliases, expected) in [
        (
            "\"a@h.example\" = [\"bob@h.example\", \"c@h.example\"]\n\"c@h.example\" = [\"A@H.example\"]",
            "5: aliases.\"a@h.example\": runs in a circle: a@h.example -> c@h.example -> a@h.example",
        ),
        (
            "\"all\" = [\"some\"]\n\"some\" = [\"all\"]",
            "5: aliases.all: runs in a circle: all@h.example -> some@h.example -> all@h.example",
        ),
        (
            "\"@h.example\" = [\"x@i.example\"]\n\"@i.example\" = [\"y@h.example\"]",
            "5: aliases.\"@h.example\": runs in a circle: x@i.example -> y@h.example -> x@i.example",
        ),
        (
            "\"@h.example\" = [\"rest\"]",
            "5: aliases.\"@h.example\": leads to itself, and rest@h.example has no mailbox in local.mailboxes",
        ),
        (
            "\"all\" = [\"bob\", \"eve\"]",
            "5: aliases.all: leads to eve@h.example, and that is nobody here: name it in local.mailboxes",
        ),
        (
            "\"nobody@h.example\" = []",
            "5: aliases.\"nobody@h.example\": leads to nobody",
        ),
    ] {
        let said = error(&format!("{here}{aliases}\n"));
        assert_eq!(said, format!("p.toml:{expected}"), "for {aliases}");
    }
    let good = "\"bob\" = [\"bob\", \"copy@else.example\"]\n\"@h.example\" = [\"bob\"]\n\"postmaster\" = [\"postmaster@h.example\"]\n";
    parse(
        &format!("{here}{good}").replace(", \"i.example\"", ""),
        Path::new("p.toml"),
    )
    .expect("no circle");
}

/// Many ways through few aliases: followed once each.
#[test]
fn aliases_that_fan_out_are_checked_quickly() {
    let mut text =
        "[local]\ndomains = [\"h.example\"]\nmailboxes = { \"a0@h.example\" = \"m\" }\n[aliases]\n"
            .to_owned();
    for n in 1..10 {
        for k in 0..10 {
            let to: Vec<String> = (0..10)
                .map(|j| {
                    if n == 1 {
                        "\"a0\"".to_owned()
                    } else {
                        format!("\"a{}x{j}\"", n - 1)
                    }
                })
                .collect();
            text.push_str(&format!("\"a{n}x{k}@h.example\" = [{}]\n", to.join(", ")));
        }
    }
    parse(&text, Path::new("p.toml")).expect("no circle");
}

/// The sample with every key uncommented is the default configuration, except for keys that have none.
#[test]
fn the_sample_shows_every_key_at_its_default() {
    let mut text = String::new();
    let mut keys = 0;
    for line in super::super::SAMPLE.lines() {
        let Some(rest) = line.strip_prefix("# ") else {
            continue;
        };
        let is_table = rest.starts_with('[') && rest.ends_with(']');
        let is_key = rest.split_once(" = ").is_some_and(|(key, _)| {
            key.starts_with('"')
                || key
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        if is_table || is_key {
            keys += usize::from(is_key);
            text.push_str(rest);
            text.push('\n');
        }
    }
    assert!(keys > 60, "{keys} keys were found in the sample");
    // Of examples the only one that wants its domain to be local, which by default is another.
    let text = text.replace("\"@example.org\" =", "\"@localhost\" =");
    let sampled = parse(&text, Path::new("sample")).expect("the sample parses");
    let mut default = Config::default();
    // Keys without a default are shown with an example.
    default.aliases.clone_from(&sampled.aliases);
    default.tls.certificate.clone_from(&sampled.tls.certificate);
    default.tls.key.clone_from(&sampled.tls.key);
    default
        .delivery
        .smarthost
        .clone_from(&sampled.delivery.smarthost);
    default
        .policy
        .socket_group
        .clone_from(&sampled.policy.socket_group);
    default.delivery.helo.clone_from(&sampled.delivery.helo);
    default.delivery.local_address = sampled.delivery.local_address;
    default.local.lmtp.clone_from(&sampled.local.lmtp);
    default.local.quota = sampled.local.quota;
    default.delivery.routes.clone_from(&sampled.delivery.routes);
    (default.checks.blocklists).clone_from(&sampled.checks.blocklists);
    default.greylist.suspicious = sampled.greylist.suspicious;
    (default.greylist.postgrey).clone_from(&sampled.greylist.postgrey);
    default.rates.clone_from(&sampled.rates);
    default.load = sampled.load;
    default.replies.clone_from(&sampled.replies);
    assert_eq!(format!("{sampled:#?}"), format!("{default:#?}"));
}

/// Every key that the model knows stands in the sample: serde names them all when it meets an unknown one.
#[test]
fn no_key_is_missing_in_the_sample() {
    for table in [
        "",
        "tls",
        "relay",
        "local",
        "greylist",
        "greylist.suspicious",
        "greylist.postgrey",
        "load",
        "exempt",
        "never_returned",
        "replies.recipient",
        "checks",
        "policy",
        "hints",
        "queue",
        "delivery",
        "limits",
        "log",
        "trace",
    ] {
        let head = if table.is_empty() {
            String::new()
        } else {
            format!("[{table}]\n")
        };
        let err = toml::from_str::<Config>(&format!("{head}zzz = 1\n"))
            .expect_err("unknown key")
            .message()
            .to_owned();
        for key in err.split('`').skip(3).step_by(2) {
            let shown = [
                format!("# {key} = "),
                format!("# [{key}]"),
                format!("# [[{key}]]"),
                format!("# [{table}.{key}]"),
                format!("# [[{table}.{key}]]"),
                format!("# [{key}."),
            ];
            assert!(
                super::super::SAMPLE
                    .lines()
                    .any(|line| shown.iter().any(|s| line.starts_with(s.as_str()))),
                "{table}.{key} is not in the sample"
            );
        }
    }
}

#[test]
fn the_sample_as_printed_is_the_default() {
    let sampled = parse(super::super::SAMPLE, Path::new("sample")).expect("the sample parses");
    assert_eq!(format!("{sampled:?}"), format!("{:?}", Config::default()));
}
