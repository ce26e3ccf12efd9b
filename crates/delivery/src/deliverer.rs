//! Does what an attempt asks for.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::dispatch::Job;
use queue::outcome::{Deferral, HostEvent, Outcome};
use queue::spool::Body;
use queue::{Destination, HostKey, Report};
use retry_hint::Tongues;
use smtp::client::{Protocol, Tls};
use tokio::time::sleep;

use crate::attempt::{Attempt, Group};
use crate::dial::{Dial, Tcp};
use crate::hosts::{Free, Host, Wish, free, order, without_route};
use crate::lane::{Lane, Unasked};
use crate::local;
use crate::pool::Slots;
use crate::route::{Asker, Resolve, RouteError, route, way};
use crate::tls::Handshake;
use crate::words;

mod run;

/// What the administrator sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name where we deliver: in EHLO, in Maildir names, and to know an MX record that means us.
    pub helo: String,
    /// Our name where we take mail: to know an MX record that means us, and a host that turns out to be us (RFC 5321
    /// §5.1).
    pub hostname: String,
    /// Connections start from this address, where its family fits the host's. A retry at an appointment starts from
    /// the address that the appointment was made from.
    pub local_addr: Option<IpAddr>,
    /// Whether STARTTLS is used.
    pub tls: Tls,
    /// Times to wait for each answer.
    pub timeouts: smtp::client::Timeouts,
    /// Time to connect (30 s).
    pub connect_timeout: Duration,
    /// The port of MX hosts: 25, or another for tests. At 25, a loopback address found by MX is taken to be us.
    pub port: u16,
    /// Which hints are read; `None`: none.
    pub tongues: Option<Tongues>,
    /// Sessions with one host, over all lanes (20).
    pub sessions_per_host: usize,
    /// Mails over one session (100).
    pub mails_per_session: u32,
    /// A session older than this takes no further mail (5 min).
    pub session_age: Duration,
    /// Hosts asked in one attempt (10).
    pub max_hosts: usize,
    /// Mailboxes on this machine.
    pub maildir: local::Settings,
}

/// Which hosts have to wait. [`queue::dispatch::Dispatcher::held`] knows.
pub trait Holds: Sync {
    /// Until when this host is held; `None`: it may be asked.
    fn held(&self, host: HostKey) -> Option<SystemTime>;
}

/// Makes attempts. Cheap to clone; all clones count sessions together.
#[derive(Clone)]
pub struct Deliverer(Arc<Shared>);

struct Shared {
    resolver: Arc<dyn Resolve>,
    dial: Arc<dyn Dial>,
    handshake: Handshake,
    slots: Arc<Slots>,
    set: RwLock<Arc<Set>>,
    /// The address of appointments that was last found to be gone from this machine: told once.
    gone: Mutex<Option<IpAddr>>,
}

/// The settings, and what follows from them.
struct Set {
    settings: Settings,
    as_set: Spoken,
    clear: Spoken,
}

/// What sessions are set up with.
struct Spoken {
    smtp: Arc<smtp::client::Settings>,
    lmtp: Arc<smtp::client::Settings>,
}

impl Set {
    fn new(settings: Settings) -> Arc<Self> {
        let client = |protocol, tls| {
            Arc::new(smtp::client::Settings {
                helo: settings.helo.clone(),
                protocol,
                tls,
                timeouts: settings.timeouts,
            })
        };
        let client = |tls| Spoken {
            smtp: client(Protocol::Smtp, tls),
            lmtp: client(Protocol::Lmtp, tls),
        };
        let (as_set, clear) = (client(settings.tls), client(Tls::Off));
        Arc::new(Self {
            settings,
            as_set,
            clear,
        })
    }
}

impl std::fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliverer")
            .field("settings", &self.set().settings)
            .finish_non_exhaustive()
    }
}

impl Deliverer {
    /// Over TCP.
    #[must_use]
    pub fn new(settings: Settings, resolver: Arc<dyn Resolve>) -> Self {
        Self::with_dial(settings, resolver, Arc::new(Tcp))
    }

    /// Over connections that `dial` makes.
    #[must_use]
    pub fn with_dial(settings: Settings, resolver: Arc<dyn Resolve>, dial: Arc<dyn Dial>) -> Self {
        Self(Arc::new(Shared {
            resolver,
            dial,
            handshake: Handshake::opportunistic(),
            slots: Arc::default(),
            set: RwLock::new(Set::new(settings)),
            gone: Mutex::default(),
        }))
    }

