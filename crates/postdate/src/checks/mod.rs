//! Finds out what rules want to know from outside: reverse names, lists, SPF, the sender's domain, DMARC.
//!
//! The rules ask by [`Question`], and judge by the [`Facts`] that [`Checks::answer`] fills in; they never wait
//! themselves. All look-ups of one call share one time limit. One that fails blames its zone: until the zone's back-off
//! is over nobody asks it again, and whoever needs its answer is told how long that is.

mod content;
mod dmarc;
mod lists;
mod lookups;
mod reverse;
mod sender_domain;
mod spf;
#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use policy::zone::Zones;
use policy::{Event, Fact, Facts, Question};

use crate::clock::Clock;
use crate::config::checks::Checks as Settings;
use crate::names::Names;
use crate::routes::normal_domain;
pub(crate) use content::{Content, Reader};
use content::{HEADERS_MAX, Room};
use lookups::{Lookups, Trouble};

/// Looks up, for all doors. What it remembers: the zones that fail. Answers are kept by the resolver, as long as they
/// hold.
pub(crate) struct Checks {
    names: Arc<Names>,
    clock: Clock,
    zones: Mutex<Zones>,
    headers: Room,
}

/// What is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Inquiry<'a> {
    pub(crate) event: &'a Event<'a>,
    /// What the door knows of the client's name, if anything.
    pub(crate) names: Option<ClientNames<'a>>,
    /// For [`Question::Dmarc`].
    pub(crate) content: Option<&'a Content>,
}

/// A client's names as a door has looked them up, in Postfix's words: `unknown` where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientNames<'a> {
    /// `client_name`: leads back to the client.
    pub(crate) confirmed: &'a str,
    /// `reverse_client_name`: what the PTR record says.
    pub(crate) reverse: &'a str,
}

impl Checks {
    /// With the name servers in `names`, whatever they are at the time.
    pub(crate) fn new(names: Arc<Names>, clock: Clock) -> Self {
        Self {
            names,
            clock,
            zones: Mutex::default(),
            headers: Room::new(HEADERS_MAX),
        }
    }

    /// Takes the content of a mail that [`Question::Dmarc`] is to be asked about.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.headers.clone())
    }

    /// Answers `questions`, as far as `facts` has no answer yet. One that failed is asked again, as soon as its zone is.
    ///
    /// Returns after the time limit at the latest. Of a client that the world can't know (see [`is_public`]) nothing is
    /// looked up: its facts stay unasked, but for a name that the door knows.
    pub(crate) async fn answer(
        &self,
        facts: &mut Facts,
        questions: &[Question],
        inquiry: &Inquiry<'_>,
        settings: &Settings,
    ) {
        let client = inquiry.event.client.to_canonical();
        let asked = |question| questions.contains(&question);
        if !is_public(client) {
            let said = inquiry.names.and_then(reverse::said);
            if asked(Question::Reverse)
                && let Some(said) = said
            {
                facts.reverse = Fact::Known(said);
            }
            return;
        }
        let lookups = Lookups::new(
            self.names.get().resolver().clone(),
            &self.zones,
            &self.clock,
            settings.time_limit,
        );
        let identity = Identity::of(inquiry.event);
        let needs_spf = asked(Question::Spf) || asked(Question::Dmarc);
        tokio::join!(
            fill(
                &mut facts.reverse,
                asked(Question::Reverse),
                reverse::look_up(&lookups, client, inquiry.names),
            ),
            fill(
                &mut facts.lists,
                asked(Question::Lists),
                lists::look_up(&lookups, client, settings),
            ),
            fill(
                &mut facts.spf,
                needs_spf,
                spf::check(&lookups, client, &identity),
            ),
            fill(
                &mut facts.sender_domain,
                asked(Question::SenderDomain),
                sender_domain::look_up(&lookups, inquiry.event.sender),
            ),
        );
        fill(
            &mut facts.dmarc,
            asked(Question::Dmarc),
            dmarc::check(
                &lookups,
                inquiry.event,
                &identity,
                &facts.spf,
                inquiry.content,
            ),
        )
        .await;
    }
}

/// Whether the world knows this address: not loopback, private, link-local, shared (RFC 6598) or unspecified.
pub(crate) fn is_public(client: IpAddr) -> bool {
    match client.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified())
        }
    }
}

/// For whom SPF and DMARC ask.
struct Identity {
    /// As MAIL FROM has it, with the domain in A-labels; `postmaster@` and the HELO name for the null sender (RFC 7208
    /// §2.4).
    sender: String,
    /// Its domain; empty when there is none.
    domain: String,
    helo: String,
}

impl Identity {
    fn of(event: &Event<'_>) -> Self {
        let helo = normal_domain(event.helo);
        let (local, domain) = match event.sender.rsplit_once('@') {
            Some((local, domain)) => (local, normal_domain(domain)),
            None => ("", helo.clone()),
        };
        let local = if local.is_empty() {
            "postmaster"
        } else {
            local
        };
        Self {
            sender: format!("{local}@{domain}"),
            domain,
            helo,
        }
    }
}

/// Puts the answer in where it is wanted and not known.
async fn fill<T>(
    fact: &mut Fact<T>,
    wanted: bool,
    look_up: impl Future<Output = Result<T, Trouble>>,
) {
    if wanted && fact.known().is_none() {
        *fact = match look_up.await {
            Ok(answer) => Fact::Known(answer),
            Err(Trouble { retry }) => Fact::Failed { retry },
        };
    }
}
