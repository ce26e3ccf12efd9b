//! Which records an administrator means.

use clap::Args as Arguments;
use ipnet::IpNet;
use policy::lists::Subject;

use crate::control::change;

/// Several of them: records for which all holds.
#[derive(Arguments)]
pub(super) struct Which {
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
        self.client.is_none() && self.sender.is_none() && self.recipient.is_none()
    }

    pub(super) fn given(&self) -> change::Which {
        change::Which {
            client: self.client,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
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

/// As people copy it: with the brackets of the log or without.
fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    match inner.unwrap_or(text) {
        "" => Ok(String::new()),
        inner => match Subject::sender(inner) {
            Ok(Subject::Sender(pattern)) => Ok(pattern),
            Ok(_) => Err("this is no address".to_owned()),
            Err(err) => Err(err.to_string()),
        },
    }
}
