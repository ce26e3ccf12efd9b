//! A wire between two nodes that prints what goes over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::stdout::tell;

/// The wire.
pub(super) struct Tap {
    address: SocketAddr,
    sessions: Arc<AtomicUsize>,
}

impl Tap {
    /// Opens a wire to `target`.
    pub(super) async fn open(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let sessions = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sessions);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let session = counted.fetch_add(1, Ordering::Relaxed) + 1;
                if session > 1 {
                    tell(format_args!("\nIt is time. The sender dials again:\n"));
                }
                let Ok(far) = TcpStream::connect(target).await else {
                    break;
                };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(carry(near_read, far_write, "sender    "));
                tokio::spawn(carry(far_read, near_write, "  receiver"));
            }
        });
        Ok(Self { address, sessions })
    }

    /// Where to dial.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sessions there were.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, who: &str) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(filled) = from.read(&mut buffer).await {
        if filled == 0 {
            break;
        }
        for line in String::from_utf8_lossy(&buffer[..filled]).lines() {
            tell(format_args!("    {who}  {line}"));
        }
        if to.write_all(&buffer[..filled]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
