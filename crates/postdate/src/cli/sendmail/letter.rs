//! A mail as a program writes it, made one that can be sent.

use std::ops::Range;

use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address;
use mail_parser::{HeaderName, Message, MessageParser};
use smtp::{BodyKind, Recipient, Sender};

use super::options::Options;
use crate::clock;
use crate::config::Config;

/// The envelope and the content: line ends made CRLF, `Bcc:` taken out, and the fields added that a mail must have.
pub(super) fn compose(
    config: &Config,
    options: Options,
    input: &[u8],
) -> Result<(Sender, Vec<Recipient>, Vec<u8>), String> {
    let content = lines(input, options.dot_is_content);
    let parsed = MessageParser::new().parse_headers(&content);
    let mut addresses = options.recipients;
    if options.recipients_from_header {
        let parsed = parsed.as_ref().ok_or("no header found, so no recipients")?;
        addresses.extend(named_in(parsed));
    }
    if addresses.is_empty() {
        return Err("no recipients: the header has no To:, Cc: or Bcc: with an address".to_owned());
    }
    let here = |address: String| {
        if address.contains('@') {
            address
        } else {
            format!("{address}@{}", config.hostname)
        }
    };
    let user = std::env::var("LOGNAME")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "root".to_owned());
    let from = match options.from {
        Some(from) if from.is_empty() => from,
        Some(from) => here(from),
        None => here(user),
    };
    let mut whole = Vec::with_capacity(content.len() + 300);
    let missing = Missing::of(parsed.as_ref());
    missing.write(&mut whole, &from, options.name.as_deref(), &config.hostname);
    if parsed
        .as_ref()
        .is_none_or(|parsed| parsed.headers().is_empty())
    {
        whole.extend_from_slice(b"\r\n");
    }
    let mut at = 0;
    for range in parsed.as_ref().map(blind_copies).unwrap_or_default() {
        whole.extend_from_slice(&content[at..range.start]);
        at = range.end;
    }
    whole.extend_from_slice(&content[at..]);
    let smtputf8 = !from.is_ascii() || addresses.iter().any(|address| !address.is_ascii());
    let body = if whole.is_ascii() {
        BodyKind::SevenBit
    } else {
        BodyKind::EightBitMime
    };
    let sender = Sender {
        address: from,
        body,
        smtputf8,
        size: None,
        ret: options.ret,
        envid: options.envid,
    };
    let recipients = addresses
        .into_iter()
        .map(|address| Recipient {
            address: here(address),
            notify: options.notify,
            orcpt: None,
        })
        .collect();
    Ok((sender, recipients, whole))
}

/// Who is named in the header. Of a mail that is sent on those of the sending on, and nobody else (RFC 5322 §3.6.6).
fn named_in(parsed: &Message<'_>) -> Vec<String> {
    let of_mail = [HeaderName::To, HeaderName::Cc, HeaderName::Bcc];
    let of_resending = [
        HeaderName::ResentTo,
        HeaderName::ResentCc,
        HeaderName::ResentBcc,
    ];
    let headers = parsed.headers();
    let is_resent = headers
        .iter()
        .any(|header| of_resending.contains(&header.name));
    let fields = if is_resent { of_resending } else { of_mail };
    headers
        .iter()
        .filter(|header| fields.contains(&header.name))
        .filter_map(|header| header.value.as_address())
        .flat_map(|list| list.iter())
        .filter_map(|addr| {
            addr.address()
                .or_else(|| user_of_this_machine(addr.name()?))
        })
        .map(str::to_owned)
        .collect()
}

/// `To: root`: what has no domain is read as a name. Several words are one ("Undisclosed recipients").
fn user_of_this_machine(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
}

/// Where the fields stand that no recipient may see.
fn blind_copies(parsed: &Message<'_>) -> Vec<Range<usize>> {
    let headers = parsed.headers().iter();
    headers
        .filter(|header| matches!(header.name, HeaderName::Bcc | HeaderName::ResentBcc))
        .map(|header| header.offset_field as usize..header.offset_end as usize)
        .collect()
}

/// Fields that a mail must have, and this one has not.
struct Missing {
    from: bool,
    date: bool,
    id: bool,
}

impl Missing {
    fn of(parsed: Option<&Message<'_>>) -> Self {
        let lacks = |name: HeaderName<'_>| {
            let mut headers = parsed.iter().flat_map(|parsed| parsed.headers());
            !headers.any(|header| header.name == name)
        };
        Self {
            from: lacks(HeaderName::From),
            date: lacks(HeaderName::Date),
            id: lacks(HeaderName::MessageId),
        }
    }

    fn write(&self, out: &mut Vec<u8>, from: &str, name: Option<&str>, hostname: &str) {
        let now = clock::now();
        if self.from {
            let author = match from {
                "" => format!("MAILER-DAEMON@{hostname}"),
                from => from.to_owned(),
            };
            let name = name.filter(|name| !name.is_empty());
            out.extend_from_slice(b"From: ");
            Address::new_address(name, author).write_header(out, "From: ".len());
        }
        let mut add = |field: String| out.extend_from_slice(field.as_bytes());
        if self.date {
            add(format!("Date: {}\r\n", crate::server::date(now)));
        }
        if self.id {
            let id = ::queue::MessageId::from_time(now);
            let process = std::process::id();
            add(format!("Message-ID: <{id}.{process}@{hostname}>\r\n"));
        }
    }
}

