//! Who is here: mailboxes and aliases.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use queue::Destination;
use queue::route::{LmtpServer, Routes};

use crate::config::Config;
use crate::routes::{
    Routing, domain_of, lmtp_of_mailbox, local_part_of, normal_domain, parse_lmtp,
};

/// Aliases that lead to aliases are followed so far.
const MAX_DEPTH: usize = 10;
/// One address leads to at most so many.
const MAX_EXPANSION: usize = 1000;

/// Mailboxes and aliases, as configured.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    routing: Routing,
    /// Whole addresses, both parts in lower case.
    mailboxes: HashMap<String, Place>,
    /// Domain → template for any user of it.
    any_user: HashMap<String, Place>,
    aliases: BTreeMap<String, Vec<String>>,
    separator: String,
    /// Some mailbox of ours is behind LMTP.
    asks_lmtp: bool,
    /// The mailbox of `postmaster` where none is named: RFC 5321 §4.5.1 wants one.
    postmaster: PathBuf,
}

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox {
    /// Its own address: in lower case, without a tag. What is known of a mailbox is known by this name.
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine.
    Maildir(PathBuf),
    /// This server keeps it.
    Lmtp(LmtpServer),
}

/// What an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A mailbox of ours.
    Mailbox(Mailbox),
    /// Stands for these.
    Alias(Vec<String>),
    /// Not our domain.
    Elsewhere,
    /// Our domain, nobody's address.
    Nobody,
}

/// Why an alias can't be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AliasTrouble {
    /// It leads back to itself over these addresses.
    Loop(Vec<String>),
    /// It leads to itself alone, and this address has no mailbox of its own.
    NoMailbox(String),
    /// It leads through too many aliases.
    TooDeep,
    /// It leads to more addresses than may be.
    TooMany,
}

