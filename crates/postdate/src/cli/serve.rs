//! `postdate serve`.

use std::path::Path;
use std::process::ExitCode;

use super::running::{Asked, Signals, notify_systemd, raise_open_files};
use super::{exit, fail};
use crate::config::{self, Config, ConfigError};
use crate::log::{self, Log};
use crate::node::{Node, StartError};
use crate::stdout::tell;

pub(super) fn run(file: Option<&Path>) -> ExitCode {
    let (config, found) = match config::load_or_default(file) {
        Ok(loaded) => loaded,
        Err(err) => return fail(exit::EX_CONFIG, err),
    };
    let log = log::start(config.log);
    raise_limits(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("postdate")
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return fail(exit::FAILURE, format_args!("can't start: {err}")),
    };
    runtime.block_on(serve(found.as_deref(), config, &log))
}

/// A connection, a session to another host and a large mail each take a file descriptor.
fn raise_limits(config: &Config) {
    /// The databases, the sockets, mail on its way into mailboxes.
    const REST: usize = 200;
    let doors = config.policy.listen.len() + config.policy.milter.len();
    let wanted = (config.limits.connections)
        .saturating_add(config.delivery.max_sessions)
        .saturating_add(config.policy.connections.saturating_mul(doors))
        .saturating_add(REST);
    raise_open_files(
        wanted,
        "limits.connections, delivery.max_sessions and policy.connections",
    );
}

async fn serve(file: Option<&Path>, config: Config, log: &Log) -> ExitCode {
    let Ok(mut signals) = Signals::listen() else {
        return fail(exit::FAILURE, "can't listen for signals");
    };
    let mut node = match Node::start(config).await {
        Ok(node) => node,
        Err(err) if err.key().is_some() => return fail(exit::EX_CONFIG, located(file, &err)),
        Err(err) => return fail(exit::FAILURE, err),
    };
    announce(&node);
    notify_systemd("READY=1");
    while signals.next().await == Asked::Reload {
        reload(file, &mut node, log).await;
    }
    tracing::info!(target: "server", "stopping: what is under way is finished");
    notify_systemd("STOPPING=1");
    node.stop().await;
    tracing::info!(target: "server", "stopped");
    ExitCode::SUCCESS
}

/// From the file that the server was started with: what is gone is not replaced by defaults.
async fn reload(file: Option<&Path>, node: &mut Node, log: &Log) {
    let reloaded = match config::load_or_default(file) {
        Ok((config, _)) => {
            let settings = config.log;
            node.reload(config)
                .await
                .map(|()| settings)
                .map_err(|err| located(file, &err))
        }
        Err(err) => Err(format!("{err:#}")),
    };
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

/// With the line of the file, where there is one.
pub(super) fn located(file: Option<&Path>, err: &StartError) -> String {
    match (file, err.key()) {
        (Some(file), Some((key, what))) => ConfigError::at(file, key, what).to_string(),
        _ => err.to_string(),
    }
}

fn announce(node: &Node) {
    let site = node.site.get();
    let dir = &site.config.data_dir;
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
    for address in node.addresses() {
        tell(format_args!("listening on {address}"));
    }
    for (place, _) in node.doors.lines() {
        tell(format_args!("answering mail servers on {place}"));
    }
    tell(format_args!("data in {}", dir.display()));
    if let Some(path) = &node.self_signed {
        tell(format_args!(
            "STARTTLS with a self-signed certificate, {}: name your own under [tls]",
            path.display()
        ));
    }
    if let Some(address) = node.addresses().first() {
        let domain = site
            .config
            .local
            .domains
            .first()
            .map_or("localhost", String::as_str);
        tell(format_args!(
            "send a first mail, and see when it may come back:"
        ));
        tell(format_args!(
            "  swaks --server {}:{} --from you@example.org --to postmaster+first@{domain}",
            if address.ip().is_unspecified() {
                "127.0.0.1".to_owned()
            } else {
                address.ip().to_string()
            },
            address.port(),
        ));
    }
    for address in node.addresses() {
        tracing::info!(target: "server", %address, data = %dir.display(), version = env!("CARGO_PKG_VERSION"), "started");
    }
}
