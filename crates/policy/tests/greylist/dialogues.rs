//! What clients meet, over days.

use crate::dialogue::check;

#[test]
fn a_stranger_waits_once_and_its_network_is_then_known() {
    check(
        "
        0       192.0.2.7   a@x.example b@y.example -> defer 300 first
        5m      192.0.2.7   a@x.example b@y.example -> waited 300
        5m+1    192.0.2.7   a@x.example b@y.example -> known
        6m      192.0.2.250 other@x.example c@y.example -> known   # the /24
        6m      192.0.3.7   a@x.example b@y.example -> defer 300 first
        6m      192.0.2.9   a@x.example b@y.example -> known
        6m      count pending=1 known=1
        ",
    );
}

#[test]
fn an_early_retry_is_told_the_rest_rounded_up_and_moves_nothing() {
    check(
        "
        0       192.0.2.7 a@x b@y -> defer 300 first
        0       192.0.2.7 a@x b@y -> defer 300
        0.001   192.0.2.7 a@x b@y -> defer 300
        0.999   192.0.2.7 a@x b@y -> defer 300
        1       192.0.2.7 a@x b@y -> defer 299
        259.25  192.0.2.7 a@x b@y -> defer 41
        297.9   192.0.2.7 a@x b@y -> defer 3
        297.999 192.0.2.7 a@x b@y -> defer 3
        298     192.0.2.7 a@x b@y -> waited 298      # up to 2 s early is on time
        ",
    );
    check(
        "
        set delay=1.5
        0       192.0.2.7 a@x b@y -> defer 2 first
        0.001   192.0.2.7 a@x b@y -> waited 0.001    # within the 2 s
        ",
    );
}

#[test]
fn each_part_of_the_triplet_counts() {
    check(
        "
        0   192.0.2.7 a@x b@y -> defer 300 first
        1   192.0.2.7 c@x b@y -> defer 300 first
        1   192.0.2.7 a@x c@y -> defer 300 first
        1   192.0.1.7 a@x b@y -> defer 300 first
        1   192.0.2.7 <>  b@y -> defer 300 first
        1   192.0.2.8 a@x b@y -> defer 299           # of the same /24
        1   ::ffff:192.0.2.8 a@x b@y -> defer 299    # IPv4, written otherwise
        1   192.0.2.7 A@X.EXAMPLE b@y -> defer 300 first
        2   192.0.2.7 a@x.Example B@Y -> defer 299   # case is ignored
        2   192.0.2.7 \"a\"@x.example \"\\b\"@y -> defer 299   # needless quotes too
        2   192.0.2.7 ä@bücher.example b@y -> defer 300 first
        3   192.0.2.7 Ä@BÜCHER.example b@y -> defer 299
        3   192.0.2.7 a@xb @y -> defer 300 first     # nothing runs together
        3   192.0.2.7 a@x b@y -> defer 297
        ",
    );
}

#[test]
fn ipv6_networks_are_64_bits() {
    check(
        "
        0   2001:db8:1:2::1 a@x b@y -> defer 300 first
        1   2001:db8:1:2:ffff::9 a@x b@y -> defer 299
        1   2001:db8:1:3::1 a@x b@y -> defer 300 first
        5m  2001:db8:1:2::77 a@x b@y -> waited 300
        5m  2001:db8:1:2::1 c@x c@y -> known
        5m  2001:db8:1:4::1 c@x c@y -> defer 300 first
        ",
    );
}

#[test]
fn the_window_has_two_edges() {
    check(
        "
        0       192.0.2.7 a@x b@y -> defer 300 first
        2d      192.0.2.7 a@x b@y -> waited 172800
        ",
    );
    check(
        "
        0        192.0.2.7 a@x b@y -> defer 300 first
        2d+0.001 192.0.2.7 a@x b@y -> defer 300 first     # a stranger again
        2d+5m    192.0.2.7 a@x b@y -> waited 299.999
        ",
    );
}

#[test]
fn a_window_that_ends_before_the_delay_still_opens() {
    check(
        "
        set delay=300 window=60
        0       192.0.2.7 a@x b@y -> defer 300 first
        304     192.0.2.7 a@x b@y -> waited 304
        ",
    );
}

#[test]
fn five_days() {
    check(
        "
        set known_for=3d
        0       192.0.2.7 a@x b@y -> defer 300 first
        1h      192.0.2.7 a@x b@y -> waited 3600
        1d      192.0.2.7 d@x b@y -> known
        3d      192.0.2.7 e@x b@y -> known
        5d      192.0.2.7 f@x b@y -> known               # each use renews it
        8d      192.0.2.7 f@x b@y -> known               # to the last moment
        11d+0.001 192.0.2.7 f@x b@y -> defer 300 first
        11d+0.001 count pending=1 known=0
        ",
    );
}

#[test]
fn unused_records_expire() {
    check(
        "
        0       192.0.2.7    a@x b@y -> defer 300 first
        0       192.0.2.7    c@x b@y -> defer 300 first
        0       198.51.100.7 a@x b@y -> defer 300 first
        1       count pending=3 known=0
        2d+1    203.0.113.7  a@x b@y -> defer 300 first
        2d+1    count pending=1 known=0
        5m      restart
        ",
    );
}

