//! More connections than there are places for.

use store::memory::MemorySpool;

use super::client::Client;
use super::net::Net;
use super::node::Node;
use super::{MINUTE, SECOND, until};

const OF_CLIENT: &str = "421 4.7.0 Too many connections from you, try again later\r\n";
const OF_ALL: &str = "421 4.7.0 Too many connections, try again later\r\n";

fn node(net: &Net) -> Node {
    let config = "hostname = \"mx.example\"\n[local]\ndomains = []\nmailboxes = {}\n\
        [limits]\nconnections = 3\nconnections_per_client = 2\ncommand_timeout = \"5m\"\n";
    Node::start(net, "198.51.100.2", MemorySpool::default(), config)
}

/// Comes in, and says nothing.
async fn idle(mut client: Client) -> Client {
    let greeting = client.reply().await;
    assert!(greeting.starts_with("220 "), "{greeting}");
    client
}

async fn refused(mut client: Client, with: &str) {
    assert_eq!(client.rest().await, with);
}

#[tokio::test(start_paused = true)]
async fn who_holds_idle_connections_is_refused_and_does_not_hold_them_for_ever() {
    let net = Net::new();
    let node = node(&net);
    let mut held = vec![
        idle(node.client("2001:db8:0:1::1")).await,
        idle(node.client("2001:db8:0:1:8000::2")).await,
    ];
    // One machine has a whole /64.
    refused(node.client("2001:db8:0:1::3"), OF_CLIENT).await;
    held.push(idle(node.client("2001:db8:0:2::1")).await);
    refused(node.client("2001:db8:0:2::2"), OF_ALL).await;
    refused(node.client("192.0.2.9"), OF_ALL).await;
    for mut client in held {
        let parting = client.rest().await;
        assert!(parting.starts_with("421 4.4.2 "), "{parting}");
        assert!(
            net.at() >= 5 * MINUTE && net.at() <= 5 * MINUTE + SECOND,
            "{:?}",
            net.at()
        );
    }
    until("their end", 3 * SECOND, || node.sessions() == 0).await;
    idle(node.client("2001:db8:0:1::3")).await;
}

/// Programs of one user can't take the places of others here, nor those of the network.
#[tokio::test(start_paused = true)]
async fn a_user_of_this_machine_has_so_many_places() {
    let net = Net::new();
    let node = node(&net);
    let first = idle(node.program(1000)).await;
    let second = idle(node.program(1000)).await;
    refused(node.program(1000), OF_CLIENT).await;
    let third = idle(node.program(1001)).await;
    refused(node.program(1002), OF_ALL).await;
    let from_elsewhere = idle(node.client("192.0.2.9")).await;
    drop(first);
    until("a place", SECOND, || node.sessions() == 3).await;
    node.submit("u@a.example", "v@b.example").await;
    drop((second, third, from_elsewhere));
}
