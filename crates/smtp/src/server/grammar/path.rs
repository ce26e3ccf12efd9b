//! Paths and mailboxes (RFC 5321 §4.1.2).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest local part. RFC 5321 §4.5.3.1.1 asks for 64; rewritten senders (SRS, VERP) are longer.
const MAX_LOCAL_LEN: usize = 256;

/// The longest domain (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN_LEN: usize = 255;

/// The longest label of a domain (RFC 1035 §2.3.4), in octets.
const MAX_LABEL_LEN: usize = 63;

/// An address, exactly as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Mailbox<'a>(pub(in crate::server) &'a str);

impl Mailbox<'_> {
    /// Whether it may only be used with SMTPUTF8.
    pub(in crate::server) fn needs_smtputf8(self) -> bool {
        !self.0.is_ascii()
    }
}

/// Whether RCPT takes this as an address: a local part and a domain, without a source route.
#[must_use]
pub fn is_address(text: &str) -> bool {
    !text.starts_with('@') && mailbox(text).is_some()
}

/// Splits what follows a `<` at the `>` that ends the path, which may not be one in a quoted string.
pub(super) fn split_at_bracket(path: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, b) in path.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some((&path[..at], &path[at + 1..])),
            _ => {}
        }
    }
    None
}

/// `<postmaster>`, the one recipient without a domain (RFC 5321 §4.1.1.3).
pub(super) fn postmaster(inside: &str) -> Option<Mailbox<'_>> {
    let is = inside.eq_ignore_ascii_case("postmaster");
    is.then_some(Mailbox(inside))
}

/// A mailbox, after a source route that is read and ignored (RFC 5321 §4.1.1.3, appendix C).
pub(super) fn mailbox(inside: &str) -> Option<Mailbox<'_>> {
    let address = match inside.strip_prefix('@') {
        Some(route) => after_route(route)?,
        None => inside,
    };
    let local_len = local_part_len(address)?;
    let domain = address[local_len..].strip_prefix('@')?;
    let fits = local_len <= MAX_LOCAL_LEN && domain.len() <= MAX_DOMAIN_LEN;
    let ok = fits && (is_domain(domain) || is_literal(domain));
    ok.then_some(Mailbox(address))
}

/// `a,@b:` of `@a,@b:user@d`, its first `@` gone.
fn after_route(route: &str) -> Option<&str> {
    let (hosts, address) = route.split_once(':')?;
    let mut hosts = hosts.split(',').enumerate();
    let ok = hosts.all(|(at, host)| match at {
        0 => is_domain(host),
        _ => host.strip_prefix('@').is_some_and(is_domain),
    });
    ok.then_some(address)
}

/// How long the local part is that starts an address: a dot-string or a quoted string.
fn local_part_len(address: &str) -> Option<usize> {
    match address.strip_prefix('"') {
        Some(quoted) => Some(quoted_len(quoted)? + 1),
        None => {
            let len = address.find('@')?;
            let ok = address[..len].split('.').all(is_atom);
            ok.then_some(len)
        }
    }
}

/// How long a quoted string is up to and with its closing quote.
fn quoted_len(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, b) in quoted.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_atom(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(is_atext)
}

/// RFC 5322 §3.2.3, and what RFC 6532 §3.2 adds.
fn is_atext(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b) || !b.is_ascii()
}

/// Whether RCPT takes this as a domain: labels of letters, digits, hyphens and, as the field has them, underscores;
/// U-labels pass whole, what IDNA makes of them is found out where they are looked up.
#[must_use]
pub fn is_domain(domain: &str) -> bool {
    domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let fits = (1..=MAX_LABEL_LEN).contains(&label.len());
    let plain = |c: char| match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric() || c == '-' || c == '_',
        c => !c.is_whitespace(),
    };
    fits && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(plain)
}

/// Whether this is an address in the place of a domain: `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3).
#[must_use]
pub fn is_literal(domain: &str) -> bool {
    let Some(inside) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) else {
        return false;
    };
    match inside.split_at_checked("IPv6:".len()) {
        Some((tag, addr)) if tag.eq_ignore_ascii_case("IPv6:") => addr.parse::<Ipv6Addr>().is_ok(),
        _ => inside.parse::<Ipv4Addr>().is_ok(),
    }
}
