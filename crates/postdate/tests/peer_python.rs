//! Clients in Python: smtplib, and CHUNKING by hand.

mod support;

use std::process::Command;

use support::{Node, TempDir, run, text, tool};

#[track_caller]
fn python(node: &Node, program: &str) {
    let mut command = Command::new(tool("python3"));
    command.arg("-").arg(node.port().to_string());
    let output = run(&mut command, program.as_bytes());
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn smtplib_sends_eight_bits_and_utf8_addresses() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    python(
        &node,
        r#"
import smtplib, sys
from email.message import EmailMessage
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), local_hostname="python.test") as s:
    s.ehlo()
    for extension in ("pipelining", "size", "8bitmime", "smtputf8", "enhancedstatuscodes", "chunking", "dsn", "starttls"):
        assert s.has_extn(extension), extension
    s.sendmail("a@client.test", ["eight@here.test"], b"Subject: 8\r\n\r\n\xe4\xf6\xfc \xff\xfe\r\n.\r\n..\r\n", ["BODY=8BITMIME"])
    m = EmailMessage()
    m["From"] = "g\u00f6ran@client.test"; m["To"] = "j\u00fcrgen@here.test"; m["Subject"] = "gr\u00fc\u00dfe"
    m.set_content("h\u00e4llo\n")
    s.send_message(m)
    s.sendmail("a@client.test", ["dsn@here.test"], b"Subject: d\r\n\r\nx\r\n", ["RET=HDRS", "ENVID=q1"], ["NOTIFY=SUCCESS,FAILURE"])
    assert s.verify("eight@here.test")[0] in (250, 252)
    assert s.docmd("HELP")[0] == 214
"#,
    );
    assert_eq!(
        node.arrived("eight").body(),
        b"\xe4\xf6\xfc \xff\xfe\n.\n..\n"
    );
    let mail = node.arrived("jürgen");
    assert!(mail.header().contains("grüße"), "{}", mail.header());
    assert!(
        mail.field("Received")
            .is_some_and(|field| field.contains("with UTF8SMTP")),
        "{}",
        mail.header()
    );
    node.arrived("dsn");
}

#[test]
fn chunks_arrive_as_they_were_sent() {
    let dir = TempDir::new();
    let node = Node::start(&dir, "node", "");
    python(
        &node,
        r#"
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
f = s.makefile("rb")
def reply(code):
    while True:
        line = f.readline()
        assert line.startswith(code), line
        if line[3:4] != b"-": return line
reply(b"220"); s.sendall(b"EHLO python.test\r\n"); reply(b"250")
first, last = b"Subject: chunks\r\n\r\n.\r\nfirst\r\n.\r\n", bytes(range(128, 256)) + b"\r\n.\r\nQUIT\r\n"
# All pipelined (RFC 3030), with the content among the commands.
s.sendall(b"MAIL FROM:<a@client.test> BODY=8BITMIME\r\nRCPT TO:<chunks@here.test>\r\n"
          + b"BDAT %d\r\n" % len(first) + first + b"BDAT %d\r\n" % len(last) + last + b"BDAT 0 LAST\r\n")
for _ in range(5): reply(b"250")
# An empty chunk first, octet by octet, and RSET between chunks.
s.sendall(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<gone@here.test>\r\nBDAT 3\r\nabcRSET\r\n")
for _ in range(4): reply(b"250")
s.sendall(b"BDAT 3 LAST\r\nabc"); assert f.readline().startswith(b"503")
s.sendall(b"QUIT\r\n"); reply(b"221")
"#,
    );
    let mut expected = b".\nfirst\n.\n".to_vec();
    expected.extend(128..=255u8);
    expected.extend_from_slice(b"\n.\nQUIT\n");
    assert_eq!(node.arrived("chunks").body(), expected);
    assert!(node.mailbox("gone").is_empty());
}
