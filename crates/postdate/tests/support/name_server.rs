//! A name server on loopback that answers from a text, and remembers what it was asked.
//!
//! A line is a name, a type and what it has: `a.example MX 10 mx.a.example`. Instead of type and data, `SERVFAIL`,
//! `SILENCE` and `GARBAGE` stand for all types of the name, and of names below it; `SERVFAIL MX` for one type. Other
//! names don't exist.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// What is said to a question.
enum Said {
    Records(Vec<RData>),
    Code(ResponseCode),
    Octets(Vec<u8>),
    Nothing,
}

/// A name server. On UDP and TCP. It answers until the test's process ends.
pub(crate) struct NameServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Starts one with these lines.
    pub(crate) fn start(zone: &str) -> Self {
        let (udp, tcp) = one_port();
        let server = Self {
            address: udp.local_addr().expect("an address"),
            zone: Arc::new(Mutex::new(zone.to_owned())),
            asked: Arc::default(),
        };
        let (zone, asked) = (Arc::clone(&server.zone), Arc::clone(&server.asked));
        let reply = Arc::new(move |query: &[u8], most| {
            let query = Message::from_vec(query).expect("a query");
            let question = &query.queries[0];
            let name = plain(&question.name().to_ascii());
            let kind = question.query_type();
            asked
                .lock()
                .expect("no panic")
                .push(format!("{name} {kind}"));
            let said = say(&zone.lock().expect("no panic"), &name, kind);
            answer(&query, said, most)
        });
        let by_udp = Arc::clone(&reply);
        thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok((count, from)) = udp.recv_from(&mut octets) {
                if let Some(answer) = by_udp(&octets[..count], UDP_MAX) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let (mut stream, reply) = (stream.expect("a connection"), Arc::clone(&reply));
                thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                        stream.read_exact(&mut query).expect("a query");
                        if let Some(answer) = reply(&query, usize::MAX) {
                            let length = u16::try_from(answer.len())
                                .expect("an answer that fits")
                                .to_be_bytes();
                            let _ = stream.write_all(&[&length, &answer[..]].concat());
                        }
                    }
                });
            }
        });
        server
    }

    /// From now on it answers from these lines.
    #[allow(dead_code, reason = "not all that share this file need it")]
    pub(crate) fn change(&self, zone: &str) {
        zone.clone_into(&mut self.zone.lock().expect("no panic"));
    }

    /// What it was asked since the last call: `a.example MX`.
    #[allow(dead_code, reason = "not all that share this file need it")]
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }
}

/// More than that is said over TCP.
const UDP_MAX: usize = 1232;

/// The same port for both. One may be taken by somebody else.
fn one_port() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            return (udp, tcp);
        }
    }
}

fn say(zone: &str, name: &str, kind: RecordType) -> Said {
    let mut exists = false;
    let mut records = Vec::new();
    for line in zone.lines().map(str::trim) {
        let Some((owner, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim();
        let below = name
            .strip_suffix(owner)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        match rest {
            _ if rest == format!("SERVFAIL {kind}") && owner == name => {
                return Said::Code(ResponseCode::ServFail);
            }
            "SERVFAIL" if below => return Said::Code(ResponseCode::ServFail),
            "SILENCE" if below => return Said::Nothing,
            "GARBAGE" if below => return Said::Octets(vec![0xc0; 600]),
            _ if owner == name => exists = true,
            _ => continue,
        }
        let (of, data) = rest.split_once(' ').unwrap_or((rest, ""));
        if of == kind.to_string() {
            records.push(record(of, data));
        }
    }
    if exists {
        Said::Records(records)
    } else {
        Said::Code(ResponseCode::NXDomain)
    }
}

fn record(kind: &str, data: &str) -> RData {
    let name =
        |text: &str| Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).expect("a name");
    match kind {
        "A" | "AAAA" => RData::from(data.parse::<IpAddr>().expect("an address")),
        "MX" => {
            let (preference, exchange) = data.split_once(' ').expect("preference and name");
            RData::MX(MX::new(
                preference.parse().expect("a number"),
                name(exchange),
            ))
        }
        "PTR" => RData::PTR(PTR(name(data))),
        // In strings of at most 255 octets each.
        "TXT" => {
            let parts = data.as_bytes().chunks(255);
            let parts = parts.map(|part| String::from_utf8_lossy(part).into_owned());
            RData::TXT(TXT::new(parts.collect()))
        }
        _ => panic!("{kind} is no type of this server"),
    }
}

/// The answer's octets. One of more than `most` is cut off, and says so.
fn answer(query: &Message, said: Said, most: usize) -> Option<Vec<u8>> {
    let question = query.queries[0].clone();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_available = true;
    match said {
        Said::Nothing => return None,
        Said::Code(code) => answer.metadata.response_code = code,
        Said::Octets(octets) => {
            let mut whole = query.metadata.id.to_be_bytes().to_vec();
            whole.extend(octets);
            return Some(whole);
        }
        Said::Records(records) => {
            let name = question.name().clone();
            answer.add_answers(
                records
                    .into_iter()
                    .map(|data| Record::from_rdata(name.clone(), 60, data)),
            );
        }
    }
    answer.add_query(question);
    let octets = answer.to_vec().expect("an answer");
    if octets.len() <= most {
        return Some(octets);
    }
    answer.answers.clear();
    answer.metadata.truncation = true;
    Some(answer.to_vec().expect("an answer"))
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
