//! What a door said, whatever its protocol.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// Go on.
    #[default]
    Nothing,
    /// Go on; the mail was marked with this wait.
    CameBack(u64),
    /// A refusal.
    Reply {
        /// Code and status.
        code: String,
        /// Seconds.
        wait: Option<u64>,
        /// The rest.
        words: String,
    },
    /// Nobody is there to ask: the session was ended before.
    Closed,
}

impl Told {
    /// As a table has it: `450 4.2.1 TIME=60 some of its words`, `wait 300` (greylisted), `came back 300`, `closed`,
    /// `nothing`.
    pub(super) fn read(text: &str) -> Self {
        let text = text.trim();
        if let Some(secs) = text.strip_prefix("came back ") {
            return Self::CameBack(secs.parse().expect("seconds"));
        }
        match text.strip_prefix("wait").map(str::trim) {
            Some("") => return Self::reply("450 4.2.0"),
            Some(secs) => return Self::reply(&format!("450 4.2.0 TIME={secs}")),
            None => {}
        }
        match text {
            "" | "nothing" => Self::Nothing,
            "closed" => Self::Closed,
            _ => Self::reply(text),
        }
    }

    /// `450 4.2.0 TIME=300 …`
    pub(super) fn reply(text: &str) -> Self {
        let mut parts = text.trim_end().splitn(3, ' ');
        let (code, status) = (
            parts.next().expect("a code"),
            parts.next().expect("a status"),
        );
        assert!(
            code.len() == 3 && status.split('.').count() == 3,
            "{text:?}"
        );
        let rest = parts.next().unwrap_or_default();
        let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
        let wait = first
            .strip_prefix("TIME=")
            .map(|secs| secs.parse().expect("seconds"));
        Self::Reply {
            code: format!("{code} {status}"),
            wait,
            words: wait.map_or(rest, |_| others).to_owned(),
        }
    }

    /// From `delayed 300 seconds by …`, with the field's name or without.
    pub(super) fn came_back(field: &str) -> Self {
        let value = field.strip_prefix("X-Greylist: ").unwrap_or(field);
        let secs = value
            .strip_prefix("delayed ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        Self::CameBack(secs.unwrap_or_else(|| panic!("{field}")))
    }

    /// Whether the session ends with it.
    pub(super) fn closes(&self) -> bool {
        matches!(self, Self::Reply { code, .. } if code.starts_with("421 "))
    }

    /// The same answer; of its words those that are expected are there.
    pub(super) fn meets(&self, expected: &Self) -> bool {
        match (self, expected) {
            (
                Self::Reply { code, wait, words },
                Self::Reply {
                    code: expected_code,
                    wait: expected_wait,
                    words: expected_words,
                },
            ) => code == expected_code && wait == expected_wait && words.contains(expected_words),
            _ => self == expected,
        }
    }
}
