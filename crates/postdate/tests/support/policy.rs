//! `postdate policy serve`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use super::{LONG, Process, TempDir, text, until};

/// A policy server with a configuration and records of its own.
pub(crate) struct PolicyServer {
    pub(crate) process: Process,
    pub(crate) config: PathBuf,
    log: PathBuf,
}

impl PolicyServer {
    /// `tables` is its configuration besides the directory.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, args: &[&str], tables: &str) -> Self {
        let config = dir.write(
            "policy.toml",
            format!(
                "hostname = \"mx.test\"\ndata_dir = \"{}\"\n{tables}",
                dir.join("policy").display()
            ),
        );
        let log = dir.join("policy.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
        command
            .arg("--config")
            .arg(&config)
            .args(["policy", "serve"])
            .args(args);
        let mut process = Process::start(&mut command, &log);
        until("the policy server to listen", || {
            assert!(
                process.runs(),
                "it did not start: {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            let said = fs::read_to_string(&log).ok()?;
            said.contains("data in ").then_some(())
        });
        Self {
            process,
            config,
            log,
        }
    }

    /// What it said and logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The port of its first socket on the network.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        let log = self.log();
        let place = log
            .lines()
            .find_map(|line| line.strip_prefix("listening on inet:127.0.0.1:"));
        place
            .and_then(|place| place.split(';').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no port: {log}"))
    }

    /// What Postfix would hear at RCPT of a mail of this client's, on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, client: &str) -> String {
        let mut wire = TcpStream::connect(("127.0.0.1", self.port())).expect("a connection");
        wire.set_read_timeout(Some(LONG)).expect("a time-out");
        write!(
            wire,
            "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={client}\nsender=a@far.test\nrecipient=b@here.test\n\n"
        )
        .expect("asked");
        let mut said = [0; 512];
        let count = wire.read(&mut said).expect("an answer");
        text(&said[..count])
    }

    /// SIGTERM; returns when it has ended.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.process.ended(LONG)
    }
}
