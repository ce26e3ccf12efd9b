//! The envelope: who sends, to whom, and what the ESMTP parameters ask for.

use serde::{Deserialize, Serialize};

/// `MAIL FROM` with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The reverse-path without its brackets; empty for the null sender `<>`.
    pub address: String,
    /// `BODY=` (RFC 6152).
    #[serde(default)]
    pub body: BodyKind,
    /// `SMTPUTF8` (RFC 6531).
    #[serde(default)]
    pub smtputf8: bool,
    /// `SIZE=`: what the client declared, in octets (RFC 1870).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `RET=` (RFC 3461 §4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<Ret>,
    /// `ENVID=`, still in xtext as it came (RFC 3461 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
}

impl Sender {
    /// A sender without parameters.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }

    /// The null sender, `<>`: notices and call-outs.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.address.is_empty()
    }
}

/// `RCPT TO` with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The forward-path without its brackets.
    pub address: String,
    /// `NOTIFY=` (RFC 3461 §4.1).
    #[serde(default, skip_serializing_if = "Notify::is_unspecified")]
    pub notify: Notify,
    /// `ORCPT=`, still `addr-type;xtext` as it came (RFC 3461 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
}

impl Recipient {
    /// A recipient without parameters.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }
}

/// `BODY=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyKind {
    /// `BODY=7BIT`, and what is assumed when nothing is said.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
}

/// `RET=`: what a failure notice returns of the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ret {
    /// The whole mail.
    Full,
    /// Its header section.
    Hdrs,
}

/// `NOTIFY=`: which notices the sender asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notify {
    /// Nothing was said: failure, and at the MTA's choice delay (RFC 3461 §4.1).
    #[default]
    Unspecified,
    /// `NOTIFY=NEVER`.
    Never,
    /// Any of the three, by name.
    On {
        /// `SUCCESS`
        success: bool,
        /// `FAILURE`
        failure: bool,
        /// `DELAY`
        delay: bool,
    },
}

impl Notify {
    /// Whether a failure is told: unless `NEVER`, or a list without `FAILURE`.
    #[must_use]
    pub fn wants_failure(&self) -> bool {
        matches!(self, Self::Unspecified | Self::On { failure: true, .. })
    }

    /// Whether a delay may be told. When nothing was said it is the MTA's choice; ours is yes.
    #[must_use]
    pub fn wants_delay(&self) -> bool {
        matches!(self, Self::Unspecified | Self::On { delay: true, .. })
    }

    /// Whether success is told: only by name.
    #[must_use]
    pub fn wants_success(&self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }

    /// Whether nothing was said, so that it is left out where it is the default.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Unspecified)
    }
}

/// What the content turned out to be, whatever the parameters said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Octets, after dot-unstuffing.
    pub size: u64,
    /// Some octet of it is above 127.
    pub eight_bit: bool,
    /// Some octet of the header section is above 127 (SMTPUTF8 headers).
    pub utf8_header: bool,
    /// How many `Received:` fields it brought (RFC 5321 §6.3: loops).
    pub received: u32,
}

#[cfg(test)]
mod tests {
    use super::Notify;

    #[test]
    fn what_notify_asks_for() {
        let check = |notify: Notify, expected: (bool, bool, bool)| {
            let wants = (
                notify.wants_success(),
                notify.wants_failure(),
                notify.wants_delay(),
            );
            assert_eq!(wants, expected, "{notify:?}");
        };
        let on = |success, failure, delay| Notify::On {
            success,
            failure,
            delay,
        };
        check(Notify::Unspecified, (false, true, true));
        check(Notify::Never, (false, false, false));
        check(on(true, false, false), (true, false, false));
        check(on(false, true, false), (false, true, false));
        check(on(false, false, true), (false, false, true));
    }
}
