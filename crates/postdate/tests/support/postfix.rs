//! Postfix, unmodified: an instance of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use super::{LONG, Mail, Process, TempDir, free_port, maildir, tool, until};

pub(crate) struct Postfix {
    pub(crate) port: u16,
    process: Process,
    mailbox: PathBuf,
    log: PathBuf,
    config: PathBuf,
}

/// Everything for `postfix.test` into one Maildir; retries every two seconds, so that tests are short.
const MAIN: &str = "\
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
in_flow_delay = 0
biff = no
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = postfix.test
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
message_size_limit = 60000000
smtputf8_enable = yes
smtp_tls_security_level = may
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtpd_relay_restrictions = permit_mynetworks, reject
notify_classes =
maillog_file_prefixes = /
";

const MASTER: &str = "\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
";

/// The parameter that a line of `main.cf` sets.
fn key(line: &str) -> &str {
    line.split('=').next().unwrap_or(line).trim()
}

impl Postfix {
    /// `settings` are further lines of `main.cf`; they stand in place of [`MAIN`]'s of the same key.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, settings: &str) -> Self {
        Self::run(dir, settings, "n")
    }

    /// The same, with its `smtpd` chrooted to the queue's folder.
    #[track_caller]
    pub(crate) fn chrooted(dir: &TempDir, settings: &str) -> Self {
        Self::run(dir, settings, "y")
    }

    /// Where it queues mail; `/var/spool/postfix` of an installed one.
    pub(crate) fn queue(dir: &TempDir) -> PathBuf {
        dir.join("postfix.queue")
    }

    #[track_caller]
    fn run(dir: &TempDir, settings: &str, chroot: &str) -> Self {
        let port = free_port();
        let config = dir.open_folder("postfix");
        fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("permissions");
        let mail = dir.open_folder("postfix.mail");
        let log = dir.join("postfix.log");
        let (queue, data) = (Self::queue(dir), dir.join("postfix.data"));
        fs::create_dir(&queue).expect("a folder");
        fs::create_dir(&data).expect("a folder");
        let chown = Command::new("chown")
            .arg("postfix")
            .arg(&data)
            .status()
            .expect("chown");
        assert!(
            chown.success(),
            "there is no user postfix: `cargo xtask peers` installs Postfix"
        );
        // No key twice: each process would log a warning, and postlogd's own can fill the socket that it reads: it
        // then waits for itself, and all of Postfix for it (where net.unix.max_dgram_qlen is 10).
        let mut main: String = MAIN
            .split_inclusive('\n')
            .filter(|line| !settings.lines().any(|other| key(other) == key(line)))
            .collect();
        for (key, path) in [
            ("queue_directory", &queue),
            ("data_directory", &data),
            ("maillog_file", &log),
            ("virtual_mailbox_base", &mail),
        ] {
            writeln!(main, "{key} = {}", path.display()).expect("text");
        }
        main.push_str(settings);
        fs::write(config.join("main.cf"), main).expect("main.cf");
        fs::write(
            config.join("master.cf"),
            format!("127.0.0.1:{port} inet n - {chroot} - - smtpd\n{MASTER}"),
        )
        .expect("master.cf");
        let mut command = Command::new(tool("postfix"));
        command.arg("-c").arg(&config).arg("start-fg");
        let mut process = Process::start(&mut command, &dir.join("postfix.start.log"));
        until("Postfix to listen", || {
            assert!(
                process.runs(),
                "Postfix did not start: {}",
                fs::read_to_string(dir.join("postfix.start.log")).unwrap_or_default()
            );
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let said = fs::read_to_string(dir.join("postfix.start.log")).unwrap_or_default();
        assert!(!said.contains("overriding earlier entry"), "{said}");
        Self {
            port,
            process,
            mailbox: mail.join("box"),
            log,
            config,
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The mails for `postfix.test`.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        maildir(&self.mailbox)
    }

    #[track_caller]
    pub(crate) fn arrived(&self) -> Mail {
        until("a mail in Postfix's mailbox", || {
            self.mails().into_iter().next()
        })
    }
}

impl Drop for Postfix {
    /// Its master ends its own children, which it keeps in a group of their own.
    fn drop(&mut self) {
        let stop = Command::new(tool("postfix"))
            .arg("-c")
            .arg(&self.config)
            .arg("abort")
            .output();
        if stop.is_ok_and(|output| output.status.success()) && !std::thread::panicking() {
            self.process.ended(LONG);
        } else {
            self.process.signal(Signal::TERM);
        }
    }
}
