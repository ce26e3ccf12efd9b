//! Holds: what makes a host or a mailbox wait, as one record with the mail parked under it.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// An address and port that mail is delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(pub SocketAddr);

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is held. Its text form (`host 192.0.2.1:25`, `mailbox a@b.example`, `busy b.example`) is its key in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldKey {
    /// That host: it told us to wait, or can't be reached.
    Host(HostKey),
    /// That mailbox, as [`HoldKey::mailbox`] writes it: it told us to wait.
    Mailbox(String),
    /// A destination with as many mails in memory as may be: a limit of our own. Does not outlive a restart.
    Busy(String),
}

impl HoldKey {
    /// The key of the mailbox with this address: `"bob"@B.example` and `bob@b.example` are one (RFC 5321 §2.4, §4.1.2).
    /// The case of a local part is its host's affair.
    #[must_use]
    pub fn mailbox(address: &str) -> Self {
        Self::Mailbox(match address.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{}", unquoted(local), domain.to_lowercase()),
            None => address.to_owned(),
        })
    }
}

/// What a quoted local part means. Nothing is sent to a key, so no quotes are needed where they would be in an address:
/// what follows the last `@` is the domain.
fn unquoted(local: &str) -> Cow<'_, str> {
    let inside = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inside) = inside else {
        return Cow::Borrowed(local);
    };
    let mut meant = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        meant.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(meant)
}

impl fmt::Display for HoldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host {host}"),
            Self::Mailbox(mailbox) => write!(f, "mailbox {mailbox}"),
            Self::Busy(destination) => write!(f, "busy {destination}"),
        }
    }
}

/// What was given is no hold's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl FromStr for HoldKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        let (kind, name) = s.split_once(' ').ok_or(BadKey)?;
        match kind {
            "host" => Ok(Self::Host(HostKey(name.parse().map_err(|_| BadKey)?))),
            "mailbox" => Ok(Self::Mailbox(name.to_owned())),
            "busy" => Ok(Self::Busy(name.to_owned())),
            _ => Err(BadKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_key_however_it_is_written() {
        for (written, key) in [
            ("bob@b.example", "mailbox bob@b.example"),
            ("Bob@B.Example", "mailbox Bob@b.example"),
            (r#""bob"@B.example"#, "mailbox bob@b.example"),
            (r#""\b\ob"@b.example"#, "mailbox bob@b.example"),
            (r#""bob smith"@b.example"#, "mailbox bob smith@b.example"),
            (r#""bob@home"@b.example"#, "mailbox bob@home@b.example"),
            (r#""a\\b\""@b.example"#, r#"mailbox a\b"@b.example"#),
            (r#"""@b.example"#, "mailbox @b.example"),
            ("postmaster", "mailbox postmaster"),
        ] {
            let hold = HoldKey::mailbox(written);
            assert_eq!(hold.to_string(), key, "{written}");
            assert_eq!(key.parse(), Ok(hold), "{written}");
        }
    }
}
