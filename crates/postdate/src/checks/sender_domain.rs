//! Whether the domain of a sender could take an answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lookups::{Lookups, Trouble};
use crate::routes::normal_domain;

/// Whether `sender`'s domain has an MX that is not null (RFC 7505), or an address (RFC 5321 §5.1). True for the null
/// sender, which has none, and for an address literal.
pub(super) async fn look_up(lookups: &Lookups<'_>, sender: &str) -> Result<bool, Trouble> {
    if sender.is_empty() {
        return Ok(true);
    }
    let Some((_, domain)) = sender.rsplit_once('@') else {
        return Ok(false);
    };
    if domain.starts_with('[') {
        return Ok(true);
    }
    let domain = normal_domain(domain);
    let exchanges = lookups.exchanges(&domain).await?;
    if !exchanges.is_empty() {
        return Ok(exchanges.iter().any(|exchange| exchange != "."));
    }
    let mut worst: Option<Trouble> = None;
    for like in [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ] {
        match lookups.addresses(&domain, like).await {
            Ok(addresses) if !addresses.is_empty() => return Ok(true),
            Ok(_) => {}
            Err(trouble) => worst = Some(worst.map_or(trouble, |worst| worst.or(trouble))),
        }
    }
    worst.map_or(Ok(false), Err)
}
