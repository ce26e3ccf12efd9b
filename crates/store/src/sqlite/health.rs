//! Whether the spool may still be believed.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use queue::spool::SpoolError;
use rusqlite::ErrorCode;

use super::DATABASE;

/// Well until the first error that leaves it open what the disk holds; from then on sick until a restart.
#[derive(Debug, Default)]
pub(super) struct Health(OnceLock<String>);

impl Health {
    /// # Errors
    /// `Sick`, once it is.
    pub(super) fn check(&self) -> Result<(), SpoolError> {
        self.0
            .get()
            .map_or(Ok(()), |why| Err(SpoolError::Sick(why.clone())))
    }

    /// From now on nothing is acknowledged. The first reason stays.
    pub(super) fn sicken(&self, why: impl Into<String>) -> SpoolError {
        SpoolError::Sick(self.0.get_or_init(|| why.into()).clone())
    }

    /// What an error of SQLite means, and the end of trust if it means that.
    pub(super) fn sqlite(&self, error: &rusqlite::Error) -> SpoolError {
        let means = match error.sqlite_error() {
            Some(cause) => meaning(cause),
            None => Meaning::Sick,
        };
        self.judge(DATABASE, means, error)
    }

    /// The same for a body's file, except for its fsync.
    pub(super) fn file(&self, what: &str, error: &io::Error) -> SpoolError {
        use io::ErrorKind::{Interrupted, OutOfMemory, QuotaExceeded, StorageFull};
        let too_many_open = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
            .map(rustix::io::Errno::raw_os_error);
        let means = match error.kind() {
            StorageFull | QuotaExceeded => Meaning::Full,
            OutOfMemory | Interrupted => Meaning::Short,
            _ if error
                .raw_os_error()
                .is_some_and(|code| too_many_open.contains(&code)) =>
            {
                Meaning::Short
            }
            _ => Meaning::Sick,
        };
        self.judge(what, means, error)
    }

    fn judge(&self, what: &str, means: Meaning, error: &dyn fmt::Display) -> SpoolError {
        let passing = match means {
            Meaning::Full => SpoolError::Full,
            Meaning::Short => SpoolError::Short(format!("{what}: {error}")),
            Meaning::Sick => return self.sicken(format!("{what}: {error}")),
        };
        self.check().err().unwrap_or(passing)
    }

    /// A failed fsync: the kernel may have dropped what it could not write, and says so only once. There is no
    /// second try, not for a full disk either.
    pub(super) fn fsync(&self, what: &str, error: &io::Error) -> SpoolError {
        self.sicken(format!("fsync of {what}: {error}"))
    }
}

/// What an error means. With the first two nothing was kept and nothing is in doubt; later it may work. Everything
/// else is sickness: when in doubt, stop.
enum Meaning {
    /// No room.
    Full,
    /// Something else is used up or taken.
    Short,
    Sick,
}

fn meaning(cause: &rusqlite::ffi::Error) -> Meaning {
    match cause.code {
        ErrorCode::DiskFull => Meaning::Full,
        // No more file descriptors; an administrator's shell that sits on a write transaction.
        ErrorCode::OutOfMemory
        | ErrorCode::CannotOpen
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked => Meaning::Short,
        // The shared index of the log could not grow on a full disk. It holds nothing that must last.
        ErrorCode::SystemIoFailure
            if cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE =>
        {
            Meaning::Full
        }
        _ => Meaning::Sick,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    fn word(error: &SpoolError) -> &'static str {
        match error {
            SpoolError::Full => "full",
            SpoolError::Short(_) => "short",
            SpoolError::Sick(_) => "sick",
            SpoolError::Closed => "closed",
        }
    }

    #[test]
    fn what_each_error_of_sqlite_means() {
        for (code, means) in [
            (ffi::SQLITE_FULL, "full"),
            (ffi::SQLITE_IOERR_SHMSIZE, "full"),
            (ffi::SQLITE_BUSY, "short"),
            (ffi::SQLITE_LOCKED, "short"),
            (ffi::SQLITE_NOMEM, "short"),
            (ffi::SQLITE_CANTOPEN, "short"),
            (ffi::SQLITE_IOERR_FSYNC, "sick"),
            (ffi::SQLITE_IOERR_DIR_FSYNC, "sick"),
            (ffi::SQLITE_IOERR_WRITE, "sick"),
            (ffi::SQLITE_IOERR_READ, "sick"),
            (ffi::SQLITE_IOERR, "sick"),
            (ffi::SQLITE_CORRUPT, "sick"),
            (ffi::SQLITE_NOTADB, "sick"),
            (ffi::SQLITE_READONLY, "sick"),
            (ffi::SQLITE_CONSTRAINT, "sick"),
        ] {
            let health = Health::default();
            let error = health.sqlite(&sqlite(code));
            assert_eq!(word(&error), means, "{code}: {error}");
            assert_eq!(health.check().is_err(), means == "sick", "{code}");
        }
    }

    #[test]
    fn what_each_error_of_a_file_means() {
        for (errno, means) in [
            (rustix::io::Errno::NOSPC, "full"),
            (rustix::io::Errno::DQUOT, "full"),
            (rustix::io::Errno::MFILE, "short"),
            (rustix::io::Errno::NFILE, "short"),
            (rustix::io::Errno::NOMEM, "short"),
            (rustix::io::Errno::IO, "sick"),
            (rustix::io::Errno::ROFS, "sick"),
            (rustix::io::Errno::FBIG, "sick"),
        ] {
            let health = Health::default();
            let error = health.file("body", &errno.into());
            assert_eq!(word(&error), means, "{errno}: {error}");
            assert_eq!(health.check().is_err(), means == "sick", "{errno}");
        }
    }

    #[test]
    fn sickness_stays_and_a_failed_fsync_is_always_one() {
        let health = Health::default();
        let first = health.fsync("body", &rustix::io::Errno::NOSPC.into());
        assert_eq!(
            first,
            SpoolError::Sick("fsync of body: No space left on device (os error 28)".into())
        );
        assert_eq!(
            health.sqlite(&sqlite(ffi::SQLITE_FULL)),
            first,
            "later errors don't hide it"
        );
        assert_eq!(health.file("body", &rustix::io::Errno::IO.into()), first);
        assert_eq!(health.check(), Err(first));
    }
}
