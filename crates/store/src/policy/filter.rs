//! Which rows an administrator means.

use super::row::Row;
use ipnet::IpNet;
use policy::greylist::exempt::AddressList;
use policy::greylist::{self, Origin};
use policy::lists::{Entry, Subject};
use policy::{domains, mailbox, returns, slots};

/// Rows for which all that is given holds; without anything given, all rows. What a row doesn't have never holds: who is
/// known for good has neither sender nor recipient, a mailbox has nothing but its recipient.
///
/// An appointment that several recipients share is meant where one of them is.
///
/// A sender domain that was seen is its senders', and those of what lies below it; and of the network that brought it.
///
/// A calendar has one key: it is meant when just one of client, sender and recipient is given, and the key is in that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Rows of this network, of a part of it, or of one that it is a part of. An address is a network of one.
    pub client: Option<IpNet>,
    /// Rows of greylisting that stand under just this; a domain, or a network as it was cut.
    pub origin: Option<Origin>,
    /// Rows of these senders: an address, a domain, or `.domain` for what is below it.
    pub sender: Option<String>,
    /// Rows for these recipients, in the same way.
    pub recipient: Option<String>,
}

/// What a row has of what a filter may name.
#[derive(Default)]
struct Traits<'a> {
    client: Option<IpNet>,
    sender: Option<&'a str>,
    recipient: Option<&'a str>,
}

impl Filter {
    /// Whether the row is meant.
    pub fn fits(&self, row: &Row) -> bool {
        match row {
            Row::Greylist(stored) => self.fits_greylist(stored),
            Row::Slots(stored) => self.fits_slots(stored),
            Row::Returns(stored) => self.fits_returns(stored),
            Row::Domain(stored) => self.fits_domain(stored),
            Row::Mailbox(mailbox::Stored { mailbox, .. }) => self.fits_traits(Traits {
                recipient: Some(mailbox),
                ..Traits::default()
            }),
            Row::Override(Entry { subject, .. }) => self.fits_traits(match subject {
                Subject::Client(network) => Traits {
                    client: Some(*network),
                    ..Traits::default()
                },
                Subject::Sender(pattern) => Traits {
                    sender: Some(pattern),
                    ..Traits::default()
                },
                Subject::Recipient(pattern) => Traits {
                    recipient: Some(pattern),
                    ..Traits::default()
                },
            }),
        }
    }

    /// Whether somebody who shares an appointment with this recipient is meant, where the appointment is.
    pub(super) fn means(&self, recipient: &str) -> bool {
        among(self.recipient.as_deref(), recipient)
    }

    fn fits_greylist(&self, stored: &greylist::Stored) -> bool {
        match stored {
            greylist::Stored::Known { origin, .. } => {
                self.sender.is_none()
                    && self.recipient.is_none()
                    && self.fits_origins(&mut std::iter::once(origin))
            }
            greylist::Stored::Record {
                network,
                pool,
                sender,
                recipient,
                ..
            } => {
                let own = Origin::Network(*network);
                among(self.sender.as_deref(), sender)
                    && among(self.recipient.as_deref(), recipient)
                    && self.fits_origins(&mut std::iter::once(&own).chain(pool))
            }
        }
    }

    fn fits_origins(&self, origins: &mut dyn Iterator<Item = &Origin>) -> bool {
        let (mut client, mut exact) = (self.client.is_none(), self.origin.is_none());
        for origin in origins {
            if let (Some(wanted), Origin::Network(network)) = (&self.client, origin) {
                client |= overlap(wanted, network);
            }
            exact |= self.origin.as_ref() == Some(origin);
        }
        client && exact
    }

    fn fits_slots(&self, stored: &slots::Stored) -> bool {
        match stored {
            slots::Stored::Clock { .. } => *self == Self::default(),
            slots::Stored::Appointment {
                client,
                sender,
                recipients,
                ..
            } => {
                // Of a connection there is none.
                let none = [String::new()];
                let recipients = if recipients.is_empty() {
                    &none
                } else {
                    &recipients[..]
                };
                recipients.iter().any(|recipient| {
                    self.fits_traits(Traits {
                        client: Some(IpNet::from(client.to_canonical())),
                        sender: Some(sender),
                        recipient: Some(recipient),
                    })
                })
            }
            slots::Stored::Calendar { key, .. } => {
                let of_domain = format!("@{key}");
                let whose = |entry: &str| {
                    among(Some(entry), key)
                        || (!key.contains('@') && among(Some(entry), &of_domain))
                };
                match (&self.client, &self.sender, &self.recipient) {
                    _ if self.origin.is_some() => false,
                    (None, None, None) => true,
                    (Some(wanted), None, None) => {
                        key.parse().is_ok_and(|network| overlap(wanted, &network))
                    }
                    (None, Some(entry), None) | (None, None, Some(entry)) => whose(entry),
                    _ => false,
                }
            }
        }
    }

    fn fits_returns(&self, stored: &returns::Stored) -> bool {
        self.fits_traits(match stored {
            returns::Stored::Accepted { client, .. } => Traits {
                client: Some(*client),
                ..Traits::default()
            },
            returns::Stored::Pair {
                client,
                sender,
                recipient,
                ..
            } => Traits {
                client: Some(*client),
                sender: Some(sender),
                recipient: Some(recipient),
            },
        })
    }

    fn fits_domain(&self, stored: &domains::Stored) -> bool {
        let domains::Stored {
            domain, network, ..
        } = stored;
        let of_domain = format!("@{domain}");
        let whose = self.sender.as_deref().is_none_or(|entry| {
            let of_entry = entry.rsplit_once('@').map_or(entry, |(_, domain)| domain);
            let of_entry = of_entry.to_lowercase();
            let below = of_entry.strip_suffix(domain.as_str());
            among(Some(entry), &of_domain)
                || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        let brought = self.client.is_none_or(|wanted| overlap(&wanted, network));
        whose && brought && self.recipient.is_none() && self.origin.is_none()
    }

    fn fits_traits(&self, row: Traits<'_>) -> bool {
        let client = self
            .client
            .is_none_or(|wanted| row.client.is_some_and(|network| overlap(&wanted, &network)));
        let in_text = |entry: &Option<String>, text: Option<&str>| {
            entry.is_none() || text.is_some_and(|text| among(entry.as_deref(), text))
        };
        client
            && self.origin.is_none()
            && in_text(&self.sender, row.sender)
            && in_text(&self.recipient, row.recipient)
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

fn among(entry: Option<&str>, address: &str) -> bool {
    entry.is_none_or(|entry| {
        let same = entry.eq_ignore_ascii_case(address);
        let is_in = |list: AddressList| list.entry(address).is_some();
        same || (!entry.is_empty() && is_in(AddressList::from_iter([entry])))
    })
}
