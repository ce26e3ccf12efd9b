//! The records in the data directory: read beside a running server, changed through it, or without one.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use policy::Moment;
use store::lock::DirLock;
use store::policy::{Reader, Records};

use super::super::never_ran;
use crate::clock;
use crate::config::Config;
use crate::control::change::{Change, Changed};
use crate::control::{self, Request, Response, not_permitted};
use crate::judge::with_advice;
use crate::node::RECORDS;
use crate::rules_of::rules_of;
use crate::stand_in::become_owner;

/// A server that can't write for so long is not waited for: what is in the file is shown.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens what there is to read, after a running server has written all that it remembers. `None`: nothing was
/// remembered yet, which is said.
pub(super) fn reader(dir: &Path) -> Result<Option<Reader>, String> {
    let reader = written(dir)?;
    if reader.is_none() {
        never_ran("records", dir);
    }
    if reader.is_some()
        && let Err(err) = control::ask_for(dir, &Request::Flush, Some(PATIENCE))
    {
        let err = with_advice(&err, &dir.join(RECORDS));
        eprintln!("postdate: what is shown may be old: {err}");
    }
    Ok(reader)
}

/// What is in the file.
fn written(dir: &Path) -> Result<Option<Reader>, String> {
    let path = Reader::file(&dir.join(RECORDS));
    match File::open(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted(&path));
        }
        _ => {}
    }
    Reader::open(&path)
        .map(Some)
        .map_err(|err| with_advice(&err.to_string(), &path))
}

/// Changes the records, and waits until the change is in the file.
pub(super) fn change(config: &Config, change: Change) -> Result<Changed, String> {
    let path = config.data_dir.join(RECORDS);
    changed(config, change).map_err(|err| with_advice(&err, &path))
}

fn changed(config: &Config, change: Change) -> Result<Changed, String> {
    match control::ask(&config.data_dir, &Request::Policy(change.clone()))? {
        Some(Response::Policy(changed)) => Ok(changed),
        Some(_) => Err("control socket: the server answers something else".to_owned()),
        None => without_server(config, change),
    }
}

fn without_server(config: &Config, change: Change) -> Result<Changed, String> {
    let dir = &config.data_dir;
    if !dir.is_dir() {
        return Err(format!(
            "{}: there is no such directory: name the server's configuration with -c, or start it once",
            dir.display()
        ));
    }
    // Says what is wrong before anything is made or locked.
    written(dir)?;
    if rustix::process::geteuid().is_root()
        && let Err(err) = become_owner(dir)
    {
        eprintln!("postdate: {}: {err}", dir.display());
    }
    let _lock = DirLock::take(dir).map_err(|err| err.to_string())?;
    let now = clock::now();
    let records =
        Records::open(&dir.join(RECORDS), rules_of(config), now).map_err(|err| err.to_string())?;
    if let Some(damage) = records.damage() {
        eprintln!("postdate: {damage}");
    }
    let changed = change.perform(&records, now)?;
    records.close().map_err(|err| err.to_string())?;
    Ok(changed)
}

/// `2026-11-23T22:47:01Z`
pub(super) fn when(moment: Moment) -> String {
    jiff::Timestamp::from_millisecond(moment.as_millis())
        .map_or_else(|_| "never".to_owned(), |time| format!("{time:.0}"))
}
