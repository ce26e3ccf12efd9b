//! `postdate serve`.

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{configuration, exit, fail};
use crate::config::{self, Config};
use crate::log;
use crate::node::Node;

pub(super) fn run(file: Option<&Path>) -> ExitCode {
    let config = match configuration(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    log::start(config.log.format, &config.log.level);
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("postdate")
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return fail(exit::FAILURE, format_args!("can't start: {err}")),
    };
    runtime.block_on(serve(file, config))
}

/// A connection, a session to another host and a large mail each take a file descriptor: the usual soft limit of 1,024 is
/// less than the connections that are allowed.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(err) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(target: "server", "the limit of open files could not be raised: {err}");
    }
}

async fn serve(file: Option<&Path>, config: Config) -> ExitCode {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        return fail(exit::FAILURE, "can't listen for signals");
    };
    let node = match Node::start(config).await {
        Ok(node) => node,
        Err(err) => return fail(exit::FAILURE, err),
    };
    announce(&node);
    notify_systemd("READY=1");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(file, &node),
        }
    }
    tracing::info!(target: "server", "stopping: what is under way is finished");
    notify_systemd("STOPPING=1");
    node.stop().await;
    tracing::info!(target: "server", "stopped");
    ExitCode::SUCCESS
}

fn reload(file: Option<&Path>, node: &Node) {
    let reloaded = config::load_or_default(file)
        .map_err(|err| err.to_string())
        .and_then(|(config, _)| node.reload(config).map_err(|err| err.to_string()));
    match reloaded {
        Ok(()) => tracing::info!(target: "server", "configuration reloaded"),
        Err(err) => {
            tracing::error!(target: "server", "configuration not reloaded, the old one stays in force: {err}")
        }
    }
}

fn announce(node: &Node) {
    let site = node.site.get();
    let dir = &site.config.data_dir;
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
    for address in &node.addresses {
        println!("listening on {address}");
    }
    println!("data in {}", dir.display());
    if let Some(path) = &node.self_signed {
        println!(
            "STARTTLS with a self-signed certificate, {}: name your own under [tls]",
            path.display()
        );
    }
    if let Some(address) = node.addresses.first() {
        let domain = site
            .config
            .local
            .domains
            .first()
            .map_or("localhost", String::as_str);
        println!("send a first mail, and see when it may come back:");
        println!(
            "  swaks --server {}:{} --from you@example.org --to postmaster+first@{domain}",
            if address.ip().is_unspecified() {
                "127.0.0.1".to_owned()
            } else {
                address.ip().to_string()
            },
            address.port(),
        );
    }
    for address in &node.addresses {
        tracing::info!(target: "server", %address, data = %dir.display(), version = env!("CARGO_PKG_VERSION"), "started");
    }
}

/// Tells systemd (`Type=notify`) how far we are. Without systemd there is nobody to tell.
fn notify_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = std::os::unix::net::UnixDatagram::unbound().and_then(|socket| {
        match path.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt as _;
                socket.send_to_addr(
                    state.as_bytes(),
                    &std::os::unix::net::SocketAddr::from_abstract_name(name)?,
                )
            }
            None => socket.send_to(state.as_bytes(), &path),
        }
    });
    if let Err(err) = sent {
        tracing::warn!(target: "server", "systemd could not be told {state}: {err}");
    }
}
