//! One running MTA: spool, greylist, queue and fronts put together. `serve` runs one, `demo` two.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use delivery::{Deliverer, Dns};
use queue::Rules;
use queue::dispatch::{Dispatcher, Limits};
use queue::spool::{Spool, SpoolError};
use rustls::ServerConfig;
use store::greylist::Greylist;
use store::sqlite::SqliteSpool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::control::Control;
use crate::runner::{Answers, Runner};
use crate::server::{Connections, Front, Gate, Listener, LocalListener};
use crate::site::{SharedSite, Site};
use crate::tls;

/// How long sessions and deliveries under way may take at the end.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The submission socket's name in the data directory.
pub(crate) const SUBMIT_SOCKET: &str = "submit.sock";
/// The control socket's name in the data directory.
pub(crate) const CONTROL_SOCKET: &str = "control.sock";

/// Why a node could not start.
#[derive(Debug)]
pub(crate) struct StartError(String);

impl StartError {
    fn new(doing: impl fmt::Display, err: impl fmt::Display) -> Self {
        Self(format!("{doing}: {err}"))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A running MTA.
pub(crate) struct Node {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where the certificate lies that was made because none is configured.
    pub(crate) self_signed: Option<PathBuf>,
    greylist: Arc<Greylist>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    stop: watch::Sender<bool>,
    fronts: Vec<JoinHandle<()>>,
    queue: JoinHandle<()>,
}

impl Node {
    /// Starts everything. When this returns, mail is taken.
    ///
    /// # Errors
    /// In words for the administrator: what, where, and what to do.
    pub(crate) async fn start(config: Config) -> Result<Self, StartError> {
        let dir = config.data_dir.clone();
        make_private(&dir)?;
        // First: it takes the data directory's lock.
        let spool: Arc<dyn Spool> = Arc::new(SqliteSpool::open(&dir).map_err(|err| {
            StartError::new(format_args!("mail queue in {}", dir.display()), err)
        })?);
        let server_tls = tls::server(&config).map_err(|err| StartError::new("certificate", err))?;
        let self_signed = server_tls.as_ref().and_then(|tls| tls.self_signed.clone());
        let greylist = Arc::new(
            Greylist::open(
                &dir.join("greylist.db"),
                greylist_settings(&config),
                clock::now(),
            )
            .map_err(|err| StartError::new("greylist records", err))?,
        );
        if let Some(damage) = greylist.damage() {
            tracing::warn!(target: "greylist", "{damage}");
        }
        let dns = dns(&config).map_err(|err| StartError::new("name servers", err))?;
        let site = Arc::new(SharedSite::new(Site::new(config, server_tls.is_some())));
        let deliverer = Deliverer::new(delivery_settings(&site), Arc::new(dns));
        let (runner, answers) = queue_of(&site, spool, deliverer, Clock::system())
            .map_err(|err| StartError::new("mail queue", err))?;
        let (tls, tls_now) = watch::channel(server_tls.map(|tls| tls.config));
        let (stop, stopped) = watch::channel(false);
        let gate = Arc::new(Gate {
            site: Arc::clone(&site),
            greylist: Arc::clone(&greylist),
            runner: Arc::clone(&runner),
            connections: Arc::new(Connections::default()),
        });
        let front = Front {
            gate,
            tls: tls_now,
            stop: stopped,
        };
        let mut fronts = Vec::new();
        let mut addresses = Vec::new();
        for listen in &site.get().config.listen {
            let listener = Listener::bind(listen.address).await.map_err(|err| {
                StartError::new(format_args!("can't listen on {}", listen.address), err)
            })?;
            addresses.push(
                listener
                    .address()
                    .map_err(|err| StartError::new("listener", err))?,
            );
            fronts.push(tokio::spawn(listener.run(front.clone())));
        }
        let submit = LocalListener::bind(&dir.join(SUBMIT_SOCKET))
            .map_err(|err| StartError::new("submission socket", err))?;
        fronts.push(tokio::spawn(submit.run(front.clone())));
        let control = Control::bind(&dir.join(CONTROL_SOCKET))
            .map_err(|err| StartError::new("control socket", err))?;
        fronts.push(tokio::spawn(
            control.run(Arc::clone(&runner), front.stop.clone()),
        ));
        let queue = tokio::spawn(Arc::clone(&runner).run(answers));
        Ok(Self {
            site,
            runner,
            addresses,
            self_signed,
            greylist,
            tls,
            stop,
            fronts,
            queue,
        })
    }

    /// Takes over a new configuration, whole. Listeners and the data directory stay as they are.
    ///
    /// # Errors
    /// The certificate or the name servers can't be used; nothing was changed.
    pub(crate) fn reload(&self, config: Config) -> Result<(), StartError> {
        let old = self.site.get();
        let config = Config {
            data_dir: old.config.data_dir.clone(),
            listen: old.config.listen.clone(),
            ..config
        };
        let server_tls = tls::server(&config).map_err(|err| StartError::new("certificate", err))?;
        self.greylist.configure(greylist_settings(&config));
        self.site.set(Site::new(config, server_tls.is_some()));
        self.tls.send_replace(server_tls.map(|tls| tls.config));
        let site = self.site.get();
        self.runner
            .deliverer()
            .configure(delivery_settings(&self.site));
        let routing: Arc<dyn queue::route::Routes + Send + Sync> = site.routing.clone();
        self.runner
            .dispatcher()
            .configure(limits(&site.config), rules(&site.config), routing);
        Ok(())
    }

    /// Finishes what is under way, and closes the spool.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let fronts = async {
            for front in self.fronts {
                let _ = front.await;
            }
        };
        let (_, ()) = tokio::join!(
            tokio::time::timeout(STOP_WITHIN, fronts),
            self.runner.stop(STOP_WITHIN)
        );
        let _ = self.queue.await;
        let (greylist, runner) = (self.greylist, self.runner);
        let _ = tokio::task::spawn_blocking(move || {
            if let Err(err) = greylist.flush() {
                tracing::error!(target: "greylist", "records could not be kept: {err}");
            }
            runner.spool().close(STOP_WITHIN);
        })
        .await;
    }
}

