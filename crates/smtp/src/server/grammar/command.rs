//! One line, as a command.

use super::params::{MailParams, RcptParams, mail_params, rcpt_params};
use super::path::{self, Mailbox};
use crate::reply::Reply;
use crate::server::replies;

/// The longest HELO name: that of a domain (RFC 5321 §4.5.3.1.2).
const MAX_HELO_LEN: usize = 255;

/// A BDAT command: how much content follows (RFC 3030 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Chunk {
    pub(in crate::server) size: u64,
    pub(in crate::server) last: bool,
}

/// A command that is well-formed. Whether it is in place, and whether its parameters fit the session, is not known yet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Command<'a> {
    Helo(&'a str),
    Ehlo(&'a str),
    Mail {
        address: Mailbox<'a>,
        params: MailParams,
    },
    Rcpt {
        address: Mailbox<'a>,
        params: RcptParams,
    },
    Data,
    Bdat(Chunk),
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
}

/// Reads a line without its line end. An error is the reply.
///
/// White space before the line end is ignored (RFC 5321 §4.1.1); octets that are no UTF-8, and control characters, NUL
/// among them, are not.
pub(in crate::server) fn parse(line: &[u8]) -> Result<Command<'_>, Reply> {
    let line = std::str::from_utf8(line.trim_ascii_end()).map_err(|_| replies::NOT_TEXT)?;
    if line.contains(char::is_control) {
        return Err(replies::NOT_TEXT);
    }
    let (verb, args) = line.split_once(' ').unwrap_or((line, ""));
    let args = args.trim_start_matches(' ');
    known(verb, args).unwrap_or_else(|| Err(unknown(verb)))
}

/// `None` for a verb that isn't ours.
fn known<'a>(verb: &str, args: &'a str) -> Option<Result<Command<'a>, Reply>> {
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    Some(if is("EHLO") {
        helo_name(args).map(Command::Ehlo)
    } else if is("HELO") {
        helo_name(args).map(Command::Helo)
    } else if is("MAIL") {
        mail(args)
    } else if is("RCPT") {
        rcpt(args)
    } else if is("DATA") {
        without(args, Command::Data)
    } else if is("BDAT") {
        chunk(args).map(Command::Bdat).ok_or(replies::BAD_CHUNK)
    } else if is("RSET") {
        without(args, Command::Rset)
    } else if is("NOOP") {
        Ok(Command::Noop)
    } else if is("VRFY") {
        with(args, Command::Vrfy)
    } else if is("HELP") {
        Ok(Command::Help)
    } else if is("QUIT") {
        without(args, Command::Quit)
    } else if is("STARTTLS") {
        without(args, Command::StartTls)
    } else {
        return None;
    })
}

/// What a verb that isn't ours is told: known but not offered, a browser's, or nothing we know (RFC 5321 §4.2.4).
fn unknown(verb: &str) -> Reply {
    const NOT_OFFERED: &[&str] = &[
        "AUTH", "EXPN", "ETRN", "ATRN", "BURL", "TURN", "SEND", "SOML", "SAML", "LHLO",
    ];
    const HTTP: &[&str] = &[
        "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI",
    ];
    let is_in = |names: &[&str]| names.iter().any(|name| verb.eq_ignore_ascii_case(name));
    if is_in(NOT_OFFERED) {
        replies::NOT_OFFERED
    } else if is_in(HTTP) {
        replies::HTTP
    } else {
        replies::UNKNOWN
    }
}

fn without<'a>(args: &str, command: Command<'a>) -> Result<Command<'a>, Reply> {
    let none = args.is_empty();
    none.then_some(command).ok_or(replies::NO_ARGUMENT)
}

fn with<'a>(args: &str, command: Command<'a>) -> Result<Command<'a>, Reply> {
    let some = !args.is_empty();
    some.then_some(command).ok_or(replies::VRFY_SYNTAX)
}

/// The name a client gives itself: a domain or an address literal, and what the field has besides (underscores, a bare
/// address, a trailing dot). It stands in the trace and in replies, so nothing that has a meaning there.
fn helo_name(args: &str) -> Result<&str, Reply> {
    let fits = (1..=MAX_HELO_LEN).contains(&args.len());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b) || !b.is_ascii();
    let ok = fits && args.bytes().all(plain);
    ok.then_some(args).ok_or(replies::HELO_SYNTAX)
}

fn mail(args: &str) -> Result<Command<'_>, Reply> {
    let (inside, rest) = path_after(args, "FROM:").ok_or(replies::MAIL_SYNTAX)?;
    let address = match inside {
        "" => Mailbox::default(),
        inside => path::mailbox(inside).ok_or(replies::BAD_SENDER)?,
    };
    let params = mail_params(rest)?;
    Ok(Command::Mail { address, params })
}

fn rcpt(args: &str) -> Result<Command<'_>, Reply> {
    let (inside, rest) = path_after(args, "TO:").ok_or(replies::RCPT_SYNTAX)?;
    let address = path::postmaster(inside)
        .or_else(|| path::mailbox(inside))
        .ok_or(replies::BAD_RECIPIENT)?;
    let params = rcpt_params(rest)?;
    Ok(Command::Rcpt { address, params })
}

/// What stands between the brackets, and the parameters. Blanks after the colon are common and harmless.
fn path_after<'a>(args: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (start, path) = args.split_at_checked(keyword.len())?;
    let path = path.trim_start_matches(' ').strip_prefix('<')?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (inside, rest) = path::split_at_bracket(path)?;
    (rest.is_empty() || rest.starts_with(' ')).then_some((inside, rest))
}

/// `BDAT size [LAST]`. A size that does not fit is none: where the next command starts would be a guess.
fn chunk(args: &str) -> Option<Chunk> {
    let mut words = args.split(' ').filter(|word| !word.is_empty());
    let size = words.next()?;
    let last = match words.next() {
        None => false,
        Some(word) => word.eq_ignore_ascii_case("LAST").then_some(true)?,
    };
    let digits = size.bytes().all(|b| b.is_ascii_digit());
    let size = size.parse().ok().filter(|_| digits)?;
    words.next().is_none().then_some(Chunk { size, last })
}

#[cfg(test)]
mod tests;
