//! The milter protocol's packets: four octets of length, one of command, and data. Version 6, as Sendmail 8.14 and
//! Postfix since 2.6 speak it; version 2 is understood too.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The largest packet that is taken. A header field or a piece of the body has at most 64 KiB.
pub(super) const MAX_PACKET: usize = 64 * 1024 + 1024;
/// A packet's length stands before it.
const LENGTH_LEN: usize = 4;
/// Macros kept of one packet.
const MAX_MACROS: usize = 64;

/// Octets that came, cut into packets.
#[derive(Debug, Default)]
pub(super) struct Packets(Vec<u8>);

/// What the mail server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// What it can do: version, actions, protocol flags.
    Negotiate(Offer),
    /// Values for the command that follows.
    Macros(HashMap<String, String>),
    /// A client connected; `None`: it is this machine.
    Connect {
        /// Its name, confirmed forward; empty when it has none.
        name: String,
        client: IpAddr,
    },
    Helo(String),
    Mail {
        sender: String,
        /// Octets, as SIZE announced them; 0 when it didn't.
        size: u64,
    },
    Recipient(String),
    /// A header field: its name, and all behind the colon, with LF between its lines.
    Field(Vec<u8>, Vec<u8>),
    /// The empty line behind the header.
    EndOfHeader,
    /// A piece of the body, cut anywhere; lines end in CR LF.
    Body(Vec<u8>),
    EndOfMessage,
    /// The mail is over: done, refused or reset.
    Abort,
    /// The connection is over.
    Quit,
    /// The connection goes on with another client.
    QuitAndStay,
    /// Something that we asked not to be told, and that is to be answered.
    Other,
}

/// What a mail server can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) version: u32,
    pub(super) actions: u32,
    pub(super) protocol: u32,
}

/// Why octets are no packet. The connection has to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    TooLong(usize),
    Empty,
    /// A packet of this command doesn't say what it should.
    Bad(char),
    Unknown(u8),
    /// The connection ended, or nothing came, in the middle of one.
    Half,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "a packet of {len} octets: is this the milter protocol?")
            }
            Self::Empty => f.write_str("an empty packet"),
            Self::Bad(command) => write!(f, "a packet '{command}' that makes no sense"),
            Self::Unknown(command) => {
                write!(
                    f,
                    "a packet '{}', which is not known",
                    command.escape_ascii()
                )
            }
            Self::Half => f.write_str("half a packet"),
        }
    }
}

impl Packets {
    /// What came is appended here.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The next whole packet, if one is there.
    pub(super) fn next(&mut self) -> Option<Result<Packet, Malformed>> {
        let (length, _) = self.0.split_first_chunk::<LENGTH_LEN>()?;
        let len = u32::from_be_bytes(*length) as usize;
        if len > MAX_PACKET {
            return Some(Err(Malformed::TooLong(len)));
        }
        let whole = LENGTH_LEN + len;
        let packet = parse(self.0.get(LENGTH_LEN..whole)?);
        self.0.drain(..whole);
        Some(packet)
    }

    /// Something came that is not yet a whole packet.
    pub(super) fn is_half(&self) -> bool {
        !self.0.is_empty()
    }
}

fn parse(octets: &[u8]) -> Result<Packet, Malformed> {
    let (&command, data) = octets.split_first().ok_or(Malformed::Empty)?;
    let bad = Malformed::Bad(char::from(command));
    Ok(match command {
        b'O' => Packet::Negotiate(offer(data).ok_or(bad)?),
        b'D' => Packet::Macros(macros(data.get(1..).ok_or(bad)?)),
        b'C' => connect(data).ok_or(bad)?,
        b'H' => Packet::Helo(words(data).next().ok_or(bad)?),
        b'M' => {
            let mut words = words(data);
            Packet::Mail {
                sender: address(&words.next().ok_or(bad)?),
                size: words.find_map(|word| size(&word)).unwrap_or(0),
            }
        }
        b'R' => Packet::Recipient(address(&words(data).next().ok_or(bad)?)),
        b'E' => Packet::EndOfMessage,
        b'A' => Packet::Abort,
        b'Q' => Packet::Quit,
        b'K' => Packet::QuitAndStay,
        b'L' => {
            let mut words = data.split(|&octet| octet == 0);
            let (name, value) = words.next().zip(words.next()).ok_or(bad)?;
            Packet::Field(name.to_vec(), value.to_vec())
        }
        b'N' => Packet::EndOfHeader,
        b'B' => Packet::Body(data.to_vec()),
        // DATA, and a command that the mail server doesn't know.
        b'T' | b'U' => Packet::Other,
        _ => return Err(Malformed::Unknown(command)),
    })
}

/// Text that ends with NUL, once or several times.
fn words(data: &[u8]) -> impl Iterator<Item = String> {
    let data = data.strip_suffix(b"\0").unwrap_or(data);
    data.split(|&octet| octet == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
}

fn offer(data: &[u8]) -> Option<Offer> {
    let number = |at: usize| {
        let octets = data.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    };
    Some(Offer {
        version: number(0)?,
        actions: number(4)?,
        protocol: number(8)?,
    })
}

fn macros(data: &[u8]) -> HashMap<String, String> {
    let mut words = words(data);
    let mut macros = HashMap::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if macros.len() == MAX_MACROS {
            break;
        }
        // One of a single letter may come in braces, and the others always do.
        let name = name.trim_matches(['{', '}']).to_owned();
        macros.insert(name, value);
    }
    macros
}

fn connect(data: &[u8]) -> Option<Packet> {
    let end = data.iter().position(|&octet| octet == 0)?;
    let (name, rest) = data.split_at(end);
    let (&family, rest) = rest.get(1..)?.split_first()?;
    let client = match family {
        b'4' | b'6' => {
            let text = words(rest.get(2..)?).next()?;
            let text = text.strip_prefix("IPv6:").unwrap_or(&text);
            text.parse().ok()?
        }
        // A socket of this machine, or a client whose address is not known.
        b'L' | b'U' => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return None,
    };
    let name = String::from_utf8_lossy(name);
    // A client without a name is [192.0.2.1] for Sendmail, and unknown for Postfix.
    let name = match name.as_ref() {
        "unknown" => "",
        name if name.starts_with('[') => "",
        name => name,
    };
    Some(Packet::Connect {
        name: name.to_ascii_lowercase(),
        client,
    })
}

fn address(word: &str) -> String {
    let word = word.trim();
    let inner = word.strip_prefix('<').unwrap_or(word);
    inner.strip_suffix('>').unwrap_or(inner).to_owned()
}

fn size(word: &str) -> Option<u64> {
    let (name, value) = word.split_once('=')?;
    name.eq_ignore_ascii_case("SIZE")
        .then(|| value.parse().ok())?
}
