//! Real OpenSMTPD with our filter, with the lines that the page says to paste.

mod support;

use std::time::Duration;

use support::{Mail, OpenSmtpd, TempDir, now, pasted, refusal, swaks, until};

/// A filter with the page's line, and what a listener needs.
#[track_caller]
fn start(dir: &TempDir, options: &str) -> OpenSmtpd {
    let data = dir.open_folder("filter");
    let config = dir.write(
        "filter.toml",
        format!(
            "hostname = \"mx.test\"\ndata_dir = \"{}\"\n[delivery]\nname_servers = [\"127.0.0.1:9\"]\n[greylist]\ndelay = \"3s\"\n",
            data.display()
        ),
    );
    // A copy, since the repository may lie where the filter's user can't go.
    let program = dir.join("postdate");
    std::fs::copy(env!("CARGO_BIN_EXE_postdate"), &program).expect("a copy");
    let page = pasted("doors/opensmtpd.md", "smtpd.conf");
    let (head, listener) = page.split_once("\n\n").expect("two parts");
    let command = format!(
        "{} -c {} policy filter{options}",
        program.display(),
        config.display()
    );
    assert!(head.contains("postdate policy filter"), "{head}");
    let head = head.replace("postdate policy filter", &command);
    let (_, words) = listener.split_once("port 25 ").expect("a listener");
    OpenSmtpd::asking(dir, 9, &format!("{head}\n"), words.trim(), "")
}

#[track_caller]
fn appointment_kept(smtpd: &OpenSmtpd) -> Mail {
    let server = ([127, 0, 0, 1], smtpd.port).into();
    let (_, dialogue) = swaks(
        server,
        "bob@opensmtpd.test",
        &["--body", "first\\n.second: \u{e4}\u{f6}"],
    );
    let told = now();
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 TIME=3 <bob@opensmtpd.test>: Recipient address rejected: Greylisted, try again in 3 seconds; \
         from=<you@client.test> to=<bob@opensmtpd.test> proto=SMTP helo=<swaks.test>"
    );
    until("its time to come", || {
        (now() - told >= Duration::from_secs(3)).then_some(())
    });
    let (code, dialogue) = swaks(
        server,
        "bob@opensmtpd.test",
        &["--body", "first\\n.second: \u{e4}\u{f6}"],
    );
    assert_eq!(code, 0, "{dialogue}");
    until("the mail", || smtpd.mails().into_iter().next())
}

#[test]
fn a_filters_appointment_is_told_and_kept() {
    let dir = TempDir::new();
    let smtpd = start(&dir, "");
    let mail = appointment_kept(&smtpd);
    assert_eq!(mail.field("X-Greylist"), None);
}

#[test]
fn a_filter_that_adds_the_header_leaves_the_content_as_it_was() {
    let dir = TempDir::new();
    let smtpd = start(&dir, " --header");
    let mail = appointment_kept(&smtpd);
    let field = mail.field("X-Greylist").expect("how long it waited");
    assert!(
        field.starts_with("delayed ") && field.contains(" at mx.test; "),
        "{field}"
    );
    let body = String::from_utf8_lossy(mail.body()).into_owned();
    assert!(
        body.starts_with("first\n.second: \u{e4}\u{f6}\n"),
        "{body:?}"
    );
}

/// The page's own folder and file, at the paths that it names.
#[test]
fn a_filter_finds_its_configuration_and_may_write_where_the_page_says() {
    const PAGE: &str = "doors/opensmtpd.md";
    let dir = TempDir::new();
    let program = dir.join("postdate");
    std::fs::copy(env!("CARGO_BIN_EXE_postdate"), &program).expect("a copy");
    let page = pasted(PAGE, "smtpd.conf");
    let (head, listener) = page.split_once("\n\n").expect("two parts");
    let (_, words) = listener.split_once("port 25 ").expect("a listener");
    let head = head.replace(
        "\"postdate policy",
        &format!("\"{} policy", program.display()),
    );
    let smtpd = OpenSmtpd::asking(
        &dir,
        9,
        &format!("{head}\n"),
        words.trim(),
        &pasted(PAGE, "sh"),
    );
    let server = ([127, 0, 0, 1], smtpd.port).into();
    let (_, dialogue) = swaks(server, "bob@opensmtpd.test", &[]);
    let told = refusal(&dialogue);
    assert!(
        told.starts_with("450 4.2.0 TIME=300 <bob@opensmtpd.test>: "),
        "{told}"
    );
}
