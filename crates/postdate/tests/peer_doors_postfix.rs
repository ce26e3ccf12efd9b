//! Real Postfix asks: over its policy protocol, and over milter. What the pages say to paste is pasted.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use support::{
    NameServer, PolicyServer, Postfix, Postgrey, TempDir, now, pasted, pasted_with_port, refusal,
    said, swaks, text, tool, until,
};

const DELAY: Duration = Duration::from_secs(3);
const GREYLIST: &str = "[greylist]\ndelay = \"3s\"\n";
/// All of our clients are on this machine: they must not be let in for that.
const STRANGERS: &str =
    "mynetworks = 192.0.2.1/32\nsmtpd_relay_restrictions = permit_auth_destination, reject\n";

/// swaks is told to wait, in these words, and is let in at the time that they name. The field of the mail.
#[track_caller]
fn appointment_kept(postfix: &Postfix, expected: &str) -> String {
    let server = ([127, 0, 0, 1], postfix.port).into();
    let (_, dialogue) = swaks(server, "bob@postfix.test", &[]);
    let told = now();
    assert_eq!(refusal(&dialogue), expected);
    until("its time to come", || (now() - told >= DELAY).then_some(()));
    let (code, dialogue) = swaks(server, "bob@postfix.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
    let mail = postfix.arrived();
    mail.field("X-Greylist").expect("how long it waited")
}

#[test]
fn a_policy_servers_appointment_is_told_and_kept() {
    for (tables, code) in [
        ("", "450"),
        ("[policy]\npostfix_action = \"code\"\n", "450"),
    ] {
        let dir = TempDir::new();
        let tables = format!("{GREYLIST}{tables}");
        let mut server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], &tables);
        let lines = pasted_with_port("doors/postfix.md", "main.cf", 10023, server.port());
        let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
        let field = appointment_kept(
            &postfix,
            &format!(
                "{code} 4.2.0 <bob@postfix.test>: Recipient address rejected: TIME=3 Greylisted, try again in 3 seconds"
            ),
        );
        assert!(
            field.starts_with("delayed ") && field.contains(" at mx.test; "),
            "{field}"
        );
        let log = server.log();
        assert!(
            log.contains("policy: reject: RCPT: client=[127.0.0.1], from=<you@client.test>, to=<bob@postfix.test>, proto=ESMTP, helo=<swaks.test>, reason=greylist, hint=3"),
            "{log}"
        );
        assert!(server.stop().success());
    }
}

#[test]
fn a_policy_server_on_a_unix_socket_lets_postfix_in_and_others_not() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = TempDir::new();
    let path = dir.join("policy.sock");
    let place = format!("unix:{}", path.display());
    let named = said("doors/postfix.md", "unix:/run/postdate/policy");
    let policy = pasted("doors/postfix.md", "policy.toml").replace(named, &place);
    let server = PolicyServer::start(&dir, &[], &format!("{GREYLIST}{policy}"));
    let there = std::fs::metadata(&path).expect("a socket");
    assert_eq!(there.permissions().mode() & 0o777, 0o660);
    assert_ne!(there.gid(), 0);
    let lines = pasted("doors/postfix.md", "main.cf").replace("inet:127.0.0.1:10023", &place);
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
    appointment_kept(
        &postfix,
        "450 4.2.0 <bob@postfix.test>: Recipient address rejected: TIME=3 Greylisted, try again in 3 seconds",
    );
    drop(server);
}

#[test]
fn a_milters_appointment_is_told_in_the_first_place_and_kept() {
    let dir = TempDir::new();
    let server = PolicyServer::start(&dir, &["--milter", "inet:127.0.0.1:0"], GREYLIST);
    let lines = pasted_with_port("doors/milter.md", "main.cf", 10024, server.port());
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
    // A percent sign is one when it arrives.
    let address = ([127, 0, 0, 1], postfix.port).into();
    let (_, dialogue) = swaks(
        address,
        "carol@postfix.test",
        &["--from", "100%%d@client.test"],
    );
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 TIME=3 <carol@postfix.test>: Recipient address rejected: Greylisted, try again in 3 seconds; \
         from=<100%%d@client.test> to=<carol@postfix.test> proto=SMTP helo=<swaks.test>"
    );
    let field = appointment_kept(
        &postfix,
        "450 4.2.0 TIME=3 <bob@postfix.test>: Recipient address rejected: Greylisted, try again in 3 seconds; \
         from=<you@client.test> to=<bob@postfix.test> proto=SMTP helo=<swaks.test>",
    );
    assert!(
        field.starts_with("delayed ") && field.contains(" at mx.test; "),
        "{field}"
    );
}

