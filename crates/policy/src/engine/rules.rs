//! What the administrator sets, for all rules together.

use super::order::Order;
use crate::greylist::exempt::{AddressList, Exemptions};
use crate::greylist::{self, suspicion::Delays};
use crate::lists::postgrey;
use crate::returns;
use crate::slots::Limit;

/// All rules. The default greylists strangers and does nothing else.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Greylisting.
    pub greylist: Greylisting,
    /// Who meets no rule that defers.
    pub exempt: Exempt,
    /// What is refused by what was looked up.
    pub checks: Checks,
    /// Rates and quotas, in the administrator's order: of several that have no room, all reserve at the latest time.
    pub limits: Vec<LimitRule>,
    /// What can be taken over all; `None`: no limit.
    pub load: Option<Limit>,
    /// Who never came back.
    pub never_returned: returns::Settings,
    /// Who speaks first of those that reserve nothing.
    pub order: Order,
    /// The operator's list and the checks refuse at HELO and MAIL already, as far as what is known then suffices; else all
    /// is refused at the recipient. It is Postfix's `smtpd_delay_reject`, the other way round.
    pub early: bool,
}

/// Whether a rule refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It judges, and refuses nobody.
    Observe,
    /// It is not asked.
    Off,
}

/// Greylisting.
#[derive(Clone, Debug, Default)]
pub struct Greylisting {
    /// Whether it refuses.
    pub mode: Mode,
    /// Its times and bounds.
    pub settings: greylist::Settings,
    /// Only these are greylisted, and for so long; `None`: all strangers, for `settings.delay`.
    pub selective: Option<Delays>,
    /// Group the addresses of a domain for which SPF passes.
    pub pool_by_spf: bool,
    /// Group the addresses whose confirmed reverse names are of one domain.
    pub pool_by_name: bool,
    /// Who is not greylisted.
    pub exemptions: Exemptions,
    /// Clients that postgrey's files name, who are not greylisted.
    pub postgrey_clients: postgrey::Clients,
    /// Recipients that postgrey's files name, whose mail is not greylisted.
    pub postgrey_recipients: postgrey::Recipients,
}

/// Who meets no rule that defers. Mailboxes that are full, and the operator's own list, are none of these.
#[derive(Clone, Debug)]
pub struct Exempt {
    /// By network, sender's domain or recipient: those that are configured, and nobody else (no null sender, no
    /// postmaster: at connect every sender is none yet).
    pub visit: Exemptions,
    /// By confirmed reverse name: `mail.example.org`, or `.example.org` for all below.
    pub names: AddressList,
    /// By an allow list of the DNS.
    pub allow_listed: bool,
}

impl Exempt {
    /// Whether somebody is exempt by what is not known when it connects.
    pub fn by_mail(&self) -> bool {
        let Exemptions {
            domains,
            recipients,
            ..
        } = &self.visit;
        let lists = [domains, recipients, &self.names];
        self.allow_listed || lists.iter().any(|list| !list.is_empty())
    }
}

impl Default for Exempt {
    fn default() -> Self {
        Self {
            visit: Exemptions {
                null_sender: false,
                postmaster: false,
                authenticated: false,
                ..Exemptions::default()
            },
            names: AddressList::default(),
            allow_listed: false,
        }
    }
}

/// What is refused by what was looked up. A look-up that a refusal hangs on and that fails is answered 451.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// 550 5.7.23 where SPF says fail.
    pub spf: bool,
    /// 550 5.7.25 where the client has no confirmed reverse name.
    pub reverse: bool,
    /// 550 5.1.8 where the sender's domain takes no mail.
    pub sender_domain: bool,
    /// 550 5.7.1 where DMARC says reject.
    pub dmarc: bool,
    /// 554 5.7.1 from this score of the block lists on; zero: lists are not asked for that.
    pub reject_score: u32,
}

/// One rate or quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// Its name, in logs and for the operator. Unique.
    pub name: String,
    /// What is counted.
    pub of: Counted,
    /// By what it is counted.
    pub per: Scope,
    /// How much.
    pub limit: Limit,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Connections of a client. Only per client.
    Connections,
    /// Mails: each once, with its first recipient that is let in.
    Messages,
    /// Recipients.
    Recipients,
    /// Octets of mails, at the end of their content.
    Octets,
}

/// By what a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The client's network, as greylisting cuts it.
    Client,
    /// The name given with HELO.
    Helo,
    /// The reverse-path; the null sender is none.
    Sender,
    /// Its domain.
    SenderDomain,
    /// The domain for which SPF passed.
    SpfDomain,
    /// The forward-path.
    Recipient,
    /// Its domain.
    RecipientDomain,
    /// Who logged in.
    User,
}
