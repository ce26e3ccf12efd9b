//! When the other hosts are asked.

use super::*;
use crate::hosts::Ends;

/// The same with an appointment at the first host.
fn appointed(recipients: &[u32], hosts: &str) -> Group {
    let group = group(recipients, hosts, None);
    let host = group.free.hosts[0].key();
    let wish = Wish::Only(Ends { host, local: None });
    Group { wish, ..group }
}

#[test]
fn a_wait_of_the_host_in_prose_binds_no_other_host() {
    check(
        vec![group(&[0], "a b", None)],
        "open a -> greeting 450 4.3.2 busy, try again in 300 seconds
        open b -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.1:25 refused None: 450 4.3.2 busy, try again in 300 seconds
        192.0.2.2:25 works",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> new
        send 0 -> rcpt 421 4.7.0 try again in 300 seconds ; rcpt 421 4.7.0 try again in 300 seconds
        open b -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.1:25 refused None: 421 4.7.0 try again in 300 seconds
        192.0.2.2:25 works",
    );
    // When nobody takes it, the recipient waits as it was told: not before.
    check(
        vec![group(&[0], "a b", None)],
        "open a -> greeting 450 4.3.2 busy, try again in 300 seconds
        open b -> none
        0 deferred 4.3.2 by a wait 300: 450 4.3.2 busy, try again in 300 seconds
        192.0.2.1:25 refused None: 450 4.3.2 busy, try again in 300 seconds
        192.0.2.2:25 unreachable: connect to b[192.0.2.2]:25: connection refused",
    );
}

#[test]
fn an_appointed_host_that_can_not_be_reached_is_not_waited_for() {
    for (trouble, event) in [
        (
            "none",
            "unreachable: connect to a[192.0.2.1]:25: connection refused",
        ),
        (
            "broken ehlo",
            "unreachable: lost connection with a[192.0.2.1] while performing the EHLO handshake",
        ),
        (
            "greeting 421 4.3.2 TIME=20 busy",
            "refused Some(20): 421 4.3.2 TIME=20 busy",
        ),
    ] {
        check(
            vec![appointed(&[0], "a b")],
            &format!(
                "open a -> {trouble}
                open b -> new
                send 0 -> 250 Ok
                0 delivered 2.0.0 by b[192.0.2.2]:25
                192.0.2.1:25 {event}
                192.0.2.2:25 works"
            ),
        );
    }
}

#[test]
fn what_an_appointed_host_says_of_the_mail_is_the_last_word() {
    for reply in ["mail 451 4.3.2 TIME=30 full", "data 451 4.3.0 later"] {
        let wait = if reply.contains("TIME") {
            " wait 30"
        } else {
            ""
        };
        let (_, text) = reply.split_once(' ').unwrap();
        let status = text.split(' ').nth(1).unwrap();
        check(
            vec![appointed(&[0], "a b")],
            &format!(
                "open a -> new
                send 0 -> {reply}
                0 deferred {status} by a{wait}: {text}
                192.0.2.1:25 works"
            ),
        );
    }
    // Of the others, none has it.
    check(
        vec![appointed(&[0], "a b c")],
        "open a -> none
        open b -> new
        send 0 -> mail 451 4.3.2 TIME=30 full
        open c -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by c[192.0.2.3]:25
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused
        192.0.2.2:25 works
        192.0.2.3:25 works",
    );
}

#[test]
fn a_host_that_is_ourselves_is_the_last() {
    check(
        vec![group(&[0], "a b c", None)],
        "open a -> none
        open b -> ourselves
        0 deferred 4.4.1 by a: connect to a[192.0.2.1]:25: connection refused
        192.0.2.1:25 unreachable: connect to a[192.0.2.1]:25: connection refused",
    );
    // The better one is held: it is waited for.
    check(
        vec![group(&[0], "b c", Some("a"))],
        "open b -> ourselves
        0 parked under host 192.0.2.1:25",
    );
    // An appointment with a worse one is kept, though.
    check(
        vec![group(&[0], "c a b", None)],
        "open c -> none
        open a -> ourselves
        0 deferred 4.4.1 by c: connect to c[192.0.2.3]:25: connection refused
        192.0.2.3:25 unreachable: connect to c[192.0.2.3]:25: connection refused",
    );
    check(
        vec![group(&[0], "a b", None)],
        "open a -> ourselves
        0 deferred 4.4.6 by a: host a[192.0.2.1] replied to EHLO with my own name: mail loops back to myself",
    );
}

/// All of them as good as the first.
fn equals(group: Group) -> Group {
    let mut free = group.free;
    for host in &mut free.hosts {
        host.preference = Some(1);
    }
    Group { free, ..group }
}

#[test]
fn where_a_host_has_no_place_free_its_equals_are_asked() {
    check(
        vec![equals(group(&[0], "a b", None))],
        "open a if free -> busy
        open b if free -> new
        send 0 -> 250 Ok
        0 delivered 2.0.0 by b[192.0.2.2]:25
        192.0.2.2:25 works",
    );
    // None has one: the first is waited for, and that it was not tried is no attempt.
    check(
        vec![equals(group(&[0], "a b c", None))],
        "open a if free -> busy
        open b if free -> busy
        open c if free -> busy
        open a -> busy
        0 not tried",
    );
    // A worse one stands by for one that is down, not for one that is crowded.
    let mut hosts = equals(group(&[0], "a b c", None));
    hosts.free.hosts[2].preference = Some(2);
    check(
        vec![hosts],
        "open a if free -> busy
        open b if free -> none
        open a -> busy
        0 not tried
        192.0.2.2:25 unreachable: connect to b[192.0.2.2]:25: connection refused",
    );
    // An appointment is kept with whom it was made.
    check(
        vec![equals(appointed(&[0], "a b"))],
        "open a -> busy
        0 not tried",
    );
    // So is the session that the rest of a mail needs.
    check(
        vec![equals(group(&[0, 1], "a b", None))],
        "open a if free -> new
        send 0,1 -> 250 Ok | more ; broken rcpt
        open a fresh -> busy
        0 delivered 2.0.0 by a[192.0.2.1]:25
        1 not tried
        192.0.2.1:25 works
        192.0.2.1:25 unreachable: lost connection with a[192.0.2.1] while sending RCPT TO",
    );
}
