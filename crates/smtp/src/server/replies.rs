//! The replies that the machine itself gives, apart from those with our name in them.

use std::borrow::Cow;

use crate::reply::{Reply, Status};

const fn reply(code: u16, status: Status, text: &'static str) -> Reply {
    Reply {
        code,
        status: Some(status),
        hint: None,
        text: Cow::Borrowed(text),
    }
}

pub(super) const OK: Reply = reply(250, Status(2, 0, 0), "Ok");
pub(super) const SENDER_OK: Reply = reply(250, Status(2, 1, 0), "Ok");
pub(super) const RECIPIENT_OK: Reply = reply(250, Status(2, 1, 5), "Ok");
pub(super) const READY_FOR_TLS: Reply = reply(220, Status(2, 0, 0), "Ready to start TLS");
/// RFC 5321 §3.5.3: what to say where an address is not looked up.
pub(super) const VRFY: Reply = reply(252, Status(2, 5, 0), "Send mail, and see");
pub(super) const HELP: Reply = reply(
    214,
    Status(2, 0, 0),
    "HELO EHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\nSee RFC 5321",
);
pub(super) const CHUNK_OK: Reply = reply(250, Status(2, 0, 0), "Ok, chunk received");
/// No enhanced status (RFC 2034 §4).
pub(super) const SEND_CONTENT: Reply = Reply {
    code: 354,
    status: None,
    hint: None,
    text: Cow::Borrowed("End data with <CR><LF>.<CR><LF>"),
};

pub(super) const TOO_LONG: Reply = reply(500, Status(5, 5, 2), "Line too long");
pub(super) const NOT_TEXT: Reply = reply(500, Status(5, 5, 2), "Control characters or no UTF-8");
pub(super) const UNKNOWN: Reply = reply(500, Status(5, 5, 2), "Command not recognized");
pub(super) const NOT_OFFERED: Reply = reply(502, Status(5, 5, 1), "Command not implemented");
/// 521 closes: a line end that others read differently is where smuggled commands start.
pub(super) const BARE_NEWLINE_IN_COMMAND: Reply =
    reply(521, Status(5, 5, 2), "Bare CR or LF, lines end with CR LF");
pub(super) const HTTP: Reply = reply(521, Status(5, 7, 0), "This is not a web server");
/// 521 closes: how much content follows is not known, and it must not be read as commands.
pub(super) const BAD_CHUNK: Reply = reply(521, Status(5, 5, 4), "Syntax: BDAT size [LAST]");

pub(super) const NO_ARGUMENT: Reply = reply(501, Status(5, 5, 4), "No argument allowed");
pub(super) const HELO_SYNTAX: Reply = reply(501, Status(5, 5, 4), "Syntax: EHLO hostname");
pub(super) const VRFY_SYNTAX: Reply = reply(501, Status(5, 5, 4), "Syntax: VRFY address");
pub(super) const MAIL_SYNTAX: Reply = reply(501, Status(5, 5, 4), "Syntax: MAIL FROM:<address>");
pub(super) const RCPT_SYNTAX: Reply = reply(501, Status(5, 5, 4), "Syntax: RCPT TO:<address>");
pub(super) const BAD_SENDER: Reply = reply(501, Status(5, 1, 7), "Bad sender address syntax");
pub(super) const BAD_RECIPIENT: Reply = reply(501, Status(5, 1, 3), "Bad recipient address syntax");
pub(super) const BAD_PARAMETER: Reply = reply(501, Status(5, 5, 4), "Bad or repeated parameter");
pub(super) const UNKNOWN_PARAMETER: Reply = reply(
    555,
    Status(5, 5, 4),
    "Parameter not recognized or not implemented",
);
/// RFC 6531 §3.5.
pub(super) const NEEDS_SMTPUTF8: Reply = reply(
    553,
    Status(5, 6, 7),
    "Address beyond ASCII without SMTPUTF8",
);

pub(super) const HELO_FIRST: Reply = reply(503, Status(5, 5, 1), "Send HELO or EHLO first");
pub(super) const MAIL_FIRST: Reply = reply(503, Status(5, 5, 1), "Send MAIL first");
pub(super) const NESTED_MAIL: Reply = reply(503, Status(5, 5, 1), "A mail is under way");
/// RFC 3030 §2, §3: between chunks there are only chunks, and after a failed one only RSET.
pub(super) const CHUNKS_UNDER_WAY: Reply = reply(
    503,
    Status(5, 5, 1),
    "BDAT is under way, go on with BDAT or RSET",
);
pub(super) const CHUNKS_FAILED: Reply = reply(503, Status(5, 5, 1), "BDAT failed, send RSET");
pub(super) const NO_RECIPIENTS: Reply = reply(554, Status(5, 5, 1), "No valid recipients");
pub(super) const TLS_NOT_NOW: Reply =
    reply(503, Status(5, 5, 1), "A mail is under way, send RSET first");
pub(super) const TLS_ALREADY: Reply = reply(503, Status(5, 5, 1), "TLS is on already");
pub(super) const TOO_MANY_RECIPIENTS: Reply = reply(
    452,
    Status(4, 5, 3),
    "Too many recipients, send the rest in another transaction",
);

/// 5.6.0: the content is at fault, and the registry has no closer word (5.6.11 is one implementation's own).
pub(super) const BARE_NEWLINE: Reply = reply(
    550,
    Status(5, 6, 0),
    "Content has a bare CR or LF, lines end with CR LF",
);
/// RFC 5321 §4.5.3.1.9.
pub(super) const TEXT_LINE_TOO_LONG: Reply =
    reply(500, Status(5, 6, 0), "Content has a line that is too long");
pub(super) const HEADER_TOO_LARGE: Reply = reply(552, Status(5, 3, 4), "Header section too large");
/// RFC 1870 §6.
pub(super) const TOO_LARGE: Reply = reply(552, Status(5, 3, 4), "Mail too large");
pub(super) const LOOP: Reply = reply(554, Status(5, 4, 6), "Too many hops, this mail loops");
