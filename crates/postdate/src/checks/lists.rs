//! Block and allow lists in the DNS (RFC 5782).

use std::net::IpAddr;

use policy::Listing;

use super::lookups::{Lookups, Trouble, together};
use crate::config::Networks;
use crate::config::checks::Checks as Settings;

/// Asks all lists at once.
///
/// A list without an answer counts as if the client were not on it, unless the configuration says that it has to
/// answer and its score could refuse the client.
pub(super) async fn look_up(
    lookups: &Lookups<'_>,
    client: IpAddr,
    settings: &Settings,
) -> Result<Listing, Trouble> {
    let blocklists = settings.blocklists.iter();
    let allowlists = settings.allowlists.iter();
    let (blocked, allowed) = tokio::join!(
        together(blocklists.map(|list| is_listed(lookups, client, &list.zone, &list.answers))),
        together(allowlists.map(|zone| is_listed(lookups, client, zone, &ANY))),
    );
    let mut listing = Listing {
        allowed: allowed.contains(&Ok(true)),
        ..Listing::default()
    };
    let mut missing: Option<Trouble> = None;
    let mut may_add = 0;
    for (list, answer) in settings.blocklists.iter().zip(blocked) {
        match answer {
            Ok(false) => {}
            Ok(true) => {
                listing.score = listing.score.saturating_add(list.score);
                listing.zones.push(list.zone.clone());
            }
            Err(trouble) if list.must_answer => {
                may_add = list.score.saturating_add(may_add);
                missing = Some(missing.map_or(trouble, |worst| worst.or(trouble)));
            }
            Err(_) => {}
        }
    }
    let refused = listing.score >= settings.reject_score;
    let could_be = listing.score.saturating_add(may_add) >= settings.reject_score;
    match missing {
        Some(trouble) if could_be && !refused && !listing.allowed => Err(trouble),
        _ => Ok(listing),
    }
}

static ANY: Networks = Networks(Vec::new());

/// Whether the list names the client, with one of `answers`; none given: with any.
async fn is_listed(
    lookups: &Lookups<'_>,
    client: IpAddr,
    zone: &str,
    answers: &Networks,
) -> Result<bool, Trouble> {
    let name = format!("{}.{zone}", reversed(client));
    let (found, held) = lookups.listing(zone, &name).await?;
    if found.iter().any(|&answer| is_complaint(answer)) {
        tracing::warn!(
            target: "checks",
            zone,
            answers = ?found,
            "the list does not answer us: it may want its users to register, or to ask with a name server of their own"
        );
        return Err(lookups.complain(zone, held));
    }
    // Outside of 127/8 is no answer of a list (RFC 5782 §2.1) but of whoever has bought its domain.
    let counts = |answer: &IpAddr| {
        answer.is_loopback() && (answers.0.is_empty() || answers.contains(*answer))
    };
    Ok(found.iter().any(counts))
}

/// What lists say to those whom they don't serve: 127.255.255.x (Spamhaus and others), 127.0.0.255 (dnswl.org), and
/// 127.0.0.1, which no list may use (RFC 5782 §5) and some say for a blocked resolver.
fn is_complaint(answer: IpAddr) -> bool {
    matches!(answer, IpAddr::V4(v4) if matches!(v4.octets(), [127, 255, 255, _] | [127, 0, 0, 255 | 1]))
}

/// `4.3.2.1` of 1.2.3.4; of IPv6 all 32 digits (RFC 5782 §2.4).
fn reversed(client: IpAddr) -> String {
    let parts: Vec<String> = match client {
        IpAddr::V4(v4) => v4.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let digits = octets
                .iter()
                .rev()
                .flat_map(|octet| [octet & 15, octet >> 4]);
            digits.map(|digit| format!("{digit:x}")).collect()
        }
    };
    parts.join(".")
}
