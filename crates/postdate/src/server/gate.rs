//! Decides what the session machine asks: who may relay, who is here, who waits, and whether there is room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::drain::storage_wait;
use policy::{Event, NoHint, Reason, Refusal, Stage, Verdict};
use queue::spool::SpoolError;
use smtp::reply::echo;
use smtp::server::{Ask, Decision, Session};
use smtp::{Reply, Status};

use super::connections::{Connections, Guard, Peer};
use super::intake::Incoming;
use super::no_room::NoRoom;
use super::trace;
use super::turned_away::TurnedAway;
use crate::checks::Reader;
use crate::directory::Found;
use crate::judge::{self, Caller, Judge};
use crate::mailboxes;
use crate::routes::domain_of;
use crate::runner::Runner;
use crate::site::{SharedSite, Site};

/// Shared by all sessions.
pub(crate) struct Gate {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) turned_away: TurnedAway,
    pub(crate) no_room: NoRoom,
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
    caller: Caller,
    /// Takes the content, where a rule reads it.
    reader: Option<Reader>,
}

impl Visitor {
    pub(crate) fn new(addr: SocketAddr, door: Door) -> Self {
        Self {
            addr,
            door,
            guard: None,
            incoming: None,
            waited: None,
            caller: Caller::default(),
            reader: None,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The longest greylist wait that a recipient of this mail went through.
    pub(super) fn waited(&self) -> Option<Duration> {
        self.waited
    }

    pub(super) fn door(&self) -> Door {
        self.door
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
        if let Some(reader) = &mut self.reader {
            reader.write(octets);
        }
    }

    /// Drops what was begun.
    pub(crate) fn discard(&mut self) {
        self.incoming = None;
        self.reader = None;
    }

    /// Who logged in: a program on this machine is its user.
    fn user(&self) -> Option<String> {
        match self.door {
            Door::Network => None,
            Door::Local { uid } => Some(format!("uid {uid}")),
        }
    }

    fn may_relay(&self, site: &Site) -> bool {
        match self.door {
            Door::Network => site.relays_for(self.addr.ip()),
            Door::Local { .. } => true,
        }
    }
}

impl Gate {
    /// Answers what the session machine asks.
    pub(crate) async fn answer(
        &self,
        ask: Ask,
        session: &Session,
        visitor: &mut Visitor,
    ) -> Decision {
        match ask {
            Ask::Connect => self.connect(session, visitor).await,
            Ask::Helo => self.decide(Stage::Helo, "", session, visitor).await,
            Ask::Mail => self.mail(session, visitor).await,
            Ask::Recipient => self.recipient(session, visitor).await,
            Ask::Data => self.data(session, visitor),
            Ask::Message => self.message(session, visitor).await,
        }
    }

    /// May this client talk to us at all?
    async fn connect(&self, session: &Session, visitor: &mut Visitor) -> Decision {
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
                let refused = self.judge(Stage::Connect, "", session, visitor).await;
                match refused {
                    None => Decision::Accept,
                    Some(reply) => {
                        visitor.guard = None;
                        Decision::Refuse(reply)
                    }
                }
            }
            Err(full) => {
                if self.turned_away.felt(full.key()) {
                    let key = full.key();
                    tracing::warn!(target: "smtp", client = %visitor.name(), "refused: {full} ({key})");
                }
                Decision::Refuse(Reply::new(
                    421,
                    Status(4, 7, 0),
                    format!("{full}, try again later"),
                ))
            }
        }
    }

    /// Is there room for a mail, and may this sender's come in?
    async fn mail(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        // One that was begun before, and not ended.
        self.judge.gave_up(&mut visitor.caller);
        visitor.waited = None;
        let spool = self.runner.spool();
        let min_free = self.site.get().config.limits.min_free;
        let wanted = min_free.saturating_add(session.transaction().sender.size.unwrap_or(0));
        let event = event(Stage::Mail, "", session, visitor);
        match spool.free_octets() {
            Some(free) if free < wanted => {
                self.no_room.felt(free, wanted);
                let refusal = self.judge.unstorable(&event, self.no_room(wanted - free));
                Decision::Refuse(judge::bare(&refusal))
            }
            _ => {
                self.no_room.over();
                self.decide(Stage::Mail, "", session, visitor).await
            }
        }
    }

