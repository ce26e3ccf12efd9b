//! Who is here: mailboxes and aliases.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use crate::config::Config;
use crate::routes::{Routing, domain_of, local_part_of, normal_domain};

/// Aliases that lead to aliases are followed so far.
const MAX_DEPTH: usize = 10;
/// One address leads to at most so many.
const MAX_EXPANSION: usize = 1000;

/// Mailboxes and aliases, as configured.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    routing: Routing,
    /// Whole addresses, both parts in lower case.
    mailboxes: HashMap<String, PathBuf>,
    /// Domain → template for any user of it.
    any_user: HashMap<String, PathBuf>,
    aliases: BTreeMap<String, Vec<String>>,
    separator: String,
    /// The mailbox of `postmaster` where none is named: RFC 5321 §4.5.1 wants one.
    postmaster: PathBuf,
}

/// What an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A mailbox here.
    Mailbox(PathBuf),
    /// Stands for these.
    Alias(Vec<String>),
    /// Not our domain.
    Elsewhere,
    /// Our domain, nobody's address.
    Nobody,
}

/// Why an alias can't be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AliasTrouble {
    /// It leads to itself, or too far.
    Loop,
    /// It leads to more addresses than may be.
    TooMany,
}

impl Directory {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &Config) -> Self {
        let place = |path: &PathBuf| config.data_dir.join(path);
        let mut mailboxes = HashMap::new();
        let mut any_user = HashMap::new();
        for (address, path) in &config.local.mailboxes {
            let domain = normal_domain(domain_of(address));
            match local_part_of(address) {
                "*" => any_user.insert(domain, place(path)),
                user => mailboxes.insert(format!("{}@{domain}", user.to_lowercase()), place(path)),
            };
        }
        Self {
            routing: Routing::new(config),
            mailboxes,
            any_user,
            aliases: config
                .aliases
                .iter()
                .map(|(from, to)| (normal(from), to.clone()))
                .collect(),
            separator: config.local.plus_separator.clone(),
            postmaster: place(&PathBuf::from("mail/postmaster")),
        }
    }

    /// What an address is: as it is written, then without its tag, then any user of the domain, then the catch-all.
    pub(crate) fn find(&self, address: &str) -> Found {
        let domain = normal_domain(domain_of(address));
        let user = unquoted(local_part_of(address));
        let local = self.routing.is_local(&domain);
        let untagged = (!self.separator.is_empty())
            .then(|| user.split_once(self.separator.as_str()))
            .flatten()
            .map(|(user, _)| user.to_owned())
            .filter(|user| !user.is_empty());
        for user in std::iter::once(&user).chain(&untagged) {
            if let Some(found) = self.exact(user, &domain, local) {
                return found;
            }
        }
        if !local {
            return Found::Elsewhere;
        }
        let user = untagged.unwrap_or(user);
        if let Some(template) = self.any_user.get(&domain)
            && is_safe_in_path(&user)
        {
            return Found::Mailbox(fill(template, &user, &domain));
        }
        if let Some(to) = self.aliases.get(&format!("@{domain}")) {
            return Found::Alias(to.clone());
        }
        if user == "postmaster" {
            return Found::Mailbox(self.postmaster.clone());
        }
        Found::Nobody
    }

    fn exact(&self, user: &str, domain: &str, local: bool) -> Option<Found> {
        let address = format!("{user}@{domain}");
        if let Some(to) = self.aliases.get(&address) {
            return Some(Found::Alias(to.clone()));
        }
        if !local {
            return None;
        }
        if let Some(to) = self.aliases.get(user) {
            return Some(Found::Alias(to.clone()));
        }
        self.mailboxes
            .get(&address)
            .map(|path| Found::Mailbox(fill(path, user, domain)))
    }

    /// The final addresses that mail for this one goes to. An address that leads to itself as well as to others is
    /// its own mailbox ("bob" = ["bob", "archive"]).
    ///
    /// # Errors
    /// The aliases run in a circle, or to too many.
    pub(crate) fn expand(&self, address: &str) -> Result<Vec<String>, AliasTrouble> {
        let mut done = Vec::new();
        self.follow(address, &mut Vec::new(), &mut done)?;
        Ok(done)
    }

    fn follow(
        &self,
        address: &str,
        path: &mut Vec<String>,
        done: &mut Vec<String>,
    ) -> Result<(), AliasTrouble> {
        let key = normal(address);
        let to = match self.find(address) {
            Found::Alias(to) if path.last() != Some(&key) => to,
            _ => {
                if !done.iter().any(|there| normal(there) == key) {
                    done.push(address.to_owned());
                }
                return if done.len() > MAX_EXPANSION {
                    Err(AliasTrouble::TooMany)
                } else {
                    Ok(())
                };
            }
        };
        if path.len() >= MAX_DEPTH || path.contains(&key) {
            return Err(AliasTrouble::Loop);
        }
        path.push(key);
        for next in &to {
            let next = if next.contains('@') {
                next.clone()
            } else {
                format!("{next}@{}", domain_of(address))
            };
            self.follow(&next, path, done)?;
        }
        path.pop();
        Ok(())
    }

    /// The Maildir of a final address.
    pub(crate) fn maildir(&self, address: &str) -> Option<PathBuf> {
        match self.find(address) {
            Found::Mailbox(path) => Some(path),
            // Led to itself: its own mailbox.
            Found::Alias(_) => {
                let domain = normal_domain(domain_of(address));
                let user = unquoted(local_part_of(address));
                self.mailboxes
                    .get(&format!("{user}@{domain}"))
                    .or_else(|| {
                        self.any_user
                            .get(&domain)
                            .filter(|_| is_safe_in_path(&user))
                    })
                    .map(|path| fill(path, &user, &domain))
            }
            Found::Elsewhere | Found::Nobody => None,
        }
    }
}

