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
            "p.toml:2: \"5x\" is no time: write 30s, 5m, 4h or 5d",
        ),
        (
            "[greylist]\nmode = \"watch\"\n",
            "p.toml:2: \"watch\" is not known here: write enforce or observe or off",
        ),
        (
            "[relay]\nnetworks = [\"10.0.0.0/99\"]\n",
            "p.toml:2: \"10.0.0.0/99\" is no network: write 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "[limits]\nmessage_size = \"5 ZB\"\n",
            "p.toml:2: \"5 ZB\" is no size: write 64KiB, 25MiB or 1GiB",
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
    default.delivery.helo.clone_from(&sampled.delivery.helo);
    default.delivery.local_address = sampled.delivery.local_address;
    default.delivery.routes.clone_from(&sampled.delivery.routes);
    assert_eq!(format!("{sampled:#?}"), format!("{default:#?}"));
}

/// Every key that the model knows stands in the sample: serde names them all when it meets an unknown one.
#[test]
fn no_key_is_missing_in_the_sample() {
    for table in [
        "", "tls", "relay", "local", "greylist", "hints", "queue", "delivery", "limits", "log",
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
