//! A client's name in the DNS, and whether that name leads back to it (RFC 8601 §2.7.3, `iprev`).

use std::net::IpAddr;

use policy::Reverse;

use super::ClientNames;
use super::lookups::{Lookups, Trouble, plain, together};

/// So many names of one address are looked at. A host needs one.
pub(super) const NAMES_MAX: usize = 5;

/// Looks the name up, unless the door knows it.
///
/// A door says `unknown` also where its own look-up failed, so that one is looked up here.
pub(super) async fn look_up(
    lookups: &Lookups<'_>,
    client: IpAddr,
    known: Option<ClientNames<'_>>,
) -> Result<Reverse, Trouble> {
    if let Some(reverse) = known.and_then(said) {
        return Ok(reverse);
    }
    let names = lookups.pointers(client).await?;
    let names = &names[..names.len().min(NAMES_MAX)];
    let (confirmed, trouble) = confirm(lookups, client, names).await;
    let confirmed = confirmed.first().map(|&name| name.to_owned());
    match (confirmed, trouble) {
        (Some(name), _) => Ok(Reverse {
            name: Some(name),
            confirmed: true,
        }),
        (None, Some(trouble)) => Err(trouble),
        (None, None) => Ok(Reverse {
            name: names.first().cloned(),
            confirmed: false,
        }),
    }
}

/// Those of `names` that have `client` among their addresses, and the trouble there was with others.
pub(super) async fn confirm<'a>(
    lookups: &Lookups<'_>,
    client: IpAddr,
    names: &'a [String],
) -> (Vec<&'a str>, Option<Trouble>) {
    let found = together(
        names
            .iter()
            .map(|name| async move { (name, lookups.addresses(name, client).await) }),
    )
    .await;
    let mut confirmed = Vec::new();
    let mut worst: Option<Trouble> = None;
    for (name, addresses) in found {
        match addresses {
            Ok(addresses) if addresses.contains(&client) => confirmed.push(name.as_str()),
            Ok(_) => {}
            Err(trouble) => worst = Some(worst.map_or(trouble, |worst| worst.or(trouble))),
        }
    }
    (confirmed, worst)
}

/// What the door's words mean; `None`: it has found none, or not found out.
pub(super) fn said(known: ClientNames<'_>) -> Option<Reverse> {
    let is_name = |name: &str| !name.is_empty() && !name.eq_ignore_ascii_case("unknown");
    if is_name(known.confirmed) {
        return Some(Reverse {
            name: Some(plain(known.confirmed)),
            confirmed: true,
        });
    }
    is_name(known.reverse).then(|| Reverse {
        name: Some(plain(known.reverse)),
        confirmed: false,
    })
}
