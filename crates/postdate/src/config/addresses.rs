//! Whom the configuration names: domains, mailboxes, aliases, and lists of them.

use std::path::Path;

use policy::lists::Subject;
use smtp::server;

use super::rules::{Found, Wrong};
use super::{Config, Local};
use crate::directory::{AliasTrouble, Directory, Found as At};
use crate::routes::normal_domain;

/// What can't be said in types.
pub(super) fn check(config: &Config, found: &mut Found) {
    check_domains(config, found);
    check_lists(config, found);
    check_mailboxes(&config.local, found);
    check_routes(config, found);
    check_aliases(config, found);
}

fn check_domains(config: &Config, found: &mut Found) {
    for (key, domains) in [
        ("local.domains", &config.local.domains),
        ("relay.domains", &config.relay.domains),
    ] {
        for domain in domains.iter().filter(|domain| !is_domain(domain)) {
            found.add(Wrong::new(key, no_domain(domain)));
        }
    }
    let local = &config.local;
    let nobody = local.lmtp.is_none() && config.aliases.is_empty() && local.is_untouched();
    if let Some(domain) = local.domains.first().filter(|_| nobody && local.is_moved()) {
        let what = format!(
            "nobody has a mailbox in {domain}: write [local.mailboxes] with \"anna@{domain}\" = \"mail/{{user}}\", or local.lmtp"
        );
        found.add(Wrong::new("local.domains", what));
    }
}

/// As RCPT takes it, or with the dot at its end that a name has in the DNS.
fn is_domain(text: &str) -> bool {
    let bare = without_dot(text);
    server::is_domain(bare) || server::is_literal(bare)
}

