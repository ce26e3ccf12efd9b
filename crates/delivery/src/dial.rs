//! Makes connections.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

use crate::route::BoxFuture;

/// A connection: TCP, TLS over it, or a pipe in a test.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Makes connections to hosts. [`Tcp`] is the real one.
pub trait Dial: Send + Sync {
    /// Connects to `addr` from the local address `from`. The caller limits the time.
    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Io>>>;
}

/// TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            if let Some(from) = from.filter(|from| from.is_ipv4() == addr.is_ipv4()) {
                socket.bind(SocketAddr::new(from, 0))?;
            }
            let stream = socket.connect(addr).await?;
            // What is written is whole commands and large pieces of content: waiting to fill a segment only delays.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}
