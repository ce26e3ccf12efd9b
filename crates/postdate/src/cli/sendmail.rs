//! `postdate sendmail`, and the binary called as `sendmail` or `mailq`: what programs on this machine call.

mod letter;
mod options;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use self::options::Mode;
use super::{configuration, exit, fail, queue};
use crate::config::Config;
use crate::site::LOCAL_RECIPIENTS;
use crate::submit::{self, SubmitError};

pub(super) fn run(file: Option<&Path>, args: Vec<OsString>) -> ExitCode {
    let options = match options::parse(args) {
        Ok(options) => options,
        Err(what) => return fail(exit::EX_USAGE, format_args!("sendmail: {what}")),
    };
    let file = options.config.as_deref().or(file);
    match options.mode {
        Mode::List => return queue::mailq(file),
        Mode::Retry => return queue::retry_all(file),
        Mode::Submit | Mode::Session | Mode::Aliases => {}
    }
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match options.mode {
        Mode::Session => return session(&config),
        // They are in the configuration: there is nothing to build, and package scripts ask for it.
        Mode::Aliases => return ExitCode::SUCCESS,
        Mode::Submit | Mode::List | Mode::Retry => {}
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
    let (sender, recipients, content) = match letter::compose(&config, options, &input) {
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