    /// A changed configuration: counts from the next attempt on. Sessions that are open stay as they are.
    pub fn configure(&self, settings: Settings) {
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) = Set::new(settings);
    }

    /// A lane without a session.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane::default()
    }

    /// Makes one attempt: an outcome for every recipient of the job, and what it learned about hosts.
    ///
    /// Takes at most the sum of the timeouts of the hosts that it asks. Dropped before its end, it drops the
    /// connection; what was sent whole may still be delivered.
    pub async fn attempt(
        &self,
        lane: &mut Lane,
        job: &Job,
        body: Body,
        holds: &dyn Holds,
        now: SystemTime,
    ) -> Report {
        let set = self.set();
        if job.destination == Destination::Local {
            return local::deliver(&set.settings.maildir, &set.settings.helo, job, body, now).await;
        }
        match self.route(lane, &set.settings, job, now).await {
            Ok(hosts) => {
                let open = lane.kept.as_ref().map(|kept| kept.host.key());
                let groups = groups(job, |wish| {
                    free(order(&hosts, wish, open), holds, set.settings.max_hosts)
                });
                let attempt = Attempt::new(groups, set.settings.tongues);
                self.run(lane, &set, attempt, job, &body).await
            }
            Err(error) => {
                let (attempt, rest) = without_hosts(job, &error, holds, &set.settings);
                let mut report = self.run(lane, &set, attempt, job, &body).await;
                report.outcomes.extend(rest);
                report
            }
        }
    }

    /// Resolves when the lane's session is over: the peer closed it, or its place was needed for another lane's, or it
    /// is too old, and it was closed. At once if there is none. Can be cancelled, and called again.
    ///
    /// Returns what the peer said last, where that was a time.
    pub async fn idle(&self, lane: &mut Lane) -> Option<Unasked> {
        let kept = lane.kept.as_mut()?;
        let set = self.set();
        let left = set.settings.session_age.saturating_sub(kept.session.age());
        let gone = tokio::select! {
            failure = kept.session.gone() => Some(failure),
            () = kept.slot.wanted() => None,
            () = sleep(left) => None,
        };
        let kept = lane.kept.take()?;
        let Some(failure) = gone else {
            kept.quit().await;
            return None;
        };
        let (reply, hint) = run::told_to_wait(&failure?, set.settings.tongues)?;
        Some(Unasked {
            host: kept.host.key(),
            relay: kept.host.to_string(),
            event: HostEvent::Refused {
                reply,
                hint: Some(hint),
            },
        })
    }

    /// Says QUIT where a session is open.
    pub async fn close(&self, lane: Lane) {
        if let Some(kept) = lane.kept {
            kept.quit().await;
        }
    }

    fn set(&self) -> Arc<Set> {
        self.0
            .set
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn route(
        &self,
        lane: &mut Lane,
        settings: &Settings,
        job: &Job,
        now: SystemTime,
    ) -> Result<Vec<Host>, RouteError> {
        if let Some(hosts) = lane.route(&job.destination) {
            return Ok(hosts);
        }
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let asker = Asker {
            names: [&settings.helo, &settings.hostname],
            port: settings.port,
            seed: job.message.id.0 ^ since.as_micros() as u64,
        };
        let hosts = route(&*self.0.resolver, &job.destination, asker).await?;
        lane.set_route(&job.destination, &hosts);
        Ok(hosts)
    }
}

/// The recipients that want the same hosts, together; in the order of their first.
fn groups(job: &Job, hosts: impl Fn(Wish) -> Free) -> Vec<Group> {
    let mut groups: Vec<(Wish, Vec<u32>)> = Vec::new();
    for (index, row) in &job.rows {
        let wish = Wish::of(row);
        match groups.iter_mut().find(|(other, _)| *other == wish) {
            Some((_, recipients)) => recipients.push(*index),
            None => groups.push((wish, vec![*index])),
        }
    }
    let with_hosts = groups.into_iter().map(|(wish, recipients)| Group {
        recipients,
        free: hosts(wish),
        wish,
    });
    with_hosts.collect()
}

/// No route. Where that may pass, an appointment is kept nevertheless: it names its host's address.
fn without_hosts(
    job: &Job,
    error: &RouteError,
    holds: &dyn Holds,
    settings: &Settings,
) -> (Attempt, Vec<(u32, Outcome)>) {
    let mut rest = Vec::new();
    let mut appointed = Vec::new();
    for group in groups(job, |wish| {
        let host = without_route(wish, way(&job.destination));
        free(host.into_iter().collect(), holds, 1)
    }) {
        let has_host = !group.free.hosts.is_empty() || group.free.held.is_some();
        if has_host && !error.is_permanent() {
            appointed.push(group);
            continue;
        }
        let problem = words::nowhere(error.status, error.text.clone());
        let outcome = if error.is_permanent() {
            Outcome::Failed(problem)
        } else {
            Outcome::Deferred(Deferral {
                problem,
                hint: None,
                host: None,
                local: None,
            })
        };
        rest.extend(
            group
                .recipients
                .into_iter()
                .map(|index| (index, outcome.clone())),
        );
    }
    (Attempt::new(appointed, settings.tongues), rest)
}

#[cfg(test)]
mod tests;
