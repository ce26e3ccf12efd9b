//! Which records an administrator means.

use clap::Args as Arguments;
use ipnet::IpNet;
use policy::lists::Subject;

use crate::control::change::{self, Kind};

/// Several of them: records for which all holds.
#[derive(Arguments)]
pub(super) struct Which {
    /// As allow and deny have it: `client 192.0.2.7` is `--client 192.0.2.7`.
    #[arg(value_name = "KIND", requires = "value")]
    kind: Option<Kind>,
    /// Its address, network or domain.
    #[arg(value_name = "VALUE")]
    value: Option<String>,
    /// Of this client: an address, or a network with all in it: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32.
    #[arg(long, value_name = "IP|NET", value_parser = network)]
    client: Option<IpNet>,
    /// Of this sender: an address, a domain, or .domain for what lies below it; <> is the null sender.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    sender: Option<String>,
    /// Of this recipient, in the same way.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    recipient: Option<String>,
}

impl Which {
    /// Nothing is given: all are meant.
    pub(super) fn is_all(&self) -> bool {
        self.kind.is_none()
            && self.client.is_none()
            && self.sender.is_none()
            && self.recipient.is_none()
    }

    /// # Errors
    /// In words, for a wrong command line.
    pub(super) fn given(&self) -> Result<change::Which, String> {
        let mut which = change::Which {
            client: self.client,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
        };
        let (Some(kind), Some(value)) = (self.kind, self.value.as_deref()) else {
            return Ok(which);
        };
        let twice = match kind {
            Kind::Client => which.client.replace(network(value)?).is_some(),
            Kind::Sender => which.sender.replace(address(value)?).is_some(),
            Kind::Recipient => which.recipient.replace(address(value)?).is_some(),
        };
        match twice {
            true => Err(format!("{} is there twice", kind.name())),
            false => Ok(which),
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    match Subject::client(text) {
        Ok(Subject::Client(network)) => Ok(network),
        Ok(_) => Err("this is no network".to_owned()),
        Err(err) => Err(err.to_string()),
    }
}

fn address(text: &str) -> Result<String, String> {
    match Subject::sender(text) {
        Ok(Subject::Sender(pattern)) => Ok(pattern),
        Ok(_) => Err("this is no address".to_owned()),
        Err(err) => Err(err.to_string()),
    }
}