impl Directory {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &Config) -> Self {
        let place = |value: &PathBuf| match lmtp_of_mailbox(value).and_then(Result::ok) {
            Some(server) => Place::Lmtp(server),
            None => Place::Maildir(config.data_dir.join(value)),
        };
        let mut mailboxes = HashMap::new();
        let mut any_user = HashMap::new();
        let lmtp = (config.local.lmtp.as_ref()).and_then(|server| parse_lmtp(server).ok());
        if let Some(server) = lmtp {
            let domains = config.local.domains.iter();
            any_user
                .extend(domains.map(|domain| (normal_domain(domain), Place::Lmtp(server.clone()))));
        }
        for (address, path) in config.local.named_mailboxes() {
            let domain = normal_domain(domain_of(address));
            match local_part_of(address) {
                "*" => any_user.insert(domain, place(path)),
                user => mailboxes.insert(format!("{}@{domain}", user.to_lowercase()), place(path)),
            };
        }
        let places = || mailboxes.values().chain(any_user.values());
        Self {
            routing: Routing::new(config),
            asks_lmtp: places().any(|place| matches!(place, Place::Lmtp(_))),
            mailboxes,
            any_user,
            aliases: config
                .aliases
                .iter()
                .map(|(from, to)| (normal(from), to.clone()))
                .collect(),
            separator: config.local.plus_separator.clone(),
            postmaster: config.data_dir.join("mail/postmaster"),
        }
    }

    /// What an address is: as it is written, then without its tag, then any user of the domain, then the catch-all.
    /// The host's own name is one more name of its first domain.
    pub(crate) fn find(&self, address: &str) -> Found {
        let written = normal_domain(domain_of(address));
        let domain = self.routing.meant(&written);
        let user = unquoted(local_part_of(address));
        let local = self.routing.is_local(&written);
        let untagged = (!self.separator.is_empty())
            .then(|| user.split_once(self.separator.as_str()))
            .flatten()
            .map(|(user, _)| user.to_owned())
            .filter(|user| !user.is_empty());
        for user in std::iter::once(&user).chain(&untagged) {
            if let Some(to) = self.aliases.get(&format!("{user}@{written}")) {
                return Found::Alias(to.clone());
            }
            if let Some(found) = self.exact(user, domain, local) {
                return found;
            }
        }
        if !local {
            return Found::Elsewhere;
        }
        let user = untagged.unwrap_or(user);
        let user = user.as_str();
        let only_aliases = self.routing.has_only_aliases(&written);
        let is_home = domain == self.routing.meant("") && !only_aliases;
        // Notices come from it: whoever answers one is heard, also where any name would do.
        if user == "mailer-daemon" && is_home {
            return Found::Alias(vec!["postmaster".to_owned()]);
        }
        // Of those without a domain only the postmaster is not named.
        if !written.is_empty()
            && let Some(found) = self.of_others(user, &written)
        {
            return found;
        }
        match user {
            "postmaster" if !only_aliases => Found::Mailbox(self.of_postmaster(&written)),
            // What programs send to it is not lost, whoever reads it.
            "root" if is_home => Found::Alias(vec!["postmaster".to_owned()]),
            _ if self.routing.is_open(&written) => Found::Elsewhere,
            _ => Found::Nobody,
        }
    }

    /// Where no name is certain: any user of the domain, then the catch-all.
    fn of_others(&self, user: &str, written: &str) -> Option<Found> {
        let domain = self.routing.meant(written);
        let all_of = |domain| self.aliases.get(&format!("@{domain}"));
        if self.routing.is_open(written) {
            return all_of(written).cloned().map(Found::Alias);
        }
        let mailbox = self.of_any_user(user, domain).map(Found::Mailbox);
        let all_others = || all_of(written).or_else(|| all_of(domain));
        mailbox.or_else(|| all_others().cloned().map(Found::Alias))
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
        self.named(user, domain).map(Found::Mailbox)
    }

    fn named(&self, user: &str, domain: &str) -> Option<Mailbox> {
        let name = format!("{user}@{domain}");
        let place = self.mailboxes.get(&name)?.filled(user, domain);
        Some(Mailbox { name, place })
    }

    fn of_any_user(&self, user: &str, domain: &str) -> Option<Mailbox> {
        let template = self.any_user.get(domain)?;
        let takes = matches!(template, Place::Lmtp(_)) || is_safe_in_path(user);
        takes.then(|| Mailbox {
            name: format!("{user}@{domain}"),
            place: template.filled(user, domain),
        })
    }

    fn of_postmaster(&self, domain: &str) -> Mailbox {
        Mailbox {
            name: completed("postmaster", domain),
            place: Place::Maildir(self.postmaster.clone()),
        }
    }

    /// The final addresses that mail for this one goes to. An address that leads to itself as well as to others is
    /// its own mailbox ("bob" = ["bob", "archive"]).
    ///
    /// # Errors
    /// The aliases run in a circle, or to too many.
    pub(crate) fn expand(&self, address: &str) -> Result<Vec<String>, AliasTrouble> {
        let mut way = Way::default();
        self.follow(address, &mut way)?;
        let is_nobody = |to: &String| self.find(to) == Found::Nobody;
        let (user, domain) = (local_part_of(address), domain_of(address));
        // Every domain has a postmaster (RFC 5321 §4.5.1): where its own leads to nobody, it is the first domain's.
        let is_postmaster = !domain.is_empty() && user.eq_ignore_ascii_case("postmaster");
        if is_postmaster && way.done.iter().all(is_nobody) {
            way = Way::default();
            self.follow("postmaster", &mut way)?;
        }
        Ok(way.done)
    }

    /// Follows an alias as it is configured, so that what is wrong with it is known before a mail comes. `domains`: those
    /// whose mailboxes are here. Returns the final addresses; of a name without a domain those in each domain.
    ///
    /// # Errors
    /// As [`Directory::expand`].
    pub(crate) fn try_alias(
        &self,
        name: &str,
        domains: &[String],
    ) -> Result<Vec<Vec<String>>, AliasTrouble> {
        let starts: Vec<Vec<String>> = match name.strip_prefix('@') {
            Some(domain) => {
                let to = self.aliases.get(&normal(name)).into_iter().flatten();
                vec![to.map(|to| completed(to, domain)).collect()]
            }
            None if name.contains('@') => vec![vec![name.to_owned()]],
            // Then the host's own name is the one that there is.
            None if domains.is_empty() => vec![vec![completed(name, self.routing.meant(""))]],
            None => domains
                .iter()
                .map(|domain| vec![completed(name, domain)])
                .collect(),
        };
        let follow = |starts: &Vec<String>| {
            let all: Result<Vec<_>, _> = starts.iter().map(|start| self.expand(start)).collect();
            all.map(|all| all.concat())
        };
        starts.iter().map(follow).collect()
    }

    /// Whether mailboxes of this domain are here; of none: whether those of any are.
    pub(crate) fn is_local(&self, domain: &str) -> bool {
        let domain = normal_domain(domain);
        let meant = self.routing.meant(&domain);
        !meant.is_empty() && self.routing.is_local(meant)
    }

    fn follow(&self, address: &str, way: &mut Way) -> Result<(), AliasTrouble> {
        let key = normal(address);
        let to = match self.find(address) {
            Found::Alias(to) if way.path.last() != Some(&key) => to,
            found => {
                if matches!(found, Found::Alias(_))
                    && self.here(address).is_none()
                    && !self.is_elsewhere(address, &normal_domain(domain_of(address)))
                {
                    return Err(AliasTrouble::NoMailbox(key));
                }
                let meant = self.as_meant(address);
                if way.final_keys.insert(normal(&meant)) {
                    way.done.push(meant);
                }
                return if way.done.len() > MAX_EXPANSION {
                    Err(AliasTrouble::TooMany)
                } else {
                    Ok(())
                };
            }
        };
        if let Some(start) = way.path.iter().position(|passed| *passed == key) {
            let mut circle = way.path.split_off(start);
            circle.push(key);
            return Err(AliasTrouble::Loop(circle));
        }
        if way.path.len() >= MAX_DEPTH {
            return Err(AliasTrouble::TooDeep);
        }
        // Where several ways lead to one alias, once is enough.
        if !way.followed.insert(key.clone()) {
            return Ok(());
        }
        way.path.push(key);
        let domain = self.routing.meant(domain_of(address)).to_owned();
        for next in &to {
            self.follow(&completed(next, &domain), way)?;
        }
        way.path.pop();
        Ok(())
    }

    /// With the domain that it has in `local.mailboxes`, where it is written with the host's own name or with none.
    fn as_meant(&self, address: &str) -> String {
        let written = normal_domain(domain_of(address));
        let domain = self.routing.meant(&written);
        let user = local_part_of(address);
        let is_named = || self.named(&unquoted(user), domain).is_some();
        let is_as_written = match written.as_str() {
            "" => !is_named(),
            written => domain == written || self.is_elsewhere(address, written),
        };
        if is_as_written {
            return address.to_owned();
        }
        format!("{user}@{domain}")
    }

    /// The mailbox of a final address: one of our domains, or one that a route leads to by LMTP.
    pub(crate) fn mailbox(&self, address: &str) -> Option<Mailbox> {
        self.here(address).or_else(|| {
            let domain = normal_domain(domain_of(address));
            if self.routing.is_local(&domain) {
                return None;
            }
            match self.routing.abroad(domain) {
                Destination::Lmtp(server) => Some(Mailbox {
                    name: normal(address),
                    place: Place::Lmtp(server),
                }),
                Destination::Local | Destination::Mx(_) | Destination::Relay { .. } => None,
            }
        })
    }

    /// The mailbox of a final address of our domains.
    fn here(&self, address: &str) -> Option<Mailbox> {
        match self.find(address) {
            Found::Mailbox(mailbox) => Some(mailbox),
            // Led to itself: its own mailbox.
            Found::Alias(_) => {
                let written = normal_domain(domain_of(address));
                if !self.routing.is_local(&written) {
                    return None;
                }
                let domain = self.routing.meant(&written);
                let user = unquoted(local_part_of(address));
                let named = self.named(&user, domain);
                let any_user = !self.routing.is_open(&written);
                let postmaster = user == "postmaster" && !self.routing.has_only_aliases(&written);
                named
                    .or_else(|| self.of_any_user(&user, domain).filter(|_| any_user))
                    .or_else(|| postmaster.then(|| self.of_postmaster(domain)))
            }
            Found::Elsewhere | Found::Nobody => None,
        }
    }

    /// Whether mail for a final address goes on to another host. `domain`: its own, in the normal form.
    fn is_elsewhere(&self, address: &str, domain: &str) -> bool {
        !self.routing.is_local(domain)
            || (self.routing.is_open(domain) && self.here(address).is_none())
    }

    /// Where a delivery on this machine puts mail for a final address.
    pub(crate) fn delivered_to(&self, address: &str) -> Option<delivery::local::Place> {
        Some(match self.here(address)?.place {
            Place::Maildir(path) => delivery::local::Place::Maildir(path),
            Place::Lmtp(_) => delivery::local::Place::Elsewhere,
        })
    }
}

