//! Rates, quotas and load over virtual time.

mod bent;
mod equal;
mod flood;
mod keeper;
mod law;
mod law_of_slots;
mod limits;
mod overload;
mod promises;
mod restart;
mod rows;

use policy::Moment;
use policy::slots::{Ask, Book, Bounds, Grace, Guest, Holder, Limit, Party, Visit};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// 2026-01-01 00:00 UTC, where every test starts.
const START: Moment = Moment::from_millis(1_767_225_600_000);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn limit(text: &str) -> Limit {
    match text.parse() {
        Ok(limit) => limit,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn book() -> Book {
    bounded(Bounds::default())
}

fn bounded(bounds: Bounds) -> Book {
    Book::new(bounds, policy::greylist::Secret::new([1, 2]))
}

/// One message, asked of one rule.
fn ask<'a>(rule: &'a str, key: &'a str, limit: Limit) -> Ask<'a> {
    Ask {
        rule,
        key,
        limit,
        cost: 1,
        horizon: limit.period(),
        grace: Grace::Lasting,
        exact: false,
        once: true,
    }
}

/// Someone of the nth /24.
fn party(network: u32) -> Party<'static> {
    Party {
        client: IpAddr::V4(Ipv4Addr::from((10 << 24) + (network << 8) + 7)),
        sender: "a@a.example",
        recipients: &["b@b.example"],
    }
}

fn holder(n: u32) -> Holder {
    Holder(u128::from(n))
}

/// One that comes back under one name.
fn guest(n: u32) -> Guest {
    holder(n).into()
}

/// One of them, in the nth /24.
fn visit(guests: &[Guest], network: u32) -> Visit<'_> {
    Visit {
        guests,
        party: party(network),
        shared: None,
        besides: None,
    }
}
