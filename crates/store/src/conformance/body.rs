//! Content: in, and out again as it was.

use std::sync::Arc;

use queue::Message;
use queue::spool::{Body, Change, INLINE_MAX, Spool};

use super::mail::{self, row, submit};
use super::{Case, Ground};

pub(super) const CASES: &[Case] = &[
    ("content of every size comes back", round_trips),
    ("staging that is dropped leaves nothing", dropped),
    ("content can be read until its message is gone", gone),
    ("somebody else's content is copied", foreign),
];

fn stage(spool: &dyn Spool, message: &Message, content: &[u8], piece: usize) -> Body {
    let mut staging = spool.stage(message.id).unwrap();
    for piece in content.chunks(piece) {
        staging.write(piece).unwrap();
    }
    staging.finish().unwrap()
}

fn enqueue(spool: &dyn Spool, message: &Message, body: Body) {
    let change = Change {
        enqueue: vec![(Arc::new(message.clone()), body, vec![row(0)])],
        ..Change::default()
    };
    submit(spool, change).unwrap();
}

fn found(spool: &dyn Spool, message: &Message) -> Option<Vec<u8>> {
    spool.body(message.id).unwrap().as_ref().map(mail::read)
}

fn round_trips(ground: &mut dyn Ground) {
    let spool = ground.open();
    let sizes = [
        0,
        1,
        4096,
        INLINE_MAX - 1,
        INLINE_MAX,
        INLINE_MAX + 1,
        3 << 20,
    ];
    let mails: Vec<_> = sizes
        .into_iter()
        .flat_map(|size| [1000, 8192, 1 << 20].map(|piece| (size, piece)))
        .map(|(size, piece)| {
            let message = mail::at(&*spool, 1);
            let content = mail::content(message.id.0, size);
            let body = stage(&*spool, &message, &content, piece);
            assert_eq!(
                matches!(body, Body::Inline(_)),
                size <= INLINE_MAX,
                "{size}"
            );
            assert_eq!(mail::read(&body), content, "as it was staged");
            enqueue(&*spool, &message, body.clone());
            assert_eq!(mail::read(&body), content, "as it was enqueued");
            (message, content)
        })
        .collect();
    let check = |spool: &dyn Spool| {
        for (message, content) in &mails {
            assert!(
                found(spool, message).as_ref() == Some(content),
                "{} octets",
                content.len()
            );
        }
    };
    check(&*spool);
    drop(spool);
    check(&*ground.open());
}

fn dropped(ground: &mut dyn Ground) {
    let spool = ground.open();
    let message = mail::at(&*spool, 1);
    let content = mail::content(1, 3 << 20);
    let mut staging = spool.stage(message.id).unwrap();
    staging.write(&content).unwrap();
    drop(staging);
    assert_eq!(found(&*spool, &message), None);
    drop(stage(&*spool, &message, &content, 1 << 20));
    assert_eq!(found(&*spool, &message), None);
    // And its place is free again.
    let body = stage(&*spool, &message, &content[1..], 1 << 20);
    enqueue(&*spool, &message, body);
    drop(spool);
    assert!(found(&*ground.open(), &message).is_some_and(|found| found == content[1..]));
}

fn gone(ground: &mut dyn Ground) {
    let spool = ground.open();
    for size in [100, 200_000] {
        let message = mail::at(&*spool, 1);
        let content = mail::content(2, size);
        let body = stage(&*spool, &message, &content, 50_000);
        enqueue(&*spool, &message, body);
        let body = spool.body(message.id).unwrap().unwrap();
        let reading = match &body {
            Body::File(file) => Some(file.open().unwrap()),
            Body::Inline(_) => None,
        };
        submit(&*spool, mail::done(message.id, 0)).unwrap();
        assert_eq!(found(&*spool, &message), None);
        if let Some(mut reading) = reading {
            let mut read = Vec::new();
            reading.read_to_end(&mut read).unwrap();
            assert!(read == content, "who reads already reads to the end");
        }
    }
}

fn foreign(ground: &mut dyn Ground) {
    let spool = ground.open();
    let (first, second) = (mail::at(&*spool, 1), mail::at(&*spool, 1));
    let content = mail::content(3, 100_000);
    let body = stage(&*spool, &first, &content, 50_000);
    enqueue(&*spool, &first, body.clone());
    enqueue(&*spool, &second, body.clone());
    enqueue(&*spool, &second, body);
    submit(&*spool, mail::done(first.id, 0)).unwrap();
    assert_eq!(found(&*spool, &first), None);
    assert!(found(&*spool, &second).is_some_and(|found| found == content));
    drop(spool);
    assert!(found(&*ground.open(), &second).is_some_and(|found| found == content));
}
