//! Walks the records of a domain until a mechanism matches: `check_host` of RFC 7208 §4.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use ipnet::IpNet;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::spf::{Macro, Mechanism, Qualifier, Spf as Record};
use policy::greylist::pool::PassedBy;

use super::super::Identity;
use super::super::lookups::{Lookups, Trouble};
use super::super::reverse;
use super::macros;

/// Terms of all records together that look something up (RFC 7208 §4.6.4).
const TERMS_MAX: u32 = 10;
/// Of those, look-ups that find nothing.
const VOID_MAX: u32 = 2;
/// Exchanges of one `mx`.
const EXCHANGES_MAX: usize = 10;
/// Octets in a record. RFC 7208 §3.4 wants at most 450; the longest in use have some 2,000. A longer one could name a
/// good part of the world's networks one by one.
const RECORD_MAX: usize = 4096;

/// What a record says.
pub(super) enum Finding {
    /// There is no record.
    None,
    Neutral,
    Pass(PassedBy),
    /// `-`: refuse it.
    Fail,
}

/// Why the walk ended before.
pub(super) enum Stop {
    /// `permerror`: the records are wrong, or ask for too much.
    Broken,
    /// `temperror`.
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What all records of one check share.
pub(super) struct Walk<'a> {
    lookups: &'a Lookups<'a>,
    client: IpAddr,
    identity: &'a Identity,
    terms: u32,
    voids: u32,
    /// The client's names that lead back to it, once somebody asked.
    confirmed: Option<Vec<String>>,
    /// A name on the way here was made from what the client chose.
    computed: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(lookups: &'a Lookups<'a>, client: IpAddr, identity: &'a Identity) -> Self {
        Self {
            lookups,
            client,
            identity,
            terms: 0,
            voids: 0,
            confirmed: None,
            computed: false,
        }
    }

