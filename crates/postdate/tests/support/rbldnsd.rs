//! rbldnsd, which serves DNS lists.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::{Process, TempDir, free_port, tool, until};

pub(crate) struct Rbldnsd {
    socket: UdpSocket,
    zone: String,
    _process: Process,
}

impl Rbldnsd {
    /// Serves the file as this zone. It looks each second whether the file has changed.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, zone: &str, file: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(tool("rbldnsd"));
        command.args(["-n", "-c", "1", "-b", &format!("127.0.0.1/{port}")]);
        if rustix::process::getuid().is_root() {
            command.args(["-u", "nobody:nogroup"]);
        }
        command.arg(format!("{zone}:combined:{}", file.display()));
        let mut process = Process::start(&mut command, &dir.join("rbldnsd.log"));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(("127.0.0.1", port)).expect("its address");
        let answer_in = Some(Duration::from_millis(200));
        socket.set_read_timeout(answer_in).expect("a time-out");
        until("rbldnsd to answer", || {
            assert!(process.runs(), "rbldnsd did not start");
            ask(&socket, &format!("2.0.0.127.{zone}."), RecordType::A)
        });
        Self {
            socket,
            zone: zone.to_owned(),
            _process: process,
        }
    }

    /// What it has for this address: nothing, or `127.0.0.2` and the text.
    #[track_caller]
    pub(crate) fn has(&self, address: &str) -> Vec<String> {
        let reversed = reversed(address.parse().expect("an address"));
        let name = format!("{reversed}{}.", self.zone);
        let of = |kind| until("rbldnsd to answer", || ask(&self.socket, &name, kind));
        [of(RecordType::A), of(RecordType::TXT)].concat()
    }
}

/// Octets, or nibbles, in reverse (RFC 5782 §2.1, §2.4).
fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => {
            let labels = ip.octets().map(|octet| format!("{octet}."));
            labels.into_iter().rev().collect()
        }
        IpAddr::V6(ip) => {
            let nibbles = format!("{:032x}", ip.to_bits());
            nibbles
                .chars()
                .rev()
                .flat_map(|nibble| [nibble, '.'])
                .collect()
        }
    }
}

/// `None`: nothing came, or not for this question.
fn ask(socket: &UdpSocket, name: &str, kind: RecordType) -> Option<Vec<String>> {
    let name = Name::from_ascii(name).expect("a name");
    let mut query = Message::query();
    query.add_query(Query::query(name, kind));
    let id = query.metadata.id;
    socket.send(&query.to_vec().expect("a query")).ok()?;
    let mut octets = [0; 4096];
    let count = socket.recv(&mut octets).ok()?;
    let answer = Message::from_vec(&octets[..count]).expect("an answer");
    let records = answer.answers.iter().map(|record| record.data.to_string());
    (answer.metadata.id == id).then(|| records.collect())
}
