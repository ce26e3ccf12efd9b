//! The names in a record's terms, with their macros filled in (RFC 7208 §7).

use std::net::IpAddr;

use mail_auth::spf::{Macro, Variable, Variables};

use super::super::Identity;

/// Octets in a name (RFC 1035 §2.3.4).
const NAME_MAX: usize = 253;

/// The name that a term means: without a name of its own, `domain`, whose record it stands in.
pub(super) fn name(
    term: &Macro,
    domain: &str,
    client: IpAddr,
    identity: &Identity,
    confirmed: &str,
) -> String {
    let mut variables = Variables::new();
    variables.set_ip(&client);
    variables.set_sender(identity.sender.as_bytes());
    variables.set_helo_domain(identity.helo.as_bytes());
    variables.set_domain(domain.as_bytes());
    variables.set_validated_domain(confirmed.as_bytes());
    let name = term.eval(&variables, domain, false);
    let name = name.strip_suffix('.').unwrap_or(&name);
    fitted(name).to_ascii_lowercase()
}

/// What is too long loses labels on its left (RFC 7208 §7.3).
fn fitted(mut name: &str) -> &str {
    while name.len() > NAME_MAX
        && let Some((_, rest)) = name.split_once('.')
    {
        name = rest;
    }
    name
}

/// Whether the client chose part of the name: its address, its HELO name, or the local part of the sender. Then whoever
/// runs the zone can say yes to everybody.
pub(super) fn is_computed(term: &Macro) -> bool {
    any(term, |variable| {
        !matches!(
            variable,
            Variable::Domain | Variable::SenderDomainPart | Variable::IpVersion
        )
    })
}

/// Whether the client's confirmed name is part of the name.
pub(super) fn needs_confirmed(term: &Macro) -> bool {
    any(term, |variable| variable == Variable::ValidatedDomain)
}

fn any(term: &Macro, is: impl Fn(Variable) -> bool + Copy) -> bool {
    match term {
        Macro::Variable { letter, .. } => is(*letter),
        Macro::List(list) => list.iter().any(|term| any(term, is)),
        Macro::Literal(_) | Macro::None => false,
    }
}
