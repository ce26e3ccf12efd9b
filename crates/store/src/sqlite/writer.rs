//! The one thread that writes. It drains the inbox into one transaction, commits at once, and tells everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use queue::spool::SpoolError;
use rusqlite::{Connection, ErrorCode};

use super::batch::{Effects, Job, Statements, Totals};
use super::body::Files;
use super::health::Health;
use super::inbox::{Inbox, Taken};
use super::{DATABASE, lease, schema};
use crate::lock::DirLock;

/// When the log has so many pages (16 MiB), it is copied into the database between two transactions.
const CHECKPOINT_PAGES: usize = 4096;
/// When nothing has come for [`IDLE`], a log of so many pages is enough: then nobody waits for it.
const IDLE_CHECKPOINT_PAGES: usize = 1024;
const IDLE: Duration = Duration::from_millis(200);
/// New mail leaves so much of the disk free, beside what the log holds: outcomes must still be written.
const RESERVE: u64 = 1024 * 1024;
/// How long the writer waits for readers when the disk is full.
const SHRINK_WITHIN: Duration = Duration::from_millis(200);
/// Parks of an earlier process that are ended in one transaction.
pub(super) const LOST_PARKS: usize = 2000;
/// The page size of the database.
pub(super) const PAGE: u64 = 4096;

/// What the writer tells the rest of the spool, after each transaction.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Milliseconds; [`NEVER`] when nothing waits.
    pub(super) next_wake: AtomicI64,
    pub(super) messages: AtomicU64,
    pub(super) recipients: AtomicU64,
    /// Octets of the database that hold nothing.
    pub(super) spare_octets: AtomicU64,
    /// Octets of content that went, since the spool was opened.
    pub(super) removed_octets: AtomicU64,
}

/// No wake time.
pub(super) const NEVER: i64 = -1;

/// What the writer works with, beside its connection.
pub(super) struct Desk {
    pub(super) inbox: Arc<Inbox>,
    pub(super) health: Arc<Health>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) files: Arc<Files>,
    pub(super) totals: Totals,
    /// Keys of parks of an earlier process that are left to be ended.
    pub(super) lost_parks: Vec<String>,
    /// The sweep of orphans, and what stops it.
    pub(super) sweep: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    /// Given back last.
    pub(super) lock: DirLock,
}

/// A transaction that did not come to be.
struct Failed {
    error: SpoolError,
    /// The disk is full: a smaller one may fit.
    full: bool,
}

/// Runs until the inbox is closed and empty.
pub(super) fn run(mut conn: Connection, mut desk: Desk) {
    let pages = Arc::new(AtomicUsize::new(0));
    let hooked = conn.wal_hook(Some({
        let pages = Arc::clone(&pages);
        move |_: &mut _, count| {
            pages.store(usize::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }
    }));
    let at_end = Mourner(Arc::clone(&desk.inbox), Arc::clone(&desk.health));
    match hooked.and_then(|()| Statements::new(&conn)) {
        Ok(statements) => Writer {
            conn: &conn,
            statements,
            desk: &mut desk,
            pages,
        }
        .work(),
        Err(e) => drop(desk.health.sqlite(&e)),
    }
    drop(at_end);
    if desk.health.check().is_ok() {
        // Best effort: what it does not copy is read from the log at the next start.
        let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    drop(conn);
    if let Some((stop, sweep)) = desk.sweep.take() {
        stop.store(true, Ordering::Relaxed);
        let _ = sweep.join();
    }
}

/// Whatever ends the writer, nobody may wait for it for ever.
struct Mourner(Arc<Inbox>, Arc<Health>);

impl Drop for Mourner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.1.sicken("the writer panicked"));
        }
        self.0.close();
        let mut left = Vec::new();
        if let Taken::Jobs = self.0.take(&mut left, None) {
            let error = self.1.check().err().unwrap_or(SpoolError::Closed);
            left.into_iter()
                .for_each(|job| job.answer(Err(error.clone())));
        }
    }
}