#[test]
fn a_network_may_have_to_pass_several_times() {
    check(
        "
        set known_after=2
        0       192.0.2.7 a@x b@y -> defer 300 first
        5m      192.0.2.7 a@x b@y -> waited 300
        6m      192.0.2.7 a@x b@y -> known              # the triplet goes on passing
        6m      192.0.2.7 c@x b@y -> defer 300 first    # the network is not known yet
        7m      192.0.2.7 a@x b@y -> known              # and the same triplet counts once
        7m      192.0.2.7 d@x b@y -> defer 300 first
        7m      count pending=2 known=0
        20d     192.0.2.7 a@x b@y -> known
        56d     192.0.2.7 a@x b@y -> known              # 36 days after its last use
        56d     192.0.2.7 c@x b@y -> defer 300 first
        56d+5m  192.0.2.7 c@x b@y -> waited 300         # the first pass is forgotten: again the first
        56d+6m  192.0.2.7 d@x b@y -> defer 300 first
        56d+11m 192.0.2.7 d@x b@y -> waited 300
        56d+12m 192.0.2.7 e@x b@y -> known
        56d+12m count pending=0 known=1
        92d+12m+1 192.0.2.7 a@x b@y -> defer 300 first
        ",
    );
}

/// As with postgrey's `--auto-whitelist-clients=0`.
#[test]
fn with_known_after_zero_no_network_becomes_known() {
    check(
        "
        set known_after=0
        0       192.0.2.7 a@x b@y -> defer 300 first
        5m      192.0.2.7 a@x b@y -> waited 300
        6m      192.0.2.7 a@x b@y -> known              # the triplet goes on passing
        6m      192.0.2.7 c@x b@y -> defer 300 first
        11m     192.0.2.7 c@x b@y -> waited 300
        12m     192.0.2.7 d@x b@y -> defer 300 first
        12m     count pending=1 known=0
        ",
    );
}

#[test]
fn no_delay_no_wait() {
    check(
        "
        set delay=0
        0   192.0.2.7 a@x b@y -> waited 0
        0   count pending=0 known=0
        ",
    );
}

#[test]
fn a_reload_moves_no_appointment_later() {
    check(
        "
        0   192.0.2.7 a@x b@y -> defer 300 first
        1   reload delay=1h window=1h
        2   192.0.2.7 a@x b@y -> defer 298
        3   192.0.2.7 c@x b@y -> defer 3600 first
        5m  192.0.2.7 a@x b@y -> waited 300
        ",
    );
    // A shorter delay applies at once, and what was told then stands.
    check(
        "
        0   192.0.2.7 a@x b@y -> defer 300 first
        1   reload delay=60
        2   192.0.2.7 a@x b@y -> defer 58
        3   reload delay=300
        4   192.0.2.7 a@x b@y -> defer 56
        60  192.0.2.7 a@x b@y -> waited 60
        ",
    );
    // The window of the first visit stands, as its delay does.
    check(
        "
        0   192.0.2.7 a@x b@y -> defer 300 first
        1   reload window=10m
        1d  192.0.2.7 a@x b@y -> waited 86400
        ",
    );
}

#[test]
fn another_cut_of_networks_breaks_no_appointment() {
    check(
        "
        0      192.0.2.7 a@x b@y -> defer 300 first
        0      198.51.100.7 a@x b@y -> defer 300 first
        1      reload v4_prefix=32
        2      192.0.2.7 a@x b@y -> defer 298
        3      restart
        3      reload v4_prefix=16
        4      192.0.2.7 a@x b@y -> defer 296
        5m     192.0.2.7 a@x b@y -> waited 300
        5m     192.0.99.7 c@x b@y -> known              # as cut now
        5m     reload v4_prefix=24
        6m     192.0.3.7 c@x b@y -> known               # known before is known
        6m     198.51.100.7 a@x b@y -> waited 360
        ",
    );
}

#[test]
fn a_restart_keeps_appointments_and_friends() {
    check(
        "
        0      192.0.2.7 a@x b@y -> defer 300 first
        0      203.0.113.7 A@X b@y -> defer 300 first
        1      restart
        2      192.0.2.7 a@x b@y -> defer 298
        5m     192.0.2.7 a@x b@y -> waited 300
        5m     restart
        6m     192.0.2.7 d@x b@y -> known
        6m     count pending=1 known=1
        2d+1   restart                                  # the other is over
        2d+1   count pending=0 known=1
        2d+1   203.0.113.7 a@x b@y -> defer 300 first
        ",
    );
}

#[test]
fn a_clock_set_back_makes_no_wait_longer_than_the_delay() {
    check(
        "
        1d        192.0.2.7 a@x b@y -> defer 300 first
        0         192.0.2.7 a@x b@y -> defer 300
        100       192.0.2.7 a@x b@y -> defer 200
        5m        192.0.2.7 a@x b@y -> waited 300
        -1d       192.0.2.7 a@x b@y -> known
        -40000d   192.0.2.7 a@x b@y -> known
        -40000d   203.0.113.7 a@x b@y -> defer 300 first
        1d        192.0.2.7 a@x b@y -> known
        ",
    );
}

#[test]
fn absurd_settings_and_times_saturate() {
    check(
        "
        set delay=1000000000000d window=1000000000000d known_for=1000000000000d
        0         192.0.2.7 a@x b@y -> defer 86400000000000000 first
        100000d   192.0.2.7 a@x b@y -> defer 9223361629629176
        100000d   reload delay=0
        100000d   192.0.2.7 a@x b@y -> waited 8640000000
        200000d   192.0.2.7 a@x b@y -> known
        ",
    );
}
