//! Sendmail, unmodified, unpacked beside Postfix. It wants a host name with a domain, so it runs in namespaces of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::jail::unpacked;
use super::{Process, TempDir, free_port, tool, until};

/// A Sendmail that takes mail for `sendmail.test`.
pub(crate) struct Sendmail {
    pub(crate) port: u16,
    _process: Process,
}

impl Sendmail {
    /// `lines` stand in its `sendmail.mc`. It sees `dir` as `/mnt`: below `/tmp`, where anybody may write, it takes no
    /// socket.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, lines: &str) -> Self {
        let port = free_port();
        let queue = dir.open_folder("mqueue");
        // It takes no queue that others may write to.
        fs::set_permissions(&queue, fs::Permissions::from_mode(0o700)).expect("permissions");
        let here = queue.parent().expect("a folder").display().to_string();
        let cf = unpacked("sendmail/usr/share/sendmail/cf");
        let cf = cf.display();
        let source = dir.write(
            "sendmail.mc",
            format!(
                "include(`{cf}/m4/cf.m4')dnl\n\
                 OSTYPE(`linux')dnl\n\
                 define(`QUEUE_DIR', `{}')dnl\n\
                 define(`confPID_FILE', `{here}/sendmail.pid')dnl\n\
                 define(`STATUS_FILE', `{here}/sendmail.status')dnl\n\
                 define(`ALIAS_FILE', `')dnl\n\
                 define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe, IncludeFileInUnsafeDirPath')dnl\n\
                 define(`confDOMAIN_NAME', `mx.sendmail.test')dnl\n\
                 define(`confTO_IDENT', `0')dnl\n\
                 FEATURE(`no_default_msa')dnl\n\
                 FEATURE(`accept_unresolvable_domains')dnl\n\
                 DAEMON_OPTIONS(`Port={port}, Addr=127.0.0.1, Name=MTA')dnl\n\
                 {lines}\n\
                 MAILER(`local')dnl\n\
                 MAILER(`smtp')dnl\n\
                 LOCAL_CONFIG\n\
                 Cwsendmail.test\n",
                queue.display()
            ),
        );
        let made = Command::new(tool("m4"))
            .arg(format!("-D_CF_DIR_={cf}/"))
            .arg(&source)
            .output()
            .expect("m4 runs");
        let config = dir.write("sendmail.cf", &made.stdout);
        dir.write("hosts", "127.0.0.1 mx.sendmail.test localhost\n");
        dir.write("resolv.conf", "nameserver 127.0.0.1\n");
        // -odq: what it takes is queued, and not delivered at once.
        let script = format!(
            "hostname mx.sendmail.test && mount --bind '{here}/hosts' /etc/hosts && \
             mount --bind '{here}/resolv.conf' \"$(readlink -f /etc/resolv.conf)\" && mount --bind '{here}' /mnt && \
             exec '{}' -C '{}' -bD -odq",
            unpacked("sendmail/usr/libexec/sendmail/sendmail").display(),
            config.display()
        );
        let mut process = Process::start(
            Command::new(tool("unshare")).args(["-m", "-u", "sh", "-c", &script]),
            &dir.join("sendmail.log"),
        );
        until("Sendmail to listen", || {
            assert!(process.runs(), "Sendmail did not start");
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
        }
    }
}
