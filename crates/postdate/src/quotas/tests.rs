use std::time::Duration;

use delivery::local::Quotas as _;
use delivery::local::Room::{Fits, Full, TooLarge};

use super::*;

/// A Maildir in a folder of its own.
struct Box(tempfile::TempDir);

impl Box {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self(root)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A mail that really has three octets, whatever its name says.
    fn put(&self, name: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "abc").unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    fn size(&self) -> Option<String> {
        fs::read_to_string(self.path().join(FILE)).ok()
    }

    fn set_size(&self, text: &str) {
        fs::write(self.path().join(FILE), text).unwrap();
    }

    /// It was last changed so long ago.
    fn set_age(&self, age: Duration) {
        let file = File::open(self.path().join(FILE)).unwrap();
        file.set_modified(now() - age).unwrap();
    }
}

fn now() -> SystemTime {
    crate::clock::now()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn a_maildir_is_counted_once_and_then_kept_up() {
    let maildir = Box::new();
    maildir.put("new/1.a,S=100");
    maildir.put("cur/2.a,S=200:2,S");
    maildir.put("cur/3.a:2,RS");
    maildir.put(".Sent/cur/4.a,S=1000:2,");
    // Not counted.
    maildir.put("cur/5.a,S=5000:2,ST");
    maildir.put("tmp/6.a,S=5000");
    maildir.put(".Trash/cur/7.a,S=5000:2,");
    let quotas = Quotas::new(Some(2000));
    assert_eq!(quotas.room(maildir.path(), 697, now()), Fits);
    let made = maildir.size().unwrap();
    assert_eq!(words(&made), ["2000S", "1303", "4"]);
    quotas.stored(maildir.path(), 697, now());
    let added = maildir.size().unwrap();
    assert_eq!(words(&added), ["2000S", "1303", "4", "697", "1"]);
    assert_eq!(fs::read_dir(maildir.path().join("tmp")).unwrap().count(), 1);
}

#[test]
fn a_full_mailbox_is_counted_anew_before_it_is_believed_and_has_room_again() {
    let maildir = Box::new();
    maildir.put("new/1.a,S=600");
    maildir.put("new/2.a,S=300");
    let quotas = Quotas::new(Some(1000));
    // What the file says is not true.
    maildir.set_size("1000S\n 900 2\n 500 1\n");
    assert_eq!(quotas.room(maildir.path(), 100, now()), Fits);
    let full = Full {
        used: 900,
        quota: Some(1000),
    };
    assert_eq!(quotas.room(maildir.path(), 101, now()), full);
    // A reader that knows nothing of quotas.
    maildir.remove("new/1.a,S=600");
    assert_eq!(quotas.room(maildir.path(), 101, now()), full);
    maildir.set_age(Duration::from_secs(15 * 60));
    assert_eq!(quotas.room(maildir.path(), 101, now()), Fits);
    assert_eq!(words(&maildir.size().unwrap()), ["1000S", "300", "1"]);
    // One that does.
    quotas.stored(maildir.path(), 700, now());
    maildir.put("new/3.a,S=700");
    assert_eq!(
        quotas.room(maildir.path(), 1, now()),
        Full {
            used: 1000,
            quota: Some(1000)
        }
    );
    maildir.remove("new/3.a,S=700");
    maildir.set_size("1000S\n 1000 2\n -700 -1\n");
    assert_eq!(quotas.room(maildir.path(), 1, now()), Fits);
}

#[test]
fn without_a_configured_quota_the_files_own_counts() {
    let maildir = Box::new();
    let quotas = Quotas::new(None);
    assert_eq!(quotas.room(maildir.path(), 1_000_000, now()), Fits);
    quotas.stored(maildir.path(), 1_000_000, now());
    assert_eq!(maildir.size(), None);

    maildir.put("new/1.a,S=100");
    maildir.set_size("150S,2C\n100 1\n");
    assert_eq!(quotas.room(maildir.path(), 50, now()), Fits);
    assert_eq!(
        quotas.room(maildir.path(), 51, now()),
        Full {
            used: 100,
            quota: Some(150)
        }
    );
    assert_eq!(quotas.room(maildir.path(), 151, now()), TooLarge(150));
    maildir.put("new/2.a,S=1");
    quotas.stored(maildir.path(), 1, now());
    assert_eq!(
        quotas.room(maildir.path(), 1, now()),
        Full {
            used: 101,
            quota: None
        }
    );
    // Too long to be trusted, and its quota still known.
    maildir.set_size(&format!("150S\n{}", "1 0\n".repeat(2000)));
    assert_eq!(quotas.room(maildir.path(), 49, now()), Fits);
    assert_eq!(words(&maildir.size().unwrap()), ["150S", "101", "2"]);
    // No quota at all.
    maildir.set_size("what?\n");
    assert_eq!(quotas.room(maildir.path(), 1_000_000, now()), Fits);
    assert_eq!(maildir.size().unwrap(), "what?\n");
}

#[test]
fn another_quota_is_taken_over() {
    let maildir = Box::new();
    maildir.set_size("10S\n 7 1\n");
    assert_eq!(
        Quotas::new(Some(20)).room(maildir.path(), 20, now()),
        Fits,
        "the Maildir is empty"
    );
    assert_eq!(words(&maildir.size().unwrap()), ["20S", "0", "0"]);
}

#[test]
fn a_glance_says_what_the_file_says_and_counts_nothing() {
    let maildir = Box::new();
    let quotas = Quotas::new(None);
    let glance = |octets| quotas.glance(maildir.path(), octets, now());
    assert_eq!(glance(1), None, "no file");
    maildir.set_size("1000S\n 900 2\n");
    assert_eq!(glance(100), Some(Room::Fits));
    assert_eq!(glance(101), Some(Room::Full));
    assert_eq!(glance(1001), None, "it goes back, once delivery says why");
    maildir.set_age(Duration::from_secs(15 * 60));
    assert_eq!(glance(101), None, "mail may have been deleted");
    // Seen at once, whoever wrote it.
    maildir.set_size("1000S\n 900 2\n -100 -1\n");
    assert_eq!(glance(101), Some(Room::Fits));
    assert_eq!(glance(201), Some(Room::Full));
    quotas.stored(maildir.path(), 50, now());
    assert_eq!(glance(150), Some(Room::Fits));
    assert_eq!(glance(151), Some(Room::Full));
    maildir.set_age(Duration::from_secs(15 * 60));
    assert_eq!(glance(151), None, "to be counted");
    maildir.set_size("?");
    assert_eq!(glance(1), None);
    maildir.set_size("10000S\n 5000 1\n");
    assert_eq!(glance(6000), Some(Room::TooLittle), "others fit");
}

#[test]
fn what_is_remembered_is_bounded() {
    let quotas = Quotas::new(None);
    let root = tempfile::tempdir().unwrap();
    for n in 0..=SEEN_MAX {
        let maildir = root.path().join(n.to_string());
        fs::create_dir(&maildir).unwrap();
        fs::write(maildir.join(FILE), "10S\n 5 1\n").unwrap();
        assert_eq!(quotas.glance(&maildir, 5, now()), Some(Room::Fits));
    }
    assert!(quotas.seen().len() <= SEEN_MAX);
}

#[test]
fn where_nothing_can_be_known_mail_fits() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing");
    assert_eq!(Quotas::new(Some(10)).room(&missing, 5, now()), Fits);
}
