//! The lines of MAIL and RCPT.

use std::io::Write as _;

use super::{Extensions, Mail};
use crate::envelope::{BodyKind, Notify, Recipient, Ret};

/// The longest address that is sent, in octets. RFC 5321 §4.5.3.1.3 allows 256 with the brackets; addresses that are
/// longer exist, but none that is longer than this reaches anybody.
pub const MAX_ADDRESS_LEN: usize = 1024;

/// Appends `MAIL FROM` with the parameters that the host takes and this mail needs. `utf8`: see [`goes_as_utf8`].
pub(super) fn write_mail(out: &mut Vec<u8>, mail: &Mail, extensions: &Extensions, utf8: bool) {
    let sender = &mail.sender;
    put(out, "MAIL FROM:<", &sender.address);
    out.push(b'>');
    if extensions.size.is_some() && mail.content.size > 0 {
        // Writing to a Vec can't fail.
        let _ = write!(out, " SIZE={}", mail.content.size);
    }
    let eight_bit = mail.content.eight_bit || sender.body == BodyKind::EightBitMime;
    if extensions.eight_bit_mime && eight_bit {
        put(out, " BODY=8BITMIME", "");
    }
    if utf8 {
        put(out, " SMTPUTF8", "");
    }
    if extensions.dsn {
        match sender.ret {
            Some(Ret::Full) => put(out, " RET=FULL", ""),
            Some(Ret::Hdrs) => put(out, " RET=HDRS", ""),
            None => {}
        }
        if let Some(envid) = sender.envid.as_deref().filter(|envid| is_word(envid)) {
            put(out, " ENVID=", envid);
        }
    }
    put(out, "\r\n", "");
}

/// Appends `RCPT TO` with the parameters that the host takes.
pub(super) fn write_rcpt(
    out: &mut Vec<u8>,
    recipient: &Recipient,
    extensions: &Extensions,
    utf8: bool,
) {
    put(out, "RCPT TO:<", &recipient.address);
    out.push(b'>');
    if extensions.dsn {
        write_notify(out, recipient.notify);
        // A utf-8 ORCPT in plain UTF-8 is only for mail that goes by SMTPUTF8 (RFC 6533 §3).
        let orcpt = recipient.orcpt.as_deref();
        if let Some(orcpt) = orcpt.filter(|orcpt| is_word(orcpt) && (utf8 || orcpt.is_ascii())) {
            put(out, " ORCPT=", orcpt);
        }
    }
    put(out, "\r\n", "");
}

fn write_notify(out: &mut Vec<u8>, notify: Notify) {
    match notify {
        Notify::Unspecified => {}
        Notify::Never => put(out, " NOTIFY=NEVER", ""),
        Notify::On {
            success,
            failure,
            delay,
        } => {
            let mut before = " NOTIFY=";
            for (wanted, word) in [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")] {
                if wanted {
                    put(out, before, word);
                    before = ",";
                }
            }
        }
    }
}

fn put(out: &mut Vec<u8>, before: &str, word: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(word.as_bytes());
}

/// Whether the mail goes by SMTPUTF8: it is offered, and an address needs it, or it was asked for and some octet of
/// the content may need it (a MIME part's header is not looked into).
pub(super) fn goes_as_utf8(mail: &Mail, extensions: &Extensions) -> bool {
    let asked = mail.sender.smtputf8 && (mail.content.utf8_header || mail.content.eight_bit);
    let needed = || {
        !mail.sender.address.is_ascii() || mail.recipients.iter().any(|to| !to.address.is_ascii())
    };
    extensions.smtputf8 && (asked || needed())
}

/// Whether an address can stand between `<` and `>` without ending the path, or the line, before its own end. The
/// empty address can.
pub(super) fn is_safe_address(address: &str) -> bool {
    let mut characters = address.chars();
    // A local part is quoted as a whole or not at all (RFC 5321 §4.1.2).
    let mut quoted = address.starts_with('"');
    if quoted {
        characters.next();
    }
    while let Some(character) = characters.next() {
        match character {
            _ if character.is_control() => return false,
            '"' => quoted = false,
            // The character behind a backslash means nothing, but is no control character either.
            '\\' if quoted => match characters.next() {
                Some(pair) if !pair.is_control() => {}
                _ => return false,
            },
            '<' | '>' | ' ' if !quoted => return false,
            _ => {}
        }
    }
    !quoted && address.len() <= MAX_ADDRESS_LEN
}