    /// May mail for this recipient come in, and now?
    async fn recipient(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        let site = self.site.get();
        let transaction = session.transaction();
        let Some(candidate) = &transaction.candidate else {
            return Decision::Accept;
        };
        let address = candidate.address.as_str();
        if let Some(reply) = not_taken(&site, visitor, address) {
            log_refusal(Stage::Recipient, session, visitor, address, &reply, None);
            return Decision::Refuse(reply);
        }
        self.look_at_mailbox(
            &site,
            visitor,
            address,
            transaction.sender.size.unwrap_or(0),
        );
        self.decide(Stage::Recipient, address, session, visitor)
            .await
    }

    /// Tells the rules which mailbox it is about, and what its quota says.
    fn look_at_mailbox(&self, site: &Site, visitor: &mut Visitor, address: &str, octets: u64) {
        let mailbox = mailboxes::behind(&site.directory, address);
        let room = mailbox
            .as_ref()
            .and_then(|mailbox| site.room(mailbox, octets, self.runner.now()));
        visitor.caller.goes_to(mailbox, room);
    }

    /// As the rules say.
    async fn decide(
        &self,
        stage: Stage,
        recipient: &str,
        session: &Session,
        visitor: &mut Visitor,
    ) -> Decision {
        match self.judge(stage, recipient, session, visitor).await {
            None => Decision::Accept,
            Some(reply) => Decision::Refuse(reply),
        }
    }

    /// What the rules say of this step; a refusal is logged.
    async fn judge(
        &self,
        stage: Stage,
        recipient: &str,
        session: &Session,
        visitor: &mut Visitor,
    ) -> Option<Reply> {
        let user = visitor.user();
        let event = Event {
            user: user.as_deref(),
            ..event(stage, recipient, session, visitor)
        };
        let verdict = self.judge.judge(&mut visitor.caller, &event).await;
        let refusal = match verdict {
            Verdict::Accept { waited } => {
                visitor.waited = visitor.waited.max(waited);
                return None;
            }
            Verdict::Refuse(refusal) => refusal,
        };
        let reply = judge::reply(&refusal, &event, session.protocol());
        if stage != Stage::Connect || self.turned_away.felt(&by_what(&refusal)) {
            log_refusal(stage, session, visitor, recipient, &reply, Some(&refusal));
        }
        Some(reply)
    }

    /// Opens a place for the content, and begins it with our trace fields.
    fn data(&self, session: &Session, visitor: &mut Visitor) -> Decision {
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
                let is_network = visitor.door == Door::Network;
                visitor.reader = self.judge.reader().filter(|_| is_network);
                Decision::Accept
            }
            Err(err) => Decision::Refuse(self.storage(session, visitor, &err)),
        }
    }

    /// Makes the mail durable.
    async fn message(&self, session: &Session, visitor: &mut Visitor) -> Decision {
        let content = visitor.reader.take().map(Reader::end);
        visitor.caller.holds(content);
        let refused = self.judge(Stage::Message, "", session, visitor).await;
        let incoming = visitor.incoming.take();
        if let Some(reply) = refused {
            return Decision::Refuse(reply);
        }
        let Some(incoming) = incoming else {
            return Decision::Refuse(Reply::new(
                451,
                Status(4, 3, 0),
                "The mail got lost on its way to the queue",
            ));
        };
        let site = self.site.get();
        match incoming.accept(&site, session, visitor, &self.runner).await {
            Ok(id) => {
                self.judge.taken(&mut visitor.caller);
                Decision::AcceptWith(Reply::new(
                    250,
                    Status(2, 0, 0),
                    format!("Ok: queued as {id}"),
                ))
            }
            Err(err) => {
                self.judge.gave_up(&mut visitor.caller);
                Decision::Refuse(self.storage(session, visitor, &err))
            }
        }
    }

    /// The reply to a spool's trouble, which is logged.
    fn storage(&self, session: &Session, visitor: &Visitor, err: &SpoolError) -> Reply {
        tracing::error!(target: "smtp", client = %visitor.name(), "mail refused: {err}");
        let trouble = match err {
            SpoolError::Full => self.no_room(self.site.get().config.limits.min_free),
            // Nothing measures when it is over.
            SpoolError::Short(_) => unstored("System resources are short", None),
            SpoolError::Sick(_) => unstored("Mail storage is out of order", None),
            SpoolError::Closed => {
                return Reply::new(421, Status(4, 3, 2), smtp::server::SHUTTING_DOWN);
            }
        };
        let event = event(Stage::Mail, "", session, visitor);
        judge::bare(&self.judge.unstorable(&event, trouble))
    }

    /// With an estimate of when the missing octets will be free, once a drain was measured.
    fn no_room(&self, missing: u64) -> Refusal {
        let wait = storage_wait(missing, self.runner.spool().drain_rate());
        unstored("Insufficient system storage", wait)
    }

    /// The session is over.
    pub(crate) fn left(&self, visitor: &mut Visitor) {
        visitor.discard();
        self.judge.gave_up(&mut visitor.caller);
    }
}