/// What concerns a client alone needs no recipient. Postfix hears it at EHLO, and says it at MAIL.
#[test]
fn a_milter_speaks_at_ehlo_where_that_is_wanted() {
    const MAIL: &str = "MAIL FROM:<you@client.test>\n<** ";
    let names = NameServer::start("1.2.0.192.bl.test A 127.0.0.2\n3.2.0.192.bl.test SERVFAIL\n");
    let dir = TempDir::new();
    let tables = format!(
        "[greylist]\nmode = \"off\"\n[delivery]\nname_servers = [\"{}\"]\n[checks]\nspf = \"off\"\nreverse_name = \"off\"\n\
         [[checks.blocklists]]\nzone = \"bl.test\"\nscore = 10\nmust_answer = true\n[policy]\ndelay_reject = false\n",
        names.address
    );
    let server = PolicyServer::start(&dir, &["--milter", "inet:127.0.0.1:0"], &tables);
    let lines = pasted_with_port("doors/milter.md", "main.cf", 10024, server.port());
    let postfix = Postfix::start(
        &dir,
        &format!("{STRANGERS}smtpd_authorized_xclient_hosts = 127.0.0.1\n{lines}"),
    );
    let address = ([127, 0, 0, 1], postfix.port).into();
    let said_to = |client: &str| {
        let xclient = format!("ADDR={client}");
        swaks(address, "bob@postfix.test", &["--xclient", &xclient])
    };
    let (_, dialogue) = said_to("192.0.2.1");
    let refused = "554 5.7.1 <swaks.test>: Client host rejected: Blocked using bl.test;";
    assert!(dialogue.contains(&format!("{MAIL}{refused}")), "{dialogue}");
    assert!(server.log().contains("reject: HELO: client=[192.0.2.1]"));
    let (code, dialogue) = said_to("192.0.2.2");
    assert_eq!(code, 0, "{dialogue}");
    // A look-up that failed is tried again, and its hint stands in the first place.
    let (_, dialogue) = said_to("192.0.2.3");
    let refused = format!("{MAIL}451 4.4.3 TIME=");
    assert!(dialogue.contains(&refused), "{dialogue}");
}

#[test]
fn a_milter_is_reached_over_a_unix_socket() {
    const PAGE: &str = "doors/milter.md";
    let dir = TempDir::new();
    let place = format!("unix:{}", dir.join("milter.sock").display());
    let named = said(PAGE, "unix:/run/postdate/milter");
    let line = said(PAGE, "policy.milter = [\"unix:/run/postdate/milter\"]");
    let line = line.replace(named, &place);
    let tables = format!("{line}\npolicy.socket_group = \"postfix\"\n{GREYLIST}");
    let _server = PolicyServer::start(&dir, &[], &tables);
    let lines = pasted(PAGE, "main.cf").replace("inet:127.0.0.1:10024", &place);
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
    appointment_kept(
        &postfix,
        "450 4.2.0 TIME=3 <bob@postfix.test>: Recipient address rejected: Greylisted, try again in 3 seconds; \
         from=<you@client.test> to=<bob@postfix.test> proto=SMTP helo=<swaks.test>",
    );
}

#[test]
fn postfix_lets_mail_in_while_nobody_answers() {
    let dir = TempDir::new();
    let mut server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], GREYLIST);
    let lines = pasted_with_port("doors/postfix.md", "main.cf", 10023, server.port());
    assert!(server.stop().success());
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
    let address = ([127, 0, 0, 1], postfix.port).into();
    let (code, dialogue) = swaks(address, "bob@postfix.test", &[]);
    assert_eq!(code, 0, "{dialogue}");
}

