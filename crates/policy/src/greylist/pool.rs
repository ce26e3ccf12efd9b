//! Which answers group the addresses of one sender.
//!
//! Big providers retry from another address, often from another network. What they have in common is proved by DNS:
//! SPF names the addresses of a domain, and a reverse name that leads back to its address names whose the host is. An
//! answer that lets in too many proves nothing.

use super::dynamic::dynamic_looking;
use super::origin::{Domain, Origin};
use ipnet::IpNet;
use std::net::IpAddr;

/// The widest IPv4 range by which SPF counts. Outlook's and Google's are /14 to /24, in parts of at most /16 a sender.
pub const WIDEST_V4: u8 = 16;

/// The widest IPv6 range by which SPF counts: what a registry gives to one provider.
pub const WIDEST_V6: u8 = 32;

/// SPF passed (RFC 7208).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf<'a> {
    /// The domain that was checked: of the reverse-path, or of HELO where that is empty (RFC 7208 §2.4).
    pub domain: &'a str,
    /// The mechanism that matched; behind `include:` and `redirect=`, the one in there.
    pub by: PassedBy,
}

/// By what SPF passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedBy {
    /// `ip4:`, `ip6:`, or `a` and `mx` with their lengths: these addresses (one, where no length is given).
    Range(IpNet),
    /// `ptr`: a confirmed reverse name below the domain.
    Name,
    /// `all`: everybody.
    All,
    /// `exists:`, or a mechanism, `include:` or `redirect=` whose name was made from the client's address by a macro:
    /// whoever runs that name can answer yes for everybody. Also to be said where the mechanism is not known.
    Computed,
}

impl Spf<'_> {
    /// What the client is found under; `None`: SPF lets in so many that it proves nothing.
    pub fn origin(&self) -> Option<Origin> {
        let narrow = match self.by {
            PassedBy::Range(IpNet::V4(range)) => range.prefix_len() >= WIDEST_V4,
            PassedBy::Range(IpNet::V6(range)) => match range.addr().to_ipv4_mapped() {
                Some(_) => range.prefix_len() >= 96 + WIDEST_V4,
                None => range.prefix_len() >= WIDEST_V6,
            },
            PassedBy::Name => true,
            PassedBy::All | PassedBy::Computed => false,
        };
        narrow.then(|| Domain::new(self.domain).map(Origin::Spf))?
    }
}

/// What a client is found under by its reverse name, which was looked up and leads back to `client`: the domain that
/// somebody registered, by the list of public suffixes.
///
/// `None` for a name that looks like one of thousands that a provider gives to its customers' lines, and for one
/// directly below a public suffix.
pub fn confirmed(name: &str, client: IpAddr) -> Option<Origin> {
    let name = Domain::new(name)?;
    if dynamic_looking(name.as_str(), client) {
        return None;
    }
    let registered = psl::domain(name.as_str().as_bytes())?;
    let known_suffix = registered.suffix().is_known();
    let text = std::str::from_utf8(registered.as_bytes()).ok()?;
    known_suffix.then(|| Domain::new(text).map(Origin::Name))?
}
