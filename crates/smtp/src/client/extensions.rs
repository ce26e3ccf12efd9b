//! What a host offers in its answer to EHLO.

use crate::reply::Answer;

/// What the host can do, from its EHLO answer. All `false` after HELO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// EHLO was accepted at all.
    pub esmtp: bool,
    /// PIPELINING (RFC 2920)
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152)
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531)
    pub smtputf8: bool,
    /// DSN (RFC 3461)
    pub dsn: bool,
    /// STARTTLS (RFC 3207)
    pub starttls: bool,
    /// SIZE with its limit; `Some(0)`: no limit told (RFC 1870)
    pub size: Option<u64>,
}

impl Extensions {
    /// Reads the keywords; case makes no difference (RFC 5321 §4.1.1.1). The first line is the host's name.
    pub(super) fn read(ehlo: &Answer) -> Self {
        let mut extensions = Self {
            esmtp: true,
            ..Self::default()
        };
        for line in ehlo.raw.split("\r\n").skip(1) {
            let mut words = line.get(4..).unwrap_or_default().split_ascii_whitespace();
            if let Some(keyword) = words.next() {
                extensions.add(keyword, words.next());
            }
        }
        extensions
    }

    fn add(&mut self, keyword: &str, parameter: Option<&str>) {
        match keyword.to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "DSN" => self.dsn = true,
            "STARTTLS" => self.starttls = true,
            "SIZE" => self.size = Some(limit(parameter)),
            _ => {}
        }
    }

    /// Whether a mail of this many octets is larger than the host says it takes.
    pub(super) fn refuses_size(&self, octets: u64) -> bool {
        self.size.is_some_and(|limit| limit > 0 && octets > limit)
    }
}

/// A limit that can't be read, or is larger than any mail, is none: the host still refuses what is too large for it.
fn limit(parameter: Option<&str>) -> u64 {
    let digits = parameter.filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Extensions) {
        let ehlo = Answer {
            code: 250,
            status: None,
            raw: raw.to_owned(),
        };
        let expected = Extensions {
            esmtp: true,
            ..expected
        };
        assert_eq!(Extensions::read(&ehlo), expected, "{raw:?}");
    }

    fn size(limit: u64) -> Extensions {
        Extensions {
            size: Some(limit),
            ..Extensions::default()
        }
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        let all = Extensions {
            esmtp: true,
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            starttls: true,
            size: Some(10_240_000),
        };
        let upper = "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-STARTTLS\r\n\
                     250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8";
        check(upper, all);
        check(&upper.to_ascii_lowercase(), all);
    }

    #[test]
    fn size_needs_no_number() {
        check("250-mx\r\n250 SIZE", size(0));
        check("250-mx\r\n250 SIZE 0", size(0));
        check("250-mx\r\n250 SIZE 1000", size(1000));
        check("250-mx\r\n250 SIZE +1000", size(0));
        check("250-mx\r\n250 SIZE unlimited", size(0));
        check("250-mx\r\n250 SIZE 99999999999999999999999", size(0));
        assert!(size(1000).refuses_size(1001));
        assert!(!size(1000).refuses_size(1000));
        assert!(!size(0).refuses_size(1001));
        assert!(!Extensions::default().refuses_size(u64::MAX));
    }

    #[test]
    fn a_host_name_is_no_keyword() {
        check("250 PIPELINING", Extensions::default());
        check("250-SIZE 5\r\n250 HELP", Extensions::default());
        check("250-mx\r\n250-\r\n250", Extensions::default());
        check(
            "250-mx\r\n250-XPIPELINING\r\n250 AUTH=PLAIN",
            Extensions::default(),
        );
    }
}
