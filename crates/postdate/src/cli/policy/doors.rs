//! `postdate policy serve` and `postdate policy filter`: the doors without a mail server of our own.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::Args;

use super::super::running::{Asked, Signals, notify_systemd, raise_open_files};
use super::super::serve::located;
use super::super::{exit, fail};
use crate::config::{self, Config, Place, postgreys_place};
use crate::doors::{self, Alone};
use crate::log::{self, Log};
use crate::stdout::tell;

#[derive(Args)]
pub(in super::super) struct Serve {
    /// Listen there for Postfix's policy protocol instead: inet:127.0.0.1:10023, unix:/run/postdate/policy
    #[arg(long, value_name = "SOCKET")]
    listen: Vec<Place>,
    /// Listen there for the milter protocol instead: inet:127.0.0.1:10024, unix:/run/postdate/milter
    #[arg(long, value_name = "SOCKET")]
    milter: Vec<Place>,
}

#[derive(Args)]
pub(in super::super) struct Filter {
    /// Add X-Greylist to mail that came back. OpenSMTPD then sends the content of all mail through this filter.
    #[arg(long)]
    header: bool,
}

/// `postdate policy serve`.
pub(super) fn run(file: Option<&Path>, args: &Serve) -> ExitCode {
    in_runtime(file, async |mut config, found, log| {
        args.open(&mut config);
        serve(found.as_deref(), config, args, &log).await
    })
}

/// `postdate policy filter`.
pub(super) fn run_filter(file: Option<&Path>, args: &Filter) -> ExitCode {
    in_runtime(file, async |mut config, found, _| {
        config.policy.listen.clear();
        config.policy.milter.clear();
        filter(found.as_deref(), config, args.header).await
    })
}

fn in_runtime(
    file: Option<&Path>,
    command: impl AsyncFnOnce(Config, Option<PathBuf>, Log) -> ExitCode,
) -> ExitCode {
    let (config, found) = match config::load_or_default(file) {
        Ok(loaded) => loaded,
        Err(err) => return fail(exit::EX_CONFIG, err),
    };
    let log = log::start(config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .thread_name("postdate")
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return fail(exit::FAILURE, format_args!("can't start: {err}")),
    };
    let code = runtime.block_on(command(config, found, log));
    // Standard input is read in a thread that can't be woken.
    runtime.shutdown_background();
    code
}

/// Half of the cores: the rules answer one question at a time, so more threads wait for each other, which is what the slowest
/// answers are made of; and the mail server that asks has at least as much to do.
fn workers() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
}

impl Serve {
    /// What the command line names takes the place of what the configuration names.
    fn open(&self, config: &mut Config) {
        let policy = &mut config.policy;
        if !self.listen.is_empty() || !self.milter.is_empty() {
            policy.listen.clone_from(&self.listen);
            policy.milter.clone_from(&self.milter);
        }
        if policy.listen.is_empty() && policy.milter.is_empty() {
            policy.listen.push(postgreys_place());
        }
    }
}

fn started(file: Option<&Path>, config: Config) -> Result<Alone, ExitCode> {
    Alone::start(config).map_err(|err| {
        let code = if err.key().is_some() {
            exit::EX_CONFIG
        } else {
            exit::FAILURE
        };
        fail(code, located(file, &err))
    })
}

async fn serve(file: Option<&Path>, config: Config, args: &Serve, log: &Log) -> ExitCode {
    /// The records' file, and what else is open.
    const REST: usize = 100;
    let Ok(mut signals) = Signals::listen() else {
        return fail(exit::FAILURE, "can't listen for signals");
    };
    let sockets = config.policy.listen.len() + config.policy.milter.len();
    let connections = config.policy.connections.saturating_mul(sockets);
    raise_open_files(connections.saturating_add(REST), "policy.connections");
    let mut alone = match started(file, config) {
        Ok(alone) => alone,
        Err(code) => return code,
    };
    announce(&alone);
    notify_systemd("READY=1");
    while signals.next().await == Asked::Reload {
        reload(file, args, &mut alone, log);
    }
    tracing::info!(target: "server", "stopping");
    notify_systemd("STOPPING=1");
    alone.stop().await;
    tracing::info!(target: "server", "stopped");
    ExitCode::SUCCESS
}

/// From the file that it was started with: what is gone is not replaced by defaults.
fn reload(file: Option<&Path>, args: &Serve, alone: &mut Alone, log: &Log) {
    let reloaded = config::load_or_default(file)
        .map_err(|err| format!("{err:#}"))
        .and_then(|(mut config, _)| {
            args.open(&mut config);
            let settings = config.log;
            let done = alone.reload(config).map_err(|err| located(file, &err));
            done.map(|()| settings)
        });
    match reloaded {
        Ok(settings) => {
            log.change(settings);
            tracing::info!(target: "server", "configuration reloaded");
        }
        Err(err) => {
            tracing::error!(target: "server", "configuration not reloaded, the old one stays in force: {err}");
        }
    }
}

fn announce(alone: &Alone) {
    let dir = &alone.site.get().config.data_dir;
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
    for (place, line) in alone.doors().lines() {
        tell(format_args!("listening on {place}; for Postfix's main.cf:"));
        tell(format_args!("  {line}"));
        tracing::info!(target: "server", %place, data = %dir.display(), version = env!("CARGO_PKG_VERSION"), "started");
    }
    tell(format_args!("data in {}", dir.display()));
}

async fn filter(file: Option<&Path>, config: Config, header: bool) -> ExitCode {
    let alone = match started(file, config) {
        Ok(alone) => alone,
        Err(code) => return code,
    };
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let ended = doors::filter(input, output, &alone.desk, header).await;
    alone.stop().await;
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}