/// The same of an address.
fn is_address(text: &str) -> bool {
    server::is_address(without_dot(text))
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn no_domain(text: &str) -> String {
    format!("\"{text}\" is no domain: write example.org, each by its name")
}

fn check_lists(config: &Config, found: &mut Found) {
    let (greylist, exempt) = (&config.greylist, &config.exempt);
    for (key, patterns) in [
        ("greylist.exempt_domains", &greylist.exempt_domains),
        ("greylist.exempt_recipients", &greylist.exempt_recipients),
        ("exempt.domains", &exempt.domains),
        ("exempt.recipients", &exempt.recipients),
    ] {
        for text in patterns.iter().filter(|text| !is_pattern(text)) {
            let what = format!(
                "\"{text}\" is no address and no domain: write user@example.org, example.org, or .example.org for all below it"
            );
            found.add(Wrong::new(key, what));
        }
    }
    let is_name = |name: &str| server::is_domain(name.strip_prefix('.').unwrap_or(name));
    for name in exempt.names.iter().filter(|name| !is_name(name)) {
        let what = format!(
            "\"{name}\" is no host's name: write mail.example.org, or .example.org for all below it"
        );
        found.add(Wrong::new("exempt.names", what));
    }
}

/// As `postdate policy allow` has it, without the brackets of a log.
fn is_pattern(text: &str) -> bool {
    !text.trim().starts_with('<') && Subject::recipient(text).is_ok()
}

fn check_mailboxes(local: &Local, found: &mut Found) {
    if let Some(Err(what)) = local.lmtp.as_deref().map(crate::routes::parse_lmtp) {
        found.add(Wrong::new("local.lmtp", what));
    }
    for (address, place) in local.named_mailboxes() {
        if let Err(what) = check_mailbox(local, address, place) {
            found.add(Wrong::entry("local.mailboxes", address, what));
        }
    }
}

fn check_mailbox(local: &Local, address: &str, place: &Path) -> Result<(), String> {
    let Some((user, domain)) = address.rsplit_once('@') else {
        return Err("has no domain: write user@domain or *@domain".to_owned());
    };
    if user != "*" && !is_address(address) {
        return Err("is no address: write user@domain or *@domain".to_owned());
    }
    let is_it = |other: &String| normal_domain(other) == normal_domain(domain);
    if !local.domains.iter().any(is_it) {
        return Err("its domain is not in local.domains".to_owned());
    }
    if let Some(server) = crate::routes::lmtp_of_mailbox(place) {
        return server.map(|_| ());
    }
    check_maildir(&place.to_string_lossy(), user == "*")
}

fn check_maildir(template: &str, of_any_user: bool) -> Result<(), String> {
    let fixed = template.replace("{user}", "").replace("{domain}", "");
    if template.is_empty() {
        Err("has no path: write that of its Maildir, such as mail/{user}".to_owned())
    } else if fixed.contains(['{', '}']) {
        Err(format!(
            "\"{template}\": only {{user}} and {{domain}} are filled in"
        ))
    } else if of_any_user && !template.contains("{user}") {
        Err("needs {user} in its path, or all users share one mailbox".to_owned())
    } else {
        Ok(())
    }
}

fn check_routes(config: &Config, found: &mut Found) {
    let delivery = &config.delivery;
    if let Some(Err(what)) = delivery.smarthost.as_deref().map(crate::routes::parse_hop) {
        found.add(Wrong::new("delivery.smarthost", what));
    }
    for (domain, hop) in &delivery.routes {
        let wrong = match crate::routes::parse_route(domain, hop) {
            Err(what) => what,
            Ok(_) if !is_domain(domain) => no_domain(domain),
            Ok(_) => continue,
        };
        found.add(Wrong::entry("delivery.routes", domain, wrong));
    }
}

/// Of circles the first: the others may be the same.
fn check_aliases(config: &Config, found: &mut Found) {
    let directory = Directory::new(config);
    let mut in_circles = false;
    for (name, to) in &config.aliases {
        let wrong = check_alias_name(name, &directory)
            .and_then(|()| check_targets(to))
            .and_then(
                |()| match directory.try_alias(name, &config.local.domains) {
                    Ok(ways) => lead_somewhere(&ways, &directory),
                    Err(_) if in_circles => Ok(()),
                    Err(trouble) => {
                        in_circles = true;
                        Err(words(trouble))
                    }
                },
            );
        if let Err(what) = wrong {
            found.add(Wrong::entry("aliases", name, what));
        }
    }
}

fn check_alias_name(name: &str, directory: &Directory) -> Result<(), String> {
    match name.rsplit_once('@') {
        Some(("*", domain)) => Err(format!(
            "write \"@{domain}\" for whatever has no mailbox there"
        )),
        Some(("", domain)) if !is_domain(domain) => Err(no_domain(domain)),
        Some(("", domain)) if !directory.is_local(domain) => Err(
            "its domain is not in local.domains: write the addresses there that are meant, one by one".to_owned(),
        ),
        Some(("", _)) => Ok(()),
        Some(_) if is_address(name) => Ok(()),
        None if !is_user(name) => Err("is no user's name: write anna, anna@example.org or @example.org".to_owned()),
        // `<postmaster>` has no domain, and is always here.
        None if !directory.is_local("") && !name.eq_ignore_ascii_case("postmaster") => {
            Err("no domain is local, so write it with its domain".to_owned())
        }
        None => Ok(()),
        Some(_) => Err("is no address: write anna, anna@example.org or @example.org".to_owned()),
    }
}

fn check_targets(to: &[String]) -> Result<(), String> {
    if to.is_empty() {
        return Err("leads to nobody".to_owned());
    }
    match to.iter().find(|to| !is_address(to) && !is_user(to)) {
        Some(odd) => Err(format!(
            "\"{odd}\" is no address: write anna@example.org, or anna for one of the alias's own domain"
        )),
        None => Ok(()),
    }
}

fn is_user(name: &str) -> bool {
    is_address(&format!("{name}@localhost"))
}

/// One that is written without a domain is meant where it leads to somebody: not in all domains need its names be there.
fn lead_somewhere(ways: &[Vec<String>], directory: &Directory) -> Result<(), String> {
    let to_nobody = ways
        .iter()
        .map(|all| all.iter().find(|to| directory.find(to) == At::Nobody));
    let in_each: Option<Vec<_>> = to_nobody.collect();
    match in_each.and_then(|in_each| in_each.first().copied()) {
        Some(nobody) => Err(format!(
            "leads to {nobody}, and that is nobody here: name it in local.mailboxes"
        )),
        None => Ok(()),
    }
}

fn words(trouble: AliasTrouble) -> String {
    match trouble {
        AliasTrouble::Loop(circle) => format!("runs in a circle: {}", circle.join(" -> ")),
        AliasTrouble::NoMailbox(address) => {
            format!("leads to itself, and {address} has no mailbox in local.mailboxes")
        }
        AliasTrouble::TooDeep => "leads from alias to alias too often".to_owned(),
        AliasTrouble::TooMany => "leads to too many addresses".to_owned(),
    }
}