struct Writer<'a> {
    conn: &'a Connection,
    statements: Statements<'a>,
    desk: &'a mut Desk,
    /// Pages in the log, as of the last commit.
    pages: Arc<AtomicUsize>,
}

impl Writer<'_> {
    fn work(mut self) {
        let mut jobs = Vec::new();
        loop {
            let idle = (self.log_pages() >= IDLE_CHECKPOINT_PAGES).then_some(IDLE);
            match self.desk.inbox.take(&mut jobs, idle) {
                Taken::Closed => return,
                Taken::Idle => self.checkpoint(),
                Taken::Jobs => {
                    self.batch(&mut jobs);
                    if self.log_pages() >= CHECKPOINT_PAGES {
                        self.checkpoint();
                    }
                }
            }
        }
    }

    fn log_pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    /// Commits all of it, or as much as there is room for. Leaves `jobs` empty.
    fn batch(&mut self, jobs: &mut Vec<Job>) {
        self.refuse_without_room(jobs);
        if jobs.is_empty() {
            return;
        }
        match self.transaction(jobs) {
            Err(Failed { full: true, .. }) => {
                // A big one must not fail the others; and room may be had.
                self.shrink_log();
                for job in jobs.drain(..) {
                    let mut alone = [job];
                    let result = self.transaction(&mut alone).map_err(|failed| failed.error);
                    alone
                        .into_iter()
                        .for_each(|job| self.answer(job, result.clone()));
                }
            }
            result => {
                let result = result.map_err(|failed| failed.error);
                jobs.drain(..)
                    .for_each(|job| self.answer(job, result.clone()));
            }
        }
    }

    fn answer(&self, job: Job, result: Result<(), SpoolError>) {
        if let Err(SpoolError::Sick(_)) = result {
            // The commit may have reached the disk: then the message needs its file. If not, the sweep takes it.
            job.files().for_each(|id| self.desk.files.keep(id));
        }
        job.answer(result);
    }

    /// Answers `Full` to new mail that would take the last room. It must not come to a transaction that fills the
    /// disk with its log: what it left there would keep the log from being copied into the database.
    fn refuse_without_room(&mut self, jobs: &mut Vec<Job>) {
        let growing: u64 = jobs.iter().map(need).sum();
        if growing == 0 || self.room().is_none_or(|room| room > growing + RESERVE) {
            return;
        }
        self.shrink_log();
        let mut room = self.room().unwrap_or(u64::MAX);
        let refused = jobs.extract_if(.., |job| {
            let reserve = if job.only_grows() { RESERVE } else { 0 };
            let fits = need(job) == 0 || need(job) + reserve < room;
            room = room.saturating_sub(if fits { need(job) } else { 0 });
            !fits
        });
        let refused: Vec<Job> = refused.collect();
        refused
            .into_iter()
            .for_each(|job| self.answer(job, Err(SpoolError::Full)));
    }

    /// Octets that are free when the log has been copied; `None` when the file system does not say.
    fn room(&self) -> Option<u64> {
        let free = free_octets(self.desk.lock.dir())?
            + self.desk.gauges.spare_octets.load(Ordering::Relaxed);
        Some(free.saturating_sub(self.log_pages() as u64 * PAGE))
    }

    /// One transaction: durable when this returns `Ok`.
    fn transaction(&mut self, jobs: &mut [Job]) -> Result<(), Failed> {
        self.trust()
            .map_err(|error| Failed { error, full: false })?;
        let mut effects = Effects {
            totals: self.desk.totals,
            ..Effects::default()
        };
        match self.write(jobs, &mut effects) {
            Ok((wake, spare_pages, lost_parks)) => {
                self.desk.lost_parks = lost_parks;
                self.publish(&effects, wake, spare_pages);
                Ok(())
            }
            Err(e) => {
                let error = self.desk.health.sqlite(&e);
                if !self.conn.is_autocommit()
                    && let Err(e) = self.conn.execute_batch("ROLLBACK")
                {
                    drop(self.desk.health.sicken(format!("spool.db: rollback: {e}")));
                }
                let full = e.sqlite_error_code() == Some(ErrorCode::DiskFull);
                Err(Failed { error, full })
            }
        }
    }

    /// What is committed to a file without a name is synced well, and gone at the next start.
    fn trust(&self) -> Result<(), SpoolError> {
        let health = &self.desk.health;
        let path = self.desk.lock.dir().join(DATABASE);
        if path.try_exists().is_ok_and(|is_there| !is_there) {
            return Err(health.sicken(format!(
                "{DATABASE} was removed or renamed: put it back before the restart"
            )));
        }
        health.check()
    }

    fn write(
        &mut self,
        jobs: &mut [Job],
        effects: &mut Effects,
    ) -> rusqlite::Result<(Option<i64>, u64, Vec<String>)> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut lost_parks = self.desk.lost_parks.clone();
        for job in jobs {
            if !lost_parks.is_empty() && matches!(job, Job::Lease(..)) {
                lease::end_lost_parks(&mut self.statements, &mut lost_parks, LOST_PARKS)?;
            }
            self.statements.apply(job, effects)?;
        }
        if effects.totals != self.desk.totals {
            self.statements.write_totals(&effects.totals)?;
        }
        let (wake, spare_pages) = self.statements.gauges()?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok((wake, spare_pages, lost_parks))
    }

    /// After the commit, before anybody is told.
    fn publish(&mut self, effects: &Effects, wake: Option<i64>, spare_pages: u64) {
        let gauges = &self.desk.gauges;
        self.desk.totals = effects.totals;
        // While parks are left to be ended, there is something to lease now.
        let wake = if self.desk.lost_parks.is_empty() {
            wake.unwrap_or(NEVER)
        } else {
            0
        };
        gauges.next_wake.store(wake, Ordering::Release);
        gauges
            .messages
            .store(effects.totals.messages, Ordering::Relaxed);
        gauges
            .recipients
            .store(effects.totals.recipients, Ordering::Relaxed);
        gauges
            .spare_octets
            .store(spare_pages * PAGE, Ordering::Relaxed);
        gauges
            .removed_octets
            .fetch_add(effects.removed_octets, Ordering::Relaxed);
        effects
            .added_files
            .iter()
            .for_each(|id| self.desk.files.keep(*id));
        effects
            .removed_files
            .iter()
            .for_each(|id| self.desk.files.remove(*id));
    }

    /// Copies the log into the database, as far as no reader stands in the way.
    fn checkpoint(&mut self) {
        self.run_checkpoint("PRAGMA wal_checkpoint(PASSIVE)");
    }

    /// The same, and gives the log's own room back: a transaction that was too big has left it long.
    fn shrink_log(&mut self) {
        // Readers that are in the way are gone in a moment, or it works without.
        let patience = |time| drop(self.conn.busy_timeout(time));
        patience(SHRINK_WITHIN);
        self.run_checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
        patience(schema::BUSY);
    }

    fn run_checkpoint(&self, pragma: &str) {
        if self.desk.health.check().is_err() {
            return;
        }
        let copied = self.conn.query_row(pragma, [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        match copied {
            Ok((in_log, copied)) => {
                let left = usize::try_from(in_log - copied).unwrap_or(0);
                self.pages.store(left, Ordering::Relaxed);
            }
            // A full disk passes; anything else is the end, as for a commit.
            Err(e) => drop(self.desk.health.sqlite(&e)),
        }
    }
}

/// Octets of disk that a job may take: in the log and in the database, with rows and indexes, generously.
fn need(job: &Job) -> u64 {
    match job.octets() as u64 {
        0 => 0,
        octets => 2 * octets + 4 * PAGE,
    }
}

/// Octets that the file system has for us.
pub(super) fn free_octets(dir: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
