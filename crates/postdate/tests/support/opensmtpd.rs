//! OpenSMTPD, unmodified, unpacked beside Postfix. Its paths are fixed, so it runs in a mount namespace.

use std::path::PathBuf;

use super::jail::{jailed, unpacked};
use super::{Mail, Process, TempDir, free_port, maildir, until};

pub(crate) struct OpenSmtpd {
    pub(crate) port: u16,
    _process: Process,
    mailbox: PathBuf,
}

impl OpenSmtpd {
    /// Mail for `here.test` goes on to `next`, a port of this machine; mail for `opensmtpd.test` into one Maildir.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, next: u16) -> Self {
        Self::asking(dir, next, "", "", "")
    }

    /// The same; `head` stands at the beginning of its configuration, `words` with its listener. `before` is done by the
    /// shell where it runs, which has an `/etc` and a `/var/lib` of its own.
    #[track_caller]
    pub(crate) fn asking(dir: &TempDir, next: u16, head: &str, words: &str, before: &str) -> Self {
        let port = free_port();
        let mailbox = dir.open_folder("opensmtpd.mail").join("box");
        let config = dir.write(
            "smtpd.conf",
            format!(
                "table boxes {{ \"@\" = nobody }}\n\
                 {head}\
                 listen on 127.0.0.1 port {port} hostname opensmtpd.test {words}\n\
                 action \"on\" relay host \"smtp://127.0.0.1:{next}\"\n\
                 action \"box\" maildir \"{}\" virtual <boxes>\n\
                 match from any for domain \"here.test\" action \"on\"\n\
                 match from any for domain \"opensmtpd.test\" action \"box\"\n",
                mailbox.display()
            ),
        );
        // It looks up the name of 127.0.0.1: without a resolver it must not wait for one.
        // What delivers into a Maildir, it looks for below /usr/libexec.
        let prepare = format!(
            "printf 'lookup file\\n' > /etc/resolv.conf\n\
             install -d -m 711 /var/spool/smtpd; install -d /var/lib/opensmtpd/empty /usr/libexec\n\
             mount --bind '{}' /usr/libexec\n{before}",
            unpacked("opensmtpd/usr/libexec").display()
        );
        let program = format!(
            "'{}' -d -f '{}'",
            unpacked("opensmtpd/usr/sbin/smtpd").display(),
            config.display()
        );
        let mut process = Process::start(
            &mut jailed(dir, "opensmtpd", &prepare, &program),
            &dir.join("opensmtpd.log"),
        );
        until("OpenSMTPD to listen", || {
            assert!(process.runs(), "OpenSMTPD did not start");
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
            mailbox,
        }
    }

    /// The mails it delivered.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        maildir(&self.mailbox)
    }
}
