//! SPF (RFC 7208): may this client send for this domain, and is it one of a few that may.
//!
//! Records are read by mail-auth. They are walked here, because its answer does not say which mechanism matched: a pass
//! by `+all` proves nothing, and must not group the clients of the whole world.

mod macros;
mod walk;

use std::net::IpAddr;

use policy::greylist::pool;
use policy::{Finding, Spf};

use super::Identity;
use super::lookups::{Lookups, Trouble};
use walk::{Stop, Walk};

/// What the domain's record says of the client. A record that is broken says nothing.
pub(super) async fn check(
    lookups: &Lookups<'_>,
    client: IpAddr,
    identity: &Identity,
) -> Result<Spf, Trouble> {
    let said = |finding, by: Option<pool::PassedBy>| Spf {
        finding,
        domain: identity.domain.clone(),
        pool: by.and_then(|by| {
            let domain = &*identity.domain;
            pool::Spf { domain, by }.origin()
        }),
    };
    // RFC 7208 §4.3: nothing to ask for.
    if !identity.domain.contains('.') || identity.domain.starts_with('[') {
        return Ok(said(Finding::Neutral, None));
    }
    let mut walk = Walk::new(lookups, client, identity);
    match walk.check(&identity.domain).await {
        Ok(walk::Finding::Pass(by)) => Ok(said(Finding::Pass, Some(by))),
        Ok(walk::Finding::Fail) => Ok(said(Finding::Fail, None)),
        Ok(walk::Finding::None | walk::Finding::Neutral) | Err(Stop::Broken) => {
            Ok(said(Finding::Neutral, None))
        }
        Err(Stop::Trouble(trouble)) => Err(trouble),
    }
}
