//! One running MTA: spool, greylist, queue and fronts put together. `serve` runs one, `demo` two.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use delivery::{Deliverer, Dns, Resolve};
use queue::Rules;
use queue::dispatch::{Dispatcher, Limits};
use queue::spool::{Spool, SpoolError};
use rustls::ServerConfig;
use store::policy::Records;
use store::sqlite::SqliteSpool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::control::{Control, Served};
use crate::doors::{Desk, Doors};
use crate::judge::{Judge, with_advice};
use crate::listening::{self, Listening};
use crate::names::{self, Names};
use crate::rules_of::rules_of;
use crate::runner::{Answers, Runner};
use crate::server::{Connections, Front, Gate, LocalListener, NoRoom, TurnedAway};
use crate::site::{SharedSite, Site};
use crate::tls;

/// How long sessions and deliveries under way may take at the end.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The submission socket's name in the data directory.
pub(crate) const SUBMIT_SOCKET: &str = "submit.sock";
/// The name of the file in the data directory that holds what the rules remember.
pub(crate) const RECORDS: &str = "policy.db";
/// The control socket's name in the data directory.
pub(crate) const CONTROL_SOCKET: &str = "control.sock";

/// Why a node could not start, or not take over a configuration.
#[derive(Debug)]
pub(crate) struct StartError {
    what: String,
    /// What has to change before another start can succeed.
    key: Option<String>,
}

impl StartError {
    pub(crate) fn new(doing: impl fmt::Display, err: impl fmt::Display) -> Self {
        Self::plain(format!("{doing}: {err}"))
    }

    pub(crate) fn plain(what: String) -> Self {
        Self { what, key: None }
    }

    fn configuration(key: &str, what: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            key: Some(key.to_owned()),
        }
    }

    /// The key of the configuration that has to change before another start can succeed, and what is wrong with it.
    pub(crate) fn key(&self) -> Option<(&str, &str)> {
        self.key.as_deref().map(|key| (key, self.what.as_str()))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for StartError {}

/// A running MTA.
pub(crate) struct Node {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) runner: Arc<Runner>,
    /// Where the certificate lies that was made because none is configured.
    pub(crate) self_signed: Option<PathBuf>,
    records: Arc<Records>,
    names: Arc<Names>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    stop: watch::Sender<bool>,
    front: Front,
    listening: Vec<Listening>,
    pub(crate) doors: Doors,
    /// Closed by a reload, with sessions that are not over.
    closing: Vec<Listening>,
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
        let server_tls = server_tls(&config)?;
        let self_signed = server_tls.as_ref().and_then(|tls| tls.self_signed.clone());
        let records = records(&config)?;
        let names = Arc::new(Names::new(dns(&config)?));
        let site = Arc::new(SharedSite::new(Site::new(config, server_tls.is_some())));
        let resolver: Arc<dyn Resolve> = names.clone();
        let deliverer = Deliverer::new(delivery_settings(&site), resolver);
        let (runner, answers) = queue_of(&site, spool, deliverer, Clock::system())
            .map_err(|err| StartError::new("mail queue", err))?;
        let (tls, tls_now) = watch::channel(server_tls.map(|tls| tls.config));
        let (stop, stopped) = watch::channel(false);
        let judge = Arc::new(Judge::new(
            Arc::clone(&site),
            Arc::clone(&records),
            Arc::clone(&names),
            Clock::system(),
        ));
        runner.hear_of_mailboxes(judge.clone());
        let gate = Arc::new(Gate {
            site: Arc::clone(&site),
            judge: Arc::clone(&judge),
            runner: Arc::clone(&runner),
            connections: Arc::new(Connections::default()),
            turned_away: TurnedAway::default(),
            no_room: NoRoom::default(),
        });
        let front = Front {
            gate,
            tls: tls_now,
            stop: stopped,
        };
        let mut listening = Vec::new();
        let config = &site.get().config;
        let bound = listening::bind(config, &listening)
            .await
            .map_err(StartError::plain)?;
        listening::serve(bound, config, &mut listening, &front);
        let desk = Desk::new(judge);
        let mut doors = Doors::new(Arc::new(desk));
        let bound = doors.bind(&config.policy).map_err(StartError::plain)?;
        doors.serve(bound, &config.policy);
        let served = Served {
            runner: Some(Arc::clone(&runner)),
            records: Arc::clone(&records),
        };
        let mut fronts = local_sockets(&dir, &front, served)?;
        fronts.push(tokio::spawn(ticking(
            Arc::clone(&records),
            front.stop.clone(),
        )));
        let queue = tokio::spawn(Arc::clone(&runner).run(answers));
        Ok(Self {
            site,
            runner,
            self_signed,
            records,
            names,
            tls,
            stop,
            front,
            listening,
            doors,
            closing: Vec::new(),
            fronts,
            queue,
        })
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listening.iter().map(|one| one.address).collect()
    }

    /// Takes over a new configuration, whole. The log is not ours.
    ///
    /// # Errors
    /// The data directory is another one, the certificate or the name servers can't be used, or an address can't be
    /// listened on; nothing was changed.
    pub(crate) async fn reload(&mut self, config: Config) -> Result<(), StartError> {
        let old = self.site.get();
        other_dir(&old.config, &config)?;
        let server_tls = server_tls(&config)?;
        let dns = dns(&config)?;
        let bound = listening::bind(&config, &self.listening)
            .await
            .map_err(StartError::plain)?;
        let doors = (self.doors.bind(&config.policy)).map_err(StartError::plain)?;
        // From here on nothing fails.
        self.records.configure(rules_of(&config));
        self.names.set(dns);
        self.site.set(Site::new(config, server_tls.is_some()));
        self.tls.send_replace(server_tls.map(|tls| tls.config));
        let site = self.site.get();
        self.runner
            .deliverer()
            .configure(delivery_settings(&self.site));
        let routing: Arc<dyn queue::route::Routes + Send + Sync> = site.directory.clone();
        self.runner
            .dispatcher()
            .configure(limits(&site.config), rules(&site.config), routing);
        let closed = listening::serve(bound, &site.config, &mut self.listening, &self.front);
        self.doors.serve(doors, &site.config.policy);
        self.closing.retain(|one| !one.has_ended());
        self.closing.extend(closed);
        Ok(())
    }

    /// Finishes what is under way, and closes the spool.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.listening.iter().for_each(Listening::close);
        let fronts = async {
            for one in self.listening.into_iter().chain(self.closing) {
                one.ended().await;
            }
            for front in self.fronts {
                let _ = front.await;
            }
            self.doors.stop().await;
        };
        let (_, ()) = tokio::join!(
            tokio::time::timeout(STOP_WITHIN, fronts),
            self.runner.stop(STOP_WITHIN)
        );
        let _ = self.queue.await;
        let (records, runner) = (self.records, self.runner);
        let _ = tokio::task::spawn_blocking(move || {
            if let Err(err) = records.flush() {
                tracing::error!(target: "policy", "records could not be kept: {err}");
            }
            runner.spool().close(STOP_WITHIN);
        })
        .await;
    }
}

