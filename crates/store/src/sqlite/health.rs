//! Whether the spool may still be believed.

use std::io;
use std::sync::OnceLock;

use queue::spool::SpoolError;
use rusqlite::ErrorCode;

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
        if passes(error) {
            return self.check().err().unwrap_or(SpoolError::Full);
        }
        self.sicken(format!("spool.db: {error}"))
    }

    /// The same for a body's file, except for its fsync.
    pub(super) fn file(&self, what: &str, error: &io::Error) -> SpoolError {
        use io::ErrorKind::{Interrupted, OutOfMemory, QuotaExceeded, StorageFull};
        let too_many_open = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
            .map(rustix::io::Errno::raw_os_error);
        let passes = matches!(
            error.kind(),
            StorageFull | QuotaExceeded | OutOfMemory | Interrupted
        ) || error
            .raw_os_error()
            .is_some_and(|code| too_many_open.contains(&code));
        if passes {
            return self.check().err().unwrap_or(SpoolError::Full);
        }
        self.sicken(format!("{what}: {error}"))
    }

    /// A failed fsync: the kernel may have dropped what it could not write, and says so only once. There is no
    /// second try, not for a full disk either.
    pub(super) fn fsync(&self, what: &str, error: &io::Error) -> SpoolError {
        self.sicken(format!("fsync of {what}: {error}"))
    }
}

/// Nothing was kept and nothing is in doubt; later it may work. Everything else is sickness: when in doubt, stop.
fn passes(error: &rusqlite::Error) -> bool {
    let Some(cause) = error.sqlite_error() else {
        return false;
    };
    match cause.code {
        ErrorCode::DiskFull | ErrorCode::OutOfMemory => true,
        // An administrator's shell that sits on a write transaction; no more file descriptors.
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::CannotOpen => true,
        // The shared index of the log could not grow on a full disk. It holds nothing that must last.
        ErrorCode::SystemIoFailure => cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn what_each_error_of_sqlite_means() {
        for (code, passes) in [
            (ffi::SQLITE_FULL, true),
            (ffi::SQLITE_BUSY, true),
            (ffi::SQLITE_NOMEM, true),
            (ffi::SQLITE_IOERR_SHMSIZE, true),
            (ffi::SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_IOERR_DIR_FSYNC, false),
            (ffi::SQLITE_IOERR_WRITE, false),
            (ffi::SQLITE_IOERR_READ, false),
            (ffi::SQLITE_IOERR, false),
            (ffi::SQLITE_CORRUPT, false),
            (ffi::SQLITE_NOTADB, false),
            (ffi::SQLITE_READONLY, false),
            (ffi::SQLITE_CONSTRAINT, false),
        ] {
            let health = Health::default();
            let error = health.sqlite(&sqlite(code));
            assert_eq!(error == SpoolError::Full, passes, "{code}: {error}");
            assert_eq!(health.check().is_ok(), passes, "{code}");
        }
    }

    #[test]
    fn what_each_error_of_a_file_means() {
        for (errno, passes) in [
            (rustix::io::Errno::NOSPC, true),
            (rustix::io::Errno::DQUOT, true),
            (rustix::io::Errno::MFILE, true),
            (rustix::io::Errno::IO, false),
            (rustix::io::Errno::ROFS, false),
            (rustix::io::Errno::FBIG, false),
        ] {
            let health = Health::default();
            let error = health.file("body", &errno.into());
            assert_eq!(error == SpoolError::Full, passes, "{errno}: {error}");
            assert_eq!(health.check().is_ok(), passes, "{errno}");
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