/// Whether a parameter's value can't be read as more than that. ENVID and ORCPT are left out when it can: the mail
/// matters more than its notices.
fn is_word(value: &str) -> bool {
    let fits = (1..=MAX_ADDRESS_LEN).contains(&value.len());
    fits && !value.contains(|c: char| c.is_control() || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Content, Sender};

    const ALL: Extensions = Extensions {
        esmtp: true,
        pipelining: true,
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        starttls: true,
        size: Some(0),
    };

    fn check(sender: Sender, content: Content, plain: &str, extended: &str) {
        let mail = Mail {
            sender,
            recipients: Vec::new(),
            content,
        };
        for (extensions, expected) in [(Extensions::default(), plain), (ALL, extended)] {
            let mut out = Vec::new();
            write_mail(
                &mut out,
                &mail,
                &extensions,
                goes_as_utf8(&mail, &extensions),
            );
            assert_eq!(String::from_utf8_lossy(&out), format!("{expected}\r\n"));
        }
    }

    fn from(address: &str) -> Sender {
        Sender {
            address: address.to_owned(),
            ..Sender::default()
        }
    }

    #[test]
    fn mail_says_only_what_is_offered_and_needed() {
        let plain = Content {
            size: 77,
            ..Content::default()
        };
        let eight_bit = Content {
            eight_bit: true,
            ..plain
        };
        check(from(""), plain, "MAIL FROM:<>", "MAIL FROM:<> SIZE=77");
        check(
            from("a@b.example"),
            Content::default(),
            "MAIL FROM:<a@b.example>",
            "MAIL FROM:<a@b.example>",
        );
        check(
            from("a@b"),
            eight_bit,
            "MAIL FROM:<a@b>",
            "MAIL FROM:<a@b> SIZE=77 BODY=8BITMIME",
        );
        let declared = Sender {
            body: BodyKind::EightBitMime,
            smtputf8: true,
            ret: Some(Ret::Hdrs),
            envid: Some("QQ+2B314159".to_owned()),
            ..from("a@b")
        };
        check(
            declared.clone(),
            plain,
            "MAIL FROM:<a@b>",
            "MAIL FROM:<a@b> SIZE=77 BODY=8BITMIME RET=HDRS ENVID=QQ+2B314159",
        );
        check(
            declared,
            eight_bit,
            "MAIL FROM:<a@b>",
            "MAIL FROM:<a@b> SIZE=77 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314159",
        );
        check(
            from("jürgen@b"),
            plain,
            "MAIL FROM:<jürgen@b>",
            "MAIL FROM:<jürgen@b> SIZE=77 SMTPUTF8",
        );
        let torn = Sender {
            ret: Some(Ret::Full),
            envid: Some("a b\r\nRCPT".to_owned()),
            ..from("\"a b\"@c")
        };
        check(
            torn,
            plain,
            "MAIL FROM:<\"a b\"@c>",
            "MAIL FROM:<\"a b\"@c> SIZE=77 RET=FULL",
        );
    }

    fn check_rcpt(recipient: Recipient, sender: &Sender, extended: &str) {
        let mail = Mail {
            sender: sender.clone(),
            recipients: vec![recipient.clone()],
            content: Content::default(),
        };
        let plain = format!("RCPT TO:<{}>", recipient.address);
        for (extensions, expected) in [(Extensions::default(), plain.as_str()), (ALL, extended)] {
            let mut out = Vec::new();
            write_rcpt(
                &mut out,
                &recipient,
                &extensions,
                goes_as_utf8(&mail, &extensions),
            );
            assert_eq!(String::from_utf8_lossy(&out), format!("{expected}\r\n"));
        }
    }

    fn to(address: &str, notify: Notify, orcpt: Option<&str>) -> Recipient {
        Recipient {
            address: address.to_owned(),
            notify,
            orcpt: orcpt.map(str::to_owned),
        }
    }

    #[test]
    fn rcpt_says_dsn_where_offered() {
        let some = Notify::On {
            success: true,
            failure: false,
            delay: true,
        };
        let none = Notify::On {
            success: false,
            failure: false,
            delay: false,
        };
        let sender = from("a@b");
        check_rcpt(
            to("c@d", Notify::Unspecified, None),
            &sender,
            "RCPT TO:<c@d>",
        );
        check_rcpt(
            to("c@d", Notify::Never, None),
            &sender,
            "RCPT TO:<c@d> NOTIFY=NEVER",
        );
        check_rcpt(to("c@d", none, None), &sender, "RCPT TO:<c@d>");
        check_rcpt(
            to("c@d", some, Some("rfc822;c+2Bx@d")),
            &sender,
            "RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bx@d",
        );
        let utf8 = Some("utf-8;jürgen@d");
        check_rcpt(
            to("c@d", Notify::Unspecified, utf8),
            &sender,
            "RCPT TO:<c@d>",
        );
        check_rcpt(
            to("c@d", Notify::Unspecified, utf8),
            &from("jürgen@b"),
            "RCPT TO:<c@d> ORCPT=utf-8;jürgen@d",
        );
        check_rcpt(
            to("c@d", Notify::Unspecified, Some("rfc822;a\nb")),
            &sender,
            "RCPT TO:<c@d>",
        );
    }

    #[test]
    fn an_address_can_not_end_its_command() {
        let long = "a".repeat(MAX_ADDRESS_LEN + 1);
        for unsafe_address in [
            "a@b\r\nDATA",
            "a\n@b",
            "a\0@b",
            "a\u{85}@b",
            "a@b> SIZE=1",
            "a@b>",
            "<a@b",
            "a b@c",
            "\"a@b",
            "\"a\\\"@b",
            "\"a\\\r\"@b",
            "\"\"a b\"\"@c",
            "a\"b c\"@d",
            long.as_str(),
        ] {
            assert!(!is_safe_address(unsafe_address), "{unsafe_address:?}");
        }
        for address in [
            "",
            "a@b.example",
            "\"a > b\"@c",
            "\"a\\\" b\"@c",
            "jürgen@müller.example",
            "a@[192.0.2.1]",
        ] {
            assert!(is_safe_address(address), "{address:?}");
        }
    }
}