/// The sockets for programs on this machine.
fn local_sockets(
    dir: &Path,
    front: &Front,
    served: Served,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let submit = LocalListener::bind(&dir.join(SUBMIT_SOCKET))
        .map_err(|err| StartError::new("submission socket", err))?;
    let control = Control::bind(&dir.join(CONTROL_SOCKET))
        .map_err(|err| StartError::new("control socket", err))?;
    Ok(vec![
        tokio::spawn(submit.run(front.clone())),
        tokio::spawn(control.run(served, front.stop.clone())),
    ])
}

/// All that the rules remember. The data directory is locked already.
///
/// # Errors
/// The file is of a newer version, or can be neither read nor made.
pub(crate) fn records(config: &Config) -> Result<Arc<Records>, StartError> {
    let path = config.data_dir.join(RECORDS);
    let records = Records::open(&path, rules_of(config), clock::now()).map_err(|err| {
        StartError::new("records of the rules", with_advice(&err.to_string(), &path))
    })?;
    if let Some(damage) = records.damage() {
        tracing::warn!(target: "policy", "{damage}");
    }
    Ok(Arc::new(records))
}

/// Lets time pass for the rules, until the server stops.
pub(crate) async fn ticking(records: Arc<Records>, mut stop: watch::Receiver<bool>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = seconds.tick() => records.tick(clock::now()),
        }
    }
}

/// What is locked stays: another data directory needs a restart.
pub(crate) fn other_dir(old: &Config, new: &Config) -> Result<(), StartError> {
    let (old_dir, dir) = (&old.data_dir, &new.data_dir);
    if is_same(old_dir, dir) {
        return Ok(());
    }
    Err(StartError::configuration(
        "data_dir",
        format_args!(
            "can't change while the server runs: it uses {}; stop it, then start it with {}",
            old_dir.display(),
            dir.display()
        ),
    ))
}

fn server_tls(config: &Config) -> Result<Option<tls::ServerTls>, StartError> {
    tls::server(config).map_err(|err| {
        if config.tls.certificate.is_some() {
            StartError::configuration(&format!("tls.{}", err.key()), err)
        } else {
            StartError::new("certificate", err)
        }
    })
}

pub(crate) fn dns(config: &Config) -> Result<Dns, StartError> {
    names::dns(config).map_err(|err| StartError::new("name servers", err))
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
        now.directory.clone(),
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

/// Makes the data directory. One that is there keeps its mode: it may be anybody's.
pub(crate) fn make_private(dir: &Path) -> Result<(), StartError> {
    let wrong = |what: &str| StartError::plain(format!("data_dir {}: {what}", dir.display()));
    let failed = |what: &str, err: &dyn fmt::Display| {
        let uid = rustix::process::geteuid().as_raw();
        wrong(&format!(
            "can't be {what} by user id {uid}, which the server runs as: {err}"
        ))
    };
    match fs::metadata(dir) {
        Ok(there) if !there.is_dir() => return Err(wrong("is there, and is no directory")),
        Ok(_) => {}
        Err(err) if err.kind() == io::ErrorKind::NotFound => fs::DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            // Our umask takes from the mode.
            .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(DIR_MODE)))
            .map_err(|err| failed("made", &err))?,
        Err(err) => return Err(failed("reached", &err)),
    }
    // Asked for here, because what SQLite says of it later does not name the reason.
    rustix::fs::access(
        dir,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .map_err(|err| failed("written", &err))?;
    warn_of_root(dir);
    Ok(())
}

/// A start by hand is easily one as root, and what root makes is in the service's way when that starts again.
fn warn_of_root(dir: &Path) {
    let owner = fs::metadata(dir).map_or(0, |there| there.uid());
    if owner != 0 && rustix::process::geteuid().is_root() {
        tracing::warn!(
            target: "server",
            "data_dir {} belongs to user id {owner}, and the server runs as root: that user can't use what is made there now, \
             mail among it; run the server as that user",
            dir.display()
        );
    }
}

/// Whether two paths lead to one directory.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
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

pub(crate) fn limits(config: &Config) -> Limits {
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
        hostname: config.hostname.clone(),
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
            resolve: Arc::new(move |address: &str| directory.get().directory.delivered_to(address)),
            quotas: Some(site.quotas.clone()),
        },
    }
}
