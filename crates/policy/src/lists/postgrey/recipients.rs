//! `whitelist_recipients`.

use super::expressions::{self, Expressions, Reading};
use super::lines::{Trouble, What, each, is_name};
use crate::address;
use std::collections::HashMap;

/// The recipients of a file.
///
/// | a line | stands for |
/// | --- | --- |
/// | `user@example.org` | this address, and with an extension: `user+lists@example.org` |
/// | `user@` | this local part at any domain, and with an extension |
/// | `example.org` | the domain, and all below it |
/// | `/^list-.*@example\.org$/` | addresses that it matches |
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    /// Addresses, and local parts with their `@`.
    users: HashMap<String, usize>,
    domains: HashMap<String, usize>,
    expressions: Expressions,
}

impl Recipients {
    /// Reads a file; the lines that are in trouble don't hold.
    pub fn parse(octets: &[u8]) -> (Self, Vec<Trouble>) {
        let mut recipients = Self::default();
        let mut trouble = Vec::new();
        let mut reading = Reading::default();
        each(octets, &mut trouble, |line, text| {
            let refused = || What::NoRecipient(text.to_owned());
            if text.starts_with('/')
                && let Some(pattern) = expressions::inside(text)
            {
                return reading.take(line, pattern);
            }
            if text.contains(char::is_whitespace) {
                return Err(refused());
            }
            let table = match text.rsplit_once('@') {
                Some(("", _)) => return Err(refused()),
                Some((_, domain)) if domain.is_empty() || is_name(domain) => &mut recipients.users,
                None if is_name(text) => &mut recipients.domains,
                _ => return Err(refused()),
            };
            table
                .entry(address::plain(text).into_owned())
                .or_insert(line);
            Ok(())
        });
        recipients.expressions = reading.finish(&mut trouble);
        (recipients, trouble)
    }

    /// The line that `recipient` (without its brackets) falls under.
    pub fn find(&self, recipient: &str) -> Option<usize> {
        let address = address::plain(recipient);
        self.by_parts(&address)
            .or_else(|| self.expressions.find(&address))
    }

    fn by_parts(&self, address: &str) -> Option<usize> {
        let (local, domain) = address.rsplit_once('@')?;
        // The whole local part, or what is before a `+` that has something behind it.
        let plain = local
            .match_indices('+')
            .filter(|(plus, _)| plus + 1 < local.len())
            .map(|(plus, _)| &local[..plus]);
        let below = domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]);
        let user = |local: &str| {
            let line = self.users.get(&format!("{local}@{domain}"));
            line.or_else(|| self.users.get(&format!("{local}@")))
        };
        std::iter::once(local)
            .chain(plain)
            .find_map(user)
            .or_else(|| {
                std::iter::once(domain)
                    .chain(below)
                    .find_map(|domain| self.domains.get(domain))
            })
            .copied()
    }
}