/// The queue on a spool, with the holds that it remembers.
///
/// # Errors
/// As the spool says.
pub(crate) fn queue_of(
    site: &Arc<SharedSite>,
    spool: Arc<dyn Spool>,
    deliverer: Deliverer,
    clock: Clock,
) -> Result<(Arc<Runner>, Answers), SpoolError> {
    let holds = spool.holds()?;
    let now = site.get();
    let seed = clock
        .now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.subsec_nanos().into());
    let dispatcher = Dispatcher::new(
        limits(&now.config),
        rules(&now.config),
        now.routing.clone(),
        holds,
        seed,
    );
    Ok(Runner::new(
        dispatcher,
        spool,
        deliverer,
        Arc::clone(site),
        clock,
    ))
}

/// Others may go through the data directory to the submission socket, and read nothing.
const DIR_MODE: u32 = 0o711;

fn make_private(dir: &Path) -> Result<(), StartError> {
    let doing = format!("data directory {}", dir.display());
    if !dir.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            .map_err(|err| StartError::new(&doing, err))?;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(DIR_MODE))
        .map_err(|err| StartError::new(&doing, err))
}

pub(crate) fn greylist_settings(config: &Config) -> policy::greylist::Settings {
    let greylist = &config.greylist;
    policy::greylist::Settings {
        delay: greylist.delay,
        window: greylist.window,
        known_after: greylist.known_after,
        known_for: greylist.known_for,
        v4_prefix: greylist.v4_prefix,
        v6_prefix: greylist.v6_prefix,
        max_pending_per_network: greylist.max_pending_per_network,
        max_pending: greylist.max_pending,
        max_known: greylist.max_known,
    }
}

pub(crate) fn rules(config: &Config) -> Rules {
    let queue = &config.queue;
    Rules {
        first_backoff: queue.first_backoff,
        max_backoff: queue.max_backoff,
        lifetime: queue.lifetime,
        notice_lifetime: queue.notice_lifetime,
        max_attempts: (queue.max_attempts > 0).then_some(queue.max_attempts),
        delay_notice_after: queue.delay_notice,
        hints: tongues(config),
    }
}

fn tongues(config: &Config) -> Option<retry_hint::Tongues> {
    config.hints.obey.then_some(retry_hint::Tongues {
        prose: config.hints.prose,
    })
}

fn limits(config: &Config) -> Limits {
    Limits {
        active: config.queue.max_active,
        active_per_destination: (config.queue.max_active / 10).max(1),
        lanes_per_destination: config.delivery.sessions_per_host,
        lanes: config.delivery.max_sessions,
        recipients_per_job: config.delivery.recipients_per_mail,
        holds: 10_000,
    }
}

pub(crate) fn delivery_settings(shared: &Arc<SharedSite>) -> delivery::Settings {
    let site = shared.get();
    let config = &site.config;
    let command = config.delivery.command_timeout;
    let directory = Arc::clone(shared);
    delivery::Settings {
        helo: config
            .delivery
            .helo
            .clone()
            .unwrap_or_else(|| config.hostname.clone()),
        local_addr: config.delivery.local_address,
        tls: if config.delivery.starttls {
            smtp::client::Tls::Opportunistic
        } else {
            smtp::client::Tls::Off
        },
        timeouts: smtp::client::Timeouts {
            greeting: command,
            command,
            data: command.min(Duration::from_secs(120)),
            block: command.min(Duration::from_secs(180)),
            end_of_data: command * 2,
            quit: Duration::from_secs(10),
        },
        connect_timeout: config.delivery.connect_timeout,
        port: config.delivery.port,
        tongues: tongues(config),
        sessions_per_host: config.delivery.sessions_per_host,
        mails_per_session: config.delivery.mails_per_session,
        session_age: Duration::from_secs(300),
        max_hosts: 10,
        maildir: delivery::local::Settings {
            resolve: Arc::new(move |address: &str| directory.get().directory.maildir(address)),
        },
    }
}

fn dns(config: &Config) -> Result<Dns, delivery::DnsError> {
    if config.delivery.name_servers.is_empty() {
        return Dns::system();
    }
    let servers: Vec<SocketAddr> = config
        .delivery
        .name_servers
        .iter()
        .map(|&server| SocketAddr::new(server, 53))
        .collect();
    Dns::with_servers(&servers)
}
