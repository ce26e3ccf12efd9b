//! Takes mail from a program on this machine while no server runs: the same session, the same checks and limits, into
//! the same queue. The server finds it there when it starts.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use delivery::{BoxFuture, Deliverer, LookupError, Mx, Resolve};
use queue::dispatch::Dispatcher;
use queue::spool::Spool;
use rustix::thread::{set_thread_gid, set_thread_uid};
use smtp::server::{BareNewline, Client};
use store::policy::Records;
use store::sqlite::{OpenError, SqliteSpool};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::judge::Judge;
use crate::names::Names;
use crate::node;
use crate::rules_of::rules_of;
use crate::runner::Runner;
use crate::server::connection::{Service, serve};
use crate::server::gate::{Door, Visitor};
use crate::server::{Connections, Gate, NoRoom, TurnedAway};
use crate::site::{SharedSite, Site};

/// How long the queue may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Why nobody can stand in.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A server, or another that stands in, has the data directory: ask again.
    Busy(String),
    /// In words.
    Failed(String),
}

/// A session with the queue of a server that does not run; the thread ends after it, with the queue closed.
///
/// # Errors
/// The queue can't be opened.
pub(crate) fn start(config: Config) -> Result<(UnixStream, JoinHandle<()>), Trouble> {
    let dir = config.data_dir.clone();
    let failed = move |what: &dyn fmt::Display| {
        Trouble::Failed(format!(
            "the server is not running, and its queue in {} can't be used: {what}",
            dir.display()
        ))
    };
    if !config.data_dir.is_dir() {
        return Err(failed(&"there is no such directory"));
    }
    let (near, far) = UnixStream::pair().map_err(|err| failed(&err))?;
    let (tell, opened) = mpsc::channel();
    let uid = rustix::process::getuid().as_raw();
    let thread = std::thread::spawn(move || match open(&config) {
        Ok(spool) => {
            let _ = tell.send(Ok(()));
            // Without a runtime the other end is dropped, and the program sees that.
            let _ = stand_in(config, Arc::new(spool), far, uid);
        }
        Err(err) => {
            let _ = tell.send(Err(err));
        }
    });
    match opened.recv() {
        Ok(Ok(())) => Ok((near, thread)),
        Ok(Err(err @ OpenError::Locked { .. })) => Err(Trouble::Busy(err.to_string())),
        Ok(Err(err)) => Err(failed(&err)),
        Err(_) => Err(failed(&"it could not be opened")),
    }
}

/// Opens the queue; root does it as its owner, or the server could not read what is written.
fn open(config: &Config) -> Result<SqliteSpool, OpenError> {
    if rustix::process::geteuid().is_root()
        && let Err(source) = become_owner(&config.data_dir)
    {
        tracing::warn!(target: "queue", "{}: {source}", config.data_dir.display());
    }
    SqliteSpool::open(&config.data_dir)
}

/// This thread, and those that it starts.
pub(crate) fn become_owner(dir: &Path) -> io::Result<()> {
    let owner = std::fs::metadata(dir)?;
    if owner.uid() != 0 {
        set_thread_gid(rustix::process::Gid::from_raw(owner.gid()))?;
        set_thread_uid(rustix::process::Uid::from_raw(owner.uid()))?;
    }
    Ok(())
}

fn stand_in(config: Config, spool: Arc<dyn Spool>, stream: UnixStream, uid: u32) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let names = Arc::new(Names::new(node::dns(&config).map_err(io::Error::other)?));
    runtime.block_on(async {
        let wire = tokio::net::UnixStream::from_std(stream)?;
        session(config, names, Arc::clone(&spool), wire, uid).await;
        io::Result::Ok(())
    })?;
    spool.close(CLOSE_WITHIN);
    Ok(())
}

async fn session(
    config: Config,
    names: Arc<Names>,
    spool: Arc<dyn Spool>,
    wire: tokio::net::UnixStream,
    uid: u32,
) {
    let records = Arc::new(Records::in_memory(rules_of(&config)));
    let site = Arc::new(SharedSite::new(Site::new(config, false)));
    let judge = Arc::new(Judge::new(
        Arc::clone(&site),
        records,
        names,
        Clock::system(),
    ));
    let gate = Arc::new(Gate {
        site: Arc::clone(&site),
        judge,
        runner: waiting_queue(&site, spool).await,
        connections: Arc::new(Connections::default()),
        turned_away: TurnedAway::default(),
        no_room: NoRoom::default(),
    });
    let (_running, stop) = watch::channel(false);
    let service = Service {
        settings: Arc::clone(&site.get().local_session),
        gate,
        tls: None,
        stop,
    };
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    let client = Client {
        addr,
        bare_newline: BareNewline::Normalize,
    };
    serve(
        service,
        wire,
        client,
        Visitor::new(addr, Door::Local { uid }),
    )
    .await;
}

/// A queue that takes mail and attempts nothing.
async fn waiting_queue(site: &Arc<SharedSite>, spool: Arc<dyn Spool>) -> Arc<Runner> {
    let now = site.get();
    let dispatcher = Dispatcher::new(
        node::limits(&now.config),
        node::rules(&now.config),
        now.directory.clone(),
        // Holds are the server's business: what it holds, it parks when it starts.
        Vec::new(),
        0,
    );
    let deliverer = Deliverer::new(node::delivery_settings(site), Arc::new(Nobody));
    let clock = Clock::system();
    let (runner, _) = Runner::new(dispatcher, spool, deliverer, Arc::clone(site), clock);
    runner.stop(Duration::ZERO).await;
    runner
}

/// Nothing is delivered, so nothing is looked up.
struct Nobody;

impl Resolve for Nobody {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>> {
        Box::pin(async { Err(LookupError::Failed("nothing is delivered now".to_owned())) })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async { Err(LookupError::Failed("nothing is delivered now".to_owned())) })
    }
}
