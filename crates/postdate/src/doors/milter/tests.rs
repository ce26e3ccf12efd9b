//! What a mail server says in milter's packets, well and badly.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::packet::{MAX_PACKET, Malformed, Packet, Packets};
use crate::doors::tests::{Room, packet};

fn cut(octets: &[u8], lengths: &[usize]) -> Vec<Result<Packet, Malformed>> {
    let mut packets = Packets::default();
    let mut found = Vec::new();
    let mut rest = octets;
    let mut lengths = lengths.iter().copied().cycle();
    while !rest.is_empty() {
        let len = lengths.next().unwrap_or(1).clamp(1, rest.len());
        packets.buffer().extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        while let Some(packet) = packets.next() {
            let fatal = packet.is_err();
            found.push(packet);
            if fatal {
                return found;
            }
        }
        assert!(packets.buffer().len() <= MAX_PACKET + 4 + len);
    }
    found
}

fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::sample::select(vec![
            &b"mail.far.example\x004\0\x19192.0.2.1\0"[..],
            b"x\x006\0\0IPv6:::1\0",
            b"x\0L\0\0/run/x\0",
            b"x\0U",
            b"<a@far.example>\0SIZE=5\0",
            b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff",
            b"Ci\0x\0{auth_authen}\0u\0",
            b"",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    (
        prop_oneof![4 => prop::sample::select(b"ODCHMREAQKTLNBU".to_vec()), 1 => any::<u8>()],
        data,
    )
        .prop_map(|(command, data)| packet(command, &data))
}

proptest! {
    #[test]
    fn any_cut_of_any_octets_gives_the_same_packets(
        packets in prop::collection::vec(any_packet(), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        lengths in prop::collection::vec(1..100usize, 1..8),
    ) {
        let octets = [packets.concat(), tail].concat();
        prop_assert_eq!(cut(&octets, &lengths), cut(&octets, &[octets.len().max(1)]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_closes_the_connection() {
    for octets in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0, 0, 0, 0],
        vec![0xff; 4],
        packet(b'?', b"x"),
        packet(b'O', b"\0\0\0\x06"),
        packet(b'C', b"no end"),
        packet(b'C', b"x\x004\0\x19not an address\0"),
        packet(b'C', b"x\0Z"),
    ] {
        let room = Room::new("");
        let mut wire = room.milter();
        wire.write_all(&octets).await.expect("written");
        let mut said = Vec::new();
        wire.read_to_end(&mut said).await.expect("closed");
        assert!(said.is_empty(), "{}: {said:?}", octets.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn half_packets_and_idle_connections_end_in_their_time() {
    for (octets, secs) in [(&b""[..], 7210), (b"\0\0\0\x20Cmail", 30)] {
        let room = Room::new("");
        let began = tokio::time::Instant::now();
        let mut wire = room.milter();
        wire.write_all(octets).await.expect("written");
        let mut said = Vec::new();
        wire.read_to_end(&mut said).await.expect("closed");
        assert!(said.is_empty());
        assert_eq!(began.elapsed(), Duration::from_secs(secs));
    }
}

/// A mail server of version 2 can't leave anything out, nor name macros; each of its packets is answered.
#[tokio::test(start_paused = true)]
async fn an_old_mail_server_is_answered_too() {
    let room = Room::new("");
    let mut wire = room.milter();
    for (octets, hears) in [
        (
            packet(b'O', &[0, 0, 0, 2, 0, 0, 0, 0x3f, 0, 0, 0, 0]),
            packet(b'O', &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]),
        ),
        (packet(b'C', b"x\x004\0\x19192.0.2.1\0"), packet(b'c', b"")),
        (packet(b'H', b"x\0"), packet(b'c', b"")),
        (packet(b'M', b"<>\0"), packet(b'c', b"")),
        (packet(b'R', b"<postmaster>\0"), packet(b'c', b"")),
        (packet(b'L', b"Subject\0words\0"), packet(b'c', b"")),
        (packet(b'N', b""), packet(b'c', b"")),
        (packet(b'B', &[b'x'; 65535]), packet(b'c', b"")),
        (packet(b'E', b""), packet(b'c', b"")),
    ] {
        wire.write_all(&octets).await.expect("written");
        let mut said = vec![0; hears.len()];
        wire.read_exact(&mut said).await.expect("an answer");
        assert_eq!(said, hears, "to {:.40}", octets.escape_ascii().to_string());
    }
}
