//! One worker's connection state: the session it keeps between mails, and the route it found last.

use std::time::Duration;

use queue::outcome::HostEvent;
use queue::{Destination, HostKey};
use tokio::time::Instant;

use crate::attempt::Path;
use crate::hosts::Host;
use crate::pool::Slot;
use crate::session::Session;

/// A route is looked up again after this long, whatever its TTL: short enough to follow a change, long enough that a
/// busy lane asks seldom.
const ROUTE_AGE: Duration = Duration::from_secs(30);

/// So many mails a session takes before it makes room for another lane that waits for a session with this host.
const TURN: u32 = 20;

/// One worker's connection state. Made by [`crate::Deliverer::lane`]; give it back with [`crate::Deliverer::close`],
/// since dropping it drops the connection without a QUIT.
#[derive(Default)]
pub struct Lane {
    pub(crate) kept: Option<Kept>,
    route: Option<(Destination, Instant, Vec<Host>)>,
}

/// What a host said unasked, over a session between two mails: a 421 with a time for all mail to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// Who.
    pub host: HostKey,
    /// The same as a relay is named in logs.
    pub relay: String,
    /// [`HostEvent::Refused`], with its hint.
    pub event: HostEvent,
}

/// A session between mails.
pub(crate) struct Kept {
    pub(crate) session: Session,
    pub(crate) host: Host,
    /// It was opened in clear though TLS was offered, since the handshake failed.
    pub(crate) clear: bool,
    pub(crate) path: Path,
    /// Mails sent over it.
    pub(crate) mails: u32,
    /// Held as long as the session is open.
    pub(crate) slot: Slot,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.kept.as_ref().map(|kept| kept.host.to_string());
        f.debug_struct("Lane")
            .field("open", &host)
            .finish_non_exhaustive()
    }
}

impl Lane {
    /// The route, if it was found lately.
    pub(crate) fn route(&self, destination: &Destination) -> Option<Vec<Host>> {
        let (of, found, hosts) = self.route.as_ref()?;
        (of == destination && found.elapsed() < ROUTE_AGE).then(|| hosts.clone())
    }

    pub(crate) fn set_route(&mut self, destination: &Destination, hosts: &[Host]) {
        self.route = Some((destination.clone(), Instant::now(), hosts.to_vec()));
    }
}

impl Kept {
    /// Says QUIT. Its place is free when the host has closed.
    pub(crate) async fn quit(self) {
        self.session.quit().await;
        drop(self.slot);
    }

    /// Whether another mail may go over it.
    pub(crate) fn has_room(&mut self, mails: u32, age: Duration) -> bool {
        self.mails < mails.max(1)
            && self.session.age() < age
            && (self.mails < TURN || !self.slot.is_wanted())
    }
}
