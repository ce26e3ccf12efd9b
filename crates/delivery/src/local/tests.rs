use std::fs;
use std::path::Path;

use queue::Destination;
use queue::spool::BodyFile;
use smtp::Content;

use super::*;
use crate::fixture::{job, now};

fn deliver_to(root: &Path, recipients: &[&str], body: Body) -> Vec<Outcome> {
    deliver_with(root, recipients, body, None)
}

fn deliver_with(
    root: &Path,
    recipients: &[&str],
    body: Body,
    quotas: Option<Arc<dyn Quotas>>,
) -> Vec<Outcome> {
    let root = root.to_owned();
    let resolve: FindMailbox = Arc::new(move |address| match address.split_once('@')? {
        (local, "b.example") => Some(Place::Maildir(root.join(local))),
        (_, "moved.example") => Some(Place::Elsewhere),
        _ => None,
    });
    let settings = Settings { resolve, quotas };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let job = job(Destination::Local, recipients, Content::default());
    let report = runtime.block_on(deliver(&settings, "mx/b:1", &job, body, now()));
    assert!(report.hosts.is_empty());
    let indices: Vec<_> = report.outcomes.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, (0..recipients.len() as u32).collect::<Vec<_>>());
    report
        .outcomes
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect()
}

fn inline(text: &str) -> Body {
    Body::Inline(text.as_bytes().into())
}

fn mails(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut mails: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    mails.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    mails
        .iter()
        .map(|path| (name(path), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_mail_stands_in_new_with_its_trace() {
    let root = tempfile::tempdir().unwrap();
    let body = "Subject: a\r\n\r\n.dot\r\nbare \n and \r stay\r\nü\r\n";
    let outcomes = deliver_to(
        &root.path().join("deep/er"),
        &["a@b.example", "e@b.example"],
        inline(body),
    );
    assert_eq!(outcomes, [delivered(), delivered()]);
    for (mailbox, address) in [("deep/er/a", "a@b.example"), ("deep/er/e", "e@b.example")] {
        let maildir = root.path().join(mailbox);
        let stored = mails(&maildir.join("new"));
        let text = "Subject: a\n\n.dot\nbare \n and \r stay\nü\n";
        let expected = format!("Return-Path: <c@d.example>\nDelivered-To: {address}\n{text}");
        assert_eq!(stored.len(), 1);
        assert_eq!(String::from_utf8_lossy(&stored[0].1), expected);
        assert!(
            stored[0].0.starts_with("1700000000.M123456P"),
            "{}",
            stored[0].0
        );
        let name = format!(".mx\\057b\\0721,S={}", expected.len());
        assert!(stored[0].0.ends_with(&name), "{}", stored[0].0);
        assert!(mails(&maildir.join("tmp")).is_empty());
        assert!(mails(&maildir.join("cur")).is_empty());
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&maildir).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

#[test]
fn names_are_unique_within_a_microsecond() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        deliver_to(root.path(), &["a@b.example"], inline("x\r\n"));
    }
    assert_eq!(mails(&root.path().join("a/new")).len(), 5);
}

#[test]
fn no_mailbox_and_loops_are_final_and_leave_nothing() {
    let root = tempfile::tempdir().unwrap();
    let body = inline("Received: x\r\ndelivered-to: A@b.example\r\n\r\nx\r\n");
    let outcomes = deliver_to(
        root.path(),
        &["x@other.example", "a@b.example", "e@b.example"],
        body,
    );
    let Outcome::Failed(unknown) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(unknown.status, Status(5, 1, 1));
    let Outcome::Failed(again) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        (again.status, again.text.as_str()),
        (Status(5, 4, 6), "mail forwarding loop for a@b.example")
    );
    assert_eq!(outcomes[2], delivered());
    assert!(mails(&root.path().join("a/tmp")).is_empty());
    assert!(mails(&root.path().join("a/new")).is_empty());
}

/// The configuration changed after the attempt was planned: its mailbox is behind another server now.
#[test]
fn a_mailbox_that_moved_is_not_unknown() {
    let root = tempfile::tempdir().unwrap();
    let outcomes = deliver_to(root.path(), &["a@moved.example"], inline("x\r\n"));
    assert_eq!(outcomes, [Outcome::NotTried { parked: None }]);
}

/// So many octets may be used, of which some are.
struct Keeper(u64, std::sync::Mutex<u64>);

impl Quotas for Keeper {
    fn room(&self, _: &Path, octets: u64, _: SystemTime) -> Room {
        let used = *self.1.lock().unwrap();
        match () {
            () if octets > self.0 => Room::TooLarge(self.0),
            () if used + octets > self.0 => Room::Full {
                used,
                quota: Some(self.0),
            },
            () => Room::Fits,
        }
    }

    fn stored(&self, maildir: &Path, octets: u64, _: SystemTime) {
        assert_eq!(mails(&maildir.join("new"))[0].1.len() as u64, octets);
        *self.1.lock().unwrap() += octets;
    }
}

#[test]
fn a_mail_that_does_not_fit_waits_and_one_that_never_will_goes_back() {
    let root = tempfile::tempdir().unwrap();
    // Each mail has 55 octets with its trace.
    let keeper = Arc::new(Keeper(100, std::sync::Mutex::new(0)));
    let attempt = |text: &str| {
        let outcomes = deliver_with(
            root.path(),
            &["a@b.example"],
            inline(text),
            Some(keeper.clone()),
        );
        assert!(mails(&root.path().join("a/tmp")).is_empty());
        match &outcomes[0] {
            Outcome::Delivered(_) => "delivered".to_owned(),
            Outcome::Failed(problem) => format!("failed {} {}", problem.status, problem.text),
            Outcome::Deferred(Deferral { problem, hint, .. }) => {
                assert_eq!(*hint, None);
                format!("waits {} {}", problem.status, problem.text)
            }
            outcome => panic!("{outcome:?}"),
        }
    };
    assert_eq!(attempt("x\r\n"), "delivered");
    assert_eq!(
        attempt("x\r\n"),
        "waits 4.2.2 the mailbox of <a@b.example> is full: 55 of 100 octets are used, and this mail has 55"
    );
    assert_eq!(
        attempt(&"x".repeat(100)),
        "failed 5.2.3 the mailbox of <a@b.example> may hold 100 octets, and this mail has 153"
    );
    assert_eq!(mails(&root.path().join("a/new")).len(), 1);
    *keeper.1.lock().unwrap() = 0;
    assert_eq!(attempt("x\r\n"), "delivered");
}

#[derive(Debug)]
struct Big(Vec<u8>, u64);

impl BodyFile for Big {
    fn open(&self) -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
    }
    fn len(&self) -> u64 {
        self.1
    }
}

