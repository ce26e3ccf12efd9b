//! Content that is easily changed on its way: each piece to a recipient of its own name, so that it is found again.

use std::net::SocketAddr;

use super::{Client, Mail, body_of, lf, until};

/// One mail.
pub(crate) struct Awkward {
    /// The recipient's local part.
    pub(crate) name: &'static str,
    content: Vec<u8>,
}

impl Awkward {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let long = |octet: u8| [&vec![octet; 998][..], b"\r\n"].concat();
        let mail = |name, body: &[u8]| Self {
            name,
            content: [b"From: <a@client.test>\r\nSubject: awkward\r\n\r\n", body].concat(),
        };
        let eight: Vec<u8> = (128..=255).collect();
        vec![
            mail("eight", &[&eight, &b"\r\n"[..]].concat()),
            mail("dots", b".\r\n..\r\n...\r\n.dot\r\n .\r\n\r\n.\r\n\r\n."),
            mail("long", &[long(b'x'), long(b'.'), long(0xe4)].concat()),
            mail("blank", b"\r\n\r\n \t \r\nbetween \r\n\r\n\r\n"),
            mail("unended", b"no line end behind it"),
            mail("from", b"From here\r\n>From there\r\n"),
            mail("empty", b""),
            Self {
                name: "header",
                content: b"Subject: no body, and no empty line\r\n".to_vec(),
            },
            Self {
                name: "nothing",
                content: Vec::new(),
            },
        ]
    }

    /// Hands all of them to a server, for `NAME@domain`. Only in chunks can the last line end be left out.
    #[track_caller]
    pub(crate) fn send_all(server: SocketAddr, domain: &str, chunks: bool) {
        let mut client = Client::connect(server);
        for mail in Self::all() {
            let to = format!("{}@{domain}", mail.name);
            let reply = if chunks {
                client.chunks("a@client.test", &to, &mail.content)
            } else {
                client.mail("a@client.test", &to, &mail.content)
            };
            let reply = reply.expect("a reply");
            assert!(reply.starts_with("250"), "{}: {reply}", mail.name);
        }
    }

    /// Waits until each lies among `mails`, and compares it octet by octet; a last line that was not ended is ended by
    /// the line that ends DATA.
    #[track_caller]
    pub(crate) fn expect_all(mut mails: impl FnMut() -> Vec<Mail>) {
        for sent in Self::all() {
            let name = sent.name;
            let arrived = until(&format!("the mail for {name}"), || {
                let to = format!("for <{name}@");
                mails().into_iter().find(|mail| mail.header().contains(&to))
            });
            let mut expected = lf(body_of(&sent.content));
            if !expected.is_empty() && !expected.ends_with(b"\n") {
                expected.push(b'\n');
            }
            assert_eq!(
                arrived.body().escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{name}"
            );
        }
    }
}