/// LF or CRLF to CRLF; without `-i` a line with only a dot ends the mail. What a mailbox file puts before a mail (`From
/// root Sat …`) is none of its lines.
fn lines(input: &[u8], dot_is_content: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() + input.len() / 32 + 2);
    let mut at_start = true;
    for line in input.split_inclusive(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let quotes = line.iter().take_while(|&&octet| octet == b'>').count();
        at_start &= line[quotes..].starts_with(b"From ");
        if at_start {
            continue;
        }
        if line == b"." && !dot_is_content {
            break;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::options::parse;
    use super::*;

    fn options(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(Into::into).collect())
    }

    #[test]
    fn a_mail_gets_what_it_must_have_and_loses_its_bcc() {
        let options = options(&["-t", "-i", "-f", "me@x.example"]).expect("good");
        let input = b"To: a@b.example, \"C\" <c@d.example>\nBcc: secret@e.example\nSubject: hi\n\nbody\n.\nmore\n";
        let (sender, recipients, content) =
            compose(&Config::default(), options, input).expect("composed");
        assert_eq!(sender.address, "me@x.example");
        let to: Vec<&str> = recipients.iter().map(|r| r.address.as_str()).collect();
        assert_eq!(to, ["a@b.example", "c@d.example", "secret@e.example"]);
        let text = String::from_utf8(content).expect("UTF-8");
        assert!(
            text.contains("From: <me@x.example>\r\n")
                && text.contains("Date: ")
                && text.contains("Message-ID: <")
        );
        assert!(!text.contains("secret"), "{text}");
        assert!(
            text.ends_with("Subject: hi\r\n\r\nbody\r\n.\r\nmore\r\n"),
            "{text}"
        );
    }

    #[test]
    fn without_i_a_dot_ends_the_mail() {
        assert_eq!(lines(b"a\n.\nb\n", false), b"a\r\n");
        assert_eq!(lines(b"a\r\n..\nb", false), b"a\r\n..\r\nb\r\n");
    }

    fn composed(args: &[&str], input: &[u8]) -> (String, String) {
        let options = options(args).expect("good");
        let (_, recipients, content) =
            compose(&Config::default(), options, input).expect("composed");
        let to: Vec<_> = recipients.into_iter().map(|r| r.address).collect();
        (to.join(" "), String::from_utf8(content).expect("UTF-8"))
    }

    #[test]
    fn a_mail_that_is_sent_on_goes_to_whom_it_is_sent_on() {
        let resent = b"Resent-To: d@x.example\nResent-To: root\nResent-Bcc: secret@e.example\n\
            To: a@b.example\nBcc: other@e.example\nCc: c@d.example\nSubject: hi\n\nbody\n";
        let (to, text) = composed(&["-t"], resent);
        assert_eq!(to, "d@x.example root@localhost secret@e.example");
        assert!(
            !text.contains("secret") && !text.contains("other"),
            "{text}"
        );
        for (field, expected) in [
            ("To: root", "root@localhost"),
            (
                "To: root, anna@x.example, b",
                "root@localhost anna@x.example b@localhost",
            ),
            ("To: <root>", "root@localhost"),
            ("To: root (Charlie Root)", "root@localhost"),
            (
                "To: a@b.example (A B), Undisclosed recipients",
                "a@b.example",
            ),
            (
                "To: undisclosed-recipients:;\nCc: a@b.example",
                "a@b.example",
            ),
        ] {
            let input = format!("{field}\n\nbody\n");
            assert_eq!(composed(&["-t"], input.as_bytes()).0, expected, "{field}");
        }
        let from_alone = b"Resent-From: d@x.example\nTo: a@b.example\nTo: c@d.example\n\nbody\n";
        assert_eq!(composed(&["-t"], from_alone).0, "a@b.example c@d.example");
    }

    #[test]
    fn the_author_is_written_so_that_all_can_read_it() {
        let from = |args: &[&str]| {
            let (_, text) = composed(&[args, &["a@b.example"]].concat(), b"Subject: x\n\nx\n");
            let text = text.replace("\r\n ", " ");
            text.lines().next().expect("a line").to_owned()
        };
        assert_eq!(from(&["-f", "<>"]), "From: <MAILER-DAEMON@localhost>");
        assert_eq!(
            from(&["-f", "a@x.example", "-F", "Cron \"Daemon\""]),
            "From: \"Cron \\\"Daemon\\\"\" <a@x.example>"
        );
        let encoded = from(&["-f", "a@x.example", "-F", "J\u{f6}rg"]);
        assert!(
            encoded.is_ascii() && encoded.contains("=?utf-8?"),
            "{encoded}"
        );
        let read = MessageParser::new().parse_headers(encoded.as_bytes());
        let name = read.as_ref().and_then(|mail| mail.from()?.first()?.name());
        assert_eq!(name, Some("J\u{f6}rg"));
    }

    #[test]
    fn the_line_before_a_mail_in_a_mailbox_file_is_none_of_it() {
        assert_eq!(
            lines(b"From root Sat\n>From x\nA: b\n\nFrom c\n", true),
            b"A: b\r\n\r\nFrom c\r\n"
        );
        assert_eq!(lines(b"From: a\nFrom b\n", true), b"From: a\r\nFrom b\r\n");
    }
}
