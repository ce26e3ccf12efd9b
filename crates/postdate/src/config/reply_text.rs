//! The words of a reply that may name a time.

use std::borrow::Cow;

use serde::Deserialize;

/// What stands where the seconds go.
const SECONDS: &str = "{seconds}";

/// `Greylisted, try again[ in {seconds} seconds]`: what stands in brackets with `{seconds}` is left out where no time
/// is told. Other brackets are as they are written. Of one second it says " second" where " seconds" is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ReplyText(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Always(String),
    /// What is before the seconds, and after them.
    WithTime(String, String),
}

impl ReplyText {
    /// `always[before{seconds}after]`
    pub(super) fn with_time(always: &str, before: &str, after: &str) -> Self {
        Self(vec![
            Part::Always(always.to_owned()),
            Part::WithTime(before.to_owned(), after.to_owned()),
        ])
    }

    /// The words, with the time that is told.
    pub(crate) fn say(&self, wait_secs: Option<u64>) -> String {
        let mut words = String::new();
        for part in &self.0 {
            match (part, wait_secs) {
                (Part::Always(text), _) => words.push_str(text),
                (Part::WithTime(before, after), Some(secs)) => {
                    words.push_str(before);
                    words.push_str(&secs.to_string());
                    words.push_str(&match secs {
                        1 => singular(after),
                        _ => Cow::Borrowed(after.as_str()),
                    });
                }
                (Part::WithTime(..), None) => {}
            }
        }
        words
    }
}

/// What stands behind one second.
fn singular(after: &str) -> Cow<'_, str> {
    let rest = after.strip_prefix(" seconds");
    // Not within a longer word.
    match rest.filter(|rest| !rest.starts_with(char::is_alphabetic)) {
        Some(rest) => Cow::Owned(format!(" second{rest}")),
        None => Cow::Borrowed(after),
    }
}

impl TryFrom<String> for ReplyText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const OUTSIDE: &str = "write {seconds} in brackets, with the words that go with it: they are left out where no time is told, \
                               as in \"try again[ in {seconds} seconds]\"";
        if text.contains(char::is_control) {
            return Err("a reply's text is one line without control characters");
        }
        if text.replace(SECONDS, "").contains(['{', '}']) {
            return Err("only {seconds} is filled in: write no other braces");
        }
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(SECONDS) {
            let (always, before) = before.rsplit_once('[').ok_or(OUTSIDE)?;
            let (after, next) = after.split_once(']').ok_or(OUTSIDE)?;
            if before.contains(']') || after.contains(['[', '{']) {
                return Err(OUTSIDE);
            }
            parts.extend(Self::with_time(always, before, after).0);
            rest = next;
        }
        if !rest.is_empty() {
            parts.push(Part::Always(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_and_its_words_go_together() {
        for (text, with, without) in [
            ("Later", "Later", "Later"),
            ("[x] Later]", "[x] Later]", "[x] Later]"),
            (
                "Again[ in {seconds} s], please",
                "Again in 300 s, please",
                "Again, please",
            ),
            ("[a] b[ {seconds}]", "[a] b 300", "[a] b"),
            ("[{seconds} s][, {seconds}]", "300 s, 300", ""),
        ] {
            let text = ReplyText::try_from(text.to_owned()).unwrap();
            assert_eq!(text.say(Some(300)), with);
            assert_eq!(text.say(None), without);
        }
    }

    #[test]
    fn one_second_is_no_plural() {
        for (text, one, none) in [
            (
                "Again[ in {seconds} seconds]",
                "Again in 1 second",
                "0 seconds",
            ),
            (
                "[{seconds} seconds, please]",
                "1 second, please",
                "0 seconds, please",
            ),
            ("[{seconds} s]", "1 s", "0 s"),
            ("[{seconds} secondsish]", "1 secondsish", "0 secondsish"),
        ] {
            let text = ReplyText::try_from(text.to_owned()).unwrap();
            assert_eq!(text.say(Some(1)), one);
            assert!(text.say(Some(0)).ends_with(none));
        }
        let greylist = super::super::Config::default().greylist;
        let said = greylist.text.say(Some(1));
        assert_eq!(said, "Greylisted, try again in 1 second");
    }

    #[test]
    fn a_time_that_could_not_be_left_out_is_refused() {
        for text in [
            "in {seconds} s",
            "[in] {seconds} s",
            "in [{seconds} s",
            "{seconds}] [",
            "[{seconds} [a]]",
            "[{seconds}{seconds}]",
        ] {
            assert!(ReplyText::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
