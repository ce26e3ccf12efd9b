//! A plain SMTP client, for dialogues that a test wants exactly so.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::LONG;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and takes the greeting.
    pub(crate) fn greeted(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(LONG))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        let greeting = client.reply()?;
        if greeting.starts_with("220") {
            Ok(client)
        } else {
            Err(io::Error::other(greeting))
        }
    }

    /// Connects, and says EHLO.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::greeted(address).expect("a greeting");
        client.ask("EHLO client.test", "250");
        client
    }

    /// One whole reply, lines joined by `\n`.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("closed after {reply:?}"),
                ));
            }
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(line.trim_end_matches(['\r', '\n']));
            if last {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// A command and its reply.
    pub(crate) fn command(&mut self, line: &str) -> io::Result<String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// A command whose reply must begin so.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str, expected: &str) -> String {
        let reply = self.command(line).expect("a reply");
        assert!(
            reply.starts_with(expected),
            "{line} was answered {reply:?} instead of {expected}"
        );
        reply
    }

    /// One mail; the reply that decided.
    pub(crate) fn mail(&mut self, from: &str, to: &str, content: &[u8]) -> io::Result<String> {
        for line in [
            &format!("MAIL FROM:<{from}>"),
            &format!("RCPT TO:<{to}>"),
            "DATA",
        ] {
            let reply = self.command(line)?;
            if !reply.starts_with('2') && !reply.starts_with('3') {
                return Ok(reply);
            }
        }
        self.write(&stuffed(content))?;
        self.reply()
    }

    /// One mail in two chunks (RFC 3030), its last octet the last of the content; the reply that decided.
    pub(crate) fn chunks(&mut self, from: &str, to: &str, content: &[u8]) -> io::Result<String> {
        let (first, last) = content.split_at(content.len() / 2);
        for line in [&format!("MAIL FROM:<{from}>"), &format!("RCPT TO:<{to}>")] {
            let reply = self.command(line)?;
            if !reply.starts_with('2') {
                return Ok(reply);
            }
        }
        self.write(format!("BDAT {}\r\n", first.len()).as_bytes())?;
        self.write(first)?;
        let reply = self.reply()?;
        if !reply.starts_with('2') {
            return Ok(reply);
        }
        self.write(format!("BDAT {} LAST\r\n", last.len()).as_bytes())?;
        self.write(last)?;
        self.reply()
    }

    /// What else the server says until it closes the connection.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream
            .read_to_string(&mut rest)
            .expect("the server closes the connection");
        rest
    }
}

impl Client {
    pub(crate) fn shutdown(&mut self, how: Shutdown) {
        self.stream
            .get_mut()
            .shutdown(how)
            .expect("an open connection");
    }

    /// What the server says until the connection ends, in whichever way.
    pub(crate) fn rest_lossy(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Content with its dots doubled and its end.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 16);
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// One mail on a connection of its own, which must be taken.
#[track_caller]
pub(crate) fn send(address: SocketAddr, from: &str, to: &str, content: &[u8]) -> String {
    let reply = Client::connect(address)
        .mail(from, to, content)
        .expect("a reply");
    assert!(reply.starts_with("250 "), "{reply}");
    reply
}

/// A small mail with this subject.
pub(crate) fn content(subject: &str) -> Vec<u8> {
    format!("From: <a@client.test>\r\nTo: <b@here.test>\r\nSubject: {subject}\r\n\r\nHello,\r\n.a line with a dot\r\n").into_bytes()
}
