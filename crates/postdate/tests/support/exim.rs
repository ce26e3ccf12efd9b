//! Exim, unmodified, unpacked beside Postfix.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::jail::{jailed, unpacked};
use super::{Mail, Process, TempDir, free_port, maildir, until};

pub(crate) struct Exim {
    pub(crate) port: u16,
    _process: Process,
    mailbox: PathBuf,
    log: PathBuf,
}

impl Exim {
    /// Everything for `here.test` goes on to `next`, a port of this machine; all else into one Maildir.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, next: u16) -> Self {
        Self::asking(dir, next, "", "")
    }

    /// The same; `acl` stands before what takes every recipient, `data` before what takes every content.
    #[track_caller]
    pub(crate) fn asking(dir: &TempDir, next: u16, acl: &str, data: &str) -> Self {
        let port = free_port();
        let home = dir.join("exim");
        for folder in ["spool", "log"] {
            fs::create_dir_all(home.join(folder)).expect("a folder");
        }
        let owned = Command::new("chown")
            .arg("-R")
            .arg("Debian-exim")
            .arg(&home)
            .status()
            .expect("chown");
        assert!(
            owned.success(),
            "there is no user Debian-exim: `cargo xtask peers` makes it"
        );
        let mailbox = dir.open_folder("exim.mail");
        // A copy, since the repository may lie where Exim's own user can't go.
        let program = dir.join("exim4");
        fs::copy(unpacked("exim/usr/sbin/exim4"), &program).expect("a copy of Exim");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("permissions");
        let config = dir.write(
            "exim.conf",
            CONFIG
                .replace("{port}", &port.to_string())
                .replace("{next}", &next.to_string())
                .replace("{exim}", &program.display().to_string())
                .replace("{acl}", acl)
                .replace("{data}", data)
                .replace("{home}", &home.display().to_string())
                .replace("{mail}", &mailbox.display().to_string()),
        );
        let prepare = format!(
            "mkdir -p /etc/exim4; install -m 644 '{}' /etc/exim4/exim4.conf",
            config.display()
        );
        let mut command = jailed(
            dir,
            "exim",
            &prepare,
            &format!("'{}' -bdf -q10s", program.display()),
        );
        let mut process = Process::start(&mut command, &dir.join("exim.log"));
        until("Exim to listen", || {
            assert!(process.runs(), "Exim did not start");
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
            mailbox,
            log: home.join("log/mainlog"),
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The mails it delivered.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        maildir(&self.mailbox)
    }
}

const CONFIG: &str = "\
exim_path = {exim}
keep_environment =
primary_hostname = exim.test
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
tls_advertise_hosts =
rfc1413_query_timeout = 0s
message_size_limit = 60M
hostlist relay_from_hosts = 192.0.2.1
acl_smtp_rcpt = take
acl_smtp_data = take_content
begin acl
take:
{acl}
  accept
take_content:
{data}
  accept
begin routers
on:
  driver = manualroute
  domains = here.test
  transport = on
  route_list = * 127.0.0.1
  self = send
box:
  driver = accept
  transport = box
begin transports
on:
  driver = smtp
  port = {next}
box:
  driver = appendfile
  directory = {mail}
  maildir_format
  user = nobody
  group = nogroup
begin retry
* * F,1h,1s
";
