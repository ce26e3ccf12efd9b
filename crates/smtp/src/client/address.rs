//! Addresses for a host without SMTPUTF8.

use std::borrow::Cow;

use super::Mail;

/// Writes the domains of the envelope as A-labels, where a domain is all that is not ASCII in an address. That is the
/// same address (RFC 5890 §2.3.2.1), and one that RFC 5321 allows: nobody's mailbox is renamed by it. A local part is
/// its owner's and has no other form, so such an address stays as it is, and can't be sent (RFC 6531 §3.2).
pub(super) fn to_a_labels(mail: &mut Mail) {
    let recipients = mail.recipients.iter_mut().map(|to| &mut to.address);
    for address in recipients.chain([&mut mail.sender.address]) {
        if let Cow::Owned(ascii) = in_a_labels(address) {
            *address = ascii;
        }
    }
}

/// The address in ASCII, if it has such a form; otherwise as it is.
fn in_a_labels(address: &str) -> Cow<'_, str> {
    let ascii = match address.rsplit_once('@') {
        // Strict, since IDNA maps characters: a full-width ">" would become one that ends the path.
        Some((local, domain)) if local.is_ascii() && !domain.is_ascii() => {
            idna::domain_to_ascii_strict(domain).map(|domain| format!("{local}@{domain}"))
        }
        _ => return Cow::Borrowed(address),
    };
    ascii.map_or(Cow::Borrowed(address), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::command::is_safe_address;

    #[test]
    fn only_a_domain_has_another_form() {
        for (address, expected) in [
            ("a@müller.example", "a@xn--mller-kva.example"),
            ("a@MÜLLER.example", "a@xn--mller-kva.example"),
            ("\"a@b\"@müller.example", "\"a@b\"@xn--mller-kva.example"),
            ("a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"),
        ] {
            assert_eq!(in_a_labels(address), expected);
        }
        for address in [
            "",
            "postmaster",
            "a@b.example",
            "jürgen@müller.example",
            "jürgen@b.example",
            "\"a@ü\"@b.example",
            // No host names, whatever they are mapped to.
            "a@ü＞.example",
            "a@ü\u{3000}SIZE=1",
            "a@ü..example",
            "a@[ü]",
        ] {
            assert_eq!(in_a_labels(address), address);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_safe_and_ascii(local in "[a-z.]{1,5}", domain in r"\PC{1,12}(\.example)?") {
            let address = format!("{local}@{domain}");
            if let Cow::Owned(ascii) = in_a_labels(&address) {
                prop_assert!(ascii.is_ascii());
                prop_assert!(is_safe_address(&ascii) || !is_safe_address(&address), "{ascii:?}");
            }
        }
    }
}