#[test]
fn a_chrooted_postfix_reaches_a_socket_below_its_queue() {
    const PAGE: &str = "doors/postfix.md";
    let dir = TempDir::new();
    let lines = pasted(PAGE, "main.cf")
        .replace("inet:127.0.0.1:10023", said(PAGE, "unix:private/postdate"));
    let postfix = Postfix::chrooted(&dir, &format!("{STRANGERS}{lines}"));
    let queue = Postfix::queue(&dir).display().to_string();
    let policy = pasted(PAGE, "policy.toml chroot").replace("/var/spool/postfix", &queue);
    assert!(policy.contains(&queue), "{policy}");
    let _server = PolicyServer::start(&dir, &[], &format!("{GREYLIST}{policy}"));
    appointment_kept(
        &postfix,
        "450 4.2.0 <bob@postfix.test>: Recipient address rejected: TIME=3 Greylisted, try again in 3 seconds",
    );
}

/// Behind postgrey, which defers, Postdate sees who comes back, and needs not ask when its turn has come.
#[test]
fn who_came_back_to_postgrey_is_known_when_postdate_takes_its_place() {
    const PAGE: &str = "doors/postfix.md";
    const WAIT: u32 = 4;
    let dir = TempDir::new();
    let postgrey = Postgrey::start(&dir, WAIT);
    let observe = said(PAGE, "greylist.mode = \"observe\"");
    let observe = observe.trim_start_matches("greylist.");
    let tables = format!("[greylist]\ndelay = \"{WAIT}s\"\n{observe}\n");
    let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], &tables);
    let lines = pasted_with_port(PAGE, "main.cf postgrey", 10023, postgrey.port)
        .replace("10033", &server.port().to_string());
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}"));
    let address = ([127, 0, 0, 1], postfix.port).into();
    let (_, dialogue) = swaks(address, "bob@postfix.test", &[]);
    assert_eq!(
        refusal(&dialogue),
        "450 4.2.0 <bob@postfix.test>: Recipient address rejected: TIME=4 Greylisted"
    );
    until("postgrey to let it in", || {
        let (code, _) = swaks(address, "bob@postfix.test", &[]);
        (code == 0).then_some(())
    });
    let mail = postfix.arrived();
    let field = mail.field("X-Greylist").expect("postgrey's field");
    assert!(field.contains("postgrey"), "{field}");
    assert_eq!(mail.header().matches("X-Greylist").count(), 1);
    let config = std::fs::read_to_string(&server.config).expect("its configuration");
    std::fs::write(&server.config, config.replace(observe, "")).expect("written");
    server.process.signal(Signal::HUP);
    let asked = |client: &str| {
        let mut wire = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        let request = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={client}\nsender=else@client.test\n\
             recipient=bob@postfix.test\n\n"
        );
        wire.write_all(request.as_bytes()).expect("written");
        let mut said = String::new();
        BufReader::new(wire).read_line(&mut said).expect("a line");
        said
    };
    until("it to refuse strangers", || {
        asked("192.0.2.1")
            .starts_with("action=DEFER_IF_PERMIT 4.2.0 TIME=")
            .then_some(())
    });
    assert_eq!(asked("127.0.0.1"), "action=DUNNO\n");
}

/// Two mails of 600 KB against 1 MB an hour: the second goes over it, when its length is known.
#[test]
fn a_question_at_the_end_of_the_content_counts_octets() {
    for limit in [
        "per = \"client\"\nlimit = \"1M/h burst 1M\"\n",
        "per = \"recipient\"\nlimit = \"1M/h burst 1M\"\n",
    ] {
        let dir = TempDir::new();
        let tables = format!(
            "[greylist]\nmode = \"off\"\n[[rates]]\nname = \"o\"\ncount = \"octets\"\n{limit}"
        );
        let server = PolicyServer::start(&dir, &["--listen", "inet:127.0.0.1:0"], &tables);
        let lines = pasted_with_port("doors/postfix.md", "main.cf", 10023, server.port());
        let more = pasted_with_port("doors/postfix.md", "main.cf octets", 10023, server.port());
        let says = " (in smtpd_end_of_data_restrictions too: a limit counts octets)\n";
        assert!(server.log().contains(says), "{}", server.log());
        let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}{more}"));
        let address = ([127, 0, 0, 1], postfix.port).into();
        let body = format!("{}\n", "x".repeat(60)).repeat(10_000);
        let mail = dir.write("mail.eml", format!("Subject: long\n\n{body}"));
        let mail = format!("@{}", mail.display());
        let (code, dialogue) = swaks(address, "bob@postfix.test", &["--data", &mail]);
        assert_eq!(code, 0, "{dialogue}");
        let (_, dialogue) = swaks(address, "bob@postfix.test", &["--data", &mail]);
        let told = refusal(&dialogue);
        assert!(
            told.contains("<END-OF-MESSAGE>: End-of-data rejected: TIME=")
                && told.contains(" Too much mail "),
            "{told}"
        );
    }
}

