//! A peer with files of its own at fixed paths: a mount namespace that ends with the process.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{TempDir, tool};

/// Runs `prepare` (shell) and then `program` where `/etc` and `/var/lib` can be changed without anybody else seeing it,
/// and `/run` and `/var/spool` are empty.
pub(crate) fn jailed(dir: &TempDir, name: &str, prepare: &str, program: &str) -> Command {
    let jail = dir.join(&format!("{name}.jail"));
    let script = format!(
        "set -e\n\
         mkdir -p '{jail}'; mount -t tmpfs tmpfs '{jail}'; cd '{jail}'; mkdir etc etc.work lib lib.work\n\
         mount -t overlay overlay -o lowerdir=/etc,upperdir=etc,workdir=etc.work /etc\n\
         mount -t overlay overlay -o lowerdir=/var/lib,upperdir=lib,workdir=lib.work /var/lib\n\
         mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/spool\n\
         {prepare}\n\
         exec {program}\n",
        jail = jail.display(),
    );
    let script = dir.write(&format!("{name}.sh"), script);
    let mut command = Command::new(tool("unshare"));
    command.arg("-m").arg("sh").arg(script);
    command
}

/// A program that was unpacked beside the installed ones.
#[track_caller]
pub(crate) fn unpacked(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/peers")
        .join(path);
    assert!(
        path.exists(),
        "{} is missing: `cargo xtask peers` installs it",
        path.display()
    );
    path.canonicalize().expect("a path")
}
