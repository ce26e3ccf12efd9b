//! The built-in server as one door among the others: see `doors::tests`.

use store::memory::MemorySpool;

use super::client::Client;
use super::net::Net;
use super::node::Node;

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

    /// A client connects, and gives its name; the replies.
    pub(crate) async fn connect(&mut self, address: &str, helo: &str) -> [String; 2] {
        let mut client = self.node.client(address);
        let greeting = client.reply().await;
        self.client = Some(client);
        [greeting, self.say(&format!("EHLO {helo}")).await]
    }

    /// The reply to one line of the client.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        let client = self.client.as_mut().expect("a client");
        client.write(format!("{line}\r\n").as_bytes()).await;
        client.reply().await
    }
}
