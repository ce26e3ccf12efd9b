//! Decides what the session machine asks: who may relay, who is here, who waits, and whether there is room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::greylist::exempt::{Circumstances, exemption};
use policy::greylist::{Verdict, Visit};
use queue::spool::SpoolError;
use smtp::reply::echo;
use smtp::server::{Decision, Session};
use smtp::{Reply, Status};
use store::greylist::Greylist;

use super::connections::{Connections, Guard, Peer};
use super::intake::Incoming;
use super::trace;
use crate::config::GreylistMode;
use crate::directory::Found;
use crate::routes::domain_of;
use crate::runner::Runner;
use crate::site::{SharedSite, Site};

/// Shared by all sessions.
pub(crate) struct Gate {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) greylist: Arc<Greylist>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) connections: Arc<Connections>,
}

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A network listener.
    Network,
    /// A program on this machine, over the submission socket; its user id.
    Local { uid: u32 },
}

/// What is known of one session's client and of the mail it is sending.
pub(crate) struct Visitor {
    addr: SocketAddr,
    door: Door,
    guard: Option<Guard>,
    incoming: Option<Incoming>,
    /// The longest greylist wait that a recipient of this mail went through.
    waited: Option<Duration>,
}

impl Visitor {
    pub(crate) fn new(addr: SocketAddr, door: Door) -> Self {
        Self {
            addr,
            door,
            guard: None,
            incoming: None,
            waited: None,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }

    pub(super) fn waited(&self) -> Option<Duration> {
        self.waited
    }

    /// For `Received:`.
    pub(super) fn describe(&self) -> String {
        match self.door {
            Door::Network => match self.addr.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => format!("[{ip}]"),
                std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
            },
            Door::Local { uid } => format!("local user {uid}"),
        }
    }

    /// For the log.
    pub(super) fn name(&self) -> String {
        match self.door {
            Door::Network => format!("[{}]:{}", self.addr.ip().to_canonical(), self.addr.port()),
            Door::Local { uid } => format!("local[uid {uid}]"),
        }
    }

    /// Whether it was let in.
    pub(super) fn is_welcome(&self) -> bool {
        self.door != Door::Network || self.guard.is_some()
    }

    /// Takes content.
    pub(crate) async fn write(&mut self, octets: &[u8]) {
        if let Some(incoming) = &mut self.incoming {
            incoming.write(octets).await;
        }
    }

    /// Drops what was begun.
    pub(crate) fn discard(&mut self) {
        self.incoming = None;
    }

    fn may_relay(&self, site: &Site) -> bool {
        match self.door {
            Door::Network => site.relays_for(self.addr.ip()),
            Door::Local { .. } => true,
        }
    }
}

impl Gate {
    /// May this client talk to us at all?
    pub(crate) fn connect(&self, visitor: &mut Visitor) -> Decision {
        let limits = &self.site.get().config.limits;
        let peer = match visitor.door {
            Door::Network => Peer::Address(visitor.addr.ip()),
            Door::Local { uid } => Peer::User(uid),
        };
        match self
            .connections
            .enter(peer, limits.connections, limits.connections_per_client)
        {
            Ok(guard) => {
                visitor.guard = Some(guard);
                Decision::Accept
            }
            Err(full) => {
                tracing::warn!(target: "smtp", client = %visitor.name(), "refused: {full}");
                Decision::Refuse(Reply::new(
                    421,
                    Status(4, 7, 0),
                    format!("{full}, try again later"),
                ))
            }
        }
    }

    /// Is there room for a mail?
    pub(crate) fn mail(&self, session: &Session) -> Decision {
        let spool = self.runner.spool();
        let min_free = self.site.get().config.limits.min_free;
        let wanted = min_free.saturating_add(session.transaction().sender.size.unwrap_or(0));
        match spool.free_octets() {
            Some(free) if free < wanted => {
                tracing::warn!(target: "smtp", free, wanted, "no room for mail: free space on the data directory's file system");
                Decision::Refuse(self.no_room(wanted - free))
            }
            _ => Decision::Accept,
        }
    }

    /// May mail for this recipient come in, and now?
    pub(crate) fn recipient(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        let site = self.site.get();
        let transaction = session.transaction();
        let Some(candidate) = &transaction.candidate else {
            return Decision::Accept;
        };
        let address = candidate.address.as_str();
        if transaction.recipients.is_empty() {
            visitor.waited = None;
        }
        let refusal = match site.directory.find(address) {
            Found::Mailbox(_) => None,
            Found::Alias(_) => site.directory.expand(address).err().map(|trouble| {
                tracing::error!(target: "smtp", to = %address, ?trouble, "an alias can't be followed: correct [aliases]");
                refuse(451, Status(4, 3, 5), address, "Recipient address rejected: its alias is out of order here")
            }),
            Found::Nobody => Some(refuse(550, Status(5, 1, 1), address, "Recipient address rejected: User unknown")),
            Found::Elsewhere if visitor.may_relay(&site) || site.relays_to(domain_of(address)) => None,
            Found::Elsewhere => Some(refuse(554, Status(5, 7, 1), address, "Relay access denied")),
        };
        let refusal = refusal.or_else(|| self.greylist(&site, session, visitor, address));
        match refusal {
            None => Decision::Accept,
            Some(reply) => {
                tracing::info!(
                    target: "smtp",
                    client = %visitor.name(),
                    from = %format_args!("<{}>", echo(&transaction.sender.address, 256)),
                    to = %format_args!("<{}>", echo(address, 256)),
                    proto = session.protocol(),
                    helo = %format_args!("<{}>", echo(session.helo().unwrap_or(""), 128)),
                    hint = reply.hint,
                    reply = %reply,
                    "NOQUEUE: reject: RCPT",
                );
                Decision::Refuse(reply)
            }
        }
    }