    /// What the record of `domain` says, with all that it leads to. Boxed, as records lead to records.
    pub(super) fn check<'b>(
        &'b mut self,
        domain: &'b str,
    ) -> Pin<Box<dyn Future<Output = Result<Finding, Stop>> + Send + 'b>> {
        Box::pin(async move {
            let Some(record) = self.record(domain).await? else {
                return Ok(Finding::None);
            };
            for directive in &record.directives {
                let by = self.matches(&directive.mechanism, domain).await?;
                if let Some(by) = by {
                    return Ok(match directive.qualifier {
                        Qualifier::Pass => Finding::Pass(by),
                        Qualifier::Fail => Finding::Fail,
                        Qualifier::SoftFail | Qualifier::Neutral => Finding::Neutral,
                    });
                }
            }
            let Some(redirect) = &record.redirect else {
                return Ok(Finding::Neutral);
            };
            self.term()?;
            self.computed |= macros::is_computed(redirect);
            let target = self.name(redirect, domain).await?;
            match self.check(&target).await? {
                Finding::None => Err(Stop::Broken),
                finding => Ok(finding),
            }
        })
    }

    /// The one record of a domain; two are an error (RFC 7208 §4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        let texts = self.lookups.texts(domain).await?;
        let mut records = texts.iter().filter(|text| is_record(text));
        let Some(text) = records.next() else {
            return Ok(None);
        };
        if records.next().is_some() || text.len() > RECORD_MAX {
            return Err(Stop::Broken);
        }
        Record::parse(text).map(Some).map_err(|_| Stop::Broken)
    }

    /// By what the mechanism matches, if it does.
    async fn matches(
        &mut self,
        mechanism: &Mechanism,
        domain: &str,
    ) -> Result<Option<PassedBy>, Stop> {
        let mut computed = self.computed;
        let mut name = String::new();
        if let Some(term) = looked_up(mechanism) {
            self.term()?;
            computed |= macros::is_computed(term);
            name = self.name(term, domain).await?;
        }
        let by = match mechanism {
            Mechanism::All => Some(PassedBy::All),
            Mechanism::Ip4 { addr, mask } => self.within((*addr).into(), mask.leading_ones()),
            Mechanism::Ip6 { addr, mask } => self.within((*addr).into(), mask.leading_ones()),
            Mechanism::A {
                ip4_mask, ip6_mask, ..
            } => {
                let found = self.addresses(&name, self.client).await?;
                self.among(&found, self.prefix(*ip4_mask, *ip6_mask))
            }
            Mechanism::Mx {
                ip4_mask, ip6_mask, ..
            } => {
                let prefix = self.prefix(*ip4_mask, *ip6_mask);
                self.is_exchange(&name, prefix).await?
            }
            Mechanism::Include { .. } => self.includes(&name, computed).await?,
            Mechanism::Ptr { .. } => {
                let below = |confirmed: &String| is_below(confirmed, &name);
                let confirmed = self.confirmed().await;
                confirmed.iter().any(below).then_some(PassedBy::Name)
            }
            Mechanism::Exists { .. } => {
                // A record of IPv4 whatever the client is (RFC 7208 §5.7).
                let like = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                let any = self.addresses(&name, like).await?;
                (!any.is_empty()).then_some(PassedBy::Computed)
            }
        };
        Ok(by.map(|by| if computed { PassedBy::Computed } else { by }))
    }

    /// Whether the record of `name` lets the client pass (RFC 7208 §5.2).
    async fn includes(&mut self, name: &str, computed: bool) -> Result<Option<PassedBy>, Stop> {
        let outside = std::mem::replace(&mut self.computed, computed);
        let found = self.check(name).await;
        self.computed = outside;
        match found? {
            Finding::Pass(by) => Ok(Some(by)),
            Finding::Fail | Finding::Neutral => Ok(None),
            Finding::None => Err(Stop::Broken),
        }
    }

    async fn is_exchange(&mut self, name: &str, prefix: u32) -> Result<Option<PassedBy>, Stop> {
        let exchanges = self.lookups.exchanges(name).await?;
        self.void(exchanges.is_empty())?;
        if exchanges.len() > EXCHANGES_MAX {
            return Err(Stop::Broken);
        }
        for exchange in exchanges.iter().filter(|&exchange| exchange != ".") {
            let found = self.lookups.addresses(exchange, self.client).await?;
            if let Some(by) = self.among(&found, prefix) {
                return Ok(Some(by));
            }
        }
        Ok(None)
    }

    async fn addresses(&mut self, name: &str, like: IpAddr) -> Result<Vec<IpAddr>, Stop> {
        let found = self.lookups.addresses(name, like).await?;
        self.void(found.is_empty())?;
        Ok(found)
    }

    fn among(&self, addresses: &[IpAddr], prefix: u32) -> Option<PassedBy> {
        addresses
            .iter()
            .find_map(|&address| self.within(address, prefix))
    }

    /// The range of `address`, if the client is in it. IPv4 is never in a range of IPv6.
    fn within(&self, address: IpAddr, prefix: u32) -> Option<PassedBy> {
        let range = IpNet::new(address, u8::try_from(prefix).ok()?).ok()?;
        range
            .contains(&self.client)
            .then(|| PassedBy::Range(range.trunc()))
    }

    fn prefix(&self, v4: u32, v6: u128) -> u32 {
        if self.client.is_ipv4() {
            v4.leading_ones()
        } else {
            v6.leading_ones()
        }
    }

    async fn name(&mut self, term: &Macro, domain: &str) -> Result<String, Stop> {
        let mut confirmed = "unknown".to_owned();
        if macros::needs_confirmed(term) {
            let names = self.confirmed().await;
            let below = names.iter().find(|name| is_below(name, domain));
            if let Some(name) = below.or(names.first()) {
                confirmed.clone_from(name);
            }
        }
        let (client, identity) = (self.client, self.identity);
        Ok(macros::name(term, domain, client, identity, &confirmed))
    }

    /// Names that lead back to the client; none where they can't be looked up (RFC 7208 §5.5).
    async fn confirmed(&mut self) -> &[String] {
        if self.confirmed.is_none() {
            let names = self.lookups.pointers(self.client).await.unwrap_or_default();
            let names = &names[..names.len().min(reverse::NAMES_MAX)];
            let (confirmed, _) = reverse::confirm(self.lookups, self.client, names).await;
            self.confirmed = Some(confirmed.into_iter().map(str::to_owned).collect());
        }
        self.confirmed.as_deref().unwrap_or_default()
    }

    fn term(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(Stop::Broken);
        }
        Ok(())
    }

    fn void(&mut self, is_void: bool) -> Result<(), Stop> {
        self.voids += u32::from(is_void);
        if self.voids > VOID_MAX {
            return Err(Stop::Broken);
        }
        Ok(())
    }
}

/// The name that a mechanism looks up.
fn looked_up(mechanism: &Mechanism) -> Option<&Macro> {
    match mechanism {
        Mechanism::All | Mechanism::Ip4 { .. } | Mechanism::Ip6 { .. } => None,
        Mechanism::Include { macro_string }
        | Mechanism::A { macro_string, .. }
        | Mechanism::Mx { macro_string, .. }
        | Mechanism::Ptr { macro_string }
        | Mechanism::Exists { macro_string } => Some(macro_string),
    }
}

/// Whether a text is an SPF record at all (RFC 7208 §4.5).
fn is_record(text: &[u8]) -> bool {
    const VERSION: &[u8] = b"v=spf1";
    text.get(..VERSION.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(VERSION))
        && matches!(text.get(VERSION.len()), None | Some(b' '))
}

fn is_below(name: &str, domain: &str) -> bool {
    name == domain
        || name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}
