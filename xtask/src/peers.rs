//! The real programs that tests run against, from Debian's archive.
//!
//! Postfix, Exim, OpenSMTPD and Sendmail exclude each other as installed packages: Postfix is installed, the others are unpacked
//! into `target/peers`, beside the libraries they need, which are installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{output, run, succeeds};

/// A file that is there, or a command that succeeds, when a package is installed; and the package.
const INSTALLED: &[(&str, &str)] = &[
    ("/usr/sbin/postfix", "postfix"),
    ("/usr/sbin/smtp-sink", "postfix"),
    ("/usr/sbin/postgrey", "postgrey"),
    ("/usr/bin/swaks", "swaks"),
    ("/usr/bin/miltertest", "miltertest"),
    // Makes Sendmail's configuration.
    ("/usr/bin/m4", "m4"),
    // swaks takes STARTTLS from there.
    ("perl -MNet::SSLeay -e 1", "libnet-ssleay-perl"),
    ("/usr/sbin/dovecot", "dovecot-core"),
    ("/usr/lib/dovecot/lmtp", "dovecot-lmtpd"),
    ("/usr/sbin/rbldnsd", "rbldnsd"),
    ("/usr/bin/named-checkzone", "bind9-utils"),
    ("/usr/bin/sqlite3", "sqlite3"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/sbin/losetup", "mount"),
    ("/usr/sbin/mkfs.ext4", "e2fsprogs"),
];

struct Unpacked {
    folder: &'static str,
    program: &'static str,
    packages: &'static [&'static str],
    users: &'static [&'static str],
}

const UNPACKED: &[Unpacked] = &[
    Unpacked {
        folder: "exim",
        program: "usr/sbin/exim4",
        packages: &["exim4-daemon-light", "exim4-base"],
        users: &["Debian-exim"],
    },
    Unpacked {
        folder: "opensmtpd",
        program: "usr/sbin/smtpd",
        packages: &["opensmtpd"],
        users: &["opensmtpd", "opensmtpq"],
    },
    Unpacked {
        folder: "sendmail",
        program: "usr/libexec/sendmail/sendmail",
        packages: &["sendmail-bin", "sendmail-cf"],
        users: &[],
    },
];

/// Installs what is missing.
///
/// # Errors
/// Something is missing and we are not root, or apt failed.
pub(crate) fn install(root: &Path) -> Result<(), String> {
    let missing = missing(root);
    if missing.is_empty() {
        println!("peers: all there");
        return Ok(());
    }
    println!("peers: missing {}", missing.join(", "));
    if output(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(format!(
            "the peer tests need programs that only root can install: run `cargo xtask peers` as root once \
             (it installs {}), or run `cargo xtask test --hermetic`",
            missing.join(", ")
        ));
    }
    if !succeeds("apt-get", &["--version"]) {
        return Err(format!(
            "there is no apt-get here: install {} by hand, or use --hermetic",
            missing.join(", ")
        ));
    }
    run(apt().arg("update"))?;
    let packages: Vec<&str> = INSTALLED
        .iter()
        .filter(|(sign, _)| !is_there(sign))
        .map(|(_, package)| *package)
        .collect();
    if !packages.is_empty() {
        preseed_postfix()?;
        run(apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages))?;
    }
    for peer in UNPACKED {
        unpack(root, peer)?;
    }
    let still = self::missing(root);
    if still.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "peers: still missing after the installation: {}",
            still.join(", ")
        ))
    }
}

fn missing(root: &Path) -> Vec<String> {
    let mut missing: Vec<String> = INSTALLED
        .iter()
        .filter(|(sign, _)| !is_there(sign))
        .map(|(_, package)| (*package).to_owned())
        .collect();
    missing.dedup();
    for peer in UNPACKED {
        let program = root
            .join("target/peers")
            .join(peer.folder)
            .join(peer.program);
        if !program.exists() || !libraries_found(&program) {
            missing.push(format!("{} (in target/peers)", peer.packages[0]));
        }
        missing.extend(
            peer.users
                .iter()
                .filter(|user| !succeeds("id", &[user]))
                .map(|user| format!("user {user}")),
        );
    }
    missing
}

fn is_there(sign: &str) -> bool {
    if sign.starts_with('/') {
        Path::new(sign).exists()
    } else {
        succeeds("sh", &["-c", sign])
    }
}

fn libraries_found(program: &Path) -> bool {
    output(Command::new("ldd").arg(program)).is_ok_and(|text| !text.contains("not found"))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .arg("--quiet=2");
    command
}

/// Postfix is wanted for its programs; no instance of its own is configured or started.
fn preseed_postfix() -> Result<(), String> {
    use std::io::Write as _;
    let mut child = Command::new("debconf-set-selections")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|err| format!("debconf-set-selections: {err}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(b"postfix postfix/main_mailer_type select No configuration\n")
            .map_err(|err| format!("debconf-set-selections: {err}"))?;
    }
    child
        .wait()
        .map_err(|err| format!("debconf-set-selections: {err}"))?;
    Ok(())
}

fn unpack(root: &Path, peer: &Unpacked) -> Result<(), String> {
    let folder = root.join("target/peers").join(peer.folder);
    let archives = folder.join("archives");
    fs::create_dir_all(&archives).map_err(|err| format!("{}: {err}", archives.display()))?;
    let program = folder.join(peer.program);
    if !program.exists() || !libraries_found(&program) {
        println!(
            "peers: unpacking {} into {}",
            peer.packages.join(", "),
            folder.display()
        );
        // As ourselves: apt's own user may not come into the folder.
        run(apt()
            .current_dir(&archives)
            .args(["-o", "APT::Sandbox::User=root", "download"])
            .args(peer.packages))?;
        let mut libraries = Vec::new();
        for archive in fs::read_dir(&archives)
            .map_err(|err| format!("{}: {err}", archives.display()))?
            .flatten()
        {
            run(Command::new("dpkg")
                .arg("-x")
                .arg(archive.path())
                .arg(&folder))?;
            let depends = output(
                Command::new("dpkg")
                    .arg("-f")
                    .arg(archive.path())
                    .arg("Depends"),
            )?;
            libraries.extend(library_packages(&depends));
        }
        run(apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(libraries))?;
    }
    for user in peer.users {
        if !succeeds("id", &[user]) {
            run(Command::new("useradd").args([
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                "--badname",
                user,
            ]))?;
        }
    }
    Ok(())
}

/// The libraries among `libc6 (>= 2.36), adduser, libdb5.3`.
fn library_packages(depends: &str) -> Vec<String> {
    depends
        .split(',')
        .filter_map(|entry| entry.split_whitespace().next())
        .filter(|name| name.starts_with("lib") || name.starts_with("zlib"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_picked_from_dependencies() {
        let depends = "libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, adduser, zlib1g (>= 1:1.1.4), libevent-2.1-7t64\n";
        assert_eq!(
            library_packages(depends),
            ["libc6", "zlib1g", "libevent-2.1-7t64"]
        );
    }
}