#[test]
fn a_large_mail_is_stored_whole_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let content = format!("Subject: a\r\n\r\n{}", "0123456789abcde\r\n".repeat(20_000));
    let length = content.len() as u64;
    let whole = Body::File(Arc::new(Big(content.clone().into_bytes(), length)));
    assert_eq!(
        deliver_to(root.path(), &["a@b.example"], whole),
        [delivered()]
    );
    let stored = &mails(&root.path().join("a/new"))[0].1;
    assert!(stored.ends_with(content.replace("\r\n", "\n").as_bytes()));

    let short = Body::File(Arc::new(Big(content.into_bytes(), length + 1)));
    let outcomes = deliver_to(root.path(), &["e@b.example"], short);
    assert!(
        matches!(&outcomes[0], Outcome::Deferred(deferral) if deferral.problem.status == Status(4, 3, 0))
    );
    assert!(mails(&root.path().join("e/tmp")).is_empty());
    assert!(mails(&root.path().join("e/new")).is_empty());
}

#[test]
fn what_the_file_system_says_decides_the_status() {
    let status = |kind: ErrorKind| match outcome_of("a@b.example", &NotStored::Io(kind.into())) {
        Outcome::Deferred(deferral) => deferral.problem.status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(ErrorKind::StorageFull), Status(4, 3, 1));
    assert_eq!(status(ErrorKind::QuotaExceeded), Status(4, 2, 2));
    assert_eq!(status(ErrorKind::PermissionDenied), Status(4, 3, 0));
}
