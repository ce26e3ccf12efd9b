//! A job as the dispatcher makes them, for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::dispatch::Job;
use queue::progress::{Progress, State};
use queue::{Destination, Message, MessageId, Origin};
use smtp::{Content, Recipient, Sender};

/// The time of every test.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_000)
}

/// From `c@d.example`, with rows that were never tried.
pub(crate) fn job(destination: Destination, recipients: &[&str], content: Content) -> Job {
    let row = Progress {
        state: State::Waiting,
        due: now(),
        expires: now(),
        attempts: 0,
        backoff_steps: 0,
        appointment: None,
        broken: 0,
        parked: None,
        stretched: queue::Stretched::default(),
        delay_notice: None,
        last_reply: None,
        last_attempt: None,
    };
    let message = Message {
        id: MessageId(1),
        received: now(),
        sender: Sender::new("c@d.example"),
        recipients: recipients.iter().map(|&to| Recipient::new(to)).collect(),
        content,
        origin: Origin::default(),
    };
    let rows = (0..)
        .zip(recipients)
        .map(|(index, _)| (index, row.clone()))
        .collect();
    Job {
        message: Arc::new(message),
        body: None,
        rows,
        destination,
        renewed: false,
    }
}
