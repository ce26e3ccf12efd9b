//! A file system that a test can fill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, mounted as long as the test runs.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    #[track_caller]
    pub(crate) fn mount(path: &Path, size: &str) -> Self {
        fs::create_dir_all(path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status();
        assert!(
            mounted.expect("mount").success(),
            "a tmpfs can't be mounted: this test needs root"
        );
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node that is on it may end after us.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