fn normal(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((user, domain)) => format!("{}@{}", unquoted(user), normal_domain(domain)),
        None => unquoted(address),
    }
}

/// In lower case, and as it is meant: `"bob"@x` is `bob@x` (RFC 5321 §4.1.2).
fn unquoted(local_part: &str) -> String {
    let inner = local_part
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return local_part.to_lowercase();
    };
    let mut user = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        user.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    user.to_lowercase()
}

/// Each name is filled in once: what stands in a user's name is no name to be filled in.
fn fill(template: &std::path::Path, user: &str, domain: &str) -> PathBuf {
    let template = template.to_string_lossy();
    let mut parts = template
        .split("{user}")
        .map(|part| part.replace("{domain}", domain));
    let first = parts.next().unwrap_or_default();
    PathBuf::from(parts.fold(first, |path, part| path + user + &part))
}

/// A peer chooses the user: it must not choose a folder.
fn is_safe_in_path(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= 64
        && !user.starts_with('.')
        && !user
            .chars()
            .any(|c| c == '/' || c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(text: &str) -> Directory {
        let mut config: Config = toml::from_str(text).expect("a configuration");
        config.data_dir = "/data".into();
        Directory::new(&config)
    }

    const HOME: &str = r#"
        [local]
        domains = ["home.example", "any.example"]
        [local.mailboxes]
        "Bob@home.example" = "/mail/bob"
        "anna@home.example" = "mail/{domain}/{user}"
        "*@any.example" = "/mail/{domain}/{user}"
        [aliases]
        "postmaster" = ["bob@home.example"]
        "sales@home.example" = ["anna", "bob", "x@elsewhere.example"]
        "bob+urgent@home.example" = ["anna@home.example"]
        "@home.example" = ["bob@home.example"]
        "anna@home.example" = ["anna@home.example", "archive@any.example"]
        "loop@home.example" = ["pool@home.example"]
        "pool@home.example" = ["loop@home.example"]
        "moved@elsewhere.example" = ["bob@home.example"]
    "#;

    #[test]
    fn addresses_are_found_by_name_tag_and_catch_all() {
        let here = directory(HOME);
        for (address, expected) in [
            ("bob@home.example", "bob@home.example"),
            ("BOB@HOME.example", "BOB@HOME.example"),
            ("bob+lists@home.example", "bob+lists@home.example"),
            (
                "bob+urgent@home.example",
                "anna@home.example archive@any.example",
            ),
            (
                "sales@home.example",
                "anna@home.example archive@any.example bob@home.example x@elsewhere.example",
            ),
            ("nobody@home.example", "bob@home.example"),
            ("postmaster@any.example", "bob@home.example"),
            ("postmaster", "bob@home.example"),
            ("\"postmaster\"@any.example", "bob@home.example"),
            ("x@elsewhere.example", "x@elsewhere.example"),
            ("moved@elsewhere.example", "bob@home.example"),
        ] {
            assert_eq!(
                here.expand(address).expect("no loop").join(" "),
                expected,
                "{address}"
            );
        }
        assert_eq!(here.expand("loop@home.example"), Err(AliasTrouble::Loop));
    }

    #[test]
    fn final_addresses_have_a_maildir() {
        let here = directory(HOME);
        for (address, path) in [
            ("bob@home.example", Some("/mail/bob")),
            ("bob+lists@home.example", Some("/mail/bob")),
            ("anna@home.example", Some("/data/mail/home.example/anna")),
            ("Zoe+x@any.example", Some("/mail/any.example/zoe")),
            ("../../etc@any.example", None),
            ("a/b@any.example", None),
            (".hidden@any.example", None),
            ("\"Zoe\"@any.example", Some("/mail/any.example/zoe")),
            ("\"z\\oe+x\"@any.example", Some("/mail/any.example/zoe")),
            ("\"..\"@any.example", None),
            ("\"a/b\"@any.example", None),
            (
                "\"{domain}\"@any.example",
                Some("/mail/any.example/{domain}"),
            ),
            ("\"bob\"@home.example", Some("/mail/bob")),
            ("x@elsewhere.example", None),
        ] {
            assert_eq!(here.maildir(address), path.map(PathBuf::from), "{address}");
        }
    }

    #[test]
    fn there_is_always_a_postmaster() {
        let here = directory("[local]\ndomains = [\"h.example\"]\nmailboxes = {}");
        assert_eq!(
            here.find("postmaster@h.example"),
            Found::Mailbox("/data/mail/postmaster".into())
        );
        assert_eq!(
            here.find("Postmaster"),
            Found::Mailbox("/data/mail/postmaster".into())
        );
        assert_eq!(here.find("bob@h.example"), Found::Nobody);
    }
}
