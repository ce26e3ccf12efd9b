//! Removes what a crash left behind: content without a message.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::body::Files;

/// In a thread of its own, so that a start does not wait for it.
pub(super) fn start(files: Arc<Files>) -> io::Result<(Arc<AtomicBool>, JoinHandle<()>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sweep = std::thread::Builder::new()
        .name("spool-sweep".into())
        .spawn(move || {
            // What can't be read now is looked at after the next start.
            let _ = sweep(&files, &stopped);
        })?;
    Ok((stop, sweep))
}

fn sweep(files: &Files, stop: &AtomicBool) -> io::Result<()> {
    for folder in std::fs::read_dir(files.dir())? {
        let folder = folder?;
        if folder.file_type()?.is_dir() {
            sweep_folder(files, &folder.path(), stop)?;
        }
    }
    Ok(())
}

fn sweep_folder(files: &Files, folder: &Path, stop: &AtomicBool) -> io::Result<()> {
    for file in std::fs::read_dir(folder)? {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        // A name that is no id is not ours.
        if let Some(id) = file?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            files.sweep(id).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
