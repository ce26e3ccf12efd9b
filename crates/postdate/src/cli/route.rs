//! `postdate route`: where mail for an address goes, as the configuration has it (Exim's `-bt`).

use std::path::Path;
use std::process::ExitCode;

use clap::Args as Arguments;
use delivery::local::Place;
use queue::Destination;
use queue::route::Routes as _;
use serde::Serialize;

use super::{configuration, exit, fail};
use crate::directory::Found;
use crate::routes::domain_of;
use crate::site::Site;
use crate::stdout::answer;

#[derive(Arguments)]
pub(super) struct Args {
    /// Addresses; a name without a domain is one of the host's own.
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// One JSON object a way, one a line: address, to, by (maildir, lmtp, mx, host; null: nobody), where, from.
    #[arg(long)]
    json: bool,
}

/// One way that mail for an address takes.
#[derive(Debug, Serialize)]
struct Way<'a> {
    address: &'a str,
    /// What aliases made of it.
    to: Option<String>,
    by: Option<&'static str>,
    #[serde(rename = "where")]
    place: Option<String>,
    /// Whose mail for it is taken.
    from: &'static str,
}

const ANYONE: &str = "anyone";
const RELAYED: &str = "relay.networks";
const NOBODY: &str = "nobody";

pub(super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let site = match configuration(file) {
        Ok(config) => Site::new(config, false),
        Err(code) => return code,
    };
    let mut code = ExitCode::SUCCESS;
    for address in &args.addresses {
        let address = address.trim_start_matches('<').trim_end_matches('>');
        for way in ways(&site, address) {
            if way.by.is_none() {
                code = ExitCode::from(exit::FAILURE);
            }
            if let Err(err) = say(&way, args.json) {
                return fail(exit::FAILURE, err);
            }
        }
    }
    code
}

fn ways<'a>(site: &Site, address: &'a str) -> Vec<Way<'a>> {
    let here = site.directory.find(address) != Found::Elsewhere;
    let from = if here || site.relays_to(domain_of(address)) {
        ANYONE
    } else {
        RELAYED
    };
    // A circle was found when the configuration was read.
    let all = site.directory.expand(address).unwrap_or_default();
    let ways: Vec<_> = all
        .into_iter()
        .filter_map(|to| way(site, address, to, from))
        .collect();
    if !ways.is_empty() {
        return ways;
    }
    vec![Way {
        address,
        to: None,
        by: None,
        place: None,
        from: NOBODY,
    }]
}

fn way<'a>(site: &Site, address: &'a str, to: String, from: &'static str) -> Option<Way<'a>> {
    let (by, place) = match site.directory.destination(&to) {
        Destination::Local => match site.directory.delivered_to(&to)? {
            Place::Maildir(path) => ("maildir", path.display().to_string()),
            Place::Elsewhere => return None,
        },
        Destination::Mx(domain) => ("mx", domain),
        Destination::Lmtp(server) => ("lmtp", server.to_string()),
        next @ Destination::Relay { .. } => ("host", next.to_string()),
    };
    Some(Way {
        address,
        to: Some(to),
        by: Some(by),
        place: Some(place),
        from,
    })
}

fn say(way: &Way<'_>, json: bool) -> Result<(), String> {
    if json {
        return answer(serde_json::to_string(way).map_err(|err| err.to_string())?);
    }
    let (Some(to), Some(by), Some(place)) = (&way.to, way.by, &way.place) else {
        return answer(format_args!("<{}>: nobody here: 550 5.1.1", way.address));
    };
    let by = match by {
        "maildir" => "Maildir",
        "lmtp" => "by LMTP to",
        "mx" => "by the MX of",
        _ => "to the host",
    };
    let only = match way.from {
        RELAYED => "; only for who may relay",
        _ => "",
    };
    answer(format_args!(
        "<{}> -> <{to}>: {by} {place}{only}",
        way.address
    ))
}