/// What the session is at, without who logged in.
fn event<'a>(
    stage: Stage,
    recipient: &'a str,
    session: &'a Session,
    visitor: &Visitor,
) -> Event<'a> {
    let sender = &session.transaction().sender;
    Event {
        stage,
        client: visitor.addr.ip().to_canonical(),
        helo: session.helo().unwrap_or_default(),
        user: None,
        sender: &sender.address,
        recipient,
        size: match stage {
            Stage::Message => session.content().size,
            _ => sender.size.unwrap_or(0),
        },
    }
}

/// 452 4.3.1, unless the administrator has it otherwise.
fn unstored(words: &str, wait: Option<Duration>) -> Refusal {
    let wait_secs = wait.map(|wait| wait.as_secs());
    Refusal::wait(Reason::Storage, (452, (4, 3, 1)), words, wait_secs)
}

/// `refusal` is the rules' own.
fn log_refusal(
    stage: Stage,
    session: &Session,
    visitor: &Visitor,
    recipient: &str,
    reply: &Reply,
    refusal: Option<&Refusal>,
) {
    tracing::info!(
        target: "smtp",
        client = %visitor.name(),
        from = %format_args!("<{}>", echo(&session.transaction().sender.address, 256)),
        to = %format_args!("<{}>", echo(recipient, 256)),
        proto = session.protocol(),
        helo = %format_args!("<{}>", echo(session.helo().unwrap_or(""), 128)),
        reason = refusal.map(|refusal| refusal.reason.name()),
        rule = refusal.and_then(|refusal| refusal.rule.as_deref()),
        hint = reply.hint,
        no_hint = refusal.and_then(|refusal| refusal.no_hint).map(NoHint::name),
        reply = %reply,
        "NOQUEUE: reject: {}", judge::stage_name(stage),
    );
}

/// For counting: the reason, and the limit where it is one.
fn by_what(refusal: &Refusal) -> String {
    let reason = refusal.reason;
    match &refusal.rule {
        Some(rule) => format!("reason={reason}, rule={rule}"),
        None => format!("reason={reason}"),
    }
}

/// Why mail for this address is not taken from this client, whatever the rules say.
fn not_taken(site: &Site, visitor: &Visitor, address: &str) -> Option<Reply> {
    let unknown = || {
        refuse(
            550,
            Status(5, 1, 1),
            address,
            "Recipient address rejected: User unknown",
        )
    };
    match site.directory.find(address) {
        Found::Mailbox(_) => None,
        Found::Alias(_) => match site.directory.expand(address) {
            // One that is written without a domain need not lead to somebody in each.
            Ok(all) => {
                let is_nobody = |to: &String| site.directory.find(to) == Found::Nobody;
                all.iter().all(is_nobody).then(unknown)
            }
            Err(trouble) => {
                tracing::error!(target: "smtp", to = %address, ?trouble, "an alias can't be followed: correct [aliases]");
                Some(refuse(
                    451,
                    Status(4, 3, 5),
                    address,
                    "Recipient address rejected: its alias is out of order here",
                ))
            }
        },
        Found::Nobody => Some(unknown()),
        Found::Elsewhere if visitor.may_relay(site) || site.relays_to(domain_of(address)) => None,
        Found::Elsewhere => Some(refuse(554, Status(5, 7, 1), address, "Relay access denied")),
    }
}

fn refuse(code: u16, status: Status, address: &str, why: &str) -> Reply {
    Reply::new(code, status, format!("<{}>: {why}", echo(address, 256)))
}
