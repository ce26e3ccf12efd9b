//! The built-in server as one door among the others: see `doors::tests`.

use std::sync::Arc;

use store::memory::MemorySpool;

use super::client::Client;
use super::net::Net;
use super::node::Node;
use crate::judge::Judge;

/// One client after the other.
pub(crate) struct Smtp {
    node: Node,
    client: Option<Client>,
}

impl Smtp {
    /// `tables` is TOML, without mailboxes.
    pub(crate) fn new(tables: &str) -> Self {
        // What it takes goes on to a host that is never found, and so touches no file.
        let config = format!(
            "hostname = \"mx.example\"\n{tables}\n[local]\ndomains = [\"here.example\"]\nmailboxes = {{}}\n\
             [aliases]\n\"@here.example\" = [\"x@gone.example\"]\npostmaster = [\"x@gone.example\"]\n"
        );
        let node = Node::start(&Net::new(), "198.51.100.2", MemorySpool::default(), &config);
        Self { node, client: None }
    }

    /// A client connects; the greeting.
    pub(crate) async fn connect(&mut self, address: &str) -> String {
        let mut client = self.node.client(address);
        let greeting = client.reply().await;
        self.client = Some(client);
        greeting
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        self.client.as_mut().expect("a client").rest().await
    }

    pub(crate) fn judge(&self) -> &Arc<Judge> {
        self.node.judge()
    }

    /// The reply to one line of the client.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        let client = self.client.as_mut().expect("a client");
        client.write(format!("{line}\r\n").as_bytes()).await;
        client.reply().await
    }
}
