//! Both spools pass the suite.
#![allow(clippy::unwrap_used, reason = "a test")]

use queue::spool::Spool;
use store::conformance::{Ground, check};
use store::memory::MemorySpool;
use store::sqlite::SqliteSpool;

struct Memory(Option<MemorySpool>);

impl Ground for Memory {
    fn open(&mut self) -> Box<dyn Spool> {
        let spool = self
            .0
            .as_ref()
            .map_or_else(MemorySpool::default, MemorySpool::restart);
        self.0 = Some(spool.clone());
        Box::new(spool)
    }
}

struct Sqlite(tempfile::TempDir);

impl Ground for Sqlite {
    fn open(&mut self) -> Box<dyn Spool> {
        Box::new(SqliteSpool::open(self.0.path()).unwrap())
    }
}

#[test]
fn the_memory_spool_conforms() {
    check(&mut || Box::new(Memory(None)));
}

#[test]
fn the_sqlite_spool_conforms() {
    check(&mut || Box::new(Sqlite(tempfile::tempdir().unwrap())));
}
