//! Dovecot's LMTP server, unmodified.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Mail, Process, TempDir, free_port, maildir, tool, until};

/// Keeps a mailbox for whoever is named, in `box.test`.
pub(crate) struct Dovecot {
    /// The path of its socket.
    pub(crate) socket: PathBuf,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    mail: PathBuf,
    _process: Process,
}

impl Dovecot {
    /// `tiny` has room for 20 KiB, the others for 100 MiB. Over the quota, it answers 452 4.2.2 after the content.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir) -> Self {
        let port = free_port();
        let mail = dir.open_folder("dovecot.mail");
        let home = dir.join("dovecot");
        fs::create_dir(&home).expect("a folder");
        let socket = dir.join("lmtp");
        let users = "tiny::65534:65534::::userdb_quota_rule=*:storage=20k\n";
        dir.write("dovecot.users", users);
        let config = dir.write(
            "dovecot.conf",
            CONFIG
                .replace("{dir}", &dir.path().display().to_string())
                .replace("{mail}", &mail.display().to_string())
                .replace("{port}", &port.to_string()),
        );
        let mut command = Command::new(tool("dovecot"));
        command.arg("-F").arg("-c").arg(config);
        let mut process = Process::start(&mut command, &dir.join("dovecot.log"));
        until("Dovecot to listen", || {
            assert!(process.runs(), "Dovecot did not start");
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        Self {
            socket,
            port,
            mail,
            _process: process,
        }
    }

    /// The mails of one user.
    pub(crate) fn mails(&self, user: &str) -> Vec<Mail> {
        maildir(&self.mail.join(user))
    }

    /// The mails of all users.
    pub(crate) fn all_mails(&self) -> Vec<Mail> {
        let boxes = fs::read_dir(&self.mail).expect("the mailboxes").flatten();
        boxes.flat_map(|mailbox| maildir(&mailbox.path())).collect()
    }

    /// Removes all mail of one user, behind Dovecot's back; it counts anew.
    pub(crate) fn empty(&self, user: &str) {
        let mailbox = self.mail.join(user);
        for folder in ["new", "cur"] {
            for mail in fs::read_dir(mailbox.join(folder)).expect("a mailbox") {
                fs::remove_file(mail.expect("a mail").path()).expect("a mail removed");
            }
        }
        fs::remove_file(mailbox.join("maildirsize")).expect("the count removed");
    }
}

const CONFIG: &str = "\
base_dir = {dir}/dovecot
log_path = {dir}/dovecot.log
protocols = lmtp
ssl = no
first_valid_uid = 1
mail_location = maildir:{mail}/%n
mail_plugins = quota
recipient_delimiter = +
quota_full_tempfail = yes
plugin {
  quota = maildir:box
  quota_rule = *:storage=100M
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = passwd-file
  args = username_format=%n {dir}/dovecot.users
  default_fields = uid=65534 gid=65534
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home={mail}/%n allow_all_users=yes
}
service lmtp {
  unix_listener {dir}/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = {port}
  }
}
protocol lmtp {
  postmaster_address = postmaster@box.test
}
";
