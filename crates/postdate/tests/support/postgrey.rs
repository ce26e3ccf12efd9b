//! postgrey, which greylists for Postfix.

use std::process::Command;

use super::{Process, TempDir, free_port, tool, until};

pub(crate) struct Postgrey {
    pub(crate) port: u16,
    _process: Process,
}

impl Postgrey {
    /// Tells the remaining seconds in our tongue.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, delay_secs: u32) -> Self {
        let port = free_port();
        let records = dir.open_folder("postgrey");
        // It is run as a program, not through perl: it wants its own -T.
        let mut command = Command::new(tool("postgrey"));
        command.args([
            format!("--inet=127.0.0.1:{port}"),
            format!("--dbdir={}", records.display()),
            format!("--pidfile={}", dir.join("postgrey.pid").display()),
            format!("--delay={delay_secs}"),
            // postgrey puts 4.2.0 before it, Postfix its own words before that: no --greylist-action is needed.
            "--greylist-text=TIME=%s Greylisted".to_owned(),
            "--user=postgrey".to_owned(),
            "--group=postgrey".to_owned(),
        ]);
        let process = Process::start(&mut command, &dir.join("postgrey.log"));
        until("postgrey to listen", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
        }
    }
}