impl Routes for Directory {
    fn destination(&self, address: &str) -> Destination {
        let domain = normal_domain(domain_of(address));
        if self.is_elsewhere(address, &domain) {
            return self.routing.abroad(domain);
        }
        if !self.asks_lmtp {
            return Destination::Local;
        }
        match self.here(address) {
            Some(Mailbox {
                place: Place::Lmtp(server),
                ..
            }) => Destination::Lmtp(server),
            _ => Destination::Local,
        }
    }
}

impl Place {
    /// For this user, where it is a template.
    fn filled(&self, user: &str, domain: &str) -> Self {
        match self {
            Self::Maildir(template) => Self::Maildir(fill(template, user, domain)),
            Self::Lmtp(server) => Self::Lmtp(server.clone()),
        }
    }
}

/// What was found on the way through the aliases of one address.
#[derive(Default)]
struct Way {
    /// The aliases that led here, in lower case.
    path: Vec<String>,
    followed: HashSet<String>,
    final_keys: HashSet<String>,
    /// The final addresses, as they are written.
    done: Vec<String>,
}

/// With the domain of the alias that names it, where it has none of its own.
fn completed(address: &str, domain: &str) -> String {
    if address.contains('@') || domain.is_empty() {
        address.to_owned()
    } else {
        format!("{address}@{domain}")
    }
}

/// An address as it is compared: two that are written differently may be one mailbox.
pub(crate) fn normal(address: &str) -> String {
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
mod tests;
