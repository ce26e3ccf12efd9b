//! Hosts that follow a text, over pipes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::dial::{Connection, Dial, Io};
use crate::route::BoxFuture;

/// One dialogue for each connection to an address. A line is `S: ` (said), `C: ` (heard, to the letter), `wait 5s`,
/// `TLS` (shakes hands), `no TLS` (breaks the handshake), `220 and a reply behind it` (in one piece), or `eat N` (octets that are read and not looked at). After
/// the last line the connection is closed; with `hang` as the last line it stays open until the client closes it.
#[derive(Default)]
pub(super) struct Peers {
    dialogues: Mutex<BTreeMap<SocketAddr, VecDeque<&'static str>>>,
    running: Mutex<Vec<JoinHandle<()>>>,
    dialled: Mutex<Vec<(SocketAddr, Option<IpAddr>)>>,
    /// No connection can start from there.
    gone: Option<IpAddr>,
}

impl Peers {
    /// 192.0.2.`last` is no address of ours.
    pub(super) fn without(last: u8) -> Self {
        Self {
            gone: Some([192, 0, 2, last].into()),
            ..Self::default()
        }
    }

    pub(super) fn add(&self, last: u8, dialogue: &'static str) {
        let addr = ([192, 0, 2, last], 25).into();
        self.dialogues
            .lock()
            .unwrap()
            .entry(addr)
            .or_default()
            .push_back(dialogue);
    }

    /// All dialogues were held, to their last line.
    pub(super) async fn finish(&self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        for peer in running {
            peer.await.unwrap();
        }
        let left = self.dialogues.lock().unwrap();
        assert!(left.values().all(VecDeque::is_empty), "not held: {left:?}");
    }

    pub(super) fn dialled(&self) -> Vec<(SocketAddr, Option<IpAddr>)> {
        self.dialled.lock().unwrap().clone()
    }
}

impl Dial for Peers {
    /// `/run/lmtp` is 192.0.2.1.
    fn dial_socket<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Connection>> {
        assert_eq!(path, Path::new("/run/lmtp"));
        self.dial(([192, 0, 2, 1], 25).into(), None)
    }

    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Connection>> {
        self.dialled.lock().unwrap().push((addr, from));
        if from.is_some() && from == self.gone {
            return Box::pin(async { Err(io::ErrorKind::AddrNotAvailable.into()) });
        }
        let dialogue = self
            .dialogues
            .lock()
            .unwrap()
            .get_mut(&addr)
            .and_then(VecDeque::pop_front);
        Box::pin(async move {
            match dialogue {
                None => Err(io::Error::from_raw_os_error(111)),
                Some("never answers") => std::future::pending().await,
                Some(dialogue) => {
                    let (ours, theirs) = duplex(512);
                    self.running
                        .lock()
                        .unwrap()
                        .push(tokio::spawn(hold(theirs, dialogue)));
                    let io = Box::new(ours);
                    Ok(Connection { io, local: from })
                }
            }
        })
    }
}

async fn hold(pipe: DuplexStream, dialogue: &'static str) {
    let mut io = BufReader::new(Box::new(pipe) as Box<dyn Io>);
    for line in dialogue.lines().map(str::trim_start) {
        if let Some(words) = line.strip_prefix("S: ") {
            let _ = io.write_all(format!("{words}\r\n").as_bytes()).await;
        } else if let Some(expected) = line.strip_prefix("C: ") {
            let mut heard = String::new();
            io.read_line(&mut heard).await.unwrap();
            assert_eq!(heard, format!("{expected}\r\n"), "in {dialogue}");
        } else if let Some(secs) = line.strip_prefix("wait ") {
            tokio::time::sleep(Duration::from_secs(secs.parse().unwrap())).await;
        } else if let Some(octets) = line.strip_prefix("eat ") {
            io.read_exact(&mut vec![0; octets.parse().unwrap()])
                .await
                .unwrap();
        } else if line == "TLS" {
            let acceptor = acceptor();
            io = BufReader::new(Box::new(acceptor.accept(io).await.unwrap()));
        } else if line == "no TLS" {
            assert_eq!(io.read_u8().await.unwrap(), 22, "a handshake");
            let _ = io.write_all(b"\x15\x03\x03\x00\x02\x02\x28").await;
        } else if line == "220 and a reply behind it" {
            let _ = io.write_all(b"220 go\r\n250 evil\r\n").await;
        } else if line == "hang" {
            let mut rest = Vec::new();
            let _ = io.read_to_end(&mut rest).await;
            assert_eq!(String::from_utf8_lossy(&rest), "", "after {dialogue}");
        } else {
            panic!("what is {line:?}?");
        }
    }
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
