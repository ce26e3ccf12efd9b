//! Sender domains that were seen, over a restart.

use crate::tables::mail;
use crate::{Room, at};
use policy::engine::{Greylisting, Rules};
use policy::greylist::suspicion::Delays;
use std::time::Duration;
use store::policy::Records;

/// Only who names a domain that was never seen waits.
fn rules() -> Rules {
    Rules {
        greylist: Greylisting {
            selective: Some(Delays {
                no_name: None,
                dynamic_name: None,
                listed: None,
                first_seen_domain: Some(Duration::from_secs(300)),
            }),
            ..Greylisting::default()
        },
        ..Rules::default()
    }
}

#[test]
fn a_domain_that_was_seen_is_so_after_a_restart() {
    let room = Room::new();
    let said = |client, sender, secs| {
        let server = Records::open(&room.path(), rules(), at(secs)).unwrap();
        let said = mail(&server, client, sender, "b@y.example", at(secs));
        server.close().unwrap();
        said
    };
    assert_eq!(said("192.0.2.7", "a@x.example", 0), "450 300");
    assert_eq!(said("192.0.2.7", "a@x.example", 300), "ok");
    assert_eq!(said("198.51.100.7", "c@x.example", 400), "ok");
    assert_eq!(said("198.51.100.7", "c@z.example", 400), "450 300");
    let days = 37 * 86_400;
    assert_eq!(said("198.51.100.7", "c@x.example", days), "450 300");
}
