//! Greylisting's rows of pools of senders, which are found under more than a network.

use crate::{Room, at, defer, query, waited};
use policy::greylist::{Arrival, Origin, Verdict, Visit};
use rusqlite::Connection;
use std::time::SystemTime;
use store::policy::Records;

/// `192.0.2.7 spf:x.example` comes with this envelope.
pub(crate) fn come(
    server: &Records,
    client: &str,
    sender: &str,
    recipient: &str,
    now: SystemTime,
) -> Verdict {
    let mut words = client.split(' ');
    let client = words.next().and_then(|client| client.parse().ok());
    let origins: Vec<Origin> = words.map(|origin| origin.parse().expect(origin)).collect();
    let arrival = Arrival {
        visit: Visit {
            client: client.expect("an address"),
            sender,
            recipient,
        },
        origins: &origins,
        delay: None,
    };
    server.with(now, |engine, now| {
        engine.greylist.judge(arrival, now).verdict
    })
}

#[test]
fn a_pools_appointment_stands_across_a_restart() {
    let room = Room::new();
    let server = room.open(at(0));
    let pool = "192.0.2.7 spf:x.example name:pool.example";
    assert_eq!(
        come(&server, pool, "a@x.example", "b@y", at(0)),
        defer(300, true)
    );
    assert_eq!(
        come(&server, "203.0.113.7", "c@x.example", "b@y", at(0)),
        defer(300, true)
    );
    let proved = "203.0.113.7 spf:x.example";
    assert_eq!(
        come(&server, proved, "c@x.example", "b@y", at(10)),
        defer(290, false)
    );
    server.close().unwrap();

    let server = room.open(at(60));
    let other = "198.51.100.7 spf:x.example";
    assert_eq!(
        come(&server, other, "a@x.example", "b@y", at(60)),
        defer(240, false)
    );
    assert_eq!(
        come(
            &server,
            "10.0.0.7 name:pool.example",
            "a@x.example",
            "b@y",
            at(61)
        ),
        defer(239, false)
    );
    assert_eq!(
        come(&server, other, "c@x.example", "b@y", at(62)),
        defer(238, false)
    );
    assert_eq!(
        come(&server, other, "a@x.example", "b@y", at(300)),
        waited(300)
    );
    server.close().unwrap();

    let server = room.open(at(400));
    assert_eq!(
        come(
            &server,
            "10.9.9.9 spf:x.example",
            "d@x.example",
            "e@y",
            at(400)
        ),
        Verdict::Known
    );
    assert_eq!(
        come(&server, "192.0.2.7", "a@x.example", "b@y", at(400)),
        Verdict::Known
    );
    assert_eq!(
        come(&server, "192.0.2.7", "d@x.example", "e@y", at(400)),
        defer(300, true)
    );
}

#[test]
fn an_administrator_can_read_the_pool() {
    let room = Room::new();
    let server = room.open(at(0));
    come(
        &server,
        "192.0.2.7 spf:x.example name:p.example",
        "a@x.example",
        "b@y",
        at(0),
    );
    come(&server, "203.0.113.7", "c@x.example", "b@y", at(0));
    come(
        &server,
        "198.51.100.7 spf:x.example",
        "a@x.example",
        "b@y",
        at(10),
    );
    server.flush().unwrap();
    let pools = "SELECT group_concat(network || ' | ' || coalesce(pool, '-'), ', ') FROM triplet";
    assert_eq!(
        query(&room.path(), pools),
        "192.0.2.0/24 | spf:x.example name:p.example 198.51.100.0/24, 203.0.113.0/24 | -"
    );
}

#[test]
fn a_pool_edited_wrongly_costs_that_entry() {
    let room = Room::new();
    let server = room.open(at(0));
    come(
        &server,
        "192.0.2.7 spf:x.example name:p.example",
        "a@x.example",
        "b@y",
        at(0),
    );
    server.close().unwrap();
    let file = Connection::open(room.path()).unwrap();
    file.execute(
        "UPDATE triplet SET pool = ' next  door spf: name:p.example'",
        [],
    )
    .unwrap();
    drop(file);
    let server = room.open(at(60));
    assert_eq!(
        come(
            &server,
            "10.0.0.1 name:p.example",
            "a@x.example",
            "b@y",
            at(60)
        ),
        defer(240, false)
    );
    assert_eq!(
        come(&server, "192.0.2.7", "a@x.example", "b@y", at(60)),
        defer(240, false)
    );
}
