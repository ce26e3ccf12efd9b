//! `postdate policy never-returned`: who was asked to come back and never did; as a table, and as a DNSBL zone.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args as Arguments, ValueEnum};
use ipnet::IpNet;
use policy::returns::Offender;
use policy::returns::dnsbl::{Bind, List, Rbldnsd};
use serde_json::json;

use super::super::{configuration, exit, fail};
use super::entry::span;
use super::records::{self, when};
use super::shown::bare;
use crate::clock;
use crate::config::Config;
use crate::rules_of::rules_of;
use crate::stdout::quiet;

const EXAMPLE: &str = "\
A client is listed after 5 pairs of sender and recipient on 2 days ([never_returned] in the configuration); what that
means for it is never_returned.action. To forgive one: postdate policy forget client ADDRESS.

Examples:
  $ postdate policy never-returned
  CLIENT                  PAIRS   DAYS  FIRST                 LAST                  LISTED
  192.0.2.7                   6      2  2026-11-20T08:01:12Z  2026-11-23T23:48:57Z  yes
  $ postdate policy never-returned --zone bind --origin bl.example.org > bl.example.org.new
  $ postdate policy never-returned --zone rbldnsd --origin bl.example.org > bl.new";

#[derive(Arguments)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    /// Only those that are listed.
    #[arg(long)]
    listed: bool,
    /// Only addresses of this family.
    #[arg(long, value_name = "FAMILY")]
    only: Option<Family>,
    /// One JSON object a client, one a line.
    #[arg(long, conflicts_with = "zone")]
    json: bool,
    /// Write those that are listed as a DNSBL zone.
    #[arg(long, value_name = "FORM")]
    zone: Option<Form>,
    /// The zone's name [default: bl. and the hostname]
    #[arg(long, value_name = "DOMAIN", requires = "zone", value_parser = domain)]
    origin: Option<String>,
    /// The zone's name server [default: the hostname]
    #[arg(long, value_name = "HOST", requires = "zone", value_parser = domain)]
    server: Option<String>,
    /// Who is in charge of it, as in its SOA record [default: hostmaster. and the zone's name]
    #[arg(long, value_name = "DOMAIN", requires = "zone", value_parser = domain)]
    contact: Option<String>,
    /// How long an answer may be held.
    #[arg(long, value_name = "TIME", requires = "zone", default_value = "1h", value_parser = span)]
    ttl: Duration,
    /// What it answers for people; $ becomes the address. ASCII, up to 200 octets.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "zone",
        default_value = "$ never came back when it was asked to wait"
    )]
    text: String,
}

/// What a zone is written for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// For `rbldnsd ZONE:combined:FILE`.
    Rbldnsd,
    /// A master file (RFC 1035), which BIND and others read.
    Bind,
}

/// Which addresses.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    /// IPv4.
    V4,
    /// IPv6, by /64.
    V6,
}

impl Family {
    fn has(self, network: IpNet) -> bool {
        match self {
            Self::V4 => matches!(network, IpNet::V4(_)),
            Self::V6 => matches!(network, IpNet::V6(_)),
        }
    }
}

/// A name that can stand in a zone file as it is.
fn domain(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name.to_owned())
    } else {
        Err("write a domain such as bl.example.org".to_owned())
    }
}

pub(super) fn run(file: Option<&Path>, args: &Args) -> ExitCode {
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let shown = offenders(&config, args).and_then(|offenders| {
        quiet(match args.zone {
            Some(form) => zone(&config, args, form, &offenders),
            None if args.json => as_json(&offenders),
            None => table(&offenders),
        })
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}

fn offenders(config: &Config, args: &Args) -> Result<Vec<Offender>, String> {
    let mut offenders = match records::reader(&config.data_dir)? {
        Some(reader) => reader
            .offenders(rules_of(config).never_returned, clock::now())
            .map_err(|err| err.to_string())?,
        None => Vec::new(),
    };
    let only_listed = args.listed || args.zone.is_some();
    offenders.retain(|offender| {
        (offender.listed || !only_listed)
            && args.only.is_none_or(|family| family.has(offender.client))
    });
    Ok(offenders)
}

fn table(offenders: &[Offender]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if !offenders.is_empty() {
        writeln!(
            out,
            "{:<22}  {:>5}  {:>5}  {:<20}  {:<20}  LISTED",
            "CLIENT", "PAIRS", "DAYS", "FIRST", "LAST"
        )?;
    }
    for offender in offenders {
        writeln!(
            out,
            "{:<22}  {:>5}  {:>5}  {:<20}  {:<20}  {}",
            bare(offender.client),
            offender.pairs,
            offender.days,
            when(offender.first),
            when(offender.last),
            if offender.listed { "yes" } else { "no" }
        )?;
    }
    let listed = offenders.iter().filter(|offender| offender.listed).count();
    match offenders.len() {
        0 => writeln!(out, "nobody")?,
        1 => writeln!(out, "1 client, {listed} listed")?,
        n => writeln!(out, "{n} clients, {listed} listed")?,
    }
    out.flush()
}

fn as_json(offenders: &[Offender]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for offender in offenders {
        let object = json!({
            "client": bare(offender.client),
            "pairs": offender.pairs,
            "days": offender.days,
            "first": when(offender.first),
            "last": when(offender.last),
            "listed": offender.listed,
        });
        writeln!(out, "{object}")?;
    }
    out.flush()
}

fn zone(config: &Config, args: &Args, form: Form, offenders: &[Offender]) -> io::Result<()> {
    let hostname = &config.hostname;
    let zone = args
        .origin
        .clone()
        .unwrap_or_else(|| format!("bl.{hostname}"));
    let contact = args
        .contact
        .clone()
        .unwrap_or_else(|| format!("hostmaster.{zone}"));
    let listed: Vec<_> = offenders.iter().map(|offender| offender.client).collect();
    let since_1970 = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let list = List {
        zone: &zone,
        server: args.server.as_deref().unwrap_or(hostname),
        contact: &contact,
        // Wraps in 2106, as serial numbers do (RFC 1982).
        serial: since_1970.as_secs() as u32,
        ttl: args.ttl,
        text: &args.text,
        listed: &listed,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match form {
        Form::Rbldnsd => write!(out, "{}", Rbldnsd(list))?,
        Form::Bind => write!(out, "{}", Bind(list))?,
    }
    out.flush()
}
