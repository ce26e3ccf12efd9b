//! `postdate sendmail`, and the binary called as `sendmail` or `mailq`: what programs on this machine call.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mail_parser::{HeaderName, MessageParser};
use smtp::{BodyKind, Notify, Recipient, Ret, Sender};

use super::{configuration, exit, fail, queue};
use crate::clock;
use crate::config::Config;
use crate::site::LOCAL_RECIPIENTS;
use crate::submit::{self, SubmitError};

/// What the options ask for.
#[derive(Debug, Default, PartialEq)]
struct Options {
    mode: Mode,
    config: Option<PathBuf>,
    from: Option<String>,
    name: Option<String>,
    recipients_from_header: bool,
    dot_is_content: bool,
    notify: Notify,
    ret: Option<Ret>,
    envid: Option<String>,
    recipients: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Submit,
    /// `-bs`
    Session,
    /// `-bp`
    List,
    /// `-bi`
    Aliases,
}

pub(super) fn run(file: Option<&Path>, args: Vec<OsString>) -> ExitCode {
    let options = match parse(args) {
        Ok(options) => options,
        Err(what) => return fail(exit::EX_USAGE, format_args!("sendmail: {what}")),
    };
    let file = options.config.as_deref().or(file);
    if options.mode == Mode::List {
        return queue::mailq(file);
    }
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match options.mode {
        Mode::Session => return session(&config),
        // They are in the configuration: there is nothing to build, and package scripts ask for it.
        Mode::Aliases => return ExitCode::SUCCESS,
        Mode::Submit | Mode::List => {}
    }
    if options.recipients.is_empty() && !options.recipients_from_header {
        return fail(
            exit::EX_USAGE,
            "sendmail: no recipients: name them, or use -t with a To: field",
        );
    }
    let limit = config.limits.message_size;
    let mut input = Vec::new();
    let read = io::stdin()
        .lock()
        .take(limit.saturating_add(1))
        .read_to_end(&mut input);
    if let Err(err) = read {
        return fail(
            exit::EX_TEMPFAIL,
            format_args!("sendmail: standard input: {err}"),
        );
    }
    if input.len() as u64 > limit {
        return fail(
            exit::EX_DATAERR,
            format_args!(
                "sendmail: nothing was sent: the mail is larger than limits.message_size, {limit} octets"
            ),
        );
    }
    let (sender, recipients, content) = match compose(&config, options, &input) {
        Ok(composed) => composed,
        Err(what) => return fail(exit::EX_USAGE, format_args!("sendmail: {what}")),
    };
    if recipients.len() > LOCAL_RECIPIENTS {
        return fail(
            exit::EX_DATAERR,
            format_args!(
                "sendmail: nothing was sent: {} recipients, and a mail may have {LOCAL_RECIPIENTS}",
                recipients.len()
            ),
        );
    }
    match submit::submit(&config, &sender, &recipients, &content) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(code(&err), format_args!("sendmail: {err}")),
    }
}

fn code(err: &SubmitError) -> u8 {
    match err {
        SubmitError::Recipients(_) => exit::EX_NOUSER,
        SubmitError::Refused(_) => exit::EX_DATAERR,
        SubmitError::Later(_) => exit::EX_TEMPFAIL,
    }
}

/// Options as sendmail has them: one letter, its value attached or next.
fn parse(args: Vec<OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.into_iter().map(|arg| {
        arg.into_string()
            .map_err(|arg| format!("{} is not UTF-8", arg.display()))
    });
    while let Some(arg) = args.next().transpose()? {
        let Some(option) = arg.strip_prefix('-').filter(|option| !option.is_empty()) else {
            options.recipients.push(arg);
            continue;
        };
        if option == "-" {
            for rest in args.by_ref() {
                options.recipients.push(rest?);
            }
            break;
        }
        let letter = option.chars().next().unwrap_or_default();
        let attached = &option[letter.len_utf8()..];
        let mut value = || -> Result<String, String> {
            if attached.is_empty() {
                args.next()
                    .transpose()?
                    .ok_or(format!("-{letter} needs a value"))
            } else {
                Ok(attached.to_owned())
            }
        };
        match letter {
            'b' => {
                options.mode = match attached {
                    "m" => Mode::Submit,
                    "s" => Mode::Session,
                    "p" => Mode::List,
                    "i" => Mode::Aliases,
                    other => {
                        return Err(format!(
                            "-b{other} is not supported: -bm, -bs, -bp and -bi are"
                        ));
                    }
                }
            }
            'f' | 'r' => {
                options.from = Some(value()?.trim_matches(|c| c == '<' || c == '>').to_owned())
            }
            'F' => options.name = Some(value()?),
            'C' => options.config = Some(value()?.into()),
            'N' => options.notify = notify(&value()?)?,
            'R' => {
                options.ret = Some(if value()?.eq_ignore_ascii_case("full") {
                    Ret::Full
                } else {
                    Ret::Hdrs
                })
            }
            'V' => options.envid = Some(value()?),
            't' => options.recipients_from_header = true,
            'i' => options.dot_is_content = true,
            'o' if attached == "i" => options.dot_is_content = true,
            // -oem, -oQ… say how sendmail itself would run.
            'o' if !attached.is_empty() => {}
            'B' | 'h' | 'O' | 'o' | 'p' | 'X' | 'L' | 'd' if attached.is_empty() => drop(value()?),
            'B' | 'h' | 'O' | 'p' | 'X' | 'L' | 'd' | 'q' | 'n' | 'v' | 'm' | 'U' | 'G' | 'A'
            | 'e' | 's' | 'c' => {}
            other => return Err(format!("-{other} is not known")),
        }
    }
    Ok(options)
}

