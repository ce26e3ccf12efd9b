//! What a wait holds back.

use crate::Tongue;

/// The command that the reply answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answered {
    /// The connection itself: the 220 or 421 of the greeting.
    Greeting,
    /// EHLO, HELO or LHLO (and STARTTLS).
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// The DATA command itself, before any content.
    Data,
    /// The end of the content: `CRLF.CRLF`, or `BDAT … LAST`.
    EndOfData,
}

/// What a wait holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// All mail for that address and port.
    Host,
    /// This message, at that host.
    Message,
    /// This message's recipient (at the end of data: the recipients of that transaction).
    Recipient,
    /// Every message for that mailbox.
    Mailbox,
}

/// What a hint of that reply holds back: `code` is the reply's, `status` its enhanced status code (RFC 3463) in three parts.
///
/// [`read`](crate::read) has already done this for the hint it returns; use it where the parts of a reply are at hand
/// without its text. A tongue other than the keyword never holds more than the recipient: such words were not written
/// to be obeyed, and a whole host shall not wait for a misreading.
#[must_use]
pub const fn holds(
    code: u16,
    status: Option<[u16; 3]>,
    answered: Answered,
    tongue: Tongue,
) -> Holds {
    if !matches!(tongue, Tongue::Keyword) {
        return Holds::Recipient;
    }
    if code == 421 {
        return Holds::Host;
    }
    match answered {
        Answered::Greeting | Answered::Ehlo => Holds::Host,
        Answered::Mail | Answered::Data => Holds::Message,
        // 4.2.2: mailbox full. 4.2.1: not accepting for now, which is how a rate per mailbox is told.
        Answered::Rcpt if matches!(status, Some([4, 2, 1 | 2])) => Holds::Mailbox,
        Answered::Rcpt | Answered::EndOfData => Holds::Recipient,
    }
}
