//! sendmail's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use smtp::{Notify, Ret};

/// What the options ask for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) mode: Mode,
    pub(super) config: Option<PathBuf>,
    pub(super) from: Option<String>,
    pub(super) name: Option<String>,
    pub(super) recipients_from_header: bool,
    pub(super) dot_is_content: bool,
    pub(super) notify: Notify,
    pub(super) ret: Option<Ret>,
    pub(super) envid: Option<String>,
    pub(super) recipients: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) enum Mode {
    #[default]
    Submit,
    /// `-bs`
    Session,
    /// `-bp`
    List,
    /// `-bi`
    Aliases,
    /// `-q`
    Retry,
}

/// Options as sendmail has them: one letter, its value attached or next.
pub(super) fn parse(args: Vec<OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.into_iter().map(|arg| {
        arg.into_string()
            .map_err(|arg| format!("{} is not UTF-8", arg.display()))
    });
    while let Some(arg) = args.next().transpose()? {
        let Some(option) = arg.strip_prefix('-').filter(|option| !option.is_empty()) else {
            options.recipients.extend(addresses(&arg));
            continue;
        };
        if option == "-" {
            for rest in args.by_ref() {
                options.recipients.extend(addresses(&rest?));
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
            'q' if attached.is_empty() => options.mode = Mode::Retry,
            'q' => {
                return Err(format!(
                    "-q{attached} is not supported: -q tries all mail now, and the server tries it when it is due"
                ));
            }
            'o' if attached == "i" => options.dot_is_content = true,
            // -oem, -oQ… say how sendmail itself would run.
            'o' if !attached.is_empty() => {}
            'B' | 'h' | 'O' | 'o' | 'p' | 'X' | 'L' | 'd' if attached.is_empty() => drop(value()?),
            'B' | 'h' | 'O' | 'p' | 'X' | 'L' | 'd' | 'n' | 'v' | 'm' | 'U' | 'G' | 'A' | 'e'
            | 's' | 'c' => {}
            other => return Err(format!("-{other} is not known")),
        }
    }
    Ok(options)
}

/// The addresses of one argument, as they stand in a header field: `a@b.example, \"C\" <c@d.example>`.
fn addresses(argument: &str) -> impl Iterator<Item = String> {
    let (mut quoted, mut escaped) = (false, false);
    let between = move |c: char| {
        let is_escaped = std::mem::replace(&mut escaped, false);
        match c {
            '\\' if quoted && !is_escaped => escaped = true,
            '"' if !is_escaped => quoted = !quoted,
            _ => {}
        }
        c == ',' && !quoted
    };
    argument
        .split(between)
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(|one| {
            let inside = one.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
            inside.map_or(one, |(_, address)| address).to_owned()
        })
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
        assert_eq!(options(&["-q"]).expect("good").mode, Mode::Retry);
        assert!(options(&["-q30m"]).is_err());
        assert!(options(&["-bd"]).is_err());
        assert!(options(&["-f"]).is_err());
    }

    #[test]
    fn an_argument_may_hold_several_addresses() {
        for (argument, expected) in [
            ("a@b.example,c", "a@b.example|c"),
            (" a@b.example , ", "a@b.example"),
            (
                "\"C, D\" <c@d.example>, <e@f.example>",
                "c@d.example|e@f.example",
            ),
            ("\"a,b\"@c.example", "\"a,b\"@c.example"),
            ("\"a\\\",b\"@c.example,d", "\"a\\\",b\"@c.example|d"),
            ("b c@d.example", "b c@d.example"),
        ] {
            let read = options(&["--", argument]).expect("good").recipients;
            assert_eq!(read.join("|"), expected, "{argument}");
        }
    }
}