fn notify(text: &str) -> Result<Notify, String> {
    if text.eq_ignore_ascii_case("never") {
        return Ok(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in text.split(',') {
        match word.trim().to_ascii_lowercase().as_str() {
            "success" => success = true,
            "failure" => failure = true,
            "delay" => delay = true,
            other => {
                return Err(format!(
                    "-N {other} is not known: never, or success, failure and delay"
                ));
            }
        }
    }
    Ok(Notify::On {
        success,
        failure,
        delay,
    })
}

/// The envelope and the content: line ends made CRLF, `Bcc:` taken out, and the fields added that a mail must have.
fn compose(
    config: &Config,
    options: Options,
    input: &[u8],
) -> Result<(Sender, Vec<Recipient>, Vec<u8>), String> {
    let content = lines(input, options.dot_is_content);
    let parsed = MessageParser::new().parse_headers(&content);
    let mut addresses = options.recipients;
    if options.recipients_from_header {
        let parsed = parsed.as_ref().ok_or("no header found, so no recipients")?;
        for list in [parsed.to(), parsed.cc(), parsed.bcc()]
            .into_iter()
            .flatten()
        {
            addresses.extend(
                list.iter()
                    .filter_map(|addr| addr.address())
                    .map(str::to_owned),
            );
        }
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
    let (mut missing, mut bcc) = (
        Missing {
            from: true,
            date: true,
            id: true,
        },
        Vec::new(),
    );
    if let Some(parsed) = &parsed {
        for header in parsed.headers() {
            match header.name {
                HeaderName::From => missing.from = false,
                HeaderName::Date => missing.date = false,
                HeaderName::MessageId => missing.id = false,
                HeaderName::Bcc => {
                    bcc.push(header.offset_field as usize..header.offset_end as usize)
                }
                _ => {}
            }
        }
    }
    let mut whole = missing.fields(&from, options.name.as_deref(), &config.hostname);
    if parsed
        .as_ref()
        .is_none_or(|parsed| parsed.headers().is_empty())
    {
        whole.push_str("\r\n");
    }
    let mut whole = whole.into_bytes();
    let mut at = 0;
    for range in bcc {
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

struct Missing {
    from: bool,
    date: bool,
    id: bool,
}

impl Missing {
    fn fields(&self, from: &str, name: Option<&str>, hostname: &str) -> String {
        let mut text = String::new();
        let now = clock::now();
        if self.from {
            match name {
                Some(name) => text.push_str(&format!(
                    "From: \"{}\" <{from}>\r\n",
                    name.replace(['"', '\\', '\r', '\n'], " ")
                )),
                None => text.push_str(&format!("From: <{from}>\r\n")),
            }
        }
        if self.date {
            text.push_str(&format!("Date: {}\r\n", crate::server::date(now)));
        }
        if self.id {
            let id = ::queue::MessageId::from_time(now);
            text.push_str(&format!(
                "Message-ID: <{id}.{}@{hostname}>\r\n",
                std::process::id()
            ));
        }
        text
    }
}

/// LF or CRLF to CRLF; without `-i` a line with only a dot ends the mail.
fn lines(input: &[u8], dot_is_content: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() + input.len() / 32 + 2);
    for line in input.split_inclusive(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"." && !dot_is_content {
            break;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// `-bs`: SMTP on standard input and output, with the server or whoever stands in for it.
fn session(config: &Config) -> ExitCode {
    let connection = match submit::connect(config) {
        Ok(connection) => connection,
        Err(err) => return fail(code(&err), format_args!("sendmail: {err}")),
    };
    let ended = relay(&connection.stream);
    connection.close();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::EX_TEMPFAIL, format_args!("sendmail: {err}")),
    }
}

fn relay(stream: &UnixStream) -> io::Result<()> {
    let (mut to, mut from) = (stream.try_clone()?, stream);
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut out = io::stdout().lock();
    let mut buffer = [0; 4096];
    loop {
        let filled = from.read(&mut buffer)?;
        if filled == 0 {
            // The other thread may still wait for standard input, and holds the stream.
            return stream.shutdown(Shutdown::Both).or(Ok(()));
        }
        let told = out.write_all(&buffer[..filled]).and_then(|()| out.flush());
        if told.is_err() {
            // Nobody reads our answers any more.
            return stream.shutdown(Shutdown::Both).or(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_are_read_as_sendmail_reads_them() {
        let read = options(&[
            "-oi",
            "-t",
            "-fme@x.example",
            "-F",
            "My Name",
            "-oem",
            "-N",
            "success,delay",
            "a@b.example",
        ])
        .expect("good");
        assert_eq!(read.from.as_deref(), Some("me@x.example"));
        assert_eq!(read.name.as_deref(), Some("My Name"));
        assert!(read.recipients_from_header && read.dot_is_content);
        assert_eq!(
            read.notify,
            Notify::On {
                success: true,
                failure: false,
                delay: true
            }
        );
        assert_eq!(read.recipients, ["a@b.example"]);
        assert_eq!(
            options(&["-f", "<>", "--", "-odd@x"])
                .expect("good")
                .recipients,
            ["-odd@x"]
        );
        assert_eq!(options(&["-bs"]).expect("good").mode, Mode::Session);
        assert!(options(&["-bd"]).is_err());
        assert!(options(&["-f"]).is_err());
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
}
