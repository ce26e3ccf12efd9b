//! The doors read a mail's content for DMARC: a signature that covers every blank holds on its way through them.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use mail_auth::dkim::Canonicalization;
use support::{
    KEY, NameServer, PolicyServer, Postfix, TempDir, pasted_with_port, signed_as, swaks,
};

const MAIL: &str = "From:  Anna\r\n\t<anna@a.example>\r\nTo: bob@postfix.test\r\nSubject:no blank\r\n\r\n\
                    hello,  \r\n.\r\n..two dots \u{e4}\r\n\r\n";

fn zone() -> String {
    format!("_dmarc.a.example TXT v=DMARC1; p=reject\n{KEY}")
}

fn tables(names: &NameServer) -> String {
    format!(
        "[greylist]\nmode = \"off\"\n[checks]\nspf = \"off\"\nreverse_name = \"off\"\ndmarc = \"reject\"\n\
         [delivery]\nname_servers = [\"{}\"]\n",
        names.address
    )
}

/// As it was signed, and with a word more.
fn mails() -> [(String, bool); 2] {
    let good = signed_as(MAIL, Canonicalization::Simple);
    let bad = good.replace("hello", "hello you");
    [(good, true), (bad, false)]
}

const REFUSED: &str =
    "550 5.7.1 End-of-data rejected: DMARC of the author's domain says to reject this;";

#[test]
fn postfix_over_milter() {
    let names = NameServer::start(&zone());
    // With what counts octets, the whole body is sent; without, no more than is read.
    for more in [
        "",
        "[[rates]]\nname = \"o\"\ncount = \"octets\"\nper = \"client\"\nlimit = \"1G/h\"\n",
    ] {
        let dir = TempDir::new();
        let tables = format!("{}{more}", tables(&names));
        let server = PolicyServer::start(&dir, &["--milter", "inet:127.0.0.1:0"], &tables);
        let lines = pasted_with_port("doors/milter.md", "main.cf", 10024, server.port());
        let postfix = Postfix::start(
            &dir,
            &format!(
                "smtpd_authorized_xclient_hosts = 127.0.0.1\nsmtpd_relay_restrictions = permit_auth_destination, reject\n{lines}"
            ),
        );
        let address = ([127, 0, 0, 1], postfix.port).into();
        for (mail, passes) in mails() {
            let file = dir.write("mail.eml", mail.replace("\r\n", "\n"));
            let data = format!("@{}", file.display());
            let xclient = ["--xclient", "ADDR=192.0.2.1", "--data", &data];
            let (code, dialogue) = swaks(address, "bob@postfix.test", &xclient);
            assert_eq!(code == 0, passes, "{dialogue}\n{}", server.log());
            assert!(passes || dialogue.contains(REFUSED), "{dialogue}");
        }
        postfix.arrived();
    }
}

/// Line by line, as OpenSMTPD does: dots are still doubled.
#[test]
fn opensmtpds_filter() {
    let names = NameServer::start(&zone());
    let dir = TempDir::new();
    let data = dir.join("filter");
    let config = dir.write(
        "filter.toml",
        format!(
            "hostname = \"mx.test\"\ndata_dir = \"{}\"\n{}",
            data.display(),
            tables(&names)
        ),
    );
    let mut filter = Command::new(env!("CARGO_BIN_EXE_postdate"))
        .arg("-c")
        .arg(&config)
        .args(["policy", "filter"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a filter");
    let mut input = filter.stdin.take().expect("its input");
    let mut output = BufReader::new(filter.stdout.take().expect("its output"));
    let mut hear = |line: &mut String| {
        line.clear();
        output.read_line(line).expect("a line");
    };
    let mut line = String::new();
    writeln!(input, "config|ready").expect("written");
    let mut wants_content = false;
    while line != "register|ready\n" {
        hear(&mut line);
        wants_content |= line == "register|filter|smtp-in|data-line\n";
    }
    assert!(wants_content);
    writeln!(
        input,
        "report|0.6|1.5|smtp-in|link-connect|7|<unknown>|fail|192.0.2.1:4711|192.0.2.25:25"
    )
    .expect("written");
    for (mail, passes) in mails() {
        for (phase, rest) in [
            ("mail-from", "<x@list.example>"),
            ("rcpt-to", "<bob@here.test>"),
        ] {
            writeln!(input, "filter|0.6|1.5|smtp-in|{phase}|7|t|{rest}").expect("written");
            hear(&mut line);
            assert_eq!(line, "filter-result|7|t|proceed\n");
        }
        let lines = mail.strip_suffix("\r\n").expect("an end").split("\r\n");
        let doubled = lines.map(|line| {
            let dot = if line.starts_with('.') { "." } else { "" };
            format!("{dot}{line}")
        });
        for text in doubled.chain([".".to_owned()]) {
            writeln!(input, "filter|0.6|1.5|smtp-in|data-line|7|t|{text}").expect("written");
            hear(&mut line);
            assert_eq!(line, format!("filter-dataline|7|t|{text}\n"));
        }
        writeln!(input, "filter|0.6|1.5|smtp-in|commit|7|t|").expect("written");
        hear(&mut line);
        let expected = if passes {
            "proceed\n".to_owned()
        } else {
            format!("reject|{REFUSED}")
        };
        assert!(
            line.starts_with(&format!("filter-result|7|t|{expected}")),
            "{line}"
        );
    }
    drop(input);
    assert!(filter.wait().expect("its end").success());
}
