//! Reads a configuration and says what is wrong with it: file, line, key, and the nearest right name.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Config;

/// A configuration that can't be used.
#[derive(Debug)]
pub(crate) struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ConfigError {}

/// Reads a file.
///
/// # Errors
/// The file can't be read, or is wrong.
pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|err| ConfigError {
        path: path.to_owned(),
        line: None,
        what: format!("can't be read: {err}"),
    })?;
    parse(&text, path)
}

/// Reads a text; `path` is for messages, and relative paths in it stay relative to the working directory.
///
/// # Errors
/// It is wrong.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let wrong = |span: Option<Range<usize>>, what: String| ConfigError {
        path: path.to_owned(),
        line: span.map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        what,
    };
    let config: Config = toml::from_str(text).map_err(|err| {
        let what = explain(err.message());
        wrong(err.span(), what)
    })?;
    config
        .check()
        .map_err(|(key, what)| wrong(find_key(text, key), format!("{key}: {what}")))?;
    Ok(config)
}

/// Turns serde's words into ours: the key, and the right name nearest to it.
fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field")
        && let Some(key) = quoted.next()
    {
        let known: Vec<&str> = quoted.collect();
        return match nearest(key, &known) {
            Some(name) => format!("unknown key \"{key}\": did you mean \"{name}\"?"),
            None => format!("unknown key \"{key}\": known here are {}", known.join(", ")),
        };
    }
    if message.starts_with("unknown variant")
        && let Some(value) = quoted.next()
    {
        let known: Vec<&str> = quoted.collect();
        return format!(
            "\"{value}\" is not known here: write {}",
            known.join(" or ")
        );
    }
    message.lines().next().unwrap_or(message).to_owned()
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(key, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(key.len()) / 3)
        .min()
        .map(|(_, name)| name)
        .or_else(|| {
            known
                .iter()
                .copied()
                .find(|name| name.contains(key) || key.contains(name))
        })
}

/// The place of `table.key` in the text, for checks that serde can't make.
fn find_key(text: &str, dotted: &str) -> Option<Range<usize>> {
    let (table, key) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let mut current = String::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[') {
            name.trim_start_matches('[')
                .trim_end_matches(']')
                .clone_into(&mut current);
        } else if current == table
            && let Some((name, _)) = trimmed.split_once('=')
            && name.trim().trim_matches('"') == key
        {
            return Some(offset..offset + line.len());
        }
        offset += line.len();
    }
    None
}

impl Config {
    /// What can't be said in types. Returns the dotted key and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let bad = |key, what: &str| Err((key, what.to_owned()));
        if self.hostname.is_empty()
            || !self
                .hostname
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        {
            return bad("hostname", "write a host name such as mail.example.org");
        }
        if self.listen.is_empty() {
            return bad(
                "listen",
                "name at least one address, or nothing can come in",
            );
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return bad("tls.certificate", "certificate and key go together");
        }
        if !(400..500).contains(&self.greylist.code) || self.greylist.code == 421 {
            return bad(
                "greylist.code",
                "a temporary failure has a code from 400 to 499, and 421 would close the session",
            );
        }
        if smtp::Status::parse(&self.greylist.status).is_none_or(|status| status.0 != 4) {
            return bad("greylist.status", "write an enhanced status such as 4.2.0");
        }
        if self.greylist.v4_prefix > 32 || self.greylist.v4_prefix == 0 {
            return bad("greylist.v4_prefix", "a prefix of IPv4 is 1 to 32");
        }
        if self.greylist.v6_prefix > 128 || self.greylist.v6_prefix == 0 {
            return bad("greylist.v6_prefix", "a prefix of IPv6 is 1 to 128");
        }
        if self.greylist.window <= self.greylist.delay {
            return bad(
                "greylist.window",
                "must be longer than the delay, or nobody ever gets in",
            );
        }
        if self.queue.first_backoff.is_zero() || self.queue.first_backoff > self.queue.max_backoff {
            return bad(
                "queue.first_backoff",
                "must be above zero, and not above max_backoff",
            );
        }
        if self.limits.recipients < 100 {
            return bad(
                "limits.recipients",
                "RFC 5321 §4.5.3.1.8 asks for at least 100",
            );
        }
        for (key, value) in [
            (
                "delivery.sessions_per_host",
                self.delivery.sessions_per_host,
            ),
            ("delivery.max_sessions", self.delivery.max_sessions),
            (
                "delivery.recipients_per_mail",
                self.delivery.recipients_per_mail,
            ),
            ("limits.connections", self.limits.connections),
            (
                "limits.connections_per_client",
                self.limits.connections_per_client,
            ),
            ("queue.max_active", self.queue.max_active),
        ] {
            if value == 0 {
                return bad(key, "must be at least 1");
            }
        }
        self.check_addresses()
    }

    fn check_addresses(&self) -> Result<(), (&'static str, String)> {
        for (address, maildir) in &self.local.mailboxes {
            let Some((user, domain)) = address.rsplit_once('@') else {
                return Err((
                    "local.mailboxes",
                    format!("\"{address}\" has no domain: write user@domain or *@domain"),
                ));
            };
            if !self
                .local
                .domains
                .iter()
                .any(|local| local.eq_ignore_ascii_case(domain))
            {
                return Err((
                    "local.mailboxes",
                    format!("the domain of \"{address}\" is not in local.domains"),
                ));
            }
            if user == "*" && !maildir.to_string_lossy().contains("{user}") {
                return Err((
                    "local.mailboxes",
                    format!(
                        "\"{address}\" needs {{user}} in its path, or all users share one mailbox"
                    ),
                ));
            }
        }
        if let Some(hop) = &self.delivery.smarthost {
            crate::routes::parse_hop(hop).map_err(|what| ("delivery.smarthost", what))?;
        }
        for hop in self.delivery.routes.values() {
            crate::routes::parse_hop(hop).map_err(|what| ("delivery.routes", what))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
