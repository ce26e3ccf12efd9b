//! Against a name server on loopback that answers from a table.

use std::net::UdpSocket;
use std::thread;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Record, RecordType};

use super::*;

/// What the server says to one question.
fn say(name: &str, kind: RecordType) -> Result<Vec<RData>, ResponseCode> {
    let mx = |preference, name| RData::MX(MX::new(preference, Name::from_ascii(name).unwrap()));
    let ip = |text: &str| RData::from(text.parse::<IpAddr>().unwrap());
    match (name, kind) {
        ("b.example.", RecordType::MX) => {
            Ok(vec![mx(10, "mx.b.example."), mx(20, "two.b.example.")])
        }
        ("mx.b.example.", RecordType::A) => Ok(vec![ip("192.0.2.1")]),
        ("mx.b.example.", RecordType::AAAA) => Ok(vec![ip("2001:db8::1")]),
        ("four.example.", RecordType::A) => Ok(vec![ip("192.0.2.4")]),
        ("four.example.", RecordType::AAAA) => Err(ResponseCode::ServFail),
        ("half.example.", RecordType::AAAA) => Err(ResponseCode::ServFail),
        ("null.example.", RecordType::MX) => Ok(vec![mx(0, ".")]),
        ("broken.example.", _) => Err(ResponseCode::ServFail),
        ("no.example.", _) => Err(ResponseCode::NXDomain),
        _ => Ok(Vec::new()),
    }
}

/// Answers until the test's process ends.
fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            let query = Message::from_vec(&octets[..count]).unwrap();
            let question = query.queries[0].clone();
            let name = question.name().to_ascii().to_ascii_lowercase();
            let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
            answer.metadata.recursion_available = true;
            match say(&name, question.query_type()) {
                Ok(found) => {
                    let records = found
                        .into_iter()
                        .map(|data| Record::from_rdata(question.name().clone(), 60, data));
                    answer.add_answers(records);
                }
                Err(code) => answer.metadata.response_code = code,
            }
            answer.add_query(question);
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    addr
}

#[tokio::test]
async fn answers_of_a_real_name_server() {
    let dns = Dns::with_servers(&[serve()]).unwrap();

    let mut found = dns.mx("b.example").await.unwrap();
    found.sort_by_key(|mx| mx.preference);
    let mx = |preference, exchange: &str| Mx {
        preference,
        exchange: exchange.to_owned(),
    };
    assert_eq!(found, [mx(10, "mx.b.example."), mx(20, "two.b.example.")]);
    assert_eq!(dns.mx("null.example").await, Ok(vec![mx(0, ".")]));
    assert_eq!(dns.mx("bare.example").await, Err(LookupError::NoRecords));
    assert_eq!(dns.mx("no.example").await, Err(LookupError::NoSuchName));
    assert!(matches!(
        dns.mx("broken.example").await,
        Err(LookupError::Failed(_))
    ));
    assert_eq!(dns.mx("a..b").await, Err(LookupError::NoSuchName));

    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(
        dns.addresses("mx.b.example").await,
        Ok(vec![ip("192.0.2.1"), ip("2001:db8::1")])
    );
    assert_eq!(
        dns.addresses("four.example").await,
        Ok(vec![ip("192.0.2.4")])
    );
    assert!(matches!(
        dns.addresses("half.example").await,
        Err(LookupError::Failed(_))
    ));
    assert_eq!(
        dns.addresses("bare.example").await,
        Err(LookupError::NoRecords)
    );
    assert_eq!(
        dns.addresses("no.example").await,
        Err(LookupError::NoSuchName)
    );
}
