//! OpenSMTPD, unmodified, unpacked beside Postfix. Its paths are fixed, so it runs in a mount namespace.

use super::jail::{jailed, unpacked};
use super::{Process, Sink, TempDir, free_port, until};

pub(crate) struct OpenSmtpd {
    pub(crate) port: u16,
    _process: Process,
}

impl OpenSmtpd {
    /// Mail for `opensmtpd.test` goes on to the sink.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, sink: &Sink) -> Self {
        let port = free_port();
        let config = dir.write(
            "smtpd.conf",
            format!(
                "listen on 127.0.0.1 port {port} hostname opensmtpd.test\n\
                 action \"on\" relay host \"smtp://{}\"\n\
                 match from any for domain \"opensmtpd.test\" action \"on\"\n",
                sink.address
            ),
        );
        // It looks up the name of 127.0.0.1: without a resolver it must not wait for one.
        let prepare = "printf 'lookup file\\n' > /etc/resolv.conf\n\
                       install -d -m 711 /var/spool/smtpd; install -d /var/lib/opensmtpd/empty";
        let program = format!(
            "'{}' -d -f '{}'",
            unpacked("opensmtpd/usr/sbin/smtpd").display(),
            config.display()
        );
        let process = Process::start(
            &mut jailed(dir, "opensmtpd", prepare, &program),
            &dir.join("opensmtpd.log"),
        );
        until("OpenSMTPD to listen", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
        }
    }
}