/// One that comes too often is told at once when it may, and let in then.
#[test]
fn a_question_at_connect_counts_connections_once() {
    let dir = TempDir::new();
    let server = PolicyServer::start(
        &dir,
        &["--listen", "inet:127.0.0.1:0"],
        "[greylist]\nmode = \"off\"\n[[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"client\"\n\
         limit = \"1/h burst 3\"\n",
    );
    let lines = pasted_with_port("doors/postfix.md", "main.cf", 10023, server.port());
    let more = pasted_with_port(
        "doors/postfix.md",
        "main.cf connections",
        10023,
        server.port(),
    );
    // The first is the one that sees whether Postfix listens, and says nothing.
    let postfix = Postfix::start(&dir, &format!("{STRANGERS}{lines}{more}"));
    let address = ([127, 0, 0, 1], postfix.port).into();
    for _ in 0..2 {
        let (code, dialogue) = swaks(address, "bob@postfix.test", &[]);
        assert_eq!(code, 0, "{dialogue}");
    }
    let (_, dialogue) = swaks(address, "bob@postfix.test", &[]);
    let told = refusal(&dialogue);
    assert!(told.starts_with("421 4.7.0 "), "{told}");
    assert!(
        told.contains(": Client host rejected: TIME=")
            && told.contains(" Too much mail from your network"),
        "{told}"
    );
    assert!(!dialogue.contains(" -> MAIL"), "{dialogue}");
}

/// Sendmail's protocol as its own test tool speaks it.
#[test]
fn miltertest_sees_the_whole_dialogue() {
    let dir = TempDir::new();
    let server = PolicyServer::start(
        &dir,
        &["--milter", "inet:127.0.0.1:0"],
        "[greylist]\ndelay = \"2s\"\n",
    );
    let script = dir.write(
        "dialogue.lua",
        DIALOGUE.replace("{port}", &server.port().to_string()),
    );
    let output = std::process::Command::new(tool("miltertest"))
        .arg("-s")
        .arg(&script)
        .output()
        .expect("miltertest");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(
        output.status.success() && said.contains("all done"),
        "{said}"
    );
}

const DIALOGUE: &str = r#"
function visit(expected)
  local conn = mt.connect("inet:{port}@127.0.0.1")
  if conn == nil then error("no connection") end
  if mt.negotiate(conn, nil, nil, nil) ~= nil then error("negotiation failed") end
  if mt.test_option(conn, SMFIP_NOBODY) ~= true then error("the body is wanted") end
  if mt.test_option(conn, SMFIP_NOHDRS) ~= true then error("the header is wanted") end
  if mt.test_action(conn, SMFIF_ADDHDRS) ~= true then error("no header can be added") end
  mt.macro(conn, SMFIC_CONNECT, "{client_ptr}", "mail.far.test")
  if mt.conninfo(conn, "mail.far.test", "192.0.2.7") ~= nil then error("conninfo failed") end
  if mt.getreply(conn) ~= SMFIR_CONTINUE then error("not continued at connect") end
  if mt.helo(conn, "mail.far.test") ~= nil then error("helo failed") end
  if mt.getreply(conn) ~= SMFIR_CONTINUE then error("not continued at helo") end
  mt.macro(conn, SMFIC_MAIL, "i", "4711")
  if mt.mailfrom(conn, "<a@far.test>", "SIZE=100") ~= nil then error("mail failed") end
  if mt.getreply(conn) ~= SMFIR_CONTINUE then error("not continued at mail") end
  if mt.rcptto(conn, "<b@here.test>") ~= nil then error("rcpt failed") end
  if mt.getreply(conn) ~= expected then error("not what was expected at rcpt") end
  return conn
end

local first = visit(SMFIR_REPLYCODE)
mt.disconnect(first)
mt.sleep(2)
local second = visit(SMFIR_CONTINUE)
if mt.eom(second) ~= nil then error("eom failed") end
if mt.getreply(second) ~= SMFIR_CONTINUE then error("not continued at the end") end
if mt.eom_check(second, MT_HDRADD, "X-Greylist") ~= true then error("no X-Greylist") end
mt.disconnect(second)
print("all done")
"#;