    fn greylist(
        &self,
        site: &Site,
        session: &Session,
        visitor: &mut Visitor,
        address: &str,
    ) -> Option<Reply> {
        let settings = &site.config.greylist;
        let sender = session.transaction().sender.address.as_str();
        let visit = Visit {
            client: visitor.addr.ip().to_canonical(),
            sender,
            recipient: address,
        };
        let known = Circumstances {
            authenticated: visitor.door != Door::Network,
        };
        if settings.mode == GreylistMode::Off
            || exemption(&site.exemptions, &visit, known).is_some()
        {
            return None;
        }
        match self.greylist.judge(visit, self.runner.now()) {
            Verdict::Known => None,
            Verdict::Waited(waited) => {
                visitor.waited = visitor.waited.max(Some(waited));
                None
            }
            Verdict::Defer { wait_secs, first } => {
                if settings.mode == GreylistMode::Observe {
                    tracing::info!(
                        target: "greylist",
                        client = %visitor.name(), from = %format_args!("<{}>", echo(sender, 256)),
                        to = %format_args!("<{}>", echo(address, 256)), wait_secs, first, "would defer",
                    );
                    return None;
                }
                Some(greylisted(site, session, address, wait_secs))
            }
        }
    }

    /// Opens a place for the content, and begins it with our trace fields.
    pub(crate) fn data(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        let site = self.site.get();
        let now = self.runner.now();
        let spool = self.runner.spool();
        let id = spool.new_id(now);
        match spool.stage(id) {
            Ok(staging) => {
                let head = trace::fields(
                    &site.config.hostname,
                    site.config.trace.client,
                    session,
                    visitor,
                    id,
                    now,
                );
                visitor.incoming = Some(Incoming::new(id, now, staging, &head));
                Decision::Accept
            }
            Err(err) => Decision::Refuse(self.storage(&err)),
        }
    }

    /// Makes the mail durable.
    pub(crate) async fn message(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        let Some(incoming) = visitor.incoming.take() else {
            return Decision::Refuse(Reply::new(
                451,
                Status(4, 3, 0),
                "The mail got lost on its way to the queue",
            ));
        };
        let site = self.site.get();
        match incoming.accept(&site, session, visitor, &self.runner).await {
            Ok(id) => Decision::AcceptWith(Reply::new(
                250,
                Status(2, 0, 0),
                format!("Ok: queued as {id}"),
            )),
            Err(err) => {
                tracing::error!(target: "smtp", client = %visitor.name(), "mail refused: {err}");
                Decision::Refuse(self.storage(&err))
            }
        }
    }

    /// The reply to a spool's trouble.
    fn storage(&self, err: &SpoolError) -> Reply {
        match err {
            SpoolError::Full => self.no_room(self.site.get().config.limits.min_free),
            SpoolError::Sick(_) => Reply::new(
                451,
                Status(4, 3, 0),
                "Mail storage is out of order, try again later",
            ),
            SpoolError::Closed => {
                Reply::new(421, Status(4, 3, 2), "Shutting down, try again later")
            }
        }
    }

    /// 452 4.3.1, with an estimate of when the missing octets will be free, once a drain was measured.
    fn no_room(&self, missing: u64) -> Reply {
        let reply = Reply::new(
            452,
            Status(4, 3, 1),
            "Insufficient system storage, try again later",
        );
        match self.runner.spool().drain_rate() {
            Some(rate) if rate > 0.0 && self.site.get().config.hints.give => {
                reply.with_hint(storage_wait(missing, rate))
            }
            _ => reply,
        }
    }
}

/// Estimates are bounded: between a minute and an hour.
fn storage_wait(missing: u64, octets_per_sec: f64) -> u64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, clamped"
    )]
    let secs = (missing as f64 / octets_per_sec).ceil() as u64;
    secs.clamp(60, 3600)
}

fn refuse(code: u16, status: Status, address: &str, why: &str) -> Reply {
    Reply::new(code, status, format!("<{}>: {why}", echo(address, 256)))
}

/// `450 4.2.0 TIME=300 <rcpt>: Recipient address rejected: Greylisted, try again in 300 seconds; from=<…> …`
fn greylisted(site: &Site, session: &Session, address: &str, wait_secs: Option<u64>) -> Reply {
    let settings = &site.config.greylist;
    let wait_secs = wait_secs.filter(|_| site.config.hints.give);
    let words = match wait_secs {
        Some(secs) => settings.text.replace("{seconds}", &secs.to_string()),
        None => "Greylisted, try again later".to_owned(),
    };
    let status = Status::parse(&settings.status).unwrap_or(Status(4, 2, 0));
    let text = format!(
        "<{}>: Recipient address rejected: {words}; from=<{}> to=<{}> proto={} helo=<{}>",
        echo(address, 128),
        echo(&session.transaction().sender.address, 80),
        echo(address, 80),
        session.protocol(),
        echo(session.helo().unwrap_or(""), 64),
    );
    let reply = Reply::new(settings.code, status, text);
    match wait_secs {
        Some(secs) => reply.with_hint(secs),
        None => reply,
    }
}
